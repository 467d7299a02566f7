//! `REKINDLE_LOG`: what the cache did, as a line of JSON for each process.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rekindle::{Cache, Statistics};

use crate::program_name::program_name;

/// Adds a line of figures for each cache to the file that `REKINDLE_LOG` names, if it names one.
/// As the process ends there is nobody left to hear of a failure.
pub(crate) fn write<'a>(caches: impl Iterator<Item = &'a Cache>) {
    let Some(path) = rekindle::variable("REKINDLE_LOG").filter(|path| !path.is_empty()) else {
        return;
    };
    let file = File::options()
        .create(true)
        .append(true)
        .open(Path::new(&path));
    let Ok(mut file) = file else { return };
    for cache in caches {
        // A line at once, so that those of several processes don't mix.
        let notices: Vec<String> = cache.notices().iter().map(ToString::to_string).collect();
        let texts = [
            ("baked_names", &*cache.baked_addresses()),
            ("differing", &cache.differing()),
            ("notices", &notices),
        ];
        let line = line(program_name(), &cache.statistics(), &texts);
        let _ = file.write_all(line.as_bytes());
    }
}

fn line(program: &str, statistics: &Statistics, texts: &[(&str, &[String])]) -> String {
    let numbers = [
        ("process", u64::from(std::process::id())),
        ("entries_loaded", statistics.entries_loaded),
        ("entries_inserted", statistics.entries_inserted),
        ("programs_loaded", statistics.programs_loaded),
        ("programs_missed", statistics.programs_missed),
        ("programs_recorded", statistics.programs_recorded),
        ("baked_addresses", statistics.baked_addresses),
        ("hits_verified", statistics.hits_verified),
        ("hits_differing", statistics.hits_differing),
        ("compile_ns_spent", statistics.compile_ns_spent),
        ("compile_ns_avoided", statistics.compile_ns_avoided),
        ("load_ns", statistics.load_ns),
        ("image_bytes_mapped", statistics.image_bytes_mapped),
        ("images_written", statistics.images_written),
        ("bytes_written", statistics.bytes_written),
    ];
    let numbers = numbers.map(|(name, number)| format!("\"{name}\":{number}"));
    let misses = statistics.misses.iter();
    let misses: Vec<String> = misses
        .map(|(why, count)| format!("\"{why}\":{count}"))
        .collect();
    let texts = texts.iter().map(|(name, texts)| {
        let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        format!("\"{name}\":[{}]", texts.join(","))
    });
    let texts: Vec<String> = texts.collect();
    format!(
        "{{\"program\":{},{},{},\"misses\":{{{}}}}}\n",
        quoted(program),
        numbers.join(","),
        texts.join(","),
        misses.join(",")
    )
}

/// A text as JSON writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use rekindle::{MissReason, Statistics};

    /// Texts with everything that JSON writes otherwise.
    const TEXTS: [&str; 6] = [
        "",
        "a\"b\\c\nä",
        "\u{0}\u{1f}\u{7f}\u{2028}",
        "𝄞 \t\r\u{8}",
        "/",
        "\\u0041",
    ];

    #[test]
    fn texts_read_back_as_json() {
        for text in TEXTS {
            let read: String = serde_json::from_str(&super::quoted(text)).expect("a text");
            assert_eq!(read, text);
        }
    }

    #[test]
    fn a_line_reads_back_as_json() {
        let mut statistics = Statistics::default();
        statistics.entries_loaded = u64::MAX;
        statistics.bytes_written = 7;
        statistics.misses.insert(MissReason::OtherNames, 3);
        let texts = [
            ("baked_names", &TEXTS.map(str::to_owned)[..]),
            ("notices", &[]),
        ];
        let line = super::line("sl\"ope", &statistics, &texts);
        assert_eq!(line.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&line).expect("an object");
        assert_eq!(read["program"], "sl\"ope");
        assert_eq!(read["process"], std::process::id());
        assert_eq!(read["entries_loaded"], u64::MAX);
        assert_eq!(read["bytes_written"], 7);
        assert_eq!(read["baked_names"], serde_json::json!(TEXTS));
        assert_eq!(read["notices"], serde_json::json!([]));
        assert_eq!(read["misses"], serde_json::json!({"other-names": 3}));
    }
}

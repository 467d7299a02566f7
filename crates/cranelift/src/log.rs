//! `REKINDLE_LOG`: what the cache did, as a line of JSON for each process.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rekindle::{Cache, Statistics};

/// Adds a line of figures for each cache to the file that `REKINDLE_LOG` names, if it names one.
/// As the process ends there is nobody left to hear of a failure.
pub(crate) fn write<'a>(caches: impl Iterator<Item = &'a Cache>) {
    let Some(path) = std::env::var_os("REKINDLE_LOG").filter(|path| !path.is_empty()) else {
        return;
    };
    let file = File::options()
        .create(true)
        .append(true)
        .open(Path::new(&path));
    let Ok(mut file) = file else { return };
    for cache in caches {
        // A line at once, so that those of several processes don't mix.
        let _ = file.write_all(line(&cache.statistics()).as_bytes());
    }
}

fn line(statistics: &Statistics) -> String {
    let numbers = [
        ("process", u64::from(std::process::id())),
        ("entries_loaded", statistics.entries_loaded),
        ("entries_inserted", statistics.entries_inserted),
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
    format!(
        "{{{},\"misses\":{{{}}}}}\n",
        numbers.join(","),
        misses.join(",")
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_is_an_object() {
        let line = super::line(&rekindle::Statistics::default());
        assert!(line.starts_with("{\"process\":"));
        assert!(line.ends_with("\"bytes_written\":0,\"misses\":{}}\n"));
    }
}

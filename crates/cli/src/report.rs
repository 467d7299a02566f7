//! What `--stats` prints.

use std::collections::BTreeMap;

use rekindle_vm::RunStatistics;
use serde::Serialize;

use crate::arguments::Format;
use crate::units::grouped;

/// The JSON line. Its field names are a promise to those who parse it.
#[derive(Serialize)]
struct Line<'a> {
    regions_compiled: u64,
    regions_loaded: u64,
    misses: &'a BTreeMap<String, u64>,
    compile_ns_spent: u64,
    compile_ns_avoided: u64,
    instructions_interpreted: u64,
    image_bytes_mapped: u64,
    startup_ns: u64,
    wall_ns: u64,
    notices: &'a [String],
}

/// Prints the statistics on standard error.
pub(crate) fn print(format: Format, statistics: &RunStatistics) {
    match format {
        Format::Json => eprintln!("{}", json(statistics)),
        Format::Text => eprint!("{}", text(statistics)),
    }
}

fn json(statistics: &RunStatistics) -> String {
    let RunStatistics {
        regions_compiled,
        regions_loaded,
        ref misses,
        compile_ns_spent,
        compile_ns_avoided,
        instructions_interpreted,
        image_bytes_mapped,
        startup_ns,
        wall_ns,
        ref notices,
        ..
    } = *statistics;
    serde_json::to_string(&Line {
        regions_compiled,
        regions_loaded,
        misses,
        compile_ns_spent,
        compile_ns_avoided,
        instructions_interpreted,
        image_bytes_mapped,
        startup_ns,
        wall_ns,
        notices,
    })
    .unwrap_or_default()
}

fn text(statistics: &RunStatistics) -> String {
    let mut text = String::from("rekindle:\n");
    let mut row = |name: &str, value: String| {
        text.push_str(&format!("  {name:<32}{value:>14}\n"));
    };
    row(
        "time to first guest instruction",
        milliseconds(statistics.startup_ns),
    );
    row("wall time", milliseconds(statistics.wall_ns));
    row(
        "instructions interpreted",
        grouped(statistics.instructions_interpreted),
    );
    row("regions compiled", grouped(statistics.regions_compiled));
    row("regions loaded", grouped(statistics.regions_loaded));
    for (reason, count) in &statistics.misses {
        row(&format!("regions missed: {reason}"), grouped(*count));
    }
    row(
        "compile time spent",
        milliseconds(statistics.compile_ns_spent),
    );
    row(
        "compile time avoided",
        milliseconds(statistics.compile_ns_avoided),
    );
    row("image bytes mapped", grouped(statistics.image_bytes_mapped));
    for notice in &statistics.notices {
        text.push_str(&format!("  {notice}\n"));
    }
    text
}

#[expect(
    clippy::cast_precision_loss,
    reason = "three digits of a duration are read"
)]
fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.3} ms", nanoseconds as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rekindle_vm::RunStatistics;

    use super::{json, text};

    #[test]
    fn the_json_line_has_the_promised_fields() {
        let statistics = RunStatistics {
            regions_loaded: 7,
            misses: BTreeMap::from([("not-cached".to_owned(), 3)]),
            ..RunStatistics::default()
        };
        assert_eq!(
            json(&statistics),
            r#"{"regions_compiled":0,"regions_loaded":7,"misses":{"not-cached":3},"compile_ns_spent":0,"compile_ns_avoided":0,"instructions_interpreted":0,"image_bytes_mapped":0,"startup_ns":0,"wall_ns":0,"notices":[]}"#
        );
    }

    #[test]
    fn the_table_names_each_reason() {
        let statistics = RunStatistics {
            misses: BTreeMap::from([("damaged".to_owned(), 1234)]),
            ..RunStatistics::default()
        };
        assert!(text(&statistics).contains("regions missed: damaged                  1,234"));
    }
}

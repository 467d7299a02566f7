//! `rekindle-cranelift`, compared: with `cranelift-jit`, Cranelift's incremental cache, and the
//! dynamic linker, over one population of functions.
//!
//! Every sample is a process of its own, which the program of `bench/cranelift` times from inside:
//! from nothing to the addresses of all functions, CLIF building included where there is any.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::paired::{Budget, Samples, in_pairs};
use crate::population::Population;
use crate::report::{Row, Side};
use crate::vm::Selection;

/// One row: a rival of ours and a peer's, in the words of `bench/cranelift`.
struct Comparison {
    name: &'static str,
    ours: &'static str,
    /// Whether ours starts with an empty cache, and filling it counts.
    is_cold: bool,
    peer: &'static str,
    against: &'static str,
    bar: f64,
}

const COMPARISONS: [Comparison; 7] = [
    Comparison {
        name: "cranelift/warm-clif",
        ours: "ours",
        is_cold: false,
        peer: "upstream",
        against: "cranelift-jit",
        bar: 14.0,
    },
    Comparison {
        name: "cranelift/warm-clif-incremental",
        ours: "ours",
        is_cold: false,
        peer: "incremental",
        against: "cranelift-jit with Cranelift's incremental cache, warm",
        bar: 1.3,
    },
    Comparison {
        name: "cranelift/warm-keyed",
        ours: "ours-keyed",
        is_cold: false,
        peer: "upstream",
        against: "cranelift-jit",
        bar: 500.0,
    },
    Comparison {
        name: "cranelift/warm-program",
        ours: "ours-program",
        is_cold: false,
        peer: "upstream",
        against: "cranelift-jit",
        bar: 3000.0,
    },
    Comparison {
        name: "cranelift/warm-program-all-names",
        ours: "ours-program-all",
        is_cold: false,
        peer: "upstream",
        against: "cranelift-jit",
        bar: 0.0,
    },
    Comparison {
        name: LOAD,
        ours: "ours-program-all",
        is_cold: false,
        peer: "dynamic",
        against: "dlopen and dlsym of all",
        bar: 0.5,
    },
    Comparison {
        name: "cranelift/cold",
        ours: "ours",
        is_cold: true,
        peer: "upstream",
        against: "cranelift-jit",
        bar: 0.97,
    },
];

/// The row that counts mapping and binding alone.
const LOAD: &str = "cranelift/load";

/// What one process printed.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    ready: Duration,
    load: Duration,
    keep: Duration,
    loaded: u64,
    checksum: i64,
}

/// Measures all selected rows with the program at `rivals`, telling `progress` the name of each
/// row as it is begun.
///
/// # Errors
/// If a run fails, or two rivals compute different things.
pub fn compare(
    rivals: &Path,
    selection: &Selection,
    mut progress: impl FnMut(&str),
) -> anyhow::Result<Vec<Row>> {
    let folder = TempDir::new().context("a temporary folder")?;
    let wanted = |name: &str| name.contains(&selection.filter);
    let mut rows = Vec::new();
    for comparison in COMPARISONS.iter().filter(|row| wanted(row.name)) {
        progress(comparison.name);
        rows.push(row(rivals, folder.path(), comparison, selection.quick)?);
    }
    if wanted(KEYS) {
        progress(KEYS);
        rows.push(keys(rivals, folder.path(), selection.quick)?);
    }
    if wanted(SPEED) {
        progress(SPEED);
        rows.push(speed(rivals, folder.path(), selection.quick)?);
    }
    Ok(rows)
}

fn budget(quick: bool) -> Budget {
    Budget {
        least_pairs: if quick { 1 } else { 5 },
        most_pairs: if quick { 1 } else { 25 },
        time: Duration::from_secs(40),
    }
}

fn row(rivals: &Path, folder: &Path, comparison: &Comparison, quick: bool) -> anyhow::Result<Row> {
    let Comparison {
        name,
        ours,
        is_cold,
        peer,
        against,
        bar,
    } = *comparison;
    // What both keep for their next run, and the first time that they read it.
    for rival in [ours, peer] {
        run(rivals, rival, folder)?;
        run(rivals, rival, folder)?;
    }
    let time = |run: &Run| if name == LOAD { run.load } else { run.ready };
    let mut last = [Run::default(); 2];
    let [our_last, peer_last] = &mut last;
    let (our_times, peer_times) = in_pairs(
        budget(quick),
        Box::new(|| {
            if is_cold {
                let empty = TempDir::new().context("a temporary folder")?;
                *our_last = run(rivals, ours, empty.path())?;
                return Ok(our_last.ready + our_last.keep);
            }
            *our_last = run(rivals, ours, folder)?;
            Ok(time(our_last))
        }),
        Box::new(|| {
            *peer_last = run(rivals, peer, folder)?;
            Ok(time(peer_last))
        }),
    )?;
    let [our_last, peer_last] = last;
    ensure!(
        our_last.checksum == peer_last.checksum,
        "{name}: the functions of {ours} and {peer} return different numbers"
    );
    let all = Population::STANDARD.functions as u64;
    ensure!(is_cold || our_last.loaded == all, "{name}: {our_last:?}");
    let mut row = Row::of_times(name.to_owned(), against, &our_times, &peer_times).with_bar(bar);
    row.cache = Side {
        regions_loaded: our_last.loaded,
        regions_compiled: all - our_last.loaded,
    };
    Ok(row)
}

const KEYS: &str = "cranelift/key-over-clif";

/// What the keys of all functions cost beside what Cranelift's `derive(Hash)` would.
fn keys(rivals: &Path, folder: &Path, quick: bool) -> anyhow::Result<Row> {
    let (mut walk, mut derived) = (Samples::default(), Samples::default());
    for _ in 0..if quick { 1 } else { 5 } {
        let text = output(rivals, "keys", folder)?;
        walk.push(nanoseconds(&text, "walk_ns")?);
        derived.push(nanoseconds(&text, "derived_ns")?);
    }
    let against = "derive(Hash) into BLAKE3, names left out";
    Ok(Row::of_times(KEYS.to_owned(), against, &walk, &derived).with_bar(1.0))
}

const SPEED: &str = "cranelift/call-heavy-code";

/// How fast cached code runs beside fresh code of `cranelift-jit`; both in one process, in turns.
fn speed(rivals: &Path, folder: &Path, quick: bool) -> anyhow::Result<Row> {
    let run = || output(rivals, "speed", folder);
    run()?;
    let (mut cached, mut fresh) = (Samples::default(), Samples::default());
    for _ in 0..if quick { 1 } else { 9 } {
        let text = run()?;
        ensure!(
            field(&text, "loaded")? == 1,
            "the code isn't cached: {text}"
        );
        cached.push(nanoseconds(&text, "cached_ns")?);
        fresh.push(nanoseconds(&text, "fresh_ns")?);
    }
    let against = "fresh code of cranelift-jit";
    let mut row = Row::of_times(SPEED.to_owned(), against, &cached, &fresh).with_bar(0.98);
    row.cache.regions_loaded = 2;
    Ok(row)
}

fn run(rivals: &Path, rival: &str, folder: &Path) -> anyhow::Result<Run> {
    let text = output(rivals, rival, folder)?;
    Ok(Run {
        ready: nanoseconds(&text, "ready_ns")?,
        load: nanoseconds(&text, "load_ns")?,
        keep: nanoseconds(&text, "keep_ns")?,
        loaded: u64::try_from(field(&text, "loaded")?)?,
        checksum: field(&text, "checksum")?,
    })
}

fn output(rivals: &Path, rival: &str, folder: &Path) -> anyhow::Result<String> {
    let output = Command::new(rivals)
        .args([Path::new(rival), folder])
        .output()
        .with_context(|| format!("{} runs", rivals.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{rival}: {} {errors}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// A number of a line of `name=number` pairs.
fn field(text: &str, name: &str) -> anyhow::Result<i64> {
    let value = text
        .split_ascii_whitespace()
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        .with_context(|| format!("no {name} in {text:?}"))?;
    value.parse().with_context(|| format!("{name} of {text:?}"))
}

fn nanoseconds(text: &str, name: &str) -> anyhow::Result<Duration> {
    Ok(Duration::from_nanos(u64::try_from(field(text, name)?)?))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_are_read() {
        let text = "ready_ns=12 loaded=3 checksum=-4\n";
        assert_eq!(field(text, "checksum").expect("there"), -4);
        assert_eq!(field(text, "ready_ns").expect("there"), 12);
        assert!(field(text, "ready").is_err());
    }
}

//! Running an embedder's tests, and what came out: of each test, and of the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use super::build::TestProgram;
use super::list::{Embedder, home};

/// Which cranelift-jit, and in which state the cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// cranelift-jit itself.
    Published,
    Off,
    Cold,
    Warm,
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Off => "off",
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }
}

/// What came out of a run.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// By program and test: `ok`, `FAILED`, `ignored`; and how each program ended.
    pub(super) tests: BTreeMap<String, String>,
    pub(super) figures: Figures,
}

/// The sums over all processes that logged.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) loaded: u64,
    pub(super) compiled: u64,
    /// Of what was compiled: functions that can't be found again.
    pub(super) baked: u64,
    pub(super) baked_names: BTreeSet<String>,
    pub(super) notices: BTreeSet<String>,
    pub(super) misses: BTreeMap<String, u64>,
}

impl Figures {
    /// The part of what can be kept that was found, in hundredths.
    pub(super) fn found_percent(&self) -> f64 {
        let keepable = self.loaded + self.compiled.saturating_sub(self.baked);
        match keepable {
            0 => 100.0,
            _ => self.loaded as f64 * 100.0 / keepable as f64,
        }
    }
}

/// Runs all programs of tests, one after another.
pub(super) fn run(
    embedder: &Embedder,
    programs: &[TestProgram],
    mode: Mode,
) -> anyhow::Result<Outcome> {
    let name = embedder.name;
    let cache = home().join(format!("{name}.cache"));
    let log = home().join(format!("{name}.{}.log", mode.name()));
    let _ = fs::remove_file(&log);
    if mode != Mode::Warm && cache.exists() {
        fs::remove_dir_all(&cache)?;
    }
    let mut outcome = Outcome::default();
    for program in programs {
        let mut command = Command::new(&program.path);
        command
            .current_dir(embedder.folder())
            .args(embedder.skip.iter().flat_map(|test| ["--skip", test]))
            .env(
                "REKINDLE_CACHE",
                if mode == Mode::Off { "off" } else { "on" },
            )
            .env("REKINDLE_CACHE_DIR", &cache)
            .env("REKINDLE_VERIFY", "off")
            .env("REKINDLE_LOG", &log)
            .stdin(Stdio::null());
        let output = command.output().with_context(|| format!("{command:?}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut add = |test: &str, result: &str| {
            let test = format!("{}: {test}", program.name);
            outcome.tests.insert(test, result.to_owned());
        };
        for (test, result) in text.lines().filter_map(result_of) {
            add(test, result);
        }
        add("the program", &output.status.to_string());
        let ending = home().join(format!("{name}.{}.{}.txt", program.name, mode.name()));
        fs::write(ending, [&*output.stdout, &*output.stderr].concat())?;
    }
    outcome.figures = figures(&log)?;
    Ok(outcome)
}

/// The test and the result of a line of the test harness's.
fn result_of(line: &str) -> Option<(&str, &str)> {
    let (test, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let result = result.split(',').next()?;
    ["ok", "FAILED", "ignored"]
        .contains(&result)
        .then_some((test, result))
}

fn figures(log: &Path) -> anyhow::Result<Figures> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut sum = Figures::default();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let number = |name: &str| line[name].as_u64().unwrap_or(0);
        sum.loaded += number("entries_loaded");
        sum.compiled += number("entries_inserted");
        sum.baked += number("baked_addresses");
        let texts = |name: &str| {
            let texts = line[name].as_array().into_iter().flatten();
            let texts = texts.filter_map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Vec<_>>()
        };
        sum.baked_names.extend(texts("baked_names"));
        sum.notices.extend(texts("notices"));
        for (why, count) in line["misses"].as_object().into_iter().flatten() {
            *sum.misses.entry(why.clone()).or_default() += count.as_u64().unwrap_or(0);
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::{Figures, result_of};

    #[test]
    fn results_are_read() {
        assert_eq!(result_of("test a::b ... ok"), Some(("a::b", "ok")));
        assert_eq!(
            result_of("test a ... ignored, takes long"),
            Some(("a", "ignored"))
        );
        assert_eq!(result_of("test result: ok. 3 passed"), None);
        assert_eq!(result_of("running 3 tests"), None);
    }

    #[test]
    fn what_cannot_be_kept_is_no_miss() {
        let figures = |loaded, compiled, baked| Figures {
            loaded,
            compiled,
            baked,
            ..Figures::default()
        };
        assert_eq!(figures(90, 20, 10).found_percent(), 90.0);
        assert_eq!(figures(0, 5, 5).found_percent(), 100.0);
        assert_eq!(figures(0, 5, 0).found_percent(), 0.0);
    }
}

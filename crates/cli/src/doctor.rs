//! `rekindle doctor`: whether the cache works here, and what is in its way.

use std::path::PathBuf;

use rekindle::{Cache, CacheConfig, CacheMode, FileSystem};
use serde::Serialize;

use crate::arguments::CacheOptions;
use crate::cache::{config, damaged};
use crate::units;

/// What `doctor --json` prints.
#[derive(Debug, Default, Serialize)]
struct Findings {
    version: &'static str,
    directory: Option<PathBuf>,
    mode: &'static str,
    #[serde(flatten)]
    file_system: Option<FileSystem>,
    images: u64,
    bytes: u64,
    budget_bytes: u64,
    /// What keeps the cache from working, or makes it worth less: sentences. Empty if it works.
    problems: Vec<String>,
}

/// Looks, and says what it found; and whether the cache works.
pub(crate) fn doctor(options: &CacheOptions) -> anyhow::Result<(String, bool)> {
    let findings = examine(options);
    let works = findings.problems.is_empty();
    let text = match options.json {
        true => serde_json::to_string(&findings)? + "\n",
        false => told(&findings),
    };
    Ok((text, works))
}

fn examine(options: &CacheOptions) -> Findings {
    let config = config(options);
    let mut findings = Findings {
        version: env!("CARGO_PKG_VERSION"),
        mode: match config.mode {
            CacheMode::ReadWrite => "on",
            CacheMode::ReadOnly => "read-only",
            CacheMode::Off => "off",
        },
        problems: CacheConfig::ignored_variables(),
        ..Findings::default()
    };
    let problems = &mut findings.problems;
    if config.mode == CacheMode::Off {
        problems.push("the cache is off: nothing is kept between runs".to_owned());
        return findings;
    }
    let cache = Cache::open(&config);
    problems.extend(cache.notices().iter().map(ToString::to_string));
    let Some(directory) = cache.directory() else {
        return findings;
    };
    findings.directory = Some(directory.to_owned());
    findings.file_system = cache.file_system();
    let usage = cache.disk_usage();
    (findings.images, findings.bytes) = (usage.images, usage.bytes);
    findings.budget_bytes = usage.budget_bytes;
    if config.mode == CacheMode::ReadWrite
        && let Err(error) = cache.try_writing()
    {
        problems.push(format!("the cache can't be written: {error}"));
    }
    if let Some(FileSystem { free_bytes, .. }) = findings.file_system
        && free_bytes < usage.budget_bytes.saturating_sub(usage.bytes)
    {
        let free = units::bytes(free_bytes);
        problems.push(format!(
            "the disk has only {free} left, less than the cache may take"
        ));
    }
    let damaged = damaged(&cache.check_images());
    if damaged > 0 {
        let images = units::count(damaged, "image");
        problems.push(format!(
            "{images} can't be used: `rekindle cache verify` names them, `rekindle cache gc` removes them"
        ));
    }
    findings
}

fn told(findings: &Findings) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        text.push_str(&format!("{name:<14}{value}\n"));
    };
    row("rekindle", findings.version.to_owned());
    let directory = findings.directory.as_ref();
    let none = || "none that can be used".to_owned();
    row(
        "cache",
        directory.map_or_else(none, |path| path.display().to_string()),
    );
    row("mode", findings.mode.to_owned());
    if let Some(FileSystem {
        maps_images,
        free_bytes,
    }) = findings.file_system
    {
        let mapped = match maps_images {
            true => "images are mapped",
            false => "images are read: others could change them while they are mapped",
        };
        row(
            "file system",
            format!("{mapped}; {} free", units::bytes(free_bytes)),
        );
    }
    if directory.is_some() {
        let (size, most) = (
            units::bytes(findings.bytes),
            units::bytes(findings.budget_bytes),
        );
        row(
            "holds",
            format!(
                "{}, {size} of {most}",
                units::count(findings.images, "image")
            ),
        );
    }
    for problem in &findings.problems {
        row("problem", problem.clone());
    }
    if findings.problems.is_empty() {
        row("all is well", String::new());
    }
    text
}

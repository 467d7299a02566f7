//! `rekindle cache`: what is on disk, for people and for machines.

mod care;
mod list;
mod why;

use std::path::Path;

use rekindle::{Cache, CacheConfig, CacheMode, DiskUsage, EntryInfo, EnvironmentInfo};
use serde::Serialize;

use crate::arguments::{CacheArguments, CacheCommand, CacheOptions};
use crate::units;

pub(crate) use care::damaged;

/// Carries out one of the cache commands. Returns what it says, and whether the exit code is that of a
/// success.
pub(crate) fn cache(arguments: &CacheArguments) -> anyhow::Result<(String, bool)> {
    let options = &arguments.options;
    let success = |text| (text, true);
    match &arguments.command {
        CacheCommand::Stats => stats(options).map(success),
        CacheCommand::Ls(wanted) => list::ls(wanted, options).map(success),
        CacheCommand::Why { name } => why::why(name, options),
        CacheCommand::Verify => care::verify(options),
        CacheCommand::Gc(arguments) => care::gc(arguments, options).map(success),
        CacheCommand::Clear => care::clear(options).map(success),
    }
}

/// Opens the cache, and says what a person should hear about it.
fn open(options: &CacheOptions, mode: CacheMode) -> Cache {
    open_with(&CacheConfig {
        mode,
        ..config_aloud(options)
    })
}

fn open_with(config: &CacheConfig) -> Cache {
    let cache = Cache::open(config);
    for notice in cache.notices() {
        eprintln!("rekindle: {notice}");
    }
    cache
}

/// The cache that is meant.
pub(crate) fn config(options: &CacheOptions) -> CacheConfig {
    let mut config = CacheConfig::from_env();
    if let Some(directory) = &options.cache_dir {
        config.directory = Some(directory.clone());
    }
    config
}

/// The same, and says which variables make no sense.
fn config_aloud(options: &CacheOptions) -> CacheConfig {
    for text in CacheConfig::ignored_variables() {
        eprintln!("rekindle: {text}");
    }
    config(options)
}

/// Where an entry is: its image, from the folder of the format, and the name of its scope.
fn place(entry: &EntryInfo) -> String {
    let EntryInfo {
        environment,
        scope,
        image,
        label,
        ..
    } = entry;
    format!("{environment}/{scope}/{image}.img {label}")
}

/// What `cache stats --json` prints.
#[derive(Serialize)]
struct Stats<'a> {
    directory: Option<&'a Path>,
    #[serde(flatten)]
    usage: &'a DiskUsage,
    environment_list: &'a [EnvironmentInfo],
}

fn stats(options: &CacheOptions) -> anyhow::Result<String> {
    let cache = open(options, CacheMode::ReadOnly);
    let usage = cache.disk_usage();
    let environments = cache.environments();
    let stats = Stats {
        directory: cache.directory(),
        usage: &usage,
        environment_list: &environments,
    };
    if options.json {
        return Ok(serde_json::to_string(&stats)? + "\n");
    }
    let mut text = match stats.directory {
        Some(directory) => format!("{}\n", directory.display()),
        None => "no cache\n".to_owned(),
    };
    let mut row = |name: &str, value: String| {
        text.push_str(&format!("  {name:<20}{value:>12}\n"));
    };
    row("size", units::bytes(usage.bytes));
    row("may be", units::bytes(usage.budget_bytes));
    row("entries", units::grouped(usage.entries));
    row("images", units::grouped(usage.images));
    if usage.images_damaged > 0 {
        row("  of them damaged", units::grouped(usage.images_damaged));
    }
    row("scopes", units::grouped(usage.scopes));
    row("environments", units::grouped(usage.environments));
    row("compile time kept", units::duration(usage.compile_time_ns));
    Ok(text)
}

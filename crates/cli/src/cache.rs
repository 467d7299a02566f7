//! `rekindle cache`: what is on disk, for people and for machines.

use std::path::Path;

use rekindle::{Cache, CacheConfig, CacheMode, DiskUsage, EntryInfo, EnvironmentInfo, Why};
use serde::Serialize;

use crate::arguments::{CacheArguments, CacheCommand, CacheOptions, WhyArguments};
use crate::report::{grouped, milliseconds};

/// Carries out one of the cache commands, and returns what it says.
pub(crate) fn cache(arguments: &CacheArguments) -> anyhow::Result<String> {
    match &arguments.command {
        CacheCommand::Stats(options) => stats(options),
        CacheCommand::Ls(options) => ls(options),
        CacheCommand::Why(arguments) => why(arguments),
        CacheCommand::Clear(options) => clear(options),
    }
}

/// Opens the cache, and says what a person should hear about it.
fn open(options: &CacheOptions, mode: CacheMode) -> Cache {
    let cache = Cache::open(&config(options, mode));
    for notice in cache.notices() {
        eprintln!("rekindle: {notice}");
    }
    cache
}

/// The cache that is meant. Says what variables are ignored.
fn config(options: &CacheOptions, mode: CacheMode) -> CacheConfig {
    let mut config = CacheConfig::from_env();
    config.mode = mode;
    if let Some(directory) = &options.cache_dir {
        config.directory = Some(directory.clone());
    }
    for text in CacheConfig::ignored_variables() {
        eprintln!("rekindle: {text}");
    }
    config
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
        text.push_str(&format!("  {name:<26}{value:>16}\n"));
    };
    row("images", grouped(usage.images));
    if usage.images_damaged > 0 {
        row("  of them damaged", grouped(usage.images_damaged));
    }
    row("bytes", grouped(usage.bytes));
    row("budget, bytes", grouped(usage.budget_bytes));
    row("entries", grouped(usage.entries));
    row("scopes", grouped(usage.scopes));
    row("environments", grouped(usage.environments));
    row("compile time kept", milliseconds(usage.compile_time_ns));
    Ok(text)
}

fn ls(options: &CacheOptions) -> anyhow::Result<String> {
    let entries = open(options, CacheMode::ReadOnly).entries();
    if options.json {
        return Ok(serde_json::to_string(&entries)? + "\n");
    }
    Ok(table(&entries))
}

fn table(entries: &[EntryInfo]) -> String {
    let mut text = String::new();
    let mut last_scope = None;
    for entry in entries {
        let scope = (&entry.environment, &entry.scope, entry.image);
        if last_scope != Some(scope) {
            last_scope = Some(scope);
            let (environment, folder, image) = scope;
            text.push_str(&format!(
                "{environment}/{folder}/{image}.img {}\n",
                entry.label
            ));
        }
        let name = if entry.is_sound {
            entry.name.as_str()
        } else {
            "(damaged)"
        };
        text.push_str(&format!(
            "  {:>8} bytes {:>12} {} {name}\n",
            grouped(entry.text_len_bytes.into()),
            milliseconds(entry.compile_time_ns),
            entry.key.get(..12).unwrap_or(&entry.key),
        ));
    }
    text
}

fn why(arguments: &WhyArguments) -> anyhow::Result<String> {
    let WhyArguments { name, options } = arguments;
    let found = open(options, CacheMode::ReadOnly).why(name);
    if options.json {
        return Ok(serde_json::to_string(&found)? + "\n");
    }
    match found {
        Some(found) => Ok(explanation(name, &found)),
        None => anyhow::bail!("the cache holds nothing of the name {name}"),
    }
}

fn explanation(name: &str, why: &Why) -> String {
    let place = |entry: &EntryInfo| {
        let EntryInfo {
            environment,
            scope,
            image,
            label,
            ..
        } = entry;
        format!("{environment}/{scope}/{image}.img {label}")
    };
    let mut text = format!("{name}\n  compiled last in {}\n", place(&why.last));
    let Some(nearest) = &why.nearest else {
        text.push_str("  nothing else of this name was kept\n");
        return text;
    };
    text.push_str(&format!("  nearest entry in {}\n", place(nearest)));
    for part in &why.parts {
        text.push_str(&format!("  another {part}\n"));
    }
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    for difference in &why.environment {
        let (last, nearest) = (shown(&difference.last), shown(&difference.nearest));
        let field = &difference.field;
        text.push_str(&format!(
            "  another environment: {field} is {last}\n    instead of {nearest}\n"
        ));
    }
    if why.parts.is_empty() && why.environment.is_empty() {
        let reason = if why.last.key_parts.is_empty() {
            "its maker doesn't say what its keys are made of"
        } else if why.last.scope != nearest.scope {
            "another scope"
        } else {
            "nothing differs: the nearest entry was damaged, or not written yet"
        };
        text.push_str(&format!("  {reason}\n"));
    }
    text
}

/// What `cache clear --json` prints.
#[derive(Serialize)]
struct Cleared {
    bytes: u64,
}

fn clear(options: &CacheOptions) -> anyhow::Result<String> {
    let bytes = Cache::clear_at(&config(options, CacheMode::ReadWrite))?;
    if options.json {
        return Ok(serde_json::to_string(&Cleared { bytes })? + "\n");
    }
    Ok(format!("removed {} bytes of images\n", grouped(bytes)))
}

#[cfg(test)]
mod tests {
    use rekindle::EntryInfo;

    use super::table;

    #[test]
    fn entries_stand_under_their_images() {
        let entry = |image, name: &str, is_sound| EntryInfo {
            environment: "e".to_owned(),
            scope: "s".to_owned(),
            label: "lisp".to_owned(),
            image,
            name: name.to_owned(),
            key: "0123456789abcdef".to_owned(),
            text_len_bytes: 1500,
            is_sound,
            ..EntryInfo::default()
        };
        let text = table(&[
            entry(1, "a", true),
            entry(1, "", false),
            entry(2, "b", true),
        ]);
        assert_eq!(
            text,
            "e/s/1.img lisp\n     1,500 bytes     0.000 ms 0123456789ab a\n     1,500 bytes     \
             0.000 ms 0123456789ab (damaged)\ne/s/2.img lisp\n     1,500 bytes     0.000 ms \
             0123456789ab b\n"
        );
    }
}

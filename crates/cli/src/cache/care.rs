//! `rekindle cache verify`, `gc` and `clear`: looking after what is on disk.

use rekindle::{Cache, CacheConfig, CacheMode, Garbage, ImageCheck, ImageInfo};
use serde::Serialize;

use super::{config, config_aloud, open, open_with};
use crate::arguments::{CacheOptions, GcArguments};
use crate::units;

/// What `cache verify --json` prints.
#[derive(Serialize)]
struct Verified<'a> {
    images: u64,
    damaged: u64,
    faults: Vec<&'a ImageCheck>,
}

/// How many of these images can't be used, apart from those of another version.
pub(crate) fn damaged(checks: &[ImageCheck]) -> u64 {
    let is_damaged = |check: &&ImageCheck| check.fault.is_some() && !check.is_of_another_version;
    checks.iter().filter(is_damaged).count() as u64
}

/// Checks every image; and says whether all are intact.
pub(super) fn verify(options: &CacheOptions) -> anyhow::Result<(String, bool)> {
    let cache = open(options, CacheMode::ReadOnly);
    let checks = cache.check_images();
    let verified = Verified {
        images: checks.len() as u64,
        damaged: damaged(&checks),
        faults: checks
            .iter()
            .filter(|check| check.fault.is_some())
            .collect(),
    };
    let is_intact = verified.damaged == 0;
    if options.json {
        return Ok((serde_json::to_string(&verified)? + "\n", is_intact));
    }
    let mut text = String::new();
    for check in &verified.faults {
        let fault = check.fault.as_deref().unwrap_or_default();
        text.push_str(&format!("{}: {fault}\n", file(&check.image)));
    }
    let bytes: u64 = checks.iter().map(|check| check.image.file_len_bytes).sum();
    text.push_str(&format!(
        "{} checked, {}: {}\n",
        units::count(verified.images, "image"),
        units::bytes(bytes),
        match verified.damaged {
            0 => "all intact".to_owned(),
            damaged => format!("{} damaged", units::grouped(damaged)),
        }
    ));
    Ok((text, is_intact))
}

/// Where an image is, from the cache's folder.
fn file(image: &ImageInfo) -> String {
    let ImageInfo {
        environment,
        scope,
        number,
        ..
    } = image;
    format!("v1/{environment}/{scope}/{number}.img")
}

/// What `cache gc --json` prints.
#[derive(Serialize)]
struct Collected<'a> {
    dry_run: bool,
    images: u64,
    bytes: u64,
    garbage: &'a [Garbage],
}

/// Deletes what can go, or says what would.
pub(super) fn gc(arguments: &GcArguments, options: &CacheOptions) -> anyhow::Result<String> {
    let mut config = config_aloud(options);
    config.mode = match arguments.dry_run {
        true => CacheMode::ReadOnly,
        false => CacheMode::ReadWrite,
    };
    config.budget_bytes = arguments.size.unwrap_or(config.budget_bytes);
    let cache = open_with(&config);
    let garbage = cache.garbage(arguments.unused_for);
    let bytes = match arguments.dry_run || !cache.is_persistent() {
        true => garbage
            .iter()
            .map(|garbage| garbage.image.file_len_bytes)
            .sum(),
        false => cache.remove_garbage(&garbage)?,
    };
    let collected = Collected {
        dry_run: arguments.dry_run,
        images: garbage.len() as u64,
        bytes,
        garbage: &garbage,
    };
    if options.json {
        return Ok(serde_json::to_string(&collected)? + "\n");
    }
    let mut text = String::new();
    for Garbage { image, reason } in &garbage {
        let size = units::bytes(image.file_len_bytes);
        text.push_str(&format!("{} ({size}): {reason}\n", file(image)));
    }
    let done = match arguments.dry_run {
        true => "would be deleted",
        false => "deleted",
    };
    let (images, size) = (units::count(collected.images, "image"), units::bytes(bytes));
    text.push_str(&format!("{images} {done}, {size}\n"));
    Ok(text)
}

/// What `cache clear --json` prints.
#[derive(Serialize)]
struct Cleared {
    bytes: u64,
}

/// Deletes everything.
pub(super) fn clear(options: &CacheOptions) -> anyhow::Result<String> {
    let bytes = Cache::clear_at(&CacheConfig {
        mode: CacheMode::ReadWrite,
        ..config(options)
    })?;
    if options.json {
        return Ok(serde_json::to_string(&Cleared { bytes })? + "\n");
    }
    Ok(format!("{} of images deleted\n", units::bytes(bytes)))
}

//! Keeping a scope's folder in order: images that nobody can use are removed, and many small
//! images become one.

use rekindle_artifact::Artifact;
use rekindle_link::Arch;
use rekindle_store::{Environment, ImageError, Key, ScopeFolder, ScopeId, Store};
use rustc_hash::FxHashSet;

use crate::cache::Shared;
use crate::flush::write_image;
use crate::loaded::LoadedImage;
use crate::publish::identity;

/// A scope with more images than this has them merged into one.
const MAX_IMAGES: usize = 8;

/// Removes images that can't be used, and merges the others if they are many. Someone else may be
/// at it; then they do it.
pub(crate) fn tidy(
    cache: &Shared,
    store: &Store,
    folder: &ScopeFolder,
    environment: &Environment,
    scope: &ScopeId,
    arch: Arch,
) {
    let Ok(numbers) = folder.images() else { return };
    if numbers.len() <= MAX_IMAGES && cache.counters.snapshot().images_refused == 0 {
        return;
    }
    let Some(_lock) = folder.try_lock() else {
        return;
    };
    let identity = identity(environment, scope, arch);
    let mut kept = Vec::new();
    for number in folder.images().unwrap_or_default() {
        match folder.open_image(number, store.secret(), Some(&identity)) {
            Ok(image) => {
                if let Ok(image) = LoadedImage::map(&image, store.secret()) {
                    kept.push((number, image));
                }
            }
            Err(ImageError::Refused(why)) => {
                tracing::debug!(number, %why, "removing an image");
                remove(folder, number);
            }
            // Not ours to judge.
            Err(_) => {}
        }
    }
    if kept.len() <= MAX_IMAGES {
        return;
    }
    let artifacts = gather(kept.iter().map(|(_, image)| &**image));
    let entries: Vec<(Key, &Artifact)> = artifacts
        .iter()
        .map(|(key, artifact)| (*key, artifact))
        .collect();
    match write_image(store, folder, environment, scope, arch, &entries) {
        Ok(bytes) => {
            tracing::debug!(images = kept.len(), bytes, "merged images");
            for (number, _) in kept {
                remove(folder, number);
            }
        }
        Err(error) => tracing::debug!(%error, "images can't be merged"),
    }
}

/// The artifacts of sound entries, the newest of each key, in the order of the oldest image first:
/// what was compiled together stays together.
fn gather<'a>(newest_first: impl Iterator<Item = &'a LoadedImage>) -> Vec<(Key, Artifact)> {
    let mut seen = FxHashSet::default();
    let mut groups = Vec::new();
    for image in newest_first {
        let view = image.view();
        let mut group = Vec::new();
        for entry in view.entries() {
            let Ok(record) = entry.verify() else { continue };
            if let Ok(artifact) = view.artifact(&record)
                && seen.insert(record.key())
            {
                group.push((record.key(), artifact));
            }
        }
        groups.push(group);
    }
    groups.into_iter().rev().flatten().collect()
}

fn remove(folder: &ScopeFolder, number: u32) {
    if let Err(error) = folder.remove(number) {
        tracing::debug!(number, %error, "can't remove an image");
    }
}

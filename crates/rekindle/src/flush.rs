//! Writing what was inserted, and keeping a scope's folder in order.

use std::sync::Arc;

use rekindle_artifact::Artifact;
use rekindle_link::Arch;
use rekindle_store::{Environment, Key, ScopeFolder, ScopeId, Store};

use crate::cache::Shared;
use crate::merge;
use crate::publish::{build_image, identity, split};

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushReport {
    /// Entries written.
    pub entries_written: u64,
    /// Bytes of image files written.
    pub bytes_written: u64,
}

/// Writes a queue as one image, or as several if it is huge, and then keeps house.
pub(crate) fn flush(
    cache: &Shared,
    environment: &Environment,
    scope: &ScopeId,
    queue: &[(Key, Arc<Artifact>)],
) -> FlushReport {
    let mut report = FlushReport::default();
    let (Some(store), Some(arch)) = (cache.writable_store(), Arch::host()) else {
        return report;
    };
    if queue.is_empty() {
        return report;
    }
    let folder = match store.create_scope_folder(environment, scope) {
        Ok(folder) => folder,
        Err(error) => {
            cache.notice(format!(
                "translations can't be kept in {}: {error}",
                store.path().display()
            ));
            return report;
        }
    };
    let entries: Vec<(Key, &Artifact)> = queue
        .iter()
        .map(|(key, artifact)| (*key, &**artifact))
        .collect();
    for part in split(&entries) {
        match write_image(store, &folder, environment, scope, arch, part) {
            Ok(len) => {
                report.entries_written += part.len() as u64;
                report.bytes_written += len;
                cache.counters.images_written.add(1);
                cache.counters.bytes_written.add(len);
            }
            Err(error) => cache.notice(format!("an image can't be written: {error}")),
        }
    }
    merge::tidy(cache, store, &folder, environment, scope, arch);
    cache.keep_budget(store, environment);
    report
}

/// Publishes one image. Returns its length in bytes.
pub(crate) fn write_image(
    store: &Store,
    folder: &ScopeFolder,
    environment: &Environment,
    scope: &ScopeId,
    arch: Arch,
    entries: &[(Key, &Artifact)],
) -> Result<u64, WriteError> {
    let identity = identity(environment, scope, arch);
    let image = build_image(entries, identity, scope, arch, store.secret())
        .map_err(|error| WriteError::Build(error.to_string()))?;
    let number = folder.publish(&image)?;
    let (bytes, count) = (image.len(), entries.len());
    tracing::debug!(number, bytes, entries = count, "wrote an image");
    Ok(bytes as u64)
}

/// An image can't be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("{0}")]
    Build(String),
    #[error(transparent)]
    Publish(#[from] std::io::Error),
}

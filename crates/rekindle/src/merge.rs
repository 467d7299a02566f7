//! Keeping a scope's folder in order: images that nobody can use are removed, and many small
//! images become one.

use rekindle_artifact::Artifact;
use rekindle_store::{ImageError, Key};
use rustc_hash::FxHashSet;

use crate::flush::Writing;
use crate::loaded::LoadedImage;
use crate::publish::identity;

/// A scope with more images than this has them merged into one.
const MAX_IMAGES: usize = 8;

impl Writing<'_> {
    /// Removes images that can't be used, and merges the others if they are many. If someone else
    /// is at it, they do it.
    pub(crate) fn tidy(&self) {
        let count = self.folder.images().map_or(0, |numbers| numbers.len());
        if count <= MAX_IMAGES && !self.target.some_refused {
            return;
        }
        let Some(_lock) = self.folder.try_lock() else {
            return;
        };
        let sound = self.remove_refused();
        if sound.len() > MAX_IMAGES {
            self.merge(&sound);
        }
    }

    /// Removes images that can't be used. Returns the others, newest first.
    fn remove_refused(&self) -> Vec<u32> {
        let identity = identity(self.target.environment, self.target.scope, self.arch);
        let numbers = self.folder.images().unwrap_or_default();
        let judge = |number: &u32| {
            match self
                .folder
                .open_image(*number, self.store.secret(), Some(&identity))
            {
                Ok(_) => true,
                Err(ImageError::Refused(why)) => {
                    tracing::debug!(number, %why, "removing an image");
                    self.remove(*number);
                    false
                }
                // Not ours to judge.
                Err(_) => false,
            }
        };
        numbers.into_iter().filter(judge).collect()
    }

    fn merge(&self, newest_first: &[u32]) {
        let images: Vec<_> = newest_first
            .iter()
            .filter_map(|number| self.map(*number))
            .collect();
        if images.len() < newest_first.len() {
            return;
        }
        let artifacts = gather(images.iter().map(|image| &**image));
        let entries: Vec<(Key, &Artifact)> = artifacts
            .iter()
            .map(|(key, artifact)| (*key, artifact))
            .collect();
        match self.write_image(&entries) {
            Ok(bytes) => {
                tracing::debug!(images = images.len(), bytes, "merged images");
                for number in newest_first {
                    self.remove(*number);
                }
            }
            Err(error) => tracing::debug!(%error, "images can't be merged"),
        }
    }

    fn map(&self, number: u32) -> Option<std::sync::Arc<LoadedImage>> {
        let file = self
            .folder
            .open_image(number, self.store.secret(), None)
            .ok()?;
        LoadedImage::map(&file, self.store.secret(), None).ok()
    }

    fn remove(&self, number: u32) {
        if let Err(error) = self.folder.remove(number) {
            tracing::debug!(number, %error, "can't remove an image");
        }
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

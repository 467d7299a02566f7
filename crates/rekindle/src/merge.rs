//! Keeping a scope's folder in order: images that nobody can use are removed, and many small
//! images become one.
//!
//! This is done as a process ends, and nobody should wait for it: only so many bytes are merged, for only
//! so long. What is merged are the newest images, and the result takes the place of the newest of them: it
//! is newer than what it leaves alone, and older than what others publish meanwhile, which may hold what
//! verification corrected. A large one ends them, and is never merged again. A scope thus has a few
//! small images and, for the rest, large ones.
//!
//! An image with a damaged entry ends them, too: nobody can say under which key the damaged entry was, and
//! that key's code in an older image would take its place.

use std::time::{Duration, Instant};

use rekindle_artifact::Artifact;
use rekindle_store::{FolderError, ImageError, ImageFile, Key};
use rustc_hash::FxHashSet;

use crate::flush::Writing;
use crate::loaded::LoadedImage;
use crate::publish::identity;

/// A scope with more small images than this has them merged into one.
const MAX_IMAGES: usize = 8;

/// An image of so many bytes is large.
const LARGE_LEN: u64 = 2 << 20;

/// What a merge reads at most, in bytes. As many small images as are too many fit.
pub(crate) const MAX_MERGED_LEN: u64 = LARGE_LEN * (MAX_IMAGES as u64 + 1);

/// How long a merge reads images.
const MAX_MERGE_TIME: Duration = Duration::from_millis(100);

/// A merge that was cut short has this many images at least, or it wouldn't be worth it.
const MIN_MERGED: usize = 2;

/// An image that can be used, as far as anyone can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sound {
    number: u32,
    len: u64,
}

impl Writing<'_> {
    /// Removes images that can't be used, and merges small ones if they are many. If someone else
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
        let small = newest_small(&sound);
        if small.len() > MAX_IMAGES {
            self.merge(small);
        }
    }

    /// Removes images that can't be used. Returns the others, newest first, and those that can't be read.
    fn remove_refused(&self) -> Vec<Sound> {
        let identity = identity(self.target.environment, self.target.scope, self.arch);
        let numbers = self.folder.images().unwrap_or_default();
        let judge = |number: u32| {
            match self
                .folder
                .open_image(number, self.store.secret(), Some(&identity))
            {
                Ok(image) => Some(Sound {
                    number,
                    len: image.header.file_len(),
                }),
                Err(ImageError::Refused(why)) => {
                    tracing::debug!(number, %why, "removing an image");
                    self.remove(number);
                    None
                }
                Err(ImageError::File(FolderError::Missing)) => None,
                // Not ours to judge, and nobody knows what it holds: it ends a merge as a large one does.
                Err(_) => Some(Sound {
                    number,
                    len: LARGE_LEN,
                }),
            }
        };
        numbers.into_iter().filter_map(judge).collect()
    }

    fn merge(&self, newest_first: &[Sound]) {
        let start = Instant::now();
        let mut gathered = Gathered::default();
        let gather = |number| self.gather(number, &mut gathered).is_some();
        let is_late = || start.elapsed() > MAX_MERGE_TIME;
        gather_in_time(newest_first, gather, is_late);
        let merged = std::mem::take(&mut gathered.files);
        let ([_, older @ ..], MIN_MERGED..) = (&*merged, merged.len()) else {
            return;
        };
        let artifacts = gathered.artifacts();
        let entries: Vec<(Key, &Artifact)> = artifacts
            .iter()
            .map(|(key, artifact)| (*key, artifact))
            .collect();
        match self.write_image(&entries, &merged) {
            Ok((number, bytes)) => {
                tracing::debug!(images = merged.len(), bytes, "merged images");
                let keys = artifacts.iter().map(|(key, _)| key);
                self.target.shelf.note_moved(keys, number);
                for image in older {
                    self.remove(image.number);
                }
            }
            Err(error) => tracing::debug!(%error, "images can't be merged"),
        }
    }

    /// Adds an image to those that are gathered. `None` if it can't be had, or is damaged.
    fn gather(&self, number: u32, gathered: &mut Gathered) -> Option<()> {
        let file = self.open(number).ok()?;
        let image = LoadedImage::map(&file, self.store.secret(), None).ok()?;
        gathered.add(file, &image)
    }

    fn remove(&self, number: u32) {
        if let Err(error) = self.folder.remove(number) {
            tracing::debug!(number, %error, "can't remove an image");
        }
    }
}

/// The newest images before the first large one, as far as a merge may read them.
fn newest_small(newest_first: &[Sound]) -> &[Sound] {
    let mut total = 0;
    let small = newest_first.iter().take_while(|image| {
        total += image.len;
        image.len < LARGE_LEN && total <= MAX_MERGED_LEN
    });
    &newest_first[..small.count()]
}

/// Gathers images, the newest first, until it is late or one can't be had: without that one, the result
/// would be newer than it, and hold what is older.
fn gather_in_time(
    newest_first: &[Sound],
    mut gather: impl FnMut(u32) -> bool,
    is_late: impl Fn() -> bool,
) {
    for (gathered, Sound { number, .. }) in newest_first.iter().enumerate() {
        let is_enough = gathered >= MIN_MERGED && is_late();
        if is_enough || !gather(*number) {
            break;
        }
    }
}

/// The artifacts of whole images, the newest of each key.
#[derive(Default)]
struct Gathered {
    /// The images, the newest first.
    files: Vec<ImageFile>,
    seen: FxHashSet<Key>,
    /// Of each image, the newest first.
    groups: Vec<Vec<(Key, Artifact)>>,
}

impl Gathered {
    /// Adds an image that is older than those before it. `None` if any of it is damaged; then nothing
    /// of it is added.
    fn add(&mut self, file: ImageFile, image: &LoadedImage) -> Option<()> {
        let view = image.view();
        let whole = view.entries().map(|entry| {
            let record = entry.verify().ok()?;
            Some((record.key(), view.artifact(&record).ok()?))
        });
        let mut group: Vec<_> = whole.collect::<Option<_>>()?;
        group.retain(|(key, _)| self.seen.insert(*key));
        self.groups.push(group);
        self.files.push(file);
        Some(())
    }

    /// All of them in the order of the oldest image first: what was compiled together stays together.
    fn artifacts(self) -> Vec<(Key, Artifact)> {
        self.groups.into_iter().rev().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGE_LEN, MAX_IMAGES, MAX_MERGED_LEN, Sound, gather_in_time, newest_small};

    fn sound(lens: &[u64]) -> Vec<Sound> {
        let numbers = (1..=lens.len() as u32).rev();
        let images = numbers.zip(lens);
        images
            .map(|(number, len)| Sound { number, len: *len })
            .collect()
    }

    #[test]
    fn what_a_merge_reads_is_bounded() {
        let count = |lens: &[u64]| newest_small(&sound(lens)).len();
        assert_eq!(count(&[5; 20]), 20);
        assert_eq!(count(&[5, 5, LARGE_LEN, 5]), 2);
        assert_eq!(count(&[LARGE_LEN, 5]), 0);
        let almost = LARGE_LEN - 1;
        assert_eq!(count(&[almost; 30]), MAX_IMAGES + 1);
        assert_eq!(count(&[]), 0);
    }

    #[test]
    fn a_merge_that_takes_long_is_cut_short_and_still_gets_on() {
        let images = sound(&[1; 9]);
        let gathered = |can_be_had: fn(u32) -> bool, late| {
            let mut gathered = Vec::new();
            let gather = |number| {
                let can = can_be_had(number);
                gathered.extend(can.then_some(number));
                can
            };
            gather_in_time(&images, gather, || late);
            gathered
        };
        assert_eq!(gathered(|_| true, false).len(), 9);
        assert_eq!(gathered(|_| true, true), [9, 8]);
        assert_eq!(gathered(|number| number > 6, false), [9, 8, 7]);
        assert!(gathered(|_| false, true).is_empty());
    }

    /// Each process adds one image, and merges as the last one did.
    fn images_after(processes: usize, len: u64) -> (usize, u64) {
        let mut lens: Vec<u64> = Vec::new();
        let mut most_written = 0;
        for _ in 0..processes {
            lens.insert(0, len);
            let small = newest_small(&sound(&lens)).len();
            if lens.len() > MAX_IMAGES && small > MAX_IMAGES {
                let merged: u64 = lens.drain(..small).sum();
                most_written = most_written.max(merged);
                lens.insert(0, merged);
            }
        }
        (lens.len(), most_written)
    }

    #[test]
    fn a_scope_has_few_images_and_no_exit_writes_much() {
        for len in [1 << 10, 100 << 10, 400 << 10, 1 << 20, 3 << 20, 8 << 20] {
            let processes = (512 << 20) / len as usize;
            let (images, most_written) = images_after(processes.min(20_000), len);
            assert!(most_written <= MAX_MERGED_LEN, "{len}: {most_written}");
            // The budget bounds large ones.
            assert!(images <= MAX_IMAGES + 256, "{len}: {images}");
        }
        let (images, _) = images_after(20_000, 1 << 10);
        assert!(images <= MAX_IMAGES + 11, "{images}");
    }
}

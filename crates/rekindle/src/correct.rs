//! Taking back code that was found not to be what its key stands for.
//!
//! What is newer wins only as long as it is there, can be read, and is whole. A newer image may be damaged,
//! evicted, or lost by its disk, and what an older one holds under the same key would be used again. So
//! whatever takes the place of code that was wrong goes together with that code: older images that hold
//! the key are removed, or written anew without it, before the image that corrects them is published. A
//! process that is killed in between leaves neither; code is lost then, and never comes back.

use std::time::Duration;

use rekindle_artifact::Artifact;
use rekindle_store::{FolderError, ImageError, ImageFile, Key, ScopeLock};
use rustc_hash::FxHashSet;

use crate::flush::Writing;
use crate::loaded::LoadedImage;
use crate::merge::MAX_MERGED_LEN;

/// How long to wait for whoever merges images of the scope. After that they may be removed all the same,
/// since who merges looks whether they are still there; only nothing is written in their place.
const PATIENCE: Duration = Duration::from_millis(300);

/// What an image has to do with keys whose code was wrong.
enum Holding {
    /// It holds none of them.
    None,
    /// It holds some; these are its other entries.
    Some(Vec<(Key, Artifact)>),
    /// It holds some, or may. Its other entries can't be had, or would be too much.
    Lost,
}

impl Writing<'_> {
    /// Removes from the scope's images what they hold under these keys. Returns the lock, to be held
    /// until what takes its place is published.
    pub(crate) fn take_back(&self, keys: &FxHashSet<Key>) -> Option<ScopeLock> {
        if keys.is_empty() {
            return None;
        }
        let lock = self.folder.lock_within(PATIENCE);
        let mut room = match lock {
            Some(_) => MAX_MERGED_LEN,
            None => 0,
        };
        match self.folder.images() {
            Ok(numbers) => {
                for number in numbers {
                    self.take_back_from(number, keys, &mut room);
                }
            }
            Err(error) => self.cannot_take_back(&error),
        }
        lock
    }

    /// The same of one image. It is written anew if there is `room` for so many bytes; otherwise its
    /// other code is compiled again by whoever needs it.
    fn take_back_from(&self, number: u32, keys: &FxHashSet<Key>, room: &mut u64) {
        let file = match self.open(number) {
            Ok(file) => file,
            Err(ImageError::File(FolderError::Missing)) => return,
            // It may be readable again some day.
            Err(_) => return self.remove_wrong(number),
        };
        match holding(&file, self, keys, *room) {
            Holding::None => {}
            Holding::Some(rest) if rest.is_empty() => self.remove_wrong(number),
            Holding::Some(rest) => {
                let entries: Vec<_> = rest.iter().map(|(key, code)| (*key, code)).collect();
                *room = room.saturating_sub(file.header.file_len());
                match self.write_image(&entries, std::slice::from_ref(&file)) {
                    Ok(_) => tracing::debug!(number, "took back part of an image"),
                    Err(_) => self.remove_wrong(number),
                }
            }
            Holding::Lost => self.remove_wrong(number),
        }
    }

    fn remove_wrong(&self, number: u32) {
        tracing::debug!(number, "took back an image");
        if let Err(error) = self.folder.remove(number) {
            self.cannot_take_back(&error);
        }
    }

    fn cannot_take_back(&self, error: &std::io::Error) {
        let path = self.store.path().display();
        self.target.cache.notice(format!(
            "code in {path} that was found wrong can't be removed, and may be used again: {error}; \
             `rekindle cache clear` would help"
        ));
    }
}

/// What an image holds under these keys, and what else, if that is at most `room` bytes. Its index may
/// be damaged, so all of its records are looked at.
fn holding(file: &ImageFile, writing: &Writing<'_>, keys: &FxHashSet<Key>, room: u64) -> Holding {
    let Ok(image) = LoadedImage::map(file, writing.store.secret(), None) else {
        return Holding::Lost;
    };
    let view = image.view();
    if !view.entries().any(|entry| keys.contains(&entry.key())) {
        return Holding::None;
    }
    if file.header.file_len() > room {
        return Holding::Lost;
    }
    let others = view.entries().filter(|entry| !keys.contains(&entry.key()));
    let sound = others.filter_map(|entry| {
        let record = entry.verify().ok()?;
        Some((record.key(), view.artifact(&record).ok()?))
    });
    Holding::Some(sound.collect())
}

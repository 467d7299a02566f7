//! Which images are known to be intact.
//!
//! Checking a digest takes as long as reading what it covers, and a program's covers all of it. So
//! what one process checked the next ones believe, as they believe the digest of any file that was
//! hashed before: a record beside the image holds the file's device, inode, size, and times of
//! modification and change in nanoseconds, for this start of the machine.
//!
//! What can't be written to the disk is lost without a crash, once the kernel drops the pages. So the
//! disk is asked before a note is made, by way of a fresh descriptor, which is told of a failure that
//! nobody was told of yet. An image that failed is removed: the next to ask would be told nothing.
//! Only an image is noted that the kernel had a minute to write, so that there is nothing to wait for.
//!
//! What this leaves out is a disk that returns other bytes than were written, while the machine
//! runs: so do shared libraries, and so does any mapping whose pages the kernel may drop and read
//! again. `REKINDLE_VERIFY` has every digest checked each time.

use constant_time_eq::constant_time_eq_n;
use rustix::fs::Stat;

use crate::digest::Digest;
use crate::local::shows_changes;
use crate::memo::{MemoKind, MemoRecord, is_quiet, is_same_state, sealed};
use crate::names::{image_name, note_name};
use crate::scope_folder::{ImageFile, ScopeFolder};
use crate::secret::Secret;

/// How long an image must have been left alone.
const QUIET_S: i64 = 60;

/// An image below this is checked sooner than its record is read.
const LEAST_LEN: u64 = 256 << 10;

/// Which image, and in which state its file was before all of it was checked.
#[derive(Clone, Debug)]
pub struct IntactNote {
    number: u32,
    header: Digest,
    stat: Stat,
}

impl ScopeFolder {
    /// Whether all of an image of this folder was checked since the machine started, and its file is
    /// as it was.
    pub fn knows_intact(&self, image: &ImageFile, secret: &Secret) -> bool {
        if image.header.file_len() < LEAST_LEN {
            return false;
        }
        let Ok(Some(found)) = self.folder.read_record(&note_name(image.number)) else {
            return false;
        };
        record_of_note(&IntactNote::of(image, image.stat), secret)
            .is_some_and(|expected| constant_time_eq_n(&expected, &found))
    }

    /// Notes that all of an image was checked after the note was made, if its file is still as it was
    /// when the image was opened, and on the disk. Does nothing on a file system that may not show when
    /// the file is changed.
    ///
    /// # Errors
    /// If the image can't be written to the disk; it is removed then.
    pub fn note_intact(&self, note: &IntactNote, secret: &Secret) -> Result<(), NotOnDisk> {
        let system = self.folder.file_system();
        if !system.is_ok_and(shows_changes) {
            return Ok(());
        }
        let Ok((file, stat)) = self.folder.open_file(&image_name(note.number)) else {
            return Ok(());
        };
        if !is_same_state(&stat, &note.stat) {
            return Ok(());
        }
        if let Err(error) = self.folder.storage().sync_data(&file) {
            // Whoever asks next hears of no failure, so nobody may ask.
            if let Err(error) = self.remove(note.number) {
                tracing::debug!(note.number, %error, "can't remove an image");
            }
            return Err(NotOnDisk { error });
        }
        let Some(record) = record_of_note(note, secret) else {
            return Ok(());
        };
        let written = self.folder.write_temporary(&record, false);
        let named = written.and_then(|file| file.replace(&note_name(note.number)));
        if let Err(error) = named {
            tracing::debug!(note.number, %error, "can't note that an image is intact");
        }
        Ok(())
    }

    /// What to note of an image that was opened just now, once all of it was checked. Nothing, if
    /// that isn't worth it, or its file was changed so recently that another change wouldn't show, or
    /// that it may not be on the disk yet.
    pub fn intact_note(&self, image: &ImageFile) -> Option<IntactNote> {
        let now_s = self.folder.storage().now_s();
        let is_worth_it =
            image.header.file_len() >= LEAST_LEN && is_quiet(&image.stat, now_s, QUIET_S);
        is_worth_it.then(|| IntactNote::of(image, image.stat))
    }
}

/// An image couldn't be written to the disk.
#[derive(Debug, thiserror::Error)]
#[error("an image couldn't be written to the disk, and was removed: {error}")]
pub struct NotOnDisk {
    error: std::io::Error,
}

impl IntactNote {
    fn of(image: &ImageFile, stat: Stat) -> Self {
        Self {
            number: image.number,
            header: image.header.digest(),
            stat,
        }
    }
}

/// A note as it is on disk. `None` if the system doesn't tell one start of the machine from another.
fn record_of_note(note: &IntactNote, secret: &Secret) -> Option<[u8; MemoRecord::LEN]> {
    let what = "an image's header";
    sealed(MemoKind::Intact, what, &note.stat, note.header, secret)
}

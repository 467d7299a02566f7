//! Which images are known to be intact.
//!
//! Checking a digest takes as long as reading what it covers, and a program's covers all of it. So
//! what one process checked the next ones believe, as they believe the digest of any file that was
//! hashed before: a record beside the image holds the file's device, inode, size, and times of
//! modification and change in nanoseconds. It also names this start of the machine, since a crash
//! may lose what was never written to the disk, and such a file looks as it did before.
//!
//! What this leaves out is a disk that returns other bytes than were written, while the machine
//! runs: so do shared libraries, and so does any mapping whose pages the kernel may drop and read
//! again. `REKINDLE_VERIFY` has every digest checked each time.

use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags, Stat};

use crate::digest::Digest;
use crate::file_digest::{MemoRecord, is_quiet, record_of, seal};
use crate::key::KeyBuilder;
use crate::scope_folder::{ImageFile, ScopeFolder};
use crate::secret::{Secret, equal};

/// An image below this is checked sooner than its record is read.
const LEAST_LEN: u64 = 256 << 10;

/// File systems of this machine that change a file's time of change with its contents, by their
/// numbers in `linux/magic.h`: ext, XFS, Btrfs, F2FS, bcachefs, tmpfs, overlayfs.
const FILE_SYSTEMS: [i64; 7] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0xca45_1a4e,
    0x0102_1994,
    0x794c_7630,
];

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
            .is_some_and(|expected| equal(&expected, &found))
    }

    /// Notes that all of an image was checked after the note was made. Does nothing on a file system
    /// that may not show when the file is changed.
    pub fn note_intact(&self, note: &IntactNote, secret: &Secret) {
        let system = self.folder.file_system();
        if !system.is_ok_and(|number| FILE_SYSTEMS.contains(&number)) {
            return;
        }
        let Some(record) = record_of_note(note, secret) else {
            return;
        };
        let written = self.folder.write_temporary(&record, false);
        let named = written.and_then(|file| file.replace(&note_name(note.number)));
        if let Err(error) = named {
            tracing::debug!(note.number, %error, "can't note that an image is intact");
        }
    }

    /// Notes the same of an image that was known to be intact, and of whose file nothing changed but
    /// the time of its last use.
    pub fn note_intact_still(&self, image: &ImageFile, secret: &Secret) {
        if let Ok(stat) = rustix::fs::fstat(&image.file) {
            self.note_intact(&IntactNote::of(image, stat), secret);
        }
    }
}

impl ImageFile {
    /// What to note of an image that was opened just now, once all of it was checked. Nothing, if
    /// that isn't worth it, or its file was changed so recently that another change wouldn't show.
    pub fn intact_note(&self) -> Option<IntactNote> {
        let is_worth_it = self.header.file_len() >= LEAST_LEN && is_quiet(&self.stat);
        is_worth_it.then(|| IntactNote::of(self, self.stat))
    }
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

pub(crate) fn note_name(number: u32) -> String {
    format!("{number}.intact")
}

/// A note as it is on disk. `None` if the system doesn't tell one start of the machine from another.
fn record_of_note(note: &IntactNote, secret: &Secret) -> Option<[u8; MemoRecord::LEN]> {
    static BOOT_ID: OnceLock<Option<[u8; 36]>> = OnceLock::new();
    let boot_id = BOOT_ID.get_or_init(boot_id).as_ref()?;
    let contents = KeyBuilder::new("rekindle/intact image")
        .digest(&note.header)
        .field_bytes(boot_id)
        .finish();
    let contents = Digest(*contents.as_bytes());
    Some(seal(record_of(&note.stat, contents), secret))
}

/// What Linux calls this start of the machine: a UUID in text.
fn boot_id() -> Option<[u8; 36]> {
    let path = "/proc/sys/kernel/random/boot_id";
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut id = [0; 36];
    let len = rustix::io::read(&file, &mut id).ok()?;
    (len == id.len()).then_some(id)
}

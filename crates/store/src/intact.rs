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

/// What is to be noted of an image once all of it was checked.
#[derive(Clone, Debug)]
pub struct IntactNote {
    number: u32,
    record: [u8; MemoRecord::LEN],
}

impl ScopeFolder {
    /// Whether all of an image of this folder was checked since the machine started, and its file is
    /// as it was.
    pub fn knows_intact(&self, image: &ImageFile, secret: &Secret) -> bool {
        if image.header.file_len() < LEAST_LEN {
            return false;
        }
        let mut record = [0; MemoRecord::LEN];
        let read = self
            .folder
            .read_start(&note_name(image.number), &mut record);
        read.is_ok_and(|len| len == record.len())
            && record_for(image, &image.stat, secret)
                .is_some_and(|expected| equal(&expected, &record))
    }

    /// What to note of an image that was opened just now, once all of it was checked. Nothing, if its
    /// file was changed so recently that another change wouldn't show, or is on a file system that
    /// may not show it.
    pub fn intact_note(&self, image: &ImageFile, secret: &Secret) -> Option<IntactNote> {
        let shows_changes = image.header.file_len() >= LEAST_LEN
            && is_quiet(&image.stat)
            && rustix::fs::fstatfs(&image.file)
                .is_ok_and(|system| FILE_SYSTEMS.contains(&system.f_type));
        if !shows_changes {
            return None;
        }
        Some(IntactNote {
            number: image.number,
            record: record_for(image, &image.stat, secret)?,
        })
    }

    /// Notes that all of an image was checked after what [`Self::intact_note`] gave was made.
    pub fn note_intact(&self, note: &IntactNote) {
        let IntactNote { number, record } = note;
        let written = self.folder.write_temporary(record, false);
        let named = written.and_then(|file| file.replace(&note_name(*number)));
        if let Err(error) = named {
            tracing::debug!(number, %error, "can't note that an image is intact");
        }
    }

    /// Notes the same of an image that was known to be intact, and of whose file nothing changed but
    /// the time of its last use.
    pub fn note_intact_still(&self, image: &ImageFile, secret: &Secret) {
        let number = image.number;
        if let Ok(stat) = rustix::fs::fstat(&image.file)
            && let Some(record) = record_for(image, &stat, secret)
        {
            self.note_intact(&IntactNote { number, record });
        }
    }
}

pub(crate) fn note_name(number: u32) -> String {
    format!("{number}.intact")
}

/// What is noted of an image whose file is in some state. `None` if the system doesn't tell one
/// start of the machine from another.
fn record_for(image: &ImageFile, stat: &Stat, secret: &Secret) -> Option<[u8; MemoRecord::LEN]> {
    static BOOT_ID: OnceLock<Option<[u8; 36]>> = OnceLock::new();
    let boot_id = BOOT_ID.get_or_init(boot_id).as_ref()?;
    let contents = KeyBuilder::new("rekindle/intact image")
        .digest(&image.header.digest())
        .field_bytes(boot_id)
        .finish();
    Some(seal(record_of(stat, Digest(*contents.as_bytes())), secret))
}

/// What Linux calls this start of the machine: a UUID in text.
fn boot_id() -> Option<[u8; 36]> {
    let path = "/proc/sys/kernel/random/boot_id";
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut id = [0; 36];
    let len = rustix::io::read(&file, &mut id).ok()?;
    (len == id.len()).then_some(id)
}

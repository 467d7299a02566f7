//! What is remembered of a file, under its place and its times.
//!
//! It is remembered for this start of the machine alone: a crash may lose what was never written to the
//! disk, and such a file looks as it did before.

use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags, Stat};

use crate::digest::Digest;
use crate::fixed::fixed;
use crate::secret::{Secret, Use};

fixed! {
    /// What is remembered of a file, as it is on disk.
    pub(crate) struct MemoRecord: 136 {
        /// What is remembered: `RKDIGST2`, or `RKINTCT2` for that an image is intact.
        0 => magic: [u8; 8],
        /// The file's device.
        8 => device: u64,
        /// The file's inode.
        16 => inode: u64,
        /// The file's size in bytes.
        24 => size: u64,
        /// When its contents changed: seconds since 1970.
        32 => modified_s: i64,
        /// And nanoseconds.
        40 => modified_ns: u64,
        /// When anything about it changed: seconds since 1970.
        48 => changed_s: i64,
        /// And nanoseconds.
        56 => changed_ns: u64,
        /// The digest of the contents.
        64 => contents: [u8; 32],
        /// Zero.
        96 => reserved: u64,
        /// Keyed BLAKE3 of the bytes before, of the machine's `boot_id`, and of what the digest is of.
        104 => digest: [u8; 32],
    }
}

const DIGESTED_LEN: usize = MemoRecord::LEN - 32;

/// What a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoKind {
    /// The digest of a file's contents.
    FileDigest,
    /// That an image is intact.
    Intact,
}

impl MemoKind {
    fn magic(self) -> [u8; 8] {
        match self {
            Self::FileDigest => *b"RKDIGST2",
            Self::Intact => *b"RKINTCT2",
        }
    }

    fn usage(self) -> Use {
        match self {
            Self::FileDigest => Use::FileDigest,
            Self::Intact => Use::Intact,
        }
    }
}

/// The authenticated record of a file in that state; `what` says what the digest is of. `None` if the
/// system doesn't tell one start of the machine from another.
pub(crate) fn sealed(
    kind: MemoKind,
    what: &str,
    stat: &Stat,
    contents: Digest,
    secret: &Secret,
) -> Option<[u8; MemoRecord::LEN]> {
    static BOOT_ID: OnceLock<Option<[u8; 36]>> = OnceLock::new();
    let boot_id = BOOT_ID.get_or_init(boot_id).as_ref()?;
    let mut record = MemoRecord {
        magic: kind.magic(),
        device: stat.st_dev,
        inode: stat.st_ino,
        size: stat.st_size.cast_unsigned(),
        modified_s: stat.st_mtime,
        modified_ns: stat.st_mtime_nsec,
        changed_s: stat.st_ctime,
        changed_ns: stat.st_ctime_nsec,
        contents: contents.0,
        reserved: 0,
        digest: [0; 32],
    };
    let mut hasher = secret.hasher(kind.usage());
    hasher.update(&record.encode()[..DIGESTED_LEN]);
    hasher.update(boot_id);
    // Last, since it has any length.
    hasher.update(what.as_bytes());
    record.digest = *hasher.finalize().as_bytes();
    Some(record.encode())
}

/// What Linux calls this start of the machine: a UUID in text.
fn boot_id() -> Option<[u8; 36]> {
    let path = "/proc/sys/kernel/random/boot_id";
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut id = [0; 36];
    let len = rustix::io::read(&file, &mut id).ok()?;
    (len == id.len()).then_some(id)
}

/// Whether a file is in the same state as before, as far as its place and its times say.
pub(crate) fn is_same_state(left: &Stat, right: &Stat) -> bool {
    let state = |stat: &Stat| {
        let modified = (stat.st_mtime, stat.st_mtime_nsec);
        let changed = (stat.st_ctime, stat.st_ctime_nsec);
        (stat.st_dev, stat.st_ino, stat.st_size, modified, changed)
    };
    state(left) == state(right)
}

/// Whether a file was left alone for so many seconds.
pub(crate) fn is_quiet(stat: &Stat, now_s: i64, quiet_s: i64) -> bool {
    let since = now_s - quiet_s;
    stat.st_mtime < since && stat.st_ctime < since
}

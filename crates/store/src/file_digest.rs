//! Remembered digests of files.
//!
//! Hashing a large file on every start would cost more than the start. A digest is remembered under
//! the file's device, inode, size, and times of modification and change in nanoseconds; whoever
//! changes the contents changes the latter. A file changed within the last two seconds is not
//! remembered: it could change again within the clock's grain. The record is authenticated, so
//! nobody but the user makes one file pass for another.

use std::convert::Infallible;
use std::fs::File;

use rustix::fs::Stat;

use crate::digest::Digest;
use crate::fixed::fixed;
use crate::folder::{FolderError, seconds_since_epoch};
use crate::root::{DIGESTS_FOLDER, Store};
use crate::secret::{Secret, Use, equal};

const MAGIC: [u8; 8] = *b"RKDIGST1";

/// How long a file must have been left alone.
const QUIET_S: i64 = 2;

fixed! {
    /// A remembered digest as it is on disk.
    pub(crate) struct MemoRecord: 136 {
        /// `RKDIGST1`.
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
        /// Keyed BLAKE3 of the bytes before.
        104 => digest: [u8; 32],
    }
}

const DIGESTED_LEN: usize = MemoRecord::LEN - 32;

impl Store {
    /// The digest of a file's contents, remembered or as `compute` finds it.
    pub fn file_digest(&self, file: &File, compute: impl FnOnce() -> Digest) -> Digest {
        let Ok(digest) = self.try_file_digest(file, || Ok::<_, Infallible>(compute()));
        digest
    }

    /// The digest of a file's contents, remembered or as `compute` finds it.
    ///
    /// # Errors
    /// If `compute` fails.
    pub fn try_file_digest<E>(
        &self,
        file: &File,
        compute: impl FnOnce() -> Result<Digest, E>,
    ) -> Result<Digest, E> {
        let Ok(stat) = rustix::fs::fstat(file) else {
            return compute();
        };
        if let Some(digest) = self.recall(&stat) {
            return Ok(digest);
        }
        let digest = compute()?;
        // What was hashed is what was asked about only if nothing changed meanwhile.
        let unchanged = rustix::fs::fstat(file)
            .is_ok_and(|after| record_of(&after, digest) == record_of(&stat, digest));
        if self.is_writable()
            && unchanged
            && is_quiet(&stat)
            && let Err(error) = self.remember(&stat, digest)
        {
            tracing::debug!(%error, "can't remember a file's digest");
        }
        Ok(digest)
    }

    fn recall(&self, stat: &Stat) -> Option<Digest> {
        let folder = self.version_folder().ok()?.open(DIGESTS_FOLDER).ok()?;
        let bytes = folder.read_record(&memo_name(stat)).ok()??;
        let record = MemoRecord::decode(&bytes);
        let contents = Digest(record.contents);
        let expected = seal(record_of(stat, contents), self.secret());
        equal(&expected, &bytes).then_some(contents)
    }

    fn remember(&self, stat: &Stat, digest: Digest) -> Result<(), FolderError> {
        let folder = self.version_folder()?.open_or_create(DIGESTS_FOLDER)?;
        let bytes = seal(record_of(stat, digest), self.secret());
        Ok(folder
            .write_temporary(&bytes, false)?
            .replace(&memo_name(stat))?)
    }
}

/// Whether a file was left alone for so long that a change after it was asked about shows.
pub(crate) fn is_quiet(stat: &Stat) -> bool {
    let quiet_since = seconds_since_epoch() - QUIET_S;
    stat.st_mtime < quiet_since && stat.st_ctime < quiet_since
}

pub(crate) fn record_of(stat: &Stat, contents: Digest) -> MemoRecord {
    MemoRecord {
        magic: MAGIC,
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
    }
}

pub(crate) fn seal(mut record: MemoRecord, secret: &Secret) -> [u8; MemoRecord::LEN] {
    let mut hasher = secret.hasher(Use::FileDigest);
    record.digest = *hasher
        .update(&record.encode()[..DIGESTED_LEN])
        .finalize()
        .as_bytes();
    record.encode()
}

fn memo_name(stat: &Stat) -> String {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&stat.st_dev.to_le_bytes());
    place[8..].copy_from_slice(&stat.st_ino.to_le_bytes());
    Digest::of(&place).short_hex()
}

#[cfg(test)]
mod tests {
    use super::{MemoRecord, Store};
    use crate::digest::Digest;
    use std::fs::{self, File, FileTimes};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    fn store(directory: &Path) -> Store {
        Store::open(&directory.join("cache"), true).expect("it can be made")
    }

    /// The digest that the store gives, and whether it had to be computed.
    fn ask(store: &Store, path: &Path) -> (Digest, bool) {
        let file = File::open(path).expect("it exists");
        let mut computed = false;
        let digest = store.file_digest(&file, || {
            computed = true;
            Digest::of(&fs::read(path).expect("readable"))
        });
        (digest, computed)
    }

    #[test]
    fn a_young_file_is_not_remembered() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = store(directory.path());
        let path = directory.path().join("file");
        fs::write(&path, "contents").expect("space");
        // An old modification time doesn't help: the change of it is young.
        let file = File::options().write(true).open(&path).expect("it exists");
        let old = SystemTime::now() - Duration::from_secs(1000);
        file.set_times(FileTimes::new().set_modified(old))
            .expect("it is ours");
        assert_eq!(ask(&store, &path), (Digest::of(b"contents"), true));
        assert_eq!(ask(&store, &path), (Digest::of(b"contents"), true));
    }

    #[test]
    fn a_quiet_file_is_remembered_until_it_changes() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let first = store(directory.path());
        let path = directory.path().join("file");
        fs::write(&path, "contents").expect("space");
        std::thread::sleep(Duration::from_millis(3100));
        assert!(ask(&first, &path).1);
        assert_eq!(ask(&first, &path), (Digest::of(b"contents"), false));
        assert_eq!(
            ask(&store(directory.path()), &path),
            (Digest::of(b"contents"), false)
        );

        fs::write(&path, "CONTENTS").expect("space");
        assert_eq!(ask(&first, &path), (Digest::of(b"CONTENTS"), true));
    }

    #[test]
    fn a_forged_or_damaged_memo_is_ignored() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = store(directory.path());
        let path = directory.path().join("file");
        fs::write(&path, "contents").expect("space");
        std::thread::sleep(Duration::from_millis(3100));
        ask(&store, &path);
        let memos = directory.path().join("cache/v1/digests");
        let memo = fs::read_dir(memos)
            .expect("readable")
            .next()
            .expect("one")
            .expect("one")
            .path();
        let bytes = fs::read(&memo).expect("readable");
        for place in 0..MemoRecord::LEN {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            fs::write(&memo, damaged).expect("space");
            let file = File::open(&path).expect("it exists");
            let stat = rustix::fs::fstat(&file).expect("it is open");
            assert_eq!(store.recall(&stat), None, "{place}");
        }
        fs::write(&memo, &bytes[..50]).expect("space");
        assert!(ask(&store, &path).1);
    }
}

//! Remembered digests of files.
//!
//! Hashing a large file on every start would cost more than the start. A digest is remembered under
//! the file's device, inode, size, and times of modification and change in nanoseconds; whoever
//! changes the contents changes the latter. A file changed within the last two seconds is not
//! remembered: it could change again within the clock's grain. Nor is one on a file system that may not
//! show when a file is changed. What is remembered is forgotten when the machine starts anew. The record
//! is authenticated, so nobody but the user makes one file pass for another.
//!
//! What a digest is of, the caller says: another part of the file, or another way of hashing it, is
//! remembered apart.

use std::convert::Infallible;
use std::fs::File;
use std::os::fd::AsFd;

use constant_time_eq::constant_time_eq_n;
use rustix::fs::Stat;

use crate::digest::Digest;
use crate::folder::{Folder, FolderError};
use crate::local::shows_changes;
use crate::memo::{MemoKind, MemoRecord, is_quiet, is_same_state, sealed};
use crate::names::{DIGESTS_FOLDER, is_digest};
use crate::root::Store;

/// How long a file must have been left alone.
const QUIET_S: i64 = 2;

/// How many digests are remembered, about.
const MAX_DIGESTS: usize = 4096;

impl Store {
    /// The digest of a file's contents, remembered or as `compute` finds it. `what` says what it is of,
    /// and changes with the way in which it is computed.
    pub fn file_digest(
        &self,
        what: &'static str,
        file: &File,
        compute: impl FnOnce() -> Digest,
    ) -> Digest {
        let Ok(digest) = self.try_file_digest(what, file, || Ok::<_, Infallible>(compute()));
        digest
    }

    /// The same, should computing it fail.
    ///
    /// # Errors
    /// If `compute` fails.
    pub fn try_file_digest<E>(
        &self,
        what: &'static str,
        file: &File,
        compute: impl FnOnce() -> Result<Digest, E>,
    ) -> Result<Digest, E> {
        let Ok(stat) = rustix::fs::fstat(file) else {
            return compute();
        };
        if let Some(digest) = self.recall(what, &stat) {
            return Ok(digest);
        }
        let digest = compute()?;
        // What was hashed is what was asked about only if nothing changed meanwhile.
        let unchanged = rustix::fs::fstat(file).is_ok_and(|after| is_same_state(&after, &stat));
        if self.is_writable()
            && unchanged
            && is_quiet(&stat, self.storage().now_s(), QUIET_S)
            && self
                .storage()
                .file_system(file.as_fd())
                .is_ok_and(shows_changes)
            && let Err(error) = self.remember(what, &stat, digest)
        {
            tracing::debug!(%error, "can't remember a file's digest");
        }
        Ok(digest)
    }

    fn recall(&self, what: &str, stat: &Stat) -> Option<Digest> {
        let folder = self.version_folder().ok()?.open(DIGESTS_FOLDER).ok()?;
        let bytes = folder.read_record(&memo_name(what, stat)).ok()??;
        let contents = Digest(MemoRecord::decode(&bytes).contents);
        let expected = sealed(MemoKind::FileDigest, what, stat, contents, self.secret())?;
        constant_time_eq_n(&expected, &bytes).then_some(contents)
    }

    fn remember(&self, what: &str, stat: &Stat, digest: Digest) -> Result<(), FolderError> {
        let sealed = sealed(MemoKind::FileDigest, what, stat, digest, self.secret());
        let Some(bytes) = sealed.filter(|_| self.has_the_same_secret().unwrap_or(false)) else {
            return Ok(());
        };
        let folder = self.make_version_folder()?.open_or_create(DIGESTS_FOLDER)?;
        let name = memo_name(what, stat);
        folder.write_temporary(&bytes, false)?.replace(&name)?;
        // Names are evenly distributed: one of so many looks after all.
        if name.starts_with('0') {
            forget_oldest(&folder, MAX_DIGESTS)?;
        }
        Ok(())
    }
}

/// Forgets what was remembered longest ago, should there be more than `limit`: the files may be gone.
fn forget_oldest(folder: &Folder, limit: usize) -> Result<(), FolderError> {
    let names = folder.names()?;
    folder.remove_stale_of(&names);
    let digests = names.into_iter().filter(|name| is_digest(name));
    let since = |name: String| Some((folder.stat(&name).ok()?.st_mtime, name));
    let mut by_age: Vec<(i64, String)> = digests.filter_map(since).collect();
    let excess = by_age.len().saturating_sub(limit);
    if excess > 0 {
        // Some more go, so that this is seldom.
        by_age.sort_unstable();
        for (_, name) in &by_age[..excess + limit / 8] {
            folder.remove_file(name)?;
        }
    }
    Ok(())
}

fn memo_name(what: &str, stat: &Stat) -> String {
    let mut place = Vec::with_capacity(16 + what.len());
    place.extend(stat.st_dev.to_le_bytes());
    place.extend(stat.st_ino.to_le_bytes());
    place.extend(what.as_bytes());
    Digest::of(&place).short_hex()
}

#[cfg(test)]
mod tests {
    use super::{MemoRecord, Store, forget_oldest};
    use crate::digest::Digest;
    use crate::root::Opening;
    use crate::storage::Storage;
    use std::fs::{self, File, FileTimes};
    use std::io;
    use std::os::fd::BorrowedFd;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    fn store(directory: &Path) -> Store {
        Store::open(&directory.join("cache"), Opening::Writing).expect("it can be made")
    }

    /// The digest that the store gives, and whether it had to be computed.
    fn ask(store: &Store, path: &Path) -> (Digest, bool) {
        ask_what("all of it", store, path)
    }

    fn ask_what(what: &'static str, store: &Store, path: &Path) -> (Digest, bool) {
        let file = File::open(path).expect("it exists");
        let mut computed = false;
        let digest = store.file_digest(what, &file, || {
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

        let other = || ask_what("all of it, hashed otherwise", &first, &path).1;
        assert!(other(), "another digest is another matter");
        assert!(!other());
        assert_eq!(ask(&first, &path), (Digest::of(b"contents"), false));

        fs::write(&path, "CONTENTS").expect("space");
        assert_eq!(ask(&first, &path), (Digest::of(b"CONTENTS"), true));
    }

    /// A disk of a kind that doesn't show changes.
    #[derive(Debug)]
    struct Fat;

    impl Storage for Fat {
        fn file_system(&self, _: BorrowedFd<'_>) -> io::Result<i64> {
            Ok(0x4d44)
        }
    }

    #[test]
    fn a_file_whose_changes_may_not_show_is_not_remembered() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let path = directory.path().join("file");
        fs::write(&path, "contents").expect("space");
        std::thread::sleep(Duration::from_millis(3100));
        let cache = directory.path().join("cache");
        let store =
            Store::open_on(&cache, Opening::Writing, Arc::new(Fat)).expect("it can be made");
        for _ in 0..2 {
            assert_eq!(ask(&store, &path), (Digest::of(b"contents"), true));
        }
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
            assert_eq!(store.recall("all of it", &stat), None, "{place}");
        }
        fs::write(&memo, &bytes[..50]).expect("space");
        assert!(ask(&store, &path).1);
    }

    #[test]
    fn remembered_digests_are_bounded() {
        let (directory, folder) = crate::folder::tests::folder();
        for number in 0..100_u32 {
            let path = directory.path().join(format!("{number:032x}"));
            let file = File::create(path).expect("space");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + u64::from(number));
            file.set_modified(time).expect("it is ours");
        }
        fs::write(directory.path().join("handlers.py"), "").expect("space");
        forget_oldest(&folder, 100).expect("readable");
        assert_eq!(folder.names().expect("readable").len(), 101);
        forget_oldest(&folder, 80).expect("readable");
        let names = folder.names().expect("readable");
        assert_eq!(names.len(), 71);
        assert!(names.contains(&"handlers.py".to_owned()));
        assert!(names.contains(&format!("{:032x}", 30)), "the youngest stay");
    }
}

//! A scope's folder: its images, published by renaming, removed by unlinking, never changed.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::fs::Stat;

use crate::folder::{Folder, FolderError, touch};
use crate::image::{Identity, ImageHeader, PREFIX_LEN, Refusal};
use crate::local::is_local;
use crate::names::{LOCK_FILE, image_name, image_number, note_name, use_name};
use crate::secret::Secret;

/// How often an image's use is noted.
const USE_GRAIN_S: i64 = 24 * 60 * 60;

/// How often someone who waits for the lock asks.
const LOCK_INTERVAL: Duration = Duration::from_millis(2);

/// A scope's folder.
#[derive(Debug)]
pub struct ScopeFolder {
    pub(crate) folder: Folder,
    is_local: bool,
}

/// An open image file whose header is right.
#[derive(Debug)]
pub struct ImageFile {
    /// The file.
    pub file: File,
    /// Its authenticated header.
    pub header: ImageHeader,
    /// Whether a mapping of the file stays whole, as long as no process of this machine shortens the
    /// file, which none does. Otherwise it is to be read.
    pub is_local: bool,
    /// Its number in its folder.
    pub number: u32,
    /// The file's state when it was opened.
    pub(crate) stat: Stat,
}

/// Why an image file isn't used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file can't be opened as ours.
    #[error(transparent)]
    File(#[from] FolderError),
    /// The file isn't an image of this scope, or is damaged.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Says that no one else merges or corrects this scope's images. Ends when dropped, and with the
/// process. What goes for want of room, and what is cleared, goes without it: whoever merges looks whether
/// all is still there.
#[derive(Debug)]
pub struct ScopeLock {
    _file: OwnedFd,
}

impl ScopeFolder {
    pub(crate) fn new(folder: Folder) -> Self {
        let is_local = folder.file_system().is_ok_and(is_local);
        Self { folder, is_local }
    }

    /// The numbers of the images, newest first.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn images(&self) -> io::Result<Vec<u32>> {
        let names = self.folder.names()?;
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| image_number(name)).collect();
        numbers.sort_unstable_by(|left, right| right.cmp(left));
        Ok(numbers)
    }

    /// Opens an image and judges its header.
    ///
    /// # Errors
    /// Why nothing of the file is used.
    pub fn open_image(
        &self,
        number: u32,
        secret: &Secret,
        identity: Option<&Identity>,
    ) -> Result<ImageFile, ImageError> {
        let (file, stat) = self.folder.open_file(&image_name(number))?;
        let mut prefix = [0; PREFIX_LEN];
        let len = read_at_most(&file, &mut prefix).map_err(FolderError::from)?;
        let file_len = u64::try_from(stat.st_size).unwrap_or(0);
        let header = ImageHeader::read(&prefix[..len], file_len, secret, identity)?;
        Ok(ImageFile {
            file,
            header,
            is_local: self.is_local,
            number,
            stat,
        })
    }

    /// Publishes a new image: after this returns, any process sees it whole. Its bytes need not
    /// have reached the disk; a crash may leave a torn file, which its digests give away.
    ///
    /// # Errors
    /// If the file can't be written; [`io::ErrorKind::NotFound`] if the folder was removed meanwhile,
    /// as folders without images are.
    pub fn publish(&self, bytes: &[u8]) -> io::Result<u32> {
        let file = self.folder.write_temporary(bytes, false)?;
        let names = self.folder.names()?;
        self.folder.remove_stale_of(&names);
        let last = names.iter().filter_map(|name| image_number(name)).max();
        let mut number = last.map_or(1, |last| last.saturating_add(1));
        while !file.name(&image_name(number))? {
            number = number.checked_add(1).ok_or(io::ErrorKind::StorageFull)?;
        }
        Ok(number)
    }

    /// Publishes an image that holds what these hold, the newest first, in the place of the newest: what
    /// was published meanwhile stays newer than what it corrects. Processes that mapped the other keep
    /// it. Returns the number.
    ///
    /// # Errors
    /// If the file can't be written; [`io::ErrorKind::NotFound`] if one of them was removed or replaced
    /// meanwhile: whoever did that may have found wrong code in it.
    pub fn publish_in_place_of(&self, images: &[ImageFile], bytes: &[u8]) -> io::Result<u32> {
        let newest = images.first().ok_or(io::ErrorKind::InvalidInput)?.number;
        let file = self.folder.write_temporary(bytes, false)?;
        if !images.iter().all(|image| self.has(image)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        file.replace(&image_name(newest))?;
        self.folder.remove_file(&note_name(newest))?;
        Ok(newest)
    }

    /// Whether an image that was opened is still there under its number.
    fn has(&self, image: &ImageFile) -> bool {
        // As long as it is open, no other file gets its inode.
        let place = |stat: &Stat| (stat.st_dev, stat.st_ino);
        let found = self.folder.stat(&image_name(image.number));
        found.is_ok_and(|found| place(&found) == place(&image.stat))
    }

    /// Removes an image. Processes that mapped it keep it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn remove(&self, number: u32) -> io::Result<()> {
        for name in [image_name(number), note_name(number), use_name(number)] {
            self.folder.remove_file(&name)?;
        }
        Ok(())
    }

    /// Notes that an image is in use, once a day at most, and beside it: the image itself never changes,
    /// so that what is known of it stays known, and a file of a lower layer stays there. Failing is
    /// fine: the image only looks older than it is.
    pub fn note_use(&self, image: &ImageFile) {
        let now_s = self.folder.storage().now_s();
        let is_recent = |stat: &Stat| now_s - stat.st_mtime <= USE_GRAIN_S;
        let name = use_name(image.number);
        if is_recent(&image.stat) || self.folder.stat(&name).is_ok_and(|stat| is_recent(&stat)) {
            return;
        }
        let file = self.folder.open_or_create_file(&name);
        if let Err(error) = file.and_then(|file| touch(file, now_s)) {
            tracing::debug!(%error, "can't note an image's use");
        }
    }

    /// Takes the lock for merging, unless someone has it. Never waits.
    pub fn try_lock(&self) -> Option<ScopeLock> {
        lock(&self.folder)
    }

    /// The same for who must have it: waits for so long, should someone else have it.
    pub fn lock_within(&self, patience: Duration) -> Option<ScopeLock> {
        let start = Instant::now();
        loop {
            let lock = self.try_lock();
            if lock.is_some() || start.elapsed() >= patience {
                return lock;
            }
            std::thread::sleep(LOCK_INTERVAL);
        }
    }
}

/// Takes the lock of a scope's folder, unless someone has it.
pub(crate) fn lock(folder: &Folder) -> Option<ScopeLock> {
    let file = folder.open_or_create_file(LOCK_FILE).ok()?;
    let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
    rustix::fs::flock(&file, operation).ok()?;
    // Who had it may have removed it with its folder: then it keeps no one out any more.
    let found = folder.stat(LOCK_FILE).ok()?;
    let locked = rustix::fs::fstat(&file).ok()?;
    let is_same = (found.st_dev, found.st_ino) == (locked.st_dev, locked.st_ino);
    is_same.then_some(ScopeLock { _file: file })
}

/// Reads from a file's start until the buffer is full or the file ends.
fn read_at_most(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], filled as u64) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::ScopeFolder;
    use crate::folder::Folder;
    use crate::folder::tests::access;
    use std::time::Duration;

    #[test]
    fn numbers_ascend_and_one_process_merges() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let open = || {
            ScopeFolder::new(Folder::open_path(directory.path(), &access()).expect("it is ours"))
        };
        let folder = open();
        assert_eq!(folder.publish(b"a").expect("space"), 1);
        assert_eq!(open().publish(b"b").expect("space"), 2);
        assert_eq!(folder.images().expect("readable"), [2, 1]);
        folder.remove(1).expect("it is ours");
        folder.remove(1).expect("twice is fine");
        assert_eq!(folder.publish(b"c").expect("space"), 3);
        let lock = folder.try_lock().expect("it is free");
        assert!(open().try_lock().is_none());
        drop(lock);
        assert!(open().try_lock().is_some());
        let patience = Duration::from_millis(20);
        let lock = open().lock_within(patience).expect("it is free again");
        assert!(folder.lock_within(patience).is_none(), "not for ever");
        drop(lock);
    }
}

//! A scope's folder: its images, published by renaming, removed by unlinking, never changed.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::Stat;

use crate::folder::{Folder, FolderError, seconds_since_epoch, touch};
use crate::image::{Identity, ImageHeader, PREFIX_LEN, Refusal};
use crate::intact::note_name;
use crate::secret::Secret;

const LOCK_FILE: &str = "lock";
const IMAGE_SUFFIX: &str = ".img";

/// A scope's folder.
#[derive(Debug)]
pub struct ScopeFolder {
    pub(crate) folder: Folder,
}

/// An open image file whose header is right.
#[derive(Debug)]
pub struct ImageFile {
    /// The file.
    pub file: File,
    /// Its authenticated header.
    pub header: ImageHeader,
    /// When it was last used, in seconds since 1970.
    pub last_used_s: i64,
    pub(crate) number: u32,
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

/// Says that no one else merges or removes this scope's images. Ends when dropped, and with the
/// process.
#[derive(Debug)]
pub struct ScopeLock {
    _file: OwnedFd,
}

impl ScopeFolder {
    pub(crate) fn new(folder: Folder) -> Self {
        Self { folder }
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
            last_used_s: stat.st_mtime,
            number,
            stat,
        })
    }

    /// Publishes a new image: after this returns, any process sees it whole. Its bytes need not
    /// have reached the disk; a crash may leave a torn file, which its digests give away.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn publish(&self, bytes: &[u8]) -> io::Result<u32> {
        self.folder.remove_stale_files()?;
        let file = self.folder.write_temporary(bytes, false)?;
        let mut number = self
            .images()?
            .first()
            .map_or(1, |last| last.saturating_add(1));
        while !file.name(&image_name(number))? {
            number = number.checked_add(1).ok_or(io::ErrorKind::StorageFull)?;
        }
        Ok(number)
    }

    /// Removes an image. Processes that mapped it keep it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn remove(&self, number: u32) -> io::Result<()> {
        self.folder.remove_file(&image_name(number))?;
        self.folder.remove_file(&note_name(number))
    }

    /// Takes the lock for merging, unless someone has it. Never waits.
    pub fn try_lock(&self) -> Option<ScopeLock> {
        let file = self.folder.open_lock_file(LOCK_FILE).ok()?;
        let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        rustix::fs::flock(&file, operation).ok()?;
        Some(ScopeLock { _file: file })
    }
}

impl ImageFile {
    /// Notes that the image is in use, at most once a minute. Returns whether the file was touched.
    /// Failing is fine: the image only looks older than it is.
    pub fn note_use(&self) -> bool {
        if seconds_since_epoch() - self.last_used_s <= 60 {
            return false;
        }
        let touched = touch(&self.file);
        if let Err(error) = &touched {
            tracing::debug!(%error, "can't note an image's use");
        }
        touched.is_ok()
    }
}

pub(crate) fn image_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(IMAGE_SUFFIX)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

fn image_name(number: u32) -> String {
    format!("{number}{IMAGE_SUFFIX}")
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
    use super::{ScopeFolder, image_number};
    use crate::folder::Folder;

    #[test]
    fn names() {
        assert_eq!(image_number("17.img"), Some(17));
        for name in [
            "img",
            ".img",
            "+1.img",
            "1.tmp",
            "99999999999.img",
            "1.img.tmp",
        ] {
            assert_eq!(image_number(name), None, "{name}");
        }
    }

    #[test]
    fn numbers_ascend_and_one_process_merges() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let open = || ScopeFolder::new(Folder::open_path(directory.path()).expect("it is ours"));
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
    }
}

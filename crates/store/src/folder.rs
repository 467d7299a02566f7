//! Folders and files of the cache, opened so that only the user's own are believed.
//!
//! Everything is opened relative to its folder, never through a symbolic link, and checked on the
//! open descriptor, so that nothing can be exchanged between the check and the use.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, SeekFrom, Stat};
use rustix::io::Errno;

use crate::digest::hex;
use crate::secret::random;

const FOLDER_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Why a folder or file isn't used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It belongs to someone else.
    #[error("it belongs to another user (uid {uid})")]
    NotOurs {
        /// The owner.
        uid: u32,
    },
    /// Others may write it.
    #[error("others may write it (mode {mode:03o}); `chmod go-w` would help")]
    WritableByOthers {
        /// Its permissions.
        mode: u32,
    },
    /// It is something else: a symbolic link, a device, a file in a folder's place.
    #[error("it isn't a plain {expected}, or is a symbolic link")]
    WrongKind {
        /// What it should be.
        expected: &'static str,
    },
    /// It doesn't exist.
    #[error("it doesn't exist")]
    Missing,
    /// The system refuses.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl From<Errno> for FolderError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Self::Missing,
            other => Self::System(other.into()),
        }
    }
}

/// A folder that is the user's own.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
}

impl Folder {
    /// Opens a folder by its path.
    pub(crate) fn open_path(path: &Path) -> Result<Self, FolderError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Self::check(rustix::fs::open(path, flags, Mode::empty()))
    }

    /// Opens a folder in this one.
    pub(crate) fn open(&self, name: &str) -> Result<Self, FolderError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Self::check(rustix::fs::openat(&self.fd, name, flags, Mode::empty()))
    }

    /// Opens a folder in this one, made if it doesn't exist.
    pub(crate) fn open_or_create(&self, name: &str) -> Result<Self, FolderError> {
        match self.open(name) {
            Err(FolderError::Missing) => {}
            result => return result,
        }
        match rustix::fs::mkdirat(&self.fd, name, FOLDER_MODE) {
            Ok(()) | Err(Errno::EXIST) => self.open(name),
            Err(error) => Err(error.into()),
        }
    }

    fn check(fd: Result<OwnedFd, Errno>) -> Result<Self, FolderError> {
        let fd = match fd {
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(FolderError::WrongKind { expected: "folder" });
            }
            result => result?,
        };
        check_owner(&rustix::fs::fstat(&fd)?)?;
        Ok(Self { fd })
    }

    /// Opens a plain file for reading.
    pub(crate) fn open_file(&self, name: &str) -> Result<(File, Stat), FolderError> {
        // Without `NONBLOCK`, opening a pipe that someone left here would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Err(Errno::LOOP) => return Err(FolderError::WrongKind { expected: "file" }),
            result => result?,
        };
        let stat = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(FolderError::WrongKind { expected: "file" });
        }
        check_owner(&stat)?;
        Ok((File::from(fd), stat))
    }

    /// Reads a whole plain file of at most `limit` bytes.
    pub(crate) fn read_file(&self, name: &str, limit: u64) -> Result<Vec<u8>, FolderError> {
        let (file, _) = self.open_file(name)?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a plain file of `N` bytes. `None` if it has more or fewer.
    pub(crate) fn read_record<const N: usize>(
        &self,
        name: &str,
    ) -> Result<Option<[u8; N]>, FolderError> {
        let (file, stat) = self.open_file(name)?;
        if stat.st_size != N as i64 {
            return Ok(None);
        }
        let mut record = [0; N];
        file.read_exact_at(&mut record, 0)?;
        Ok(Some(record))
    }

    /// Opens a file for locking, made if it doesn't exist.
    pub(crate) fn open_lock_file(&self, name: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, name, flags, FILE_MODE)?)
    }

    /// Writes a new file under a name that nothing else has, for [`Self::name_file`] or
    /// [`Self::replace_file`] to name. `lasting` waits until the bytes are on the disk.
    pub(crate) fn write_temporary(
        &self,
        bytes: &[u8],
        lasting: bool,
    ) -> io::Result<TemporaryFile<'_>> {
        let name = format!(".{}{TEMPORARY_SUFFIX}", hex(&random::<12>()?));
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, &name, flags, FILE_MODE)?;
        let temporary = TemporaryFile { folder: self, name };
        let mut file = File::from(fd);
        file.write_all(bytes)?;
        if lasting {
            file.sync_all()?;
        }
        Ok(temporary)
    }

    /// Which kind of file system the folder is on, by its number in `linux/magic.h`.
    pub(crate) fn file_system(&self) -> io::Result<i64> {
        Ok(rustix::fs::fstatfs(&self.fd)?.f_type)
    }

    /// Removes a file; that it is gone already is fine.
    pub(crate) fn remove_file(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an empty folder; that it is gone, or isn't empty, is fine.
    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The names in this folder, in no order. Names that aren't UTF-8 aren't ours.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut buffer = Vec::with_capacity(4096);
        // Reading goes on where the last reading of this descriptor ended.
        rustix::fs::seek(&self.fd, SeekFrom::Start(0))?;
        let mut entries = rustix::fs::RawDir::new(&self.fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Size and times of a file.
    pub(crate) fn stat(&self, name: &str) -> io::Result<Stat> {
        Ok(rustix::fs::statat(
            &self.fd,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Removes temporary files that a process left when it was killed: those an hour old.
    pub(crate) fn remove_stale_files(&self) -> io::Result<()> {
        let now = seconds_since_epoch();
        for name in self.names()? {
            let stale = name.ends_with(TEMPORARY_SUFFIX)
                && self
                    .stat(&name)
                    .is_ok_and(|stat| now - stat.st_mtime > 3600);
            if stale && let Err(error) = self.remove_file(&name) {
                tracing::debug!(name, %error, "can't remove a stale temporary file");
            }
        }
        Ok(())
    }
}

const TEMPORARY_SUFFIX: &str = ".tmp";

/// A complete file that has no name yet. Dropped without one, it is removed.
#[derive(Debug)]
pub(crate) struct TemporaryFile<'a> {
    folder: &'a Folder,
    name: String,
}

impl TemporaryFile<'_> {
    /// Gives the file its name, unless something has that name. Returns whether it got it.
    pub(crate) fn name(&self, name: &str) -> io::Result<bool> {
        let fd = &self.folder.fd;
        match rustix::fs::renameat_with(fd, &self.name, fd, name, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // Some file systems can't; a second link and the loss of the first do the same.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                match rustix::fs::linkat(fd, &self.name, fd, name, AtFlags::empty()) {
                    Ok(()) => Ok(true),
                    Err(Errno::EXIST) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the file its name in place of what has it.
    pub(crate) fn replace(&self, name: &str) -> io::Result<()> {
        let fd = &self.folder.fd;
        Ok(rustix::fs::renameat(fd, &self.name, fd, name)?)
    }
}

impl Drop for TemporaryFile<'_> {
    fn drop(&mut self) {
        // After a rename nothing has the name any more, which is fine.
        if let Err(error) = self.folder.remove_file(&self.name) {
            tracing::debug!(%error, "can't remove a temporary file");
        }
    }
}

/// Sets a file's time of modification to now: our record of its last use.
pub(crate) fn touch(file: impl AsFd) -> io::Result<()> {
    use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
    let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps {
        last_access: time(UTIME_OMIT),
        last_modification: time(UTIME_NOW),
    };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// Seconds since 1970; negative for a clock before that.
pub(crate) fn seconds_since_epoch() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec
}

fn check_owner(stat: &Stat) -> Result<(), FolderError> {
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(FolderError::NotOurs { uid: stat.st_uid });
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::WGRP | Mode::WOTH) {
        return Err(FolderError::WritableByOthers {
            mode: stat.st_mode & 0o777,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Folder, FolderError};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn folder() -> (tempfile::TempDir, Folder) {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open_path(directory.path()).expect("it is ours");
        (directory, folder)
    }

    #[test]
    fn symbolic_links_are_refused() {
        let (directory, folder) = folder();
        fs::create_dir(directory.path().join("real")).expect("a folder");
        fs::write(directory.path().join("file"), "x").expect("a file");
        symlink("real", directory.path().join("link")).expect("a link");
        symlink("file", directory.path().join("file-link")).expect("a link");
        assert!(folder.open("real").is_ok());
        assert!(matches!(
            folder.open("link"),
            Err(FolderError::WrongKind { .. })
        ));
        assert!(matches!(
            folder.open("file"),
            Err(FolderError::WrongKind { .. })
        ));
        assert!(folder.open_file("file").is_ok());
        assert!(matches!(
            folder.open_file("file-link"),
            Err(FolderError::WrongKind { .. })
        ));
        assert!(matches!(
            folder.open_file("real"),
            Err(FolderError::WrongKind { .. })
        ));
        assert!(matches!(
            folder.open_file("none"),
            Err(FolderError::Missing)
        ));
        let path = directory.path().join("link");
        assert!(matches!(
            Folder::open_path(&path),
            Err(FolderError::WrongKind { .. })
        ));
    }

    #[test]
    fn what_others_may_write_is_refused() {
        let (directory, folder) = folder();
        let path = directory.path().join("open");
        fs::create_dir(&path).expect("a folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("it is ours");
        let error = folder.open("open").expect_err("others may write it");
        assert!(
            matches!(error, FolderError::WritableByOthers { mode: 0o777 }),
            "{error}"
        );
    }

    #[test]
    fn old_temporary_files_are_removed() {
        let (directory, folder) = folder();
        for (name, age_s) in [("old.tmp", 4000), ("young.tmp", 10), ("old.img", 4000)] {
            let file = fs::File::create(directory.path().join(name)).expect("space");
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age_s);
            file.set_modified(time).expect("it is ours");
        }
        folder.remove_stale_files().expect("readable");
        let mut names = folder.names().expect("readable");
        names.sort();
        assert_eq!(names, ["old.img", "young.tmp"]);
    }

    #[test]
    fn a_temporary_file_gets_its_name_once() {
        let (directory, folder) = folder();
        let first = folder.write_temporary(b"first", false).expect("space");
        assert!(first.name("1").expect("it can be named"));
        let second = folder.write_temporary(b"second", true).expect("space");
        assert!(!second.name("1").expect("the name is taken"));
        drop((first, second));
        assert_eq!(folder.names().expect("readable"), ["1"]);
        assert_eq!(
            fs::read(directory.path().join("1")).expect("readable"),
            b"first"
        );
    }
}

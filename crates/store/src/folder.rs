//! Folders and files of the cache, opened so that only the user's own are believed.
//!
//! Everything is opened relative to its folder, never through a symbolic link, and checked on the
//! open descriptor, so that nothing can be exchanged between the check and the use.
//!
//! What is made here has its mode whatever mask of modes the process runs with; a guest's is the
//! process's. What is ours and can't be used, since someone made it under such a mask, is repaired; but
//! nothing is before the folder that it is in is known to be a cache, nor while a cache is cleared.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use crate::storage::SharedStorage;

pub(crate) const FOLDER_MODE: Mode = Mode::RWXU;
pub(crate) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

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
    /// It is to be secret, and others may read or write it.
    #[error(
        "others may {} it (mode {mode:03o}): `chmod 600` it, or `rekindle cache clear` and delete it",
        may_do(.mode)
    )]
    NotPrivate {
        /// Its permissions.
        mode: u32,
    },
    /// It is something else: a symbolic link, a device, a file in a folder's place.
    #[error("it isn't a plain {expected}, or is a symbolic link")]
    WrongKind {
        /// What it should be.
        expected: &'static str,
    },
    /// It holds other things, and no mark of a cache.
    #[error("it holds other things, and nothing says that it is a cache")]
    NotACache,
    /// It would be made by root in another user's folder, and that user couldn't use it.
    #[error("root makes no cache in a folder of another user (uid {uid})")]
    InAnothersFolder {
        /// The owner of the folder above.
        uid: u32,
    },
    /// It holds nothing.
    #[error("it is empty")]
    Empty,
    /// It holds no cache yet, and its mode keeps its owner from using one there.
    #[error(
        "it holds no cache, and its mode ({mode:03o}) keeps anyone from using one there; `chmod u+rwx` \
         would help"
    )]
    NotForUse {
        /// Its permissions.
        mode: u32,
    },
    /// It doesn't exist.
    #[error("it doesn't exist")]
    Missing,
    /// The system refuses.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// The worst that a mode lets others do.
fn may_do(mode: &u32) -> &'static str {
    match mode & 0o022 {
        0 => "read",
        _ => "write",
    }
}

impl From<Errno> for FolderError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Self::Missing,
            other => Self::System(other.into()),
        }
    }
}

/// What all folders of a cache share.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) storage: SharedStorage,
    /// Whether anything may be changed.
    pub(crate) writable: bool,
    /// The user whose cache it is: this process's when the cache was opened.
    pub(crate) user: u32,
    /// Whether modes may be changed with which nobody can use what is ours.
    pub(crate) may_repair: bool,
}

/// A folder that is the user's own.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    access: Access,
}

impl Folder {
    /// Opens a folder by its path.
    pub(crate) fn open_path(path: &Path, access: &Access) -> Result<Self, FolderError> {
        Self::open_in(CWD, path, access)
    }

    /// Opens a folder in this one.
    pub(crate) fn open(&self, name: &str) -> Result<Self, FolderError> {
        Self::open_in(self.fd(), Path::new(name), &self.access)
    }

    /// Opens a folder in this one, made if it doesn't exist.
    pub(crate) fn open_or_create(&self, name: &str) -> Result<Self, FolderError> {
        match self.open(name) {
            Err(FolderError::Missing) => {}
            result => return result,
        }
        match rustix::fs::mkdirat(&self.fd, name, FOLDER_MODE) {
            // What the process's mask took away, opening gives back.
            Ok(()) | Err(Errno::EXIST) => self.open(name),
            Err(error) => Err(error.into()),
        }
    }

    fn open_in(parent: BorrowedFd<'_>, name: &Path, access: &Access) -> Result<Self, FolderError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(parent, name, flags, Mode::empty());
        let fd = match open() {
            Err(Errno::ACCESS) if access.repairs(parent, name, FOLDER_MODE) => open(),
            result => result,
        };
        let fd = match fd {
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(FolderError::WrongKind { expected: "folder" });
            }
            result => result?,
        };
        let stat = rustix::fs::fstat(&fd)?;
        access.check_owner(&stat)?;
        let folder = Self {
            fd,
            access: access.clone(),
        };
        if access.may_repair && folder.is_unusable(&stat) {
            // Where that fails, whatever needs more will fail as well, and say so.
            let mode = Mode::from_raw_mode(stat.st_mode) | FOLDER_MODE;
            let _ = rustix::fs::fchmod(&folder.fd, mode);
        }
        Ok(folder)
    }

    /// The same folder, now that it is known to be ours to repair.
    pub(crate) fn with_access(self, access: &Access) -> Self {
        Self {
            fd: self.fd,
            access: access.clone(),
        }
    }

    /// Whether nobody made the folder's mode what it is on purpose. A folder that holds something and
    /// mustn't be written is a cache that is only to be read.
    fn is_unusable(&self, stat: &Stat) -> bool {
        let mode = Mode::from_raw_mode(stat.st_mode);
        if !mode.contains(Mode::RUSR | Mode::XUSR) {
            return true;
        }
        !mode.contains(Mode::WUSR) && self.names().is_ok_and(|names| names.is_empty())
    }

    /// The folder's permissions.
    pub(crate) fn mode(&self) -> io::Result<Mode> {
        Ok(Mode::from_raw_mode(rustix::fs::fstat(&self.fd)?.st_mode))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The system, as this cache sees it.
    pub(crate) fn storage(&self) -> &SharedStorage {
        &self.access.storage
    }

    /// Opens a plain file for reading.
    pub(crate) fn open_file(&self, name: &str) -> Result<(File, Stat), FolderError> {
        // Without `NONBLOCK`, opening a pipe that someone left here would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = match self.open_repaired(name, flags) {
            Err(Errno::LOOP) => return Err(FolderError::WrongKind { expected: "file" }),
            result => result?,
        };
        let stat = rustix::fs::fstat(&fd)?;
        if !is_plain(&stat) {
            return Err(FolderError::WrongKind { expected: "file" });
        }
        self.access.check_owner(&stat)?;
        Ok((File::from(fd), stat))
    }

    /// Opens a file, whose mode is repaired if it is ours and that helps.
    fn open_repaired(&self, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let open = || rustix::fs::openat(&self.fd, name, flags, FILE_MODE);
        match open() {
            Err(Errno::ACCESS) if self.access.repairs(self.fd(), Path::new(name), FILE_MODE) => {
                open()
            }
            result => result,
        }
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

    /// Opens a file that matters for its lock or its times, made if it doesn't exist.
    pub(crate) fn open_or_create_file(&self, name: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = self.open_repaired(name, flags)?;
        if rustix::fs::fstat(&fd)?.st_mode & 0o777 != FILE_MODE.bits() {
            rustix::fs::fchmod(&fd, FILE_MODE)?;
        }
        Ok(fd)
    }

    /// Which kind of file system the folder is on, by its number in `linux/magic.h`.
    pub(crate) fn file_system(&self) -> io::Result<i64> {
        self.access.storage.file_system(self.fd())
    }

    /// How many bytes this user may still write on the folder's file system.
    pub(crate) fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.fd)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Removes a file; that it is gone already is fine.
    pub(crate) fn remove_file(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what has a name if it is a plain file; anything else isn't ours.
    pub(crate) fn remove_plain_file(&self, name: &str) -> io::Result<()> {
        match self.stat(name) {
            Ok(stat) if is_plain(&stat) => self.remove_file(name),
            _ => Ok(()),
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
            let entry = match entry {
                // The folder was removed since it was opened.
                Err(Errno::NOENT) => break,
                entry => entry?,
            };
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// The same of a file of the user's own that nobody else may write.
    pub(crate) fn stat_own(&self, name: &str) -> Result<Stat, FolderError> {
        let stat = self.stat(name)?;
        self.access.check_owner(&stat)?;
        Ok(stat)
    }

    /// Size and times of a file.
    pub(crate) fn stat(&self, name: &str) -> io::Result<Stat> {
        Ok(rustix::fs::statat(
            &self.fd,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }
}

impl Access {
    /// Gives what is ours and has a mode with which nobody can use it the one that it should have.
    /// Returns whether opening it is worth another attempt.
    fn repairs(&self, parent: BorrowedFd<'_>, name: &Path, mode: Mode) -> bool {
        self.may_repair && self.repair(parent, name, mode).is_ok()
    }

    /// Adds `mode` to the mode of a plain file or a folder of ours, whichever `mode` is for.
    pub(crate) fn repair(
        &self,
        parent: BorrowedFd<'_>,
        name: &Path,
        mode: Mode,
    ) -> Result<(), FolderError> {
        // What can't be opened can be named by such a descriptor all the same.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&fd)?;
        self.check_owner(&stat)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let expected = match mode.contains(Mode::XUSR) {
            true => FileType::Directory,
            false => FileType::RegularFile,
        };
        if kind != expected {
            return Err(FolderError::WrongKind { expected: "file" });
        }
        Ok(rustix::fs::chmod(
            format!("/proc/self/fd/{}", fd.as_raw_fd()),
            Mode::from_raw_mode(stat.st_mode) | mode,
        )?)
    }

    /// Whether nobody but the user can have made a file or folder what it is.
    fn check_owner(&self, stat: &Stat) -> Result<(), FolderError> {
        if stat.st_uid != self.user {
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
}

/// Sets a file's time of modification: our record of its last use.
pub(crate) fn touch(file: impl AsFd, now_s: i64) -> io::Result<()> {
    use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time(0, UTIME_OMIT),
        last_modification: time(now_s, 0),
    };
    Ok(rustix::fs::futimens(file, &times)?)
}

pub(crate) fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

pub(crate) fn is_plain(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Access, Folder, FolderError};
    use crate::storage::System;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Arc;

    /// Any change of the real thing.
    pub(crate) fn access() -> Access {
        Access {
            storage: Arc::new(System),
            writable: true,
            user: rustix::process::geteuid().as_raw(),
            may_repair: true,
        }
    }

    /// A folder of our own.
    pub(crate) fn folder() -> (tempfile::TempDir, Folder) {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open_path(directory.path(), &access()).expect("it is ours");
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
            Folder::open_path(&path, &access()),
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
    fn a_folder_that_was_removed_holds_nothing() {
        let (directory, folder) = folder();
        fs::create_dir(directory.path().join("scope")).expect("a folder");
        let scope = folder.open("scope").expect("it is ours");
        folder.remove_folder("scope").expect("it is empty");
        assert!(scope.names().expect("no error").is_empty());
        let error = scope.write_temporary(b"x", false).expect_err("it is gone");
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }

    #[test]
    fn what_nobody_can_use_is_repaired_and_what_is_only_to_be_read_is_left() {
        let (directory, folder) = folder();
        let path = directory.path().join("poisoned");
        let mode = || fs::metadata(&path).expect("it exists").permissions().mode() & 0o777;
        let set = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        };
        fs::create_dir(&path).expect("a folder");
        for poison in [0o000, 0o200, 0o400, 0o500, 0o600] {
            set(poison);
            folder.open("poisoned").expect("it is repaired");
            assert_eq!(mode(), 0o700, "{poison:o}");
        }
        fs::write(path.join("file"), "x").expect("space");
        set(0o500);
        folder.open("poisoned").expect("it can be read");
        assert_eq!(mode(), 0o500);
        set(0o600);
        let reader = Access {
            writable: false,
            may_repair: false,
            ..access()
        };
        let _ = Folder::open_path(&path, &reader);
        assert_eq!(mode(), 0o600, "a reader changes nothing");
        fs::set_permissions(path.join("file"), fs::Permissions::from_mode(0o0)).expect("ours");
        let opened = folder.open("poisoned").expect("it is repaired");
        opened.open_file("file").expect("the same of files");
    }
}

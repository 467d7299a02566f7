//! The folder in which a guest's absolute paths are looked for first: `-L`, `--sysroot`.
//!
//! A path that exists below the folder stands for what is there, symbolic links being followed as
//! if the folder were the root; any other is the host's. `/proc`, `/dev`, `/sys`, `/run` and `/tmp`
//! are always the host's.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat2, readlinkat};
use rustix::io::Errno;

/// Folders of the root that are the host's.
const HOST_FOLDERS: [&[u8]; 5] = [b"proc", b"dev", b"sys", b"run", b"tmp"];

/// A sysroot.
#[derive(Clone, Debug)]
pub(crate) struct Sysroot {
    path: PathBuf,
}

impl Sysroot {
    /// The sysroot at `path`, which must be a folder.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let path = std::fs::canonicalize(path)?;
        if !path.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path })
    }

    /// Where the absolute `path` is below the sysroot, if it exists there. A symbolic link at its end
    /// is followed if `follows`.
    pub(crate) fn find(&self, path: &[u8], follows: bool) -> Option<CString> {
        let inner = path.strip_prefix(b"/")?;
        let first = inner
            .split(|byte| *byte == b'/')
            .find(|part| !part.is_empty());
        if first.is_none_or(|first| HOST_FOLDERS.contains(&first) || first == b"..") {
            return None;
        }
        let found = self.resolve(path, follows).ok()?;
        CString::new(found.into_vec()).ok()
    }

    /// The same for a path of our own.
    pub(crate) fn find_file(&self, path: &Path) -> Option<PathBuf> {
        let found = self.find(path.as_os_str().as_bytes(), true)?;
        Some(PathBuf::from(OsString::from_vec(found.into_bytes())))
    }

    fn resolve(&self, path: &[u8], follows: bool) -> Result<OsString, Errno> {
        let handle = OFlags::PATH | OFlags::CLOEXEC;
        let root = open(&self.path, handle | OFlags::DIRECTORY, Mode::empty())?;
        let flags = if follows {
            handle
        } else {
            handle | OFlags::NOFOLLOW
        };
        let file = openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        let name = readlinkat(CWD, format!("/proc/self/fd/{number}"), Vec::new())?;
        Ok(OsString::from_vec(name.into_bytes()))
    }
}

//! The cache's own folder: by which paths it may be reached, and how it comes to be.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::folder::{Access, FOLDER_MODE, Folder, FolderError};

/// Opens the folder at `path`, which may itself be a symbolic link; made if it doesn't exist and
/// `creates`. Returns the path of what the link leads to, too.
pub(crate) fn open(
    path: &Path,
    access: &Access,
    creates: bool,
) -> Result<(PathBuf, Folder), FolderError> {
    // The process may change its directory later.
    let path = std::path::absolute(path)?;
    // A slash at the end would have the system follow a link.
    let path = follow(path.components().collect())?;
    let folder = match Folder::open_path(&path, access) {
        Err(FolderError::Missing) if creates => {
            create(&path, access)?;
            Folder::open_path(&path, access)
        }
        result => result,
    }?;
    Ok((path, folder))
}

/// Where the cache's folder is, should `path` be a link of our own. A link behind that isn't followed.
fn follow(path: PathBuf) -> Result<PathBuf, FolderError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let link: OwnedFd = match rustix::fs::open(&path, flags, Mode::empty()) {
        // What is wrong with the path shows when it is opened.
        Err(_) => return Ok(path),
        Ok(link) => link,
    };
    let stat = rustix::fs::fstat(&link)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Ok(path);
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(FolderError::NotOurs { uid: stat.st_uid });
    }
    let target = rustix::fs::readlinkat(link.as_fd(), "", Vec::new())?;
    let target = Path::new(OsStr::from_bytes(target.as_bytes()));
    let parent = path.parent().unwrap_or(Path::new("/"));
    Ok(parent.join(target).components().collect())
}

/// Makes a folder and those above it, each with its mode, whatever mask the process runs with: one of
/// those above may be `~/.cache`, which isn't for us alone.
fn create(path: &Path, access: &Access) -> Result<(), FolderError> {
    let is_there = |path: &&Path| rustix::fs::stat(*path).is_ok();
    let above = path.ancestors().find(is_there).unwrap_or(Path::new("/"));
    let stat = rustix::fs::stat(above)?;
    // With `sudo`, the home may be another user's, who couldn't use what root leaves there.
    let is_shared = Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX);
    if rustix::process::geteuid().is_root() && stat.st_uid != 0 && !is_shared {
        return Err(FolderError::InAnothersFolder { uid: stat.st_uid });
    }
    let mut missing: Vec<&Path> = path.ancestors().take_while(|path| *path != above).collect();
    missing.reverse();
    for folder in missing {
        match rustix::fs::mkdir(folder, FOLDER_MODE) {
            Ok(()) => {
                Folder::open_path(folder, access)?;
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::open;
    use crate::folder::FolderError;
    use crate::folder::tests::access;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};

    #[test]
    fn the_folder_itself_may_be_a_link_of_ours_and_no_other() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("real")).expect("a folder");
        symlink("real", path("link")).expect("a link");
        symlink("link", path("second")).expect("a link");
        symlink("new", path("dangling")).expect("a link");
        let (found, _) = open(&path("link"), &access(), true).expect("it is ours");
        assert_eq!(found, path("real"));
        for name in ["second", "second/"] {
            let error = open(&path(name), &access(), true).expect_err("a link to a link");
            assert!(matches!(error, FolderError::WrongKind { .. }), "{error}");
        }
        open(&path("dangling"), &access(), true).expect("what it leads to is made");
        assert!(path("new").is_dir());
        if fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0) {
            lchown(path("link"), Some(1234), None).expect("root may");
            let error = open(&path("link"), &access(), true).expect_err("another's link");
            assert!(
                matches!(error, FolderError::NotOurs { uid: 1234 }),
                "{error}"
            );
        }
    }

    #[test]
    fn root_leaves_no_cache_in_anothers_home() {
        if fs::metadata("/proc/self").is_ok_and(|data| data.uid() != 0) {
            return; // Nobody else can make a home that isn't theirs.
        }
        let home = tempfile::tempdir().expect("a temporary folder");
        chown(home.path(), Some(1234), None).expect("root may");
        let error = open(&home.path().join(".cache/rekindle"), &access(), true);
        let error = error.expect_err("root could use it and its owner couldn't");
        assert!(
            matches!(error, FolderError::InAnothersFolder { uid: 1234 }),
            "{error}"
        );
        assert_eq!(fs::read_dir(home.path()).expect("readable").count(), 0);
    }
}

//! The cache's own folder: by which paths it may be reached, and how it comes to be.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::folder::{Access, FOLDER_MODE, Folder, FolderError};
use crate::mark::{Kind, judge, mark};

/// Opens the cache's folder at `path`, which may itself be a symbolic link; made, or made a cache where
/// that does no harm, if it isn't one and `creates`. Returns the path of what the link leads to, too, and whether it was a cache before, and whole.
pub(crate) fn open(
    path: &Path,
    access: &Access,
    creates: bool,
) -> Result<(PathBuf, Folder, bool), FolderError> {
    let (path, folder) = open_or_make(path, access, creates)?;
    let was_marked = admit(&folder, creates)?;
    Ok((path, folder.with_access(access), was_marked))
}

fn open_or_make(
    path: &Path,
    access: &Access,
    creates: bool,
) -> Result<(PathBuf, Folder), FolderError> {
    // The process may change its directory later.
    let path = std::path::absolute(path)?;
    // A slash at the end would have the system follow a link.
    let path = follow(path.components().collect())?;
    let folder = match open_existing(&path, access) {
        Err(FolderError::Missing) if creates => {
            create(&path, access)?;
            open_existing(&path, access)
        }
        result => result,
    }?;
    Ok((path, folder))
}

/// Opens a folder of which nobody knows yet whether it is a cache. Its mode is left alone, unless it is one
/// that only our own folders have, made under a mask, and nobody can use it: even then it is given back
/// to what turns out to be no cache.
fn open_existing(path: &Path, access: &Access) -> Result<Folder, FolderError> {
    let careful = Access {
        may_repair: false,
        ..access.clone()
    };
    let poisoned = access.may_repair.then(|| poisoned_mode(path, access.user));
    let Some(mode) = poisoned.flatten() else {
        return Folder::open_path(path, &careful);
    };
    access.repair(CWD, path, FOLDER_MODE)?;
    let folder = Folder::open_path(path, &careful)?;
    // A folder that holds something and mustn't be written is a cache that is only to be read.
    let is_to_be_read = mode.contains(Mode::RUSR | Mode::XUSR);
    let is_cache = match judge(&folder)? {
        Kind::Empty => true,
        Kind::Marked | Kind::Unmarked => !is_to_be_read,
        Kind::Mixed | Kind::Foreign => false,
    };
    if !is_cache {
        rustix::fs::fchmod(folder.fd(), mode)?;
    }
    Ok(folder)
}

/// The mode of a folder of ours that its owner can't use, and that we may have made: we never let anyone
/// else in, as whoever wants to keep a folder from being used does.
fn poisoned_mode(path: &Path, user: u32) -> Option<Mode> {
    let stat = rustix::fs::lstat(path).ok()?;
    let is_ours = stat.st_uid == user;
    let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let mode = Mode::from_raw_mode(stat.st_mode);
    (is_ours && is_folder && FOLDER_MODE.contains(mode) && mode != FOLDER_MODE).then_some(mode)
}

/// Says whether a folder is a cache, and makes one of it where that does no harm. Returns whether it was
/// one before, and whole.
fn admit(root: &Folder, makes: bool) -> Result<bool, FolderError> {
    let kind = judge(root)?;
    let made = match kind {
        Kind::Marked => Ok(()),
        Kind::Foreign => Err(FolderError::NotACache),
        Kind::Unmarked if !makes => Ok(()),
        // A cache that may only be read goes without.
        Kind::Unmarked => mark(root, kind).or(Ok(())),
        Kind::Empty if !makes => Err(FolderError::Empty),
        Kind::Mixed if !makes => Err(FolderError::NotACache),
        Kind::Empty | Kind::Mixed => match root.mode()? {
            mode if mode.contains(FOLDER_MODE) => mark(root, kind),
            // Root can all the same; that isn't what the mode asks for.
            mode => Err(FolderError::NotForUse { mode: mode.bits() }),
        },
    };
    made.map(|()| kind == Kind::Marked)
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
        let (found, ..) = open(&path("link"), &access(), true).expect("it is ours");
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

//! The mark by which a cache is known: nothing is made in, or removed from, a folder that someone
//! keeps other things in.

use crate::folder::{Folder, FolderError, is_plain};
use crate::names::{SECRET_FILE, VERSION_FOLDER, is_temporary};
use crate::secret::SECRET_LEN;

/// The mark, and what it says.
pub(crate) const MARK_FILE: &str = "rekindle-cache";
const MARK: &str = "This folder is a cache of Rekindle. All of it may be removed.\n";

/// What tells programs that make backups to pass the folder over: <https://bford.info/cachedir/>.
pub(crate) const TAG_FILE: &str = "CACHEDIR.TAG";
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This file is a cache directory tag created by Rekindle.\n\
    # For information about cache directory tags see https://bford.info/cachedir/\n";

/// What a folder is that is to be a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A cache.
    Marked,
    /// A cache from before there was a mark.
    Unmarked,
    /// Nothing yet.
    Empty,
    /// A place of other things, where a cache may be, too.
    Mixed,
    /// Where a cache has its files, someone has others.
    Foreign,
}

/// Says what a folder is.
pub(crate) fn judge(root: &Folder) -> Result<Kind, FolderError> {
    if has_mark(root) {
        return Ok(Kind::Marked);
    }
    let names = root.names()?;
    let is_ours =
        |name: &&String| [MARK_FILE, TAG_FILE].contains(&name.as_str()) || is_temporary(name);
    let others: Vec<&str> = names
        .iter()
        .filter(|name| !is_ours(name))
        .map(String::as_str)
        .collect();
    let has = |name: &str| others.contains(&name);
    let parts = usize::from(has(SECRET_FILE)) + usize::from(has(VERSION_FOLDER));
    let kind = if others.is_empty() {
        Kind::Empty
    } else if parts == others.len() && is_secret(root) {
        Kind::Unmarked
    } else if parts == 0 {
        Kind::Mixed
    } else {
        Kind::Foreign
    };
    // Another process may have made a cache of it between the first look and the second.
    match is_marked(root) {
        true => Ok(Kind::Marked),
        false => Ok(kind),
    }
}

/// Marks a folder of that kind as a cache. What a process killed in between leaves is none, or one
/// without a tag.
pub(crate) fn mark(root: &Folder, kind: Kind) -> Result<(), FolderError> {
    let mark = root.write_temporary(MARK.as_bytes(), true)?;
    if !mark.name(MARK_FILE)? && !is_marked(root) {
        // What a crash left of one, if anything.
        let torn = root.read_file(MARK_FILE, MARK.len() as u64)?;
        if !MARK.as_bytes().starts_with(&torn) {
            return Err(FolderError::NotACache);
        }
        mark.replace(MARK_FILE)?;
    }
    if kind != Kind::Mixed {
        // Others' things are to be in backups.
        root.write_temporary(TAG.as_bytes(), false)?
            .name(TAG_FILE)?;
    }
    Ok(())
}

/// Whether a folder has the mark, by its name, owner and length: what is asked at each start.
fn has_mark(root: &Folder) -> bool {
    root.stat_own(MARK_FILE)
        .is_ok_and(|stat| is_plain(&stat) && stat.st_size == MARK.len() as i64)
}

/// The same by what it says, after a crash, which may leave something else.
fn is_marked(root: &Folder) -> bool {
    root.read_file(MARK_FILE, MARK.len() as u64)
        .is_ok_and(|bytes| bytes == MARK.as_bytes())
}

/// Whether there is what we keep as a secret: so many bytes, for us alone.
fn is_secret(root: &Folder) -> bool {
    root.stat_own(SECRET_FILE).is_ok_and(|stat| {
        is_plain(&stat) && stat.st_size == SECRET_LEN as i64 && stat.st_mode & 0o077 == 0
    })
}

#[cfg(test)]
mod tests {
    use super::{Kind, MARK_FILE, TAG_FILE, judge, mark};
    use crate::folder::tests::folder;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn secret(path: &std::path::Path, len: usize, mode: u32) {
        let path = path.join("secret");
        fs::write(&path, vec![7; len]).expect("space");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    #[test]
    fn folders_are_what_they_hold() {
        /// Names, the length and mode of a secret if there is one, and what it is.
        type Case = (&'static [&'static str], Option<(usize, u32)>, Kind);
        let cases: [Case; 9] = [
            (&[], None, Kind::Empty),
            (
                &[TAG_FILE, ".0123456789abcdef01234567.tmp"],
                None,
                Kind::Empty,
            ),
            (&["v1"], Some((32, 0o600)), Kind::Unmarked),
            (&[], Some((32, 0o600)), Kind::Unmarked),
            (&["v1"], Some((32, 0o644)), Kind::Foreign),
            (&["v1"], Some((31, 0o600)), Kind::Foreign),
            (&["v1"], None, Kind::Foreign),
            (&["v1", "notes"], Some((32, 0o600)), Kind::Foreign),
            (&["notes"], None, Kind::Mixed),
        ];
        for (names, with_secret, kind) in cases {
            let (directory, folder) = folder();
            for name in names {
                fs::write(directory.path().join(name), "").expect("space");
            }
            if let Some((len, mode)) = with_secret {
                secret(directory.path(), len, mode);
            }
            assert_eq!(judge(&folder).expect("readable"), kind, "{names:?}");
        }
    }

    #[test]
    fn a_mark_is_put_once_and_a_torn_one_is_replaced() {
        let (directory, folder) = folder();
        let path = directory.path().join(MARK_FILE);
        fs::write(&path, "This").expect("space");
        assert_eq!(judge(&folder).expect("readable"), Kind::Empty);
        mark(&folder, Kind::Empty).expect("space");
        assert_eq!(judge(&folder).expect("readable"), Kind::Marked);
        assert!(directory.path().join(TAG_FILE).exists());
        fs::write(&path, "somebody's own").expect("space");
        assert!(mark(&folder, Kind::Empty).is_err());
        assert_eq!(fs::read(&path).expect("readable"), b"somebody's own");
    }

    #[test]
    fn among_others_things_there_is_no_tag() {
        let (directory, folder) = folder();
        fs::write(directory.path().join("thesis.tex"), "").expect("space");
        mark(&folder, Kind::Mixed).expect("space");
        assert!(!directory.path().join(TAG_FILE).exists());
    }
}

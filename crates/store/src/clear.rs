//! Removing what the cache wrote, and nothing else.

use std::io;

use crate::folder::{Folder, FolderError, is_plain};
use crate::names::{DIGESTS_FOLDER, ENVIRONMENT_FILE, ScopeFile, is_digest, is_temporary};
use crate::root::Store;

impl Store {
    /// Removes everything but the secret and the marks. Returns how many bytes of images there were.
    /// What has another name than we give, or is something else than a plain file, stays where it is.
    ///
    /// # Errors
    /// If a file can't be removed.
    pub fn clear(&self) -> Result<u64, FolderError> {
        remove_files(&self.root_folder()?, is_temporary)?;
        let version = match self.version_folder() {
            Err(FolderError::Missing) => return Ok(0),
            result => result?,
        };
        let mut bytes = 0;
        for name in version.names()? {
            if is_digest(&name) {
                let Some(folder) = if_ours(version.open(&name))? else {
                    continue;
                };
                bytes += clear_environment(&folder)?;
            } else if name == DIGESTS_FOLDER {
                let Some(folder) = if_ours(version.open(&name))? else {
                    continue;
                };
                remove_files(&folder, |name| is_digest(name) || is_temporary(name))?;
            } else {
                continue;
            }
            version.remove_folder(&name)?;
        }
        remove_files(&version, is_temporary)?;
        Ok(bytes)
    }
}

/// A folder that was opened, unless it isn't ours. One that can't be looked into is said to be so.
fn if_ours(opened: Result<Folder, FolderError>) -> Result<Option<Folder>, FolderError> {
    match opened {
        Err(error @ FolderError::System(_)) => Err(error),
        opened => Ok(opened.ok()),
    }
}

fn clear_environment(folder: &Folder) -> Result<u64, FolderError> {
    let mut bytes = 0;
    for name in folder.names()?.iter().filter(|name| is_digest(name)) {
        if let Some(scope) = if_ours(folder.open(name))? {
            bytes += clear_scope(&scope)?;
            folder.remove_folder(name)?;
        }
    }
    remove_files(folder, |name| {
        name == ENVIRONMENT_FILE || is_temporary(name)
    })?;
    Ok(bytes)
}

/// Removes a scope's files. Returns how many bytes of images there were.
fn clear_scope(folder: &Folder) -> io::Result<u64> {
    let mut bytes = 0;
    for name in folder.names()? {
        if let Some(ScopeFile::Image(_)) = ScopeFile::of_name(&name)
            && let Ok(stat) = folder.stat(&name)
            && is_plain(&stat)
        {
            bytes += u64::try_from(stat.st_size).unwrap_or(0);
        }
    }
    remove_files(folder, |name| ScopeFile::of_name(name).is_some())?;
    Ok(bytes)
}

fn remove_files(folder: &Folder, is_ours: impl Fn(&str) -> bool) -> io::Result<()> {
    let names = folder.names()?;
    let mut ours = names.iter().filter(|name| is_ours(name));
    ours.try_for_each(|name| folder.remove_plain_file(name))
}

#[cfg(test)]
mod tests {
    use crate::folder::FolderError;
    use crate::root::{OpenError, Opening, Store};
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::{Path, PathBuf};

    /// All that is in a folder, by path.
    fn tree(folder: &Path) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() && !path.is_symlink() {
                found.extend(tree(&path));
            }
            found.insert(path);
        }
        found
    }

    #[test]
    fn clearing_makes_nothing_and_touches_no_folder_that_is_no_cache() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let path = directory.path();
        let clear = |path: &Path| Store::open(path, Opening::Clearing).map(|_| ());
        assert!(clear(&path.join("none")).is_err());
        assert!(clear(path).is_err());
        fs::create_dir_all(path.join("v1/api")).expect("a folder");
        fs::write(path.join("v1/api/handlers.py"), "precious").expect("space");
        let before = tree(path);
        for opening in [Opening::Clearing, Opening::Reading, Opening::Writing] {
            let error = Store::open(path, opening).expect_err("it isn't a cache");
            let OpenError::Folder { error, .. } = error else {
                panic!("{error}")
            };
            assert!(matches!(error, FolderError::NotACache), "{error}");
        }
        assert_eq!(tree(path), before);
    }

    #[test]
    fn what_we_did_not_write_stays_even_in_a_cache_from_before_the_mark() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let path = directory.path();
        fs::write(path.join("secret"), [7; 32]).expect("space");
        fs::set_permissions(path.join("secret"), fs::Permissions::from_mode(0o600)).expect("ours");
        let (environment, scope) = ("0a".repeat(16), "1b".repeat(16));
        let scope = path.join("v1").join(environment).join(scope);
        let outside = path.with_extension("outside");
        fs::write(&outside, "precious").expect("space");
        let ours = ["1.img", "2.img", "2.intact", "2.used", "lock"];
        let others = ["handlers.py", "01.img", "x.tmp", "sub/1.img"];
        fs::create_dir_all(scope.join("sub")).expect("a folder");
        fs::create_dir_all(path.join("v1/api")).expect("a folder");
        for name in ours.iter().chain(&others) {
            fs::write(scope.join(name), "12345").expect("space");
        }
        fs::create_dir(scope.join("3.img")).expect("a folder");
        symlink(&outside, scope.join("4.img")).expect("a link");
        fs::write(path.join("v1/api/1.img"), "precious").expect("space");
        let mut expected = tree(path);
        for name in ours {
            expected.remove(&scope.join(name));
        }

        let store = Store::open(path, Opening::Clearing).expect("it is a cache");
        assert_eq!(store.clear().expect("it is ours"), 10);
        assert_eq!(tree(path), expected);
        assert_eq!(fs::read(&outside).expect("readable"), b"precious");

        Store::open(path, Opening::Writing).expect("it is a cache");
        assert!(path.join("rekindle-cache").exists() && path.join("CACHEDIR.TAG").exists());
        fs::remove_file(outside).expect("ours");
    }
}

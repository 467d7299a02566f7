//! The cache's root: its mark, its secret, and the folders below it.
//!
//! ```text
//! rekindle-cache                     says that this is a cache
//! CACHEDIR.TAG                       the same, for programs that make backups
//! secret                             32 random bytes, for this user alone
//! v1/<environment>/environment.json  what the environment is, for people
//! v1/<environment>/<scope>/<n>.img   images
//! v1/<environment>/<scope>/<n>.intact  that an image was checked whole
//! v1/<environment>/<scope>/<n>.used  when an image was last used
//! v1/<environment>/<scope>/lock      held while images are merged
//! v1/digests/<file>                  remembered digests of files
//! ```

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::description::EnvironmentDescription;
use crate::directory;
use crate::environment::{Environment, ScopeId};
use crate::folder::{Access, Folder, FolderError, is_folder};
use crate::names::{ENVIRONMENT_FILE, SECRET_FILE, VERSION_FOLDER};
use crate::scope_folder::ScopeFolder;
use crate::secret::{SECRET_LEN, Secret, random};
use crate::storage::{SharedStorage, Storage, System};

/// A cache folder that was found fit for use.
///
/// It holds no descriptor: a guest that lives in this process would see its own numbers change.
#[derive(Debug)]
pub struct Store {
    secret: Secret,
    /// As it was given.
    path: PathBuf,
    /// The same without a link at its end.
    followed: PathBuf,
    access: Access,
}

/// What a cache folder is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Nothing is changed.
    Reading,
    /// What is missing is made.
    Writing,
    /// Nothing is made.
    Clearing,
}

/// Why a cache folder isn't used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The process was started with more authority than its user has, who may write the cache.
    #[error(
        "the process has more authority than its user, whose cache and REKINDLE_* variables it \
         doesn't trust"
    )]
    MoreAuthority,
    /// No environment variable says where the cache should be.
    #[error("neither REKINDLE_CACHE_DIR, XDG_CACHE_HOME nor HOME says where the cache is")]
    NoDirectory,
    /// A folder can't be used.
    #[error("the cache folder {path} can't be used: {error}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: FolderError,
    },
    /// The secret can't be read or made.
    #[error("the secret of the cache folder {path} can't be used: {error}")]
    Secret {
        /// The cache's folder.
        path: PathBuf,
        /// Why.
        error: FolderError,
    },
}

impl Store {
    /// Opens the cache folder at `path`.
    ///
    /// # Errors
    /// Why the folder isn't used.
    pub fn open(path: &Path, opening: Opening) -> Result<Self, OpenError> {
        Self::open_on(path, opening, Arc::new(System))
    }

    /// The same on another storage than the system's.
    ///
    /// # Errors
    /// Why the folder isn't used.
    pub fn open_on(
        path: &Path,
        opening: Opening,
        storage: Arc<dyn Storage>,
    ) -> Result<Self, OpenError> {
        let makes = opening == Opening::Writing;
        let access = Access {
            storage,
            writable: opening != Opening::Reading,
            user: rustix::process::geteuid().as_raw(),
            may_repair: makes,
        };
        let failed = |error| OpenError::Folder {
            path: path.to_owned(),
            error,
        };
        let (followed, root, was_marked) = directory::open(path, &access, makes).map_err(failed)?;
        let secret = match read_or_make_secret(&root, makes) {
            // What is to be removed need not be believed.
            Err(_) if opening == Opening::Clearing => Ok([0; SECRET_LEN]),
            result => result.map_err(|error| OpenError::Secret {
                path: path.to_owned(),
                error,
            }),
        }?;
        // One look at what is as it nearly always is; whoever needs the folder opens it.
        let is_there = || {
            root.stat_own(VERSION_FOLDER)
                .is_ok_and(|stat| is_folder(&stat))
        };
        if !was_marked || !is_there() {
            // A folder on a read-only file system may still be read.
            let version_folder = match root.open(VERSION_FOLDER) {
                Err(FolderError::Missing) if makes => root.open_or_create(VERSION_FOLDER),
                Err(FolderError::Missing) if opening == Opening::Clearing => Ok(root),
                result => result,
            };
            version_folder.map_err(failed)?;
        }
        Ok(Self {
            secret: Secret::new(&secret),
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            followed,
            access,
        })
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the cache may be written.
    pub fn is_writable(&self) -> bool {
        self.access.writable
    }

    /// The system, as this cache sees it.
    pub(crate) fn storage(&self) -> &SharedStorage {
        &self.access.storage
    }

    /// The keys for what the cache authenticates.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Whether the secret is still the one that was read when the cache was opened. Someone may have
    /// removed the cache since, and another process have made it anew: then what is there now is
    /// authenticated with another secret, and isn't this process's to judge or to remove.
    ///
    /// # Errors
    /// Why the secret can't be read.
    pub fn has_the_same_secret(&self) -> Result<bool, FolderError> {
        match self.root_folder().and_then(|root| read_secret(&root)) {
            Ok(Some(secret)) => Ok(self.secret.is_same(&Secret::new(&secret))),
            Ok(None) | Err(FolderError::Missing) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The folder of this format's version.
    pub(crate) fn version_folder(&self) -> Result<Folder, FolderError> {
        Folder::open_path(&self.followed.join(VERSION_FOLDER), &self.access)
    }

    /// The same, made if it doesn't exist.
    pub(crate) fn make_version_folder(&self) -> Result<Folder, FolderError> {
        match self.version_folder() {
            Err(FolderError::Missing) => self.root_folder()?.open_or_create(VERSION_FOLDER),
            result => result,
        }
    }

    /// The cache's own folder.
    pub(crate) fn root_folder(&self) -> Result<Folder, FolderError> {
        Folder::open_path(&self.followed, &self.access)
    }

    /// Opens a scope's folder, if it exists.
    ///
    /// # Errors
    /// Why the folder isn't used.
    pub fn scope_folder(
        &self,
        environment: &Environment,
        scope: &ScopeId,
    ) -> Result<Option<ScopeFolder>, FolderError> {
        let open = || {
            let folder = self
                .version_folder()?
                .open(&environment.digest().short_hex())?;
            folder.open(&scope.digest().short_hex())
        };
        match open() {
            Ok(folder) => Ok(Some(ScopeFolder::new(folder))),
            Err(FolderError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a scope's folder, made if it doesn't exist.
    ///
    /// # Errors
    /// Why the folder isn't used.
    pub fn create_scope_folder(
        &self,
        environment: &Environment,
        scope: &ScopeId,
    ) -> Result<ScopeFolder, FolderError> {
        let create = || {
            let version = self.make_version_folder()?;
            let folder = version.open_or_create(&environment.digest().short_hex())?;
            if folder.stat(ENVIRONMENT_FILE).is_err() {
                describe(environment, &folder)?;
            }
            folder.open_or_create(&scope.digest().short_hex())
        };
        // Another process may remove an empty folder just now.
        let folder = create().or_else(|_| create())?;
        Ok(ScopeFolder::new(folder))
    }
}

fn describe(environment: &Environment, folder: &Folder) -> Result<(), FolderError> {
    let text = EnvironmentDescription::of(environment).to_json();
    folder
        .write_temporary(text.as_bytes(), false)?
        .name(ENVIRONMENT_FILE)?;
    Ok(())
}

fn read_or_make_secret(root: &Folder, writable: bool) -> Result<[u8; SECRET_LEN], FolderError> {
    match read_secret(root) {
        Ok(Some(secret)) => return Ok(secret),
        Ok(None) | Err(FolderError::Missing) if writable => {}
        Ok(None) => {
            return Err(FolderError::WrongKind {
                expected: "secret of 32 bytes",
            });
        }
        Err(error) => return Err(error),
    }
    // The one file worth waiting for: losing it after a crash would lose every image.
    let secret = random::<SECRET_LEN>()?;
    let file = root.write_temporary(&secret, true)?;
    if file.name(SECRET_FILE)? {
        return Ok(secret);
    }
    // Another process was faster, or there is a file of another length, left by a crash.
    if let Some(secret) = read_secret(root)? {
        return Ok(secret);
    }
    file.replace(SECRET_FILE)?;
    Ok(secret)
}

/// The secret, or `None` if its file has another length.
fn read_secret(root: &Folder) -> Result<Option<[u8; SECRET_LEN]>, FolderError> {
    let (file, stat) = match root.open_file(SECRET_FILE) {
        Err(FolderError::WritableByOthers { mode }) => Err(FolderError::NotPrivate { mode }),
        opened => opened,
    }?;
    let mode = stat.st_mode & 0o777;
    if mode & 0o077 != 0 {
        return Err(FolderError::NotPrivate { mode });
    }
    let mut secret = [0; SECRET_LEN];
    if stat.st_size != SECRET_LEN as i64 {
        return Ok(None);
    }
    file.read_exact_at(&mut secret, 0)?;
    Ok(Some(secret))
}

#[cfg(test)]
mod tests {
    use super::{OpenError, Opening, SECRET_FILE, Store};
    use crate::folder::FolderError;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    #[test]
    fn a_new_folder_is_private_and_keeps_its_secret() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let path = directory.path().join("deep/cache");
        Store::open(&path, Opening::Writing).expect("it can be made");
        let mode = |path: PathBuf| fs::metadata(path).expect("it exists").permissions().mode();
        assert_eq!(mode(path.clone()) & 0o777, 0o700);
        assert_eq!(mode(path.join(SECRET_FILE)) & 0o777, 0o600);
        let secret = fs::read(path.join(SECRET_FILE)).expect("readable");
        assert_eq!(secret.len(), 32);
        Store::open(&path, Opening::Writing).expect("it opens again");
        assert_eq!(fs::read(path.join(SECRET_FILE)).expect("readable"), secret);
    }

    #[test]
    fn a_torn_secret_is_replaced_and_a_public_one_refused() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let secret = directory.path().join(SECRET_FILE);
        Store::open(directory.path(), Opening::Writing).expect("it can be made");
        fs::write(&secret, "short").expect("space");
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("it is ours");
        Store::open(directory.path(), Opening::Writing).expect("the secret is replaced");
        assert_eq!(fs::read(&secret).expect("readable").len(), 32);
        fs::set_permissions(&secret, Permissions::from_mode(0o644)).expect("it is ours");
        let error =
            Store::open(directory.path(), Opening::Writing).expect_err("others may read it");
        assert!(
            error.to_string().contains("others may read it (mode 644)"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_folder_is_not_made_for_readers() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let error =
            Store::open(&directory.path().join("none"), Opening::Reading).expect_err("missing");
        assert!(matches!(
            error,
            OpenError::Folder {
                error: FolderError::Missing,
                ..
            }
        ));
    }
}

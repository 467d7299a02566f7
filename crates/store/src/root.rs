//! The cache's root: where it is, its secret, and the folders below it.
//!
//! ```text
//! secret                             32 random bytes, for this user alone
//! v1/<environment>/environment.json  what the environment is, for people
//! v1/<environment>/<scope>/<n>.img   images
//! v1/<environment>/<scope>/<n>.intact  that an image was checked whole
//! v1/<environment>/<scope>/lock      held while images are merged
//! v1/digests/<file>                  remembered digests of files
//! ```

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use crate::environment::{Environment, ScopeId};
use crate::folder::{Folder, FolderError};
use crate::scope_folder::ScopeFolder;
use crate::secret::{SECRET_LEN, Secret, random};

pub(crate) const VERSION_FOLDER: &str = "v1";
pub(crate) const DIGESTS_FOLDER: &str = "digests";
pub(crate) const ENVIRONMENT_FILE: &str = "environment.json";
const SECRET_FILE: &str = "secret";

/// A cache folder that was found fit for use.
///
/// It holds no descriptor: a guest that lives in this process would see its own numbers change.
#[derive(Debug)]
pub struct Store {
    secret: Secret,
    path: PathBuf,
    writable: bool,
}

/// Why a cache folder isn't used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
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

/// Where the cache is by default: `$REKINDLE_CACHE_DIR`, else `$XDG_CACHE_HOME/rekindle`, else
/// `$HOME/.cache/rekindle`. A relative XDG path counts as none, as XDG says.
pub fn default_directory() -> Option<PathBuf> {
    directory_from(|name| std::env::var_os(name))
}

fn directory_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    path("REKINDLE_CACHE_DIR").or_else(|| {
        let base = path("XDG_CACHE_HOME").filter(|base| base.is_absolute());
        base.or_else(|| path("HOME").map(|home| home.join(".cache")))
            .map(|base| base.join("rekindle"))
    })
}

impl Store {
    /// Opens the cache folder at `path`, made if it doesn't exist and `writable`.
    ///
    /// # Errors
    /// Why the folder isn't used.
    pub fn open(path: &Path, writable: bool) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Folder {
            path: path.to_owned(),
            error,
        };
        let root = match Folder::open_path(path) {
            Err(FolderError::Missing) if writable => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(path)
                    .map_err(|error| failed(error.into()))?;
                Folder::open_path(path)
            }
            result => result,
        }
        .map_err(failed)?;
        let secret = read_or_make_secret(&root, writable).map_err(|error| OpenError::Secret {
            path: path.to_owned(),
            error,
        })?;
        let version_folder = if writable {
            // A folder on a read-only file system may still be read.
            root.open(VERSION_FOLDER)
                .or_else(|_| root.open_or_create(VERSION_FOLDER))
        } else {
            root.open(VERSION_FOLDER)
        };
        version_folder.map_err(failed)?;
        // The process may change its directory later.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self {
            secret: Secret::new(&secret),
            path,
            writable,
        })
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the cache may be written.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// The keys for what the cache authenticates.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The folder of this format's version.
    pub(crate) fn version_folder(&self) -> Result<Folder, FolderError> {
        Folder::open_path(&self.path.join(VERSION_FOLDER))
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
        let folder = self
            .version_folder()?
            .open_or_create(&environment.digest().short_hex())?;
        if folder.stat(ENVIRONMENT_FILE).is_err() {
            describe(environment, &folder)?;
        }
        Ok(ScopeFolder::new(
            folder.open_or_create(&scope.digest().short_hex())?,
        ))
    }
}

/// What an environment is, as `environment.json` keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EnvironmentDescription {
    /// The name of the compiler.
    pub producer: String,
    /// The fields, in order.
    pub fields: Vec<(String, String)>,
}

fn describe(environment: &Environment, folder: &Folder) -> Result<(), FolderError> {
    let description = EnvironmentDescription {
        producer: environment.producer().to_owned(),
        fields: environment.fields().to_vec(),
    };
    let text = serde_json::to_vec_pretty(&description).map_err(std::io::Error::from)?;
    folder
        .write_temporary(&text, false)?
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
    let (file, stat) = root.open_file(SECRET_FILE)?;
    let mode = stat.st_mode & 0o777;
    if mode & 0o077 != 0 {
        return Err(FolderError::WritableByOthers { mode });
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
    use super::{OpenError, SECRET_FILE, Store, directory_from};
    use crate::folder::FolderError;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    #[test]
    fn directories_in_order() {
        let find = |pairs: &[(&str, &str)]| {
            directory_from(|name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.into())
            })
        };
        let home = ("HOME", "/home/u");
        let xdg = ("XDG_CACHE_HOME", "/cache");
        assert_eq!(find(&[]), None);
        assert_eq!(
            find(&[home]),
            Some(PathBuf::from("/home/u/.cache/rekindle"))
        );
        assert_eq!(find(&[home, xdg]), Some(PathBuf::from("/cache/rekindle")));
        let relative = ("XDG_CACHE_HOME", "cache");
        assert_eq!(
            find(&[home, relative]),
            Some(PathBuf::from("/home/u/.cache/rekindle"))
        );
        let own = ("REKINDLE_CACHE_DIR", "/own");
        assert_eq!(find(&[home, xdg, own]), Some(PathBuf::from("/own")));
    }

    #[test]
    fn a_new_folder_is_private_and_keeps_its_secret() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let path = directory.path().join("deep/cache");
        Store::open(&path, true).expect("it can be made");
        let mode = |path: PathBuf| fs::metadata(path).expect("it exists").permissions().mode();
        assert_eq!(mode(path.clone()) & 0o777, 0o700);
        assert_eq!(mode(path.join(SECRET_FILE)) & 0o777, 0o600);
        let secret = fs::read(path.join(SECRET_FILE)).expect("readable");
        assert_eq!(secret.len(), 32);
        Store::open(&path, true).expect("it opens again");
        assert_eq!(fs::read(path.join(SECRET_FILE)).expect("readable"), secret);
    }

    #[test]
    fn a_torn_secret_is_replaced_and_a_public_one_refused() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let secret = directory.path().join(SECRET_FILE);
        fs::write(&secret, "short").expect("space");
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("it is ours");
        Store::open(directory.path(), true).expect("the secret is replaced");
        assert_eq!(fs::read(&secret).expect("readable").len(), 32);
        fs::set_permissions(&secret, Permissions::from_mode(0o644)).expect("it is ours");
        let error = Store::open(directory.path(), true).expect_err("others may read it");
        assert!(matches!(error, OpenError::Secret { .. }), "{error}");
    }

    #[test]
    fn a_missing_folder_is_not_made_for_readers() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let error = Store::open(&directory.path().join("none"), false).expect_err("missing");
        assert!(matches!(
            error,
            OpenError::Folder {
                error: FolderError::Missing,
                ..
            }
        ));
    }
}

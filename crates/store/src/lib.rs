//! Keys, environments, and images on disk: the part that knows bytes and never addresses.

#![forbid(unsafe_code)]

mod digest;
mod environment;
mod fixed;
mod folder;
pub mod image;
mod key;
mod root;
mod scope_folder;
mod secret;

pub use digest::Digest;
pub use environment::{Environment, EnvironmentBuilder, ScopeId};
pub use folder::FolderError;
pub use key::{Key, KeyBuilder};
pub use root::{EnvironmentDescription, OpenError, Store, default_directory};
pub use scope_folder::{ImageError, ImageFile, ScopeFolder, ScopeLock};
pub use secret::Secret;

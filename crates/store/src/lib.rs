//! Keys, environments, and images on disk: the part that knows bytes and never addresses.

#![forbid(unsafe_code)]

mod budget;
mod care;
mod clear;
mod description;
mod digest;
mod directory;
mod environment;
mod file_digest;
mod fixed;
mod folder;
#[cfg(test)]
mod format_tests;
pub mod image;
mod intact;
mod key;
mod local;
mod mark;
mod memo;
mod name_hash;
mod names;
mod root;
mod scope_folder;
mod secret;
mod storage;
mod survey;
mod temporary;

pub use care::{FileSystem, Garbage, ImageCheck};
pub use description::EnvironmentDescription;
pub use digest::Digest;
pub use environment::{Environment, EnvironmentBuilder, ScopeId};
pub use folder::FolderError;
pub use intact::{IntactNote, NotOnDisk};
pub use key::{Key, KeyBuilder};
pub use name_hash::name_hash;
pub use root::{OpenError, Opening, Store};
pub use scope_folder::{ImageError, ImageFile, ScopeFolder, ScopeLock};
pub use secret::Secret;
pub use storage::{Storage, System};
pub use survey::{EntryInfo, EnvironmentInfo, HeaderInfo, ImageInfo};

//! What is on disk, for people: plain data that serialises.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rekindle_store::{
    EntryInfo, EnvironmentInfo, FileSystem, FolderError, Garbage, ImageCheck, ImageInfo, OpenError,
    Opening, System,
};
use serde::Serialize;

use crate::cache::{Cache, open_store};
use crate::config::CacheConfig;

/// What the cache takes on disk, and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DiskUsage {
    /// Image files.
    pub images: u64,
    /// Of those, files whose header can't be believed.
    pub images_damaged: u64,
    /// Bytes of image files.
    pub bytes: u64,
    /// What image files may take, in bytes.
    pub budget_bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Environments that have images.
    pub environments: u64,
    /// Scopes that have images.
    pub scopes: u64,
    /// What compiling all entries cost, in nanoseconds.
    pub compile_time_ns: u64,
}

/// The cache can't be cleared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClearError {
    /// There is no cache folder that may be written; see [`Cache::notices`].
    #[error("there is no cache folder that may be written")]
    NoFolder,
    /// The folder isn't a cache that may be used.
    #[error(transparent)]
    NoCache(#[from] OpenError),
    /// A file can't be removed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl Cache {
    /// The cache's folder, if it has one that can be used.
    pub fn directory(&self) -> Option<&Path> {
        self.shared.store.as_ref().map(|store| store.path())
    }

    /// All images with their headers.
    pub fn images(&self) -> Vec<ImageInfo> {
        let Some(store) = &self.shared.store else {
            return Vec::new();
        };
        let mut images = store.list_images();
        for image in &mut images {
            store.read_header(image);
        }
        images
    }

    /// All entries of all images, each verified: reads every image whole.
    pub fn entries(&self) -> Vec<EntryInfo> {
        let Some(store) = &self.shared.store else {
            return Vec::new();
        };
        store
            .list_images()
            .iter()
            .flat_map(|image| store.read_entries(image))
            .collect()
    }

    /// All environments that have a folder.
    pub fn environments(&self) -> Vec<EnvironmentInfo> {
        self.shared
            .store
            .as_ref()
            .map(|store| store.environments())
            .unwrap_or_default()
    }

    /// What the cache takes on disk.
    pub fn disk_usage(&self) -> DiskUsage {
        let mut usage = DiskUsage {
            budget_bytes: self.shared.budget_bytes,
            ..DiskUsage::default()
        };
        let (mut environments, mut scopes) = (BTreeSet::new(), BTreeSet::new());
        for image in self.images() {
            usage.images += 1;
            usage.bytes += image.file_len_bytes;
            match &image.header {
                None => usage.images_damaged += 1,
                Some(header) => {
                    usage.entries += u64::from(header.entry_count);
                    usage.compile_time_ns += header.compile_time_ns;
                }
            }
            environments.insert(image.environment.clone());
            scopes.insert((image.environment, image.scope));
        }
        usage.environments = environments.len() as u64;
        usage.scopes = scopes.len() as u64;
        usage
    }

    /// Checks all images whole, whatever was noted of them before.
    pub fn check_images(&self) -> Vec<ImageCheck> {
        let Some(store) = &self.shared.store else {
            return Vec::new();
        };
        let images = store.list_images();
        images
            .iter()
            .map(|image| store.check_image(image))
            .collect()
    }

    /// The images that can go: the damaged ones, those that nobody used for so many days, and then what
    /// the budget asks for.
    pub fn garbage(&self, unused_days: Option<u32>) -> Vec<Garbage> {
        match &self.shared.store {
            Some(store) => store.garbage(self.shared.budget_bytes, unused_days),
            None => Vec::new(),
        }
    }

    /// Removes what [`Self::garbage`] found. Code that is loaded stays. Returns how many bytes of images
    /// are gone.
    ///
    /// # Errors
    /// See [`ClearError`].
    pub fn remove_garbage(&self, garbage: &[Garbage]) -> Result<u64, ClearError> {
        let store = self.shared.writable_store().ok_or(ClearError::NoFolder)?;
        Ok(store.remove_garbage(garbage)?)
    }

    /// What the file system of the cache's folder is like; `None` if there is no folder that can be used.
    pub fn file_system(&self) -> Option<FileSystem> {
        self.shared.store.as_ref()?.file_system().ok()
    }

    /// Whether the cache's folder can really be written: writes a file, and removes it.
    ///
    /// # Errors
    /// Why it can't.
    pub fn try_writing(&self) -> std::io::Result<()> {
        match self.shared.writable_store() {
            Some(store) => store.try_writing(),
            None => Err(std::io::Error::other(
                "there is no cache folder that may be written",
            )),
        }
    }

    /// Removes what is in the cache that `config` names, and nothing that another wrote: images, and
    /// what else the cache remembers. Makes nothing. Returns how many bytes of images there were.
    ///
    /// # Errors
    /// If there is something else in the folder's place, or a file can't be removed.
    pub fn clear_at(config: &CacheConfig) -> Result<u64, ClearError> {
        let opened = open_store(
            config.directory.clone(),
            Opening::Clearing,
            Arc::new(System),
        );
        let none = |error: &FolderError| matches!(error, FolderError::Missing | FolderError::Empty);
        match opened {
            Err(OpenError::Folder { error, .. }) if none(&error) => Ok(0),
            Err(error) => Err(error.into()),
            Ok(store) => Ok(store.clear()?),
        }
    }

    /// Removes all images and what else the cache remembers. Code that is loaded stays. Returns how
    /// many bytes of images there were.
    ///
    /// # Errors
    /// See [`ClearError`].
    pub fn clear(&self) -> Result<u64, ClearError> {
        let store = self.shared.writable_store().ok_or(ClearError::NoFolder)?;
        Ok(store.clear()?)
    }
}

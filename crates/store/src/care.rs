//! Looking after a cache by request: what is damaged, and what can go.

use std::io;

use serde::Serialize;

use crate::folder::FolderError;
use crate::image::{Damaged, ImageView, Refusal};
use crate::local::is_local;
use crate::root::Store;
use crate::scope_folder::ImageError;
use crate::survey::{HeaderInfo, ImageInfo};

/// An image, and what checking all of it found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImageCheck {
    /// The image.
    #[serde(flatten)]
    pub image: ImageInfo,
    /// What is wrong with it, for people; `None` if nothing is.
    pub fault: Option<String>,
    /// Whether another version of Rekindle wrote it: this one can't say more of it.
    pub is_of_another_version: bool,
}

/// An image that can go, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Garbage {
    /// The image.
    #[serde(flatten)]
    pub image: ImageInfo,
    /// Why it can go, for people.
    pub reason: String,
}

/// What the file system of a cache's folder is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FileSystem {
    /// Whether images are mapped: only where no other machine can change them. Elsewhere they are read.
    pub maps_images: bool,
    /// Bytes that this user may still write.
    pub free_bytes: u64,
}

impl Store {
    /// Checks all that an image holds, whatever was noted of it before.
    pub fn check_image(&self, image: &ImageInfo) -> ImageCheck {
        let mut check = ImageCheck {
            image: image.clone(),
            ..ImageCheck::default()
        };
        let found = self.read_image(image).map(|(header, bytes)| {
            check.image.header = Some(HeaderInfo::of(&header));
            let view = ImageView::new(&header, &bytes, self.secret());
            view.and_then(|view| check_whole(&view)).is_ok()
        });
        match found {
            Ok(true) => {}
            Ok(false) => check.fault = Some("its digests are wrong".to_owned()),
            Err(error) => {
                check.is_of_another_version =
                    matches!(error, ImageError::Refused(Refusal::FormatVersion(_)));
                check.fault = Some(error.to_string());
            }
        }
        check
    }

    /// The images that can go: the damaged ones, those that nobody used for so many days, and then what
    /// the budget asks for. Each is checked whole. What is in the way of the next walk is removed if the
    /// cache may be written.
    pub fn garbage(&self, budget_bytes: u64, unused_days: Option<u32>) -> Vec<Garbage> {
        let images = self.list_images();
        let unused_s = unused_days.map(|days| i64::from(days) * 24 * 60 * 60);
        let oldest = unused_s.map(|unused_s| self.storage().now_s() - unused_s);
        let reason = |image: &mut ImageInfo| {
            if oldest.is_some_and(|oldest| image.last_used_s < oldest) {
                return Some("it wasn't used for so long".to_owned());
            }
            let check = self.check_image(image);
            image.header = check.image.header;
            check.fault.filter(|_| !check.is_of_another_version)
        };
        let mut garbage: Vec<Garbage> = Vec::new();
        let mut kept = Vec::new();
        for mut image in images {
            match reason(&mut image) {
                Some(reason) => garbage.push(Garbage { image, reason }),
                None => kept.push(image),
            }
        }
        let over = self.choose_over_budget(kept, budget_bytes, None);
        garbage.extend(over.into_iter().map(|image| Garbage {
            image,
            reason: "the cache is larger than it may be".to_owned(),
        }));
        garbage
    }

    /// Removes images, and what nobody needs any more: folders without images, files of writers that were
    /// killed. Returns how many bytes of images are gone.
    ///
    /// # Errors
    /// If one can't be removed; those before it are.
    pub fn remove_garbage(&self, garbage: &[Garbage]) -> Result<u64, FolderError> {
        let mut bytes = 0;
        for Garbage { image, .. } in garbage {
            match self.remove_image(image) {
                Ok(()) => bytes += image.file_len_bytes,
                // Someone else was faster.
                Err(FolderError::Missing) => {}
                Err(error) => return Err(error),
            }
        }
        self.list_and_tidy();
        Ok(bytes)
    }

    /// What the file system of the cache's folder is like.
    ///
    /// # Errors
    /// If the system doesn't say.
    pub fn file_system(&self) -> Result<FileSystem, FolderError> {
        let folder = self.version_folder()?;
        Ok(FileSystem {
            maps_images: is_local(folder.file_system().map_err(FolderError::System)?),
            free_bytes: folder.free_bytes()?,
        })
    }

    /// Whether the cache can really be written: writes a file that is gone again when this returns.
    ///
    /// # Errors
    /// Why it can't.
    pub fn try_writing(&self) -> io::Result<()> {
        let folder = self.make_version_folder().map_err(io::Error::other)?;
        drop(folder.write_temporary(b"rekindle", false)?);
        Ok(())
    }
}

/// Checks what running needs, and what a merge or a comparison reads.
fn check_whole(view: &ImageView<'_>) -> Result<(), Damaged> {
    view.check_all()?;
    for entry in view.entries() {
        view.artifact(&entry.verify()?)?;
    }
    Ok(())
}

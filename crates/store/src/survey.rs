//! What is on disk, for people and for the budget.

use std::io::{self, Read};

use rekindle_artifact::KeyPart;
use serde::Serialize;

use crate::description::EnvironmentDescription;
use crate::digest::hex;
use crate::folder::{Folder, FolderError};
use crate::image::{ImageHeader, ImageView};
use crate::names::{
    ENVIRONMENT_FILE, LOCK_FILE, ScopeFile, image_name, is_digest, is_temporary, use_name,
};
use crate::root::Store;
use crate::scope_folder::{ImageError, ScopeFolder, lock};

/// The largest `environment.json` that is read.
const MAX_DESCRIPTION_LEN: u64 = 1 << 20;

/// An image file, as its folder and its header show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImageInfo {
    /// The environment's folder.
    pub environment: String,
    /// The scope's folder.
    pub scope: String,
    /// The image's number in its folder.
    pub number: u32,
    /// Bytes of the file.
    pub file_len_bytes: u64,
    /// When it was last used, in seconds since 1970, to within a day.
    pub last_used_s: i64,
    /// What its header says; `None` if the header can't be believed.
    pub header: Option<HeaderInfo>,
}

/// What an image's header says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeaderInfo {
    /// The scope's name for people; may be empty.
    pub label: String,
    /// When the image was written, in seconds since 1970.
    pub created_s: u64,
    /// How many entries it has.
    pub entry_count: u32,
    /// What compiling all entries cost, in nanoseconds.
    pub compile_time_ns: u64,
}

impl HeaderInfo {
    pub(crate) fn of(header: &ImageHeader) -> Self {
        Self {
            label: header.label(),
            created_s: header.created_s(),
            entry_count: header.entry_count(),
            compile_time_ns: header.compile_time_ns(),
        }
    }
}

/// An environment that has a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EnvironmentInfo {
    /// Its folder.
    pub folder: String,
    /// What it is; empty where that can't be read.
    pub description: EnvironmentDescription,
}

/// One entry of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EntryInfo {
    /// The environment's folder.
    pub environment: String,
    /// The scope's folder.
    pub scope: String,
    /// The scope's name for people; may be empty.
    pub label: String,
    /// The image's number in its folder.
    pub image: u32,
    /// Whether the image is a program, whose entries are never looked up by their keys.
    pub is_program: bool,
    /// The key, in hexadecimal.
    pub key: String,
    /// The code's name; empty where it is damaged.
    pub name: String,
    /// Bytes of text.
    pub text_len_bytes: u32,
    /// What compiling cost, in nanoseconds.
    pub compile_time_ns: u64,
    /// Whether its bytes are the ones that were written.
    pub is_sound: bool,
    /// When its image was written, in seconds since 1970.
    pub created_s: u64,
    /// What its key was made of: names and hashes; empty where its maker didn't say.
    pub key_parts: Vec<(String, u64)>,
    /// What those parts consist of whose maker says so.
    #[serde(skip)]
    pub key_details: Vec<KeyPart>,
}

impl Store {
    /// All environments that have a folder.
    pub fn environments(&self) -> Vec<EnvironmentInfo> {
        let mut found = Vec::new();
        self.visit_environments(|name, folder| {
            let description = folder
                .read_file(ENVIRONMENT_FILE, MAX_DESCRIPTION_LEN)
                .ok()
                .and_then(|text| EnvironmentDescription::from_json(&text))
                .unwrap_or_default();
            found.push(EnvironmentInfo {
                folder: name.to_owned(),
                description,
            });
        });
        found
    }

    /// All image files, without opening them: no headers.
    pub fn list_images(&self) -> Vec<ImageInfo> {
        let mut found = Vec::new();
        self.visit_environments(|environment, folder| {
            visit_scopes(
                folder,
                &folder.names().unwrap_or_default(),
                |scope, folder| {
                    let names = folder.names().unwrap_or_default();
                    found.extend(images_of(environment, scope, folder, &names));
                },
            );
        });
        found
    }

    /// The same, and removes on the way what nobody needs any more: folders without images, notes of
    /// images that are gone, files of writers that were killed. So what was there once makes no walk
    /// longer but the next one.
    pub(crate) fn list_and_tidy(&self) -> Vec<ImageInfo> {
        let mut found = Vec::new();
        let Ok(version) = self.version_folder() else {
            return found;
        };
        for folder in [self.root_folder(), self.version_folder()]
            .into_iter()
            .flatten()
        {
            folder.remove_stale_of(&folder.names().unwrap_or_default());
        }
        self.visit_environments(|environment, folder| {
            let names = folder.names().unwrap_or_default();
            let mut empty = Vec::new();
            visit_scopes(folder, &names, |scope, folder| {
                let names = folder.names().unwrap_or_default();
                let images: Vec<_> = images_of(environment, scope, folder, &names).collect();
                tidy_scope(folder, &names, &images);
                if images.is_empty() {
                    empty.push(scope.to_owned());
                }
                found.extend(images);
            });
            folder.remove_stale_of(&names);
            for scope in &empty {
                log(folder.remove_folder(scope));
            }
            remove_environment(&version, environment, folder);
        });
        found
    }

    /// Reads an image's header, and fills in what it says.
    pub fn read_header(&self, image: &mut ImageInfo) {
        let Ok(folder) = self.open_scope_folder(&image.environment, &image.scope) else {
            return;
        };
        if let Ok(file) = folder.open_image(image.number, self.secret(), None) {
            image.header = Some(HeaderInfo::of(&file.header));
        }
    }

    /// The entries of an image, each verified. None if the image can't be read at all.
    pub fn read_entries(&self, image: &ImageInfo) -> Vec<EntryInfo> {
        let Ok((header, bytes)) = self.read_image(image) else {
            return Vec::new();
        };
        let Ok(view) = ImageView::new(&header, &bytes, self.secret()) else {
            return Vec::new();
        };
        let blank = EntryInfo {
            environment: image.environment.clone(),
            scope: image.scope.clone(),
            label: header.label(),
            image: image.number,
            is_program: !header.program().is_empty(),
            created_s: header.created_s(),
            ..EntryInfo::default()
        };
        let describe = |entry: crate::image::UnverifiedEntry<'_>| {
            let key = hex(entry.key().as_bytes());
            match entry.verify() {
                Err(_) => EntryInfo {
                    key,
                    ..blank.clone()
                },
                Ok(record) => {
                    let key_parts = view.key_parts(&record).unwrap_or_default();
                    EntryInfo {
                        key,
                        name: view.name(&record).unwrap_or_default(),
                        key_parts: key_parts
                            .iter()
                            .map(|part| (part.name.clone().into_owned(), part.hash))
                            .collect(),
                        key_details: key_parts
                            .into_iter()
                            .filter(|part| part.items.stride > 0)
                            .collect(),
                        text_len_bytes: record.text_len_bytes(),
                        compile_time_ns: record.compile_time_ns(),
                        is_sound: true,
                        ..blank.clone()
                    }
                }
            }
        };
        view.entries().map(describe).collect()
    }

    /// Removes an image. Processes that mapped it keep it.
    ///
    /// # Errors
    /// If its folder can't be used, or the system refuses.
    pub fn remove_image(&self, image: &ImageInfo) -> Result<(), FolderError> {
        let environment = self.version_folder()?.open(&image.environment)?;
        let scope = ScopeFolder::new(environment.open(&image.scope)?);
        scope.remove(image.number)?;
        if scope.images()?.is_empty() {
            let names = scope.folder.names()?;
            tidy_scope(&scope.folder, &names, &[]);
            environment.remove_folder(&image.scope)?;
            remove_environment(&self.version_folder()?, &image.environment, &environment);
        }
        Ok(())
    }

    /// An image's header and all its bytes.
    pub(crate) fn read_image(
        &self,
        image: &ImageInfo,
    ) -> Result<(ImageHeader, Vec<u8>), ImageError> {
        let folder = self.open_scope_folder(&image.environment, &image.scope)?;
        let mut file = folder.open_image(image.number, self.secret(), None)?;
        let mut bytes = Vec::new();
        let read = file.file.read_to_end(&mut bytes);
        read.map_err(FolderError::from)?;
        Ok((file.header, bytes))
    }

    fn open_scope_folder(
        &self,
        environment: &str,
        scope: &str,
    ) -> Result<ScopeFolder, FolderError> {
        Ok(ScopeFolder::new(
            self.version_folder()?.open(environment)?.open(scope)?,
        ))
    }

    fn visit_environments(&self, mut visit: impl FnMut(&str, &Folder)) {
        let Ok(version) = self.version_folder() else {
            return;
        };
        let mut names = version.names().unwrap_or_default();
        names.sort_unstable();
        for name in names.iter().filter(|name| is_digest(name)) {
            if let Ok(folder) = version.open(name) {
                visit(name, &folder);
            }
        }
    }
}

/// Visits the scopes of an environment, whose folder holds these names.
fn visit_scopes(environment: &Folder, names: &[String], mut visit: impl FnMut(&str, &Folder)) {
    let mut names: Vec<&String> = names.iter().filter(|name| is_digest(name)).collect();
    names.sort_unstable();
    for scope in names {
        if let Ok(folder) = environment.open(scope) {
            visit(scope, &folder);
        }
    }
}

/// The images of a scope, whose folder holds these names.
fn images_of(
    environment: &str,
    scope: &str,
    folder: &Folder,
    names: &[String],
) -> impl Iterator<Item = ImageInfo> {
    names.iter().filter_map(move |name| {
        let ScopeFile::Image(number) = ScopeFile::of_name(name)? else {
            return None;
        };
        let stat = folder.stat(name).ok()?;
        let used = use_name(number);
        let used = names.contains(&used).then(|| folder.stat(&used).ok());
        let used_s = used.flatten().map_or(i64::MIN, |used| used.st_mtime);
        Some(ImageInfo {
            environment: environment.to_owned(),
            scope: scope.to_owned(),
            number,
            file_len_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            last_used_s: stat.st_mtime.max(used_s),
            header: None,
        })
    })
}

/// Removes what a scope's folder holds for nobody. Without images, that is all of it, unless someone
/// is at work in it.
fn tidy_scope(folder: &Folder, names: &[String], images: &[ImageInfo]) {
    folder.remove_stale_of(names);
    let is_there = |number| images.iter().any(|image| image.number == number);
    for name in names {
        if let Some(ScopeFile::Note(number) | ScopeFile::Use(number)) = ScopeFile::of_name(name)
            && !is_there(number)
            // One may be published and noted since the names were read.
            && folder.stat(&image_name(number)).is_err()
        {
            log(folder.remove_plain_file(name));
        }
    }
    let has_lock = names.iter().any(|name| name == LOCK_FILE);
    let is_being_written = names.iter().any(|name| is_temporary(name));
    if images.is_empty() && has_lock && !is_being_written {
        // Whoever takes the lock looks whether it is still the one that the folder has.
        if let Some(_lock) = lock(folder) {
            log(folder.remove_plain_file(LOCK_FILE));
        }
    }
}

/// Removes an environment's folder, should it hold nothing but its description.
fn remove_environment(version: &Folder, name: &str, folder: &Folder) {
    let names = folder.names().unwrap_or_default();
    if names.iter().all(|name| name == ENVIRONMENT_FILE) {
        log(folder.remove_plain_file(ENVIRONMENT_FILE));
        log(version.remove_folder(name));
    }
}

fn log(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "can't tidy up");
    }
}

//! What is on disk, for people and for the budget.

use std::io::{self, Read};

use serde::Serialize;

use crate::digest::hex;
use crate::folder::{Folder, FolderError};
use crate::image::{ImageHeader, ImageView};
use crate::root::{DIGESTS_FOLDER, ENVIRONMENT_FILE, EnvironmentDescription, Store};
use crate::scope_folder::{ScopeFolder, image_number};

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
    /// When it was last used, in seconds since 1970, to within a minute.
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
}

impl Store {
    /// All environments that have a folder.
    pub fn environments(&self) -> Vec<EnvironmentInfo> {
        let mut found = Vec::new();
        self.visit_environments(|name, folder| {
            let description = folder
                .read_file(ENVIRONMENT_FILE, MAX_DESCRIPTION_LEN)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok())
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
        self.visit_scopes(|environment, scope, folder| {
            for name in folder.names().unwrap_or_default() {
                let Some(number) = image_number(&name) else {
                    continue;
                };
                let Ok(stat) = folder.stat(&name) else {
                    continue;
                };
                found.push(ImageInfo {
                    environment: environment.to_owned(),
                    scope: scope.to_owned(),
                    number,
                    file_len_bytes: u64::try_from(stat.st_size).unwrap_or(0),
                    last_used_s: stat.st_mtime,
                    header: None,
                });
            }
        });
        found
    }

    /// Reads an image's header, and fills in what it says.
    pub fn read_header(&self, image: &mut ImageInfo) {
        let Ok(folder) = self.open_scope_folder(&image.environment, &image.scope) else {
            return;
        };
        if let Ok(file) = folder.open_image(image.number, self.secret(), None) {
            image.header = Some(HeaderInfo {
                label: file.header.label(),
                created_s: file.header.created_s(),
                entry_count: file.header.entry_count(),
                compile_time_ns: file.header.compile_time_ns(),
            });
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
                Ok(record) => EntryInfo {
                    key,
                    name: view.name(&record).unwrap_or_default(),
                    key_parts: view.key_parts(&record).unwrap_or_default(),
                    text_len_bytes: record.text_len_bytes(),
                    compile_time_ns: record.compile_time_ns(),
                    is_sound: true,
                    ..blank.clone()
                },
            }
        };
        view.entries().map(describe).collect()
    }

    /// Removes an image. Processes that mapped it keep it.
    ///
    /// # Errors
    /// If its folder can't be used, or the system refuses.
    pub fn remove_image(&self, image: &ImageInfo) -> Result<(), FolderError> {
        let folder = self.open_scope_folder(&image.environment, &image.scope)?;
        Ok(folder.remove(image.number)?)
    }

    /// Removes everything but the secret. Returns how many bytes of images there were.
    ///
    /// # Errors
    /// If a file can't be removed.
    pub fn clear(&self) -> Result<u64, FolderError> {
        let mut bytes = 0;
        for image in self.list_images() {
            self.remove_image(&image)?;
            bytes += image.file_len_bytes;
        }
        let version = self.version_folder()?;
        for environment in version.names()? {
            let Ok(folder) = version.open(&environment) else {
                continue;
            };
            for name in folder.names()? {
                if let Ok(scope) = folder.open(&name) {
                    remove_files(&scope)?;
                    folder.remove_folder(&name)?;
                } else {
                    folder.remove_file(&name)?;
                }
            }
            version.remove_folder(&environment)?;
        }
        Ok(bytes)
    }

    fn read_image(&self, image: &ImageInfo) -> Result<(ImageHeader, Vec<u8>), io::Error> {
        let folder = self
            .open_scope_folder(&image.environment, &image.scope)
            .map_err(io::Error::other)?;
        let mut file = folder
            .open_image(image.number, self.secret(), None)
            .map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        file.file.read_to_end(&mut bytes)?;
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
        for name in names.iter().filter(|name| *name != DIGESTS_FOLDER) {
            if let Ok(folder) = version.open(name) {
                visit(name, &folder);
            }
        }
    }

    fn visit_scopes(&self, mut visit: impl FnMut(&str, &str, &Folder)) {
        self.visit_environments(|environment, folder| {
            let mut names = folder.names().unwrap_or_default();
            names.sort_unstable();
            for scope in names {
                if let Ok(folder) = folder.open(&scope) {
                    visit(environment, &scope, &folder);
                }
            }
        });
    }
}

fn remove_files(folder: &Folder) -> io::Result<()> {
    folder
        .names()?
        .iter()
        .try_for_each(|name| folder.remove_file(name))
}

//! Finds and damages the files of a cache, as a disk or a careless user would.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// All image files below a cache directory, sorted.
///
/// # Errors
/// If a folder cannot be read.
pub fn image_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            } else if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "img")
            {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Replaces a file's content by what `change` makes of it. The file is replaced by a new one of the
/// same name: a process that has the old one mapped keeps it.
///
/// # Errors
/// If the file cannot be read or written.
pub fn mangle(file: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
    let mut bytes = fs::read(file)?;
    change(&mut bytes);
    let beside = file.with_extension("mangled");
    fs::write(&beside, &bytes)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))?;
    fs::rename(&beside, file)
}

//! Programs of our own that run on the distribution's libraries.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repository_root;
use crate::toolchain::APT_LINE;

/// Compiles a C++ source with the cross compiler, dynamically linked, unless that was done before.
pub(crate) fn build(source: &Path) -> io::Result<PathBuf> {
    let text = fs::read(source)?;
    let digest = blake3::hash(&text).to_hex();
    let folder = repository_root().join("target/guests/compiled");
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let built = folder.join(format!("{stem}-{}", &digest[..16]));
    if built.exists() {
        return Ok(built);
    }
    fs::create_dir_all(&folder)?;
    // Two chores that build the same don't meet.
    let work = tempfile::tempdir_in(&folder)?;
    let fresh = work.path().join("program");
    let output = Command::new("riscv64-linux-gnu-g++")
        .args(["-std=c++17", "-O2", "-march=rv64gc", "-pthread", "-o"])
        .args([&fresh, source])
        .output()
        .map_err(|error| io::Error::other(format!("{error}; on Debian: {APT_LINE}")))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(message));
    }
    fs::rename(&fresh, &built)?;
    Ok(built)
}

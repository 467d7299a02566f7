//! Digests the sources that decide what a region is translated to.
//!
//! Translations outlive the program that made them. A version number that someone must remember to
//! raise is a weak guard against running yesterday's translation with today's engine, so the
//! environment of the cache holds this digest: of this crate's sources, of the decoder's, and of
//! the versions of everything they were built with.

use std::path::Path;
use std::{env, fs, io};

/// What is digested: folders and files, seen from this crate's folder. A published crate stands
/// alone, without the decoder's sources and the lock file; its version then says which they are.
const INPUTS: [&str; 5] = [
    "src",
    "../hart/src",
    "../rv-isa/src",
    "../../Cargo.lock",
    "Cargo.toml",
];

fn main() -> io::Result<()> {
    let folder = env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    for input in INPUTS {
        let path = Path::new(&folder).join(input);
        println!("cargo::rerun-if-changed={}", path.display());
        if path.exists() {
            digest(&path, &mut hasher)?;
        }
    }
    let digest = hasher.finalize().to_hex();
    println!("cargo::rustc-env=REKINDLE_TIERS_SOURCES={digest}");
    Ok(())
}

/// Feeds a file, or all files below a folder in the order of their names, to `hasher`.
fn digest(path: &Path, hasher: &mut blake3::Hasher) -> io::Result<()> {
    if path.is_dir() {
        let entries: io::Result<Vec<_>> = fs::read_dir(path)?.collect();
        let mut paths: Vec<_> = entries?.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        return paths.iter().try_for_each(|path| digest(path, hasher));
    }
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let contents = fs::read(path)?;
    for field in [name, &contents] {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    Ok(())
}

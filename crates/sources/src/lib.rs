//! Digests of what makes code, for build scripts.
//!
//! Code outlives the program that made it. A version number that someone must remember to raise is a
//! weak guard against running yesterday's code with today's fix, so the environments of the cache hold a
//! digest of the sources that decide what comes out, and of the lock file that says which versions of
//! everything else they were built with.
//!
//! Both can be seen only where this workspace is built itself. A dependency can't see its embedder's
//! lock file, and a published crate stands alone: the digest is empty then, and whoever asks takes a
//! mark of the whole build instead.

#![forbid(unsafe_code)]

mod build;
mod lock;
mod since;

use std::{env, io};

pub use build::Build;
pub use since::{SINCE, emit_since, since};

/// In a build script: has the crate see `variable` as a digest of `inputs`, folders and files as seen
/// from the crate's own folder, and of the lock file; empty if one of them can't be seen.
///
/// # Errors
/// If a file is there and can't be read, or Cargo doesn't say what it should.
#[expect(clippy::print_stdout, reason = "Cargo reads a build script's output")]
pub fn emit(variable: &str, inputs: &[&str]) -> io::Result<()> {
    let told = |name| env::var_os(name).ok_or(io::ErrorKind::NotFound);
    let build = Build {
        crate_folder: told("CARGO_MANIFEST_DIR")?.into(),
        out_folder: told("OUT_DIR")?.into(),
        target: told("TARGET")?.to_string_lossy().into_owned(),
    };
    for path in build.paths(inputs) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let digest = build.digest(inputs)?.unwrap_or_default();
    println!("cargo::rustc-env={variable}={digest}");
    Ok(())
}

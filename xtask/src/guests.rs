//! The guests: those of a distribution are fetched; those that ship with the repository are built,
//! and what is committed is checked to be what their sources give.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Subcommand;
use rekindle_testkit::distribution::{self, GUESTS};

use crate::debian;
use crate::shell::{root, succeed};

/// Each guest's folder, source and ELF file have its name.
const SHIPPED: &[&str] = &["raytrace", "lisp", "manyfuncs"];

/// Where the shared object is that the machine maps into every guest.
const VDSO: &str = "crates/linux/vdso";

/// What to do with the guests.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Fetch all that the list of a distribution's programs needs; what happens if nothing is said.
    Fetch,
    /// Build each ELF file beside its source.
    Build,
    /// Build them elsewhere and compare, byte for byte.
    Check,
}

pub(crate) fn run(task: &Task) -> anyhow::Result<()> {
    match task {
        Task::Fetch => fetch(),
        Task::Build => scripts().iter_mut().try_for_each(succeed),
        Task::Check => check(),
    }
}

fn fetch() -> anyhow::Result<()> {
    let distribution = debian::provide(&distribution::packages(GUESTS))?;
    println!("RISC-V system: {}", distribution.sysroot.display());
    println!("QEMU: {}", distribution.qemu.display());
    Ok(())
}

/// What builds the guests, and the vDSO.
fn scripts() -> [Command; 2] {
    ["guests", VDSO].map(|folder| Command::new(root().join(folder).join("build.sh")))
}

fn check() -> anyhow::Result<()> {
    let built = tempfile::tempdir()?;
    for mut script in scripts() {
        succeed(script.arg(built.path()))?;
    }
    let guests = SHIPPED
        .iter()
        .map(|name| root().join("guests").join(name).join(name));
    let all: Vec<PathBuf> = guests.chain([root().join(VDSO).join("vdso.so")]).collect();
    for committed in &all {
        let kept = fs::read(committed).with_context(|| committed.display().to_string())?;
        let fresh = fs::read(built.path().join(committed.file_name().unwrap_or_default()))?;
        ensure!(
            kept == fresh,
            "{} is not what its source gives; build it with cargo xtask guests build and the \
             compiler that guests/build.sh names",
            committed.display()
        );
    }
    println!(
        "guests: {} ELF files are what their sources give",
        all.len()
    );
    Ok(())
}

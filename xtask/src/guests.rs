//! The guests: those of a distribution are fetched; those that ship with the repository are built,
//! and what is committed is checked to be what their sources give.

use std::fs;
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Subcommand;
use rekindle_testkit::distribution::{self, GUESTS};

use crate::debian;
use crate::shell::{root, succeed};

/// Each guest's folder, source and ELF file have its name.
const SHIPPED: &[&str] = &["raytrace", "lisp", "manyfuncs"];

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
        Task::Build => succeed(&mut script()),
        Task::Check => check(),
    }
}

fn fetch() -> anyhow::Result<()> {
    let distribution = debian::provide(&distribution::packages(GUESTS))?;
    println!("RISC-V system: {}", distribution.sysroot.display());
    println!("QEMU: {}", distribution.qemu.display());
    Ok(())
}

fn script() -> Command {
    Command::new(root().join("guests/build.sh"))
}

fn check() -> anyhow::Result<()> {
    let built = tempfile::tempdir()?;
    succeed(script().arg(built.path()))?;
    for name in SHIPPED {
        let committed = root().join("guests").join(name).join(name);
        let kept = fs::read(&committed).with_context(|| committed.display().to_string())?;
        let fresh = fs::read(built.path().join(name))?;
        ensure!(
            kept == fresh,
            "{} is not what its source gives; build it with cargo xtask guests build and the \
             compiler that guests/build.sh names",
            committed.display()
        );
    }
    println!(
        "guests: {} ELF files are what their sources give",
        SHIPPED.len()
    );
    Ok(())
}

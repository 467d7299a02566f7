//! The guests that ship with the repository: building them, and checking that what is committed is
//! what their sources give.

use std::fs;
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Subcommand;

use crate::shell::{root, succeed};

/// Each guest's folder, source and ELF file have its name.
const GUESTS: &[&str] = &["raytrace", "lisp", "manyfuncs"];

/// What to do with the guests.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Build each ELF file beside its source.
    Build,
    /// Build them elsewhere and compare, byte for byte.
    Check,
}

pub(crate) fn run(task: &Task) -> anyhow::Result<()> {
    match task {
        Task::Build => succeed(&mut script()),
        Task::Check => check(),
    }
}

fn script() -> Command {
    Command::new(root().join("guests/build.sh"))
}

fn check() -> anyhow::Result<()> {
    let built = tempfile::tempdir()?;
    succeed(script().arg(built.path()))?;
    for name in GUESTS {
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
        GUESTS.len()
    );
    Ok(())
}

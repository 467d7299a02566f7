//! The tests of our own front for an embedder's version of Cranelift: its keys and environments.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, ensure};

use super::build;
use super::list::{Embedder, home};
use super::package;
use crate::shell::cargo;

/// Runs them, over what was built for the embedder. Those for the newest version are the workspace's own.
pub(super) fn test(embedder: &Embedder, lock: &str) -> anyhow::Result<()> {
    let Some(workspace) = embedder.stand_ins_workspace() else {
        return Ok(());
    };
    // The embedder's versions, so that its Cranelift is not built again for another patch release.
    fs::write(workspace.join("Cargo.lock"), lock)?;
    let version = package::version_of(lock, "cranelift-codegen").context("a locked Cranelift")?;
    let mut command = cargo();
    build::as_for_all(&mut command)?;
    command
        .current_dir(&workspace)
        .args(["test", "--quiet", "--package", "rekindle-cranelift"])
        .args(["--lib", "--tests"])
        .stdin(Stdio::null());
    let log = home().join(format!("front-{}.txt", embedder.cranelift));
    let output = command.output().with_context(|| format!("{command:?}"))?;
    fs::write(&log, [&*output.stdout, &*output.stderr].concat())?;
    ensure!(
        output.status.success(),
        "tests of keys with Cranelift {version}: {}; see {}",
        output.status,
        log.display()
    );
    println!("  tests of keys with Cranelift {version} pass");
    Ok(())
}

//! Running commands from the workspace's root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// The workspace's root folder.
pub(crate) fn root() -> &'static Path {
    rekindle_testkit::repository_root()
}

/// The Cargo that runs this chore.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command to its end, its streams our own.
pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// The `rekindle` program that was given, or else the one that `build` builds.
pub(crate) fn given_or(
    given: Option<&Path>,
    build: impl FnOnce() -> anyhow::Result<PathBuf>,
) -> anyhow::Result<PathBuf> {
    match given {
        Some(file) => file.canonicalize().context("the rekindle program"),
        None => build(),
    }
}

/// Builds the `rekindle` program as the tests do: assertions are on, Cranelift is optimised.
pub(crate) fn debug_rekindle() -> anyhow::Result<PathBuf> {
    succeed(cargo().args(["build", "--quiet", "--workspace", "--bin", "rekindle"]))?;
    Ok(target().join("debug/rekindle"))
}

/// Builds the release `rekindle` program and says where it is.
pub(crate) fn release_rekindle() -> anyhow::Result<PathBuf> {
    succeed(cargo().args(["build", "--quiet", "--release", "--package", "rekindle-cli"]))?;
    Ok(target().join("release/rekindle"))
}

/// The machine that this compiler compiles for, as it calls it.
pub(crate) fn host_triple() -> anyhow::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .context("rustc doesn't say its host")
}

/// Where Cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(folder)
}

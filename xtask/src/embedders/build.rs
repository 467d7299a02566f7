//! Building an embedder's tests, with cranelift-jit itself and with ours in its place.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use super::list::{Embedder, UPSTREAM, home};
use super::package;
use crate::shell::{cargo, succeed};

/// What the dependencies use of the standard library, and the minor version of Rust that had it first:
/// an older compiler is told to allow it.
const LIBRARY_FEATURE: (&str, u32) = ("assert_matches", 96);

/// A program of tests that was built.
#[derive(Debug)]
pub(super) struct TestProgram {
    /// The target's name.
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// An embedder's tests.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) programs: Vec<TestProgram>,
    /// What else its lock file had to change for ours.
    pub(super) lock_changes: Vec<String>,
    /// That lock file.
    pub(super) lock: String,
}

/// Builds an embedder's tests as they were published.
pub(super) fn as_published(embedder: &Embedder) -> anyhow::Result<Vec<TestProgram>> {
    build(embedder, None)
}

/// Builds an embedder's tests with one `[patch]` entry more. Its manifest stays as it is; what is locked
/// stays locked, but for the package that is replaced.
pub(super) fn with_ours(embedder: &Embedder) -> anyhow::Result<Built> {
    let path = embedder.stand_in();
    let patch = format!("patch.crates-io.{UPSTREAM}.path={:?}", path.display());
    let lock = embedder.folder().join("Cargo.lock");
    let before = fs::read_to_string(&lock)?;
    let mut update = cargo();
    update
        .current_dir(embedder.folder())
        .args([
            "update",
            "--quiet",
            "--package",
            UPSTREAM,
            "--config",
            &patch,
        ])
        .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "allow");
    succeed(&mut update)?;
    let programs = build(embedder, Some(&patch))?;
    let after = fs::read_to_string(&lock)?;
    fs::write(lock, &before)?;
    Ok(Built {
        programs,
        lock_changes: package::changed(&before, &after),
        lock: after,
    })
}

/// What is built here is run a few times, so it is built fast.
fn build(embedder: &Embedder, patch: Option<&str>) -> anyhow::Result<Vec<TestProgram>> {
    let mut command = cargo();
    as_for_all(&mut command)?;
    command
        .current_dir(embedder.folder())
        .args(["test", "--no-run", "--quiet", "--ignore-rust-version"])
        .arg("--message-format=json-render-diagnostics")
        .args(embedder.targets)
        .args(["--features", &embedder.features.join(",")])
        .stderr(Stdio::inherit());
    if let Some(patch) = patch {
        command.args(["--config", patch]);
    }
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    let mut programs = Vec::new();
    let mut linked = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let (Some(name), Some(manifest)) = (
            text(&message["target"]["name"]),
            text(&message["manifest_path"]),
        ) else {
            continue;
        };
        if name == UPSTREAM.replace('-', "_") {
            linked.push(PathBuf::from(manifest));
        }
        if let Some(path) = text(&message["executable"])
            && message["profile"]["test"] == true
        {
            let path = path.into();
            programs.push(TestProgram { name, path });
        }
    }
    check_linked(embedder, &linked, patch.is_some())?;
    Ok(programs)
}

/// What all builds have in common, so that they share what they can.
pub(super) fn as_for_all(command: &mut Command) -> anyhow::Result<()> {
    allow_features(command)?;
    command
        .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "allow")
        .env("CARGO_TARGET_DIR", home().join("build"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0");
    Ok(())
}

/// A patch that doesn't fit is ignored with no more than a warning.
fn check_linked(embedder: &Embedder, linked: &[PathBuf], is_patched: bool) -> anyhow::Result<()> {
    let ours = embedder.stand_in().join("Cargo.toml");
    let is_ours = |manifest: &PathBuf| Path::new(manifest) == ours;
    let is_right = match is_patched {
        true => !linked.is_empty() && linked.iter().all(is_ours),
        false => !linked.iter().any(is_ours),
    };
    ensure!(
        is_right,
        "{} was built with {linked:?}: `cargo tree -i {UPSTREAM}` says why",
        embedder.name
    );
    Ok(())
}

/// Has a compiler that is older than a library feature take it for stable: nothing in the embedders or
/// in what they depend on is changed for it.
fn allow_features(command: &mut Command) -> anyhow::Result<()> {
    let (feature, since) = LIBRARY_FEATURE;
    let output = Command::new("rustc").arg("--version").output()?;
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    let minor = version.split('.').nth(1);
    let minor: u32 = minor.context("a version")?.parse().context("a version")?;
    if minor < since {
        let flag = format!("-Zcrate-attr=feature({feature})");
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flag);
    }
    Ok(())
}

//! `cargo xtask miri`: what Miri can run of the crates with twins for it. Miri isn't to be had on every
//! machine, so CI only checks that the twins compile.

use anyhow::ensure;

use crate::shell::{cargo, root, succeed, target};
use std::process::{Command, Stdio};

/// Crates that have twins for Miri.
const WITH_TWINS: &[&str] = &["rekindle-exec"];

/// Crates that Miri runs as they are.
const PURE: &[&str] = &["rekindle-artifact", "rekindle-link", "rv-isa"];

/// Runs Miri.
pub(crate) fn run() -> anyhow::Result<()> {
    let miri = || {
        let mut command = Command::new("cargo");
        command.current_dir(root()).args(["+nightly", "miri"]);
        command
    };
    let is_there = miri()
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    ensure!(
        is_there,
        "there is no Miri: rustup toolchain install nightly --component miri"
    );
    let mut command = miri();
    command
        // Tests use temporary folders and the clock.
        .env(
            "MIRIFLAGS",
            "-Zmiri-disable-isolation -Zmiri-permissive-provenance",
        )
        .env("PROPTEST_CASES", "8")
        .args(["test", "--lib", "--tests"])
        .arg("--target-dir")
        .arg(target().join("miri"));
    for package in WITH_TWINS.iter().chain(PURE) {
        command.args(["--package", package]);
    }
    succeed(&mut command)
}

/// Checks that what is compiled for Miri alone compiles, with the usual compiler.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut command = cargo();
    command
        .env("RUSTFLAGS", "--cfg miri --deny warnings")
        .args(["check", "--quiet", "--all-targets"])
        .arg("--target-dir")
        .arg(target().join("miri-check"));
    for package in WITH_TWINS {
        command.args(["--package", package]);
    }
    succeed(&mut command)
}

//! `cargo xtask ci`: exactly what CI runs, in the order in which it is cheapest to fail.

use crate::asan;
use crate::embedders;
use crate::guests;
use crate::miri;
use crate::packages;
use crate::programs;
use crate::shell::{cargo, succeed, target};
use crate::tidy;

pub(crate) fn run() -> anyhow::Result<()> {
    step("packages", packages::install)?;
    step("formatting", || {
        succeed(cargo().args(["fmt", "--all", "--check"]))
    })?;
    step("tidy", tidy::run)?;
    step("guests", || guests::run(&guests::Task::Check))?;
    step("lints", || {
        let clippy = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--quiet",
        ];
        succeed(cargo().args(clippy).args(["--", "--deny", "warnings"]))
    })?;
    step("twins for Miri", miri::check)?;
    step("documentation", || {
        let mut command = cargo();
        command.env("RUSTDOCFLAGS", "--deny warnings");
        succeed(command.args(["doc", "--workspace", "--no-deps", "--quiet"]))
    })?;
    step("tests", || succeed(cargo().args(["test", "--workspace"])))?;
    step("sanitizer", || asan::test(asan::CHEAP, None))?;
    step("embedders", || {
        embedders::run(&embedders::Options::default())
    })?;
    // The tests have built the program, with its assertions.
    step("programs", || {
        programs::run(&programs::Options::quick(target().join("debug/rekindle")))
    })
}

fn step(name: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    println!("== {name}");
    work()
}

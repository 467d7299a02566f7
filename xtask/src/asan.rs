//! `cargo xtask asan`: the tests of the crates with doors, under AddressSanitizer.

use clap::Args;

use crate::shell::{cargo, host_triple, succeed, target};

/// Crates with doors, and the fuzzers that go through them.
const DOORS: &[&str] = &[
    "rekindle-exec",
    "rekindle-hart",
    "rekindle",
    "rekindle-cranelift",
    "rekindle-fuzz",
];

/// Those that are built in a minute: what CI runs.
pub(crate) const CHEAP: &[&str] = &["rekindle-exec"];

/// Of which crates, and which tests.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only of these crates, apart by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    package: Vec<String>,

    /// Only tests whose name holds this text.
    filter: Option<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let chosen: Vec<&str> = options.package.iter().map(String::as_str).collect();
    let packages = match chosen.is_empty() {
        true => DOORS,
        false => &chosen,
    };
    test(packages, options.filter.as_deref())
}

/// Tests these crates.
pub(crate) fn test(packages: &[&str], filter: Option<&str>) -> anyhow::Result<()> {
    let mut command = cargo();
    command
        // Sanitizers are for nightly compilers, and stable ones bring the runtime all the same.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        // Signals are ours to handle, and code that was compiled stays until its process ends.
        .env("ASAN_OPTIONS", "allow_user_segv_handler=1:detect_leaks=0")
        .args(["test", "--quiet", "--lib", "--tests"])
        .args(["--target", &host_triple()?])
        // Other flags would have all of the usual folder built anew, there and back.
        .arg("--target-dir")
        .arg(target().join("asan"));
    for package in packages {
        command.args(["--package", package]);
    }
    succeed(command.args(filter))
}

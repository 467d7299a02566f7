//! `cargo xtask riscv-tests`: the user-level programs of riscv-tests, each in every way of ours.
//!
//! Nothing of the suite is kept here: it is fetched into the ignored folder, or taken from one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Args;

use crate::packages;
use crate::shell::{debug_rekindle, given_or, root, succeed, target};

const REPOSITORY: &str = "https://github.com/riscv-software-src/riscv-tests";

/// The suite's folders that a machine for RV64GC, Zba, Zbb and Zbs runs in user mode.
const FOLDERS: [&str; 9] = [
    "rv64ui", "rv64um", "rv64ua", "rv64uf", "rv64ud", "rv64uc", "rv64uzba", "rv64uzbb", "rv64uzbs",
];

/// The ways, and their options; warm comes after cold, on its cache.
const WAYS: [(&str, &[&str]); 5] = [
    ("interpreter", &["--no-jit"]),
    ("quick", &["--tier=quick"]),
    ("no cache", &["--no-persistent-cache"]),
    ("cold", &["--finish-compiles"]),
    ("warm", &[]),
];

/// Where the suite is.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A copy of the repository; by default, it is fetched.
    #[arg(long, value_name = "FOLDER")]
    source: Option<PathBuf>,

    /// A `rekindle` program that is built already.
    #[arg(long, value_name = "FILE")]
    rekindle: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    packages::install()?;
    let source = match &options.source {
        Some(source) => source.clone(),
        None => fetch()?,
    };
    let rekindle = given_or(options.rekindle.as_deref(), debug_rekindle)?;
    let work = tempfile::tempdir()?;
    let mut failed = 0;
    let mut count = 0;
    for folder in FOLDERS {
        let programs = sources(&source.join("isa").join(folder))?;
        for program in &programs {
            let elf = build(&source, program, work.path())?;
            let cache = tempfile::tempdir_in(work.path())?;
            for (way, options) in WAYS {
                let status = Command::new(&rekindle)
                    .arg("run")
                    .arg("--cache-dir")
                    .arg(cache.path())
                    .args(options)
                    .arg(&elf)
                    .status()?;
                if !status.success() {
                    println!("✗ {folder}-{}, {way}: {status}", name(program));
                    failed += 1;
                }
            }
        }
        println!("{folder}: {} programs", programs.len());
        count += programs.len();
    }
    ensure!(failed == 0, "{failed} runs failed");
    println!("{count} programs pass in {} ways", WAYS.len());
    Ok(())
}

fn fetch() -> anyhow::Result<PathBuf> {
    let folder = target().join("riscv-tests");
    if !folder.join("isa").is_dir() {
        succeed(
            Command::new("git")
                .args(["clone", "--quiet", "--depth=1", REPOSITORY])
                .arg(&folder),
        )
        .context("where there is no network, --source says where a copy is")?;
    }
    Ok(folder)
}

/// The assembly sources in a folder, in the order of their names.
fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "S") {
            all.push(path);
        }
    }
    all.sort();
    ensure!(!all.is_empty(), "no programs in {}", folder.display());
    Ok(all)
}

fn name(program: &Path) -> String {
    let stem = program.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

fn build(source: &Path, program: &Path, work: &Path) -> anyhow::Result<PathBuf> {
    let elf = work.join(name(program));
    let mut command = Command::new("riscv64-linux-gnu-gcc");
    command
        .args([
            "-march=rv64gc_zba_zbb_zbs",
            "-mabi=lp64d",
            "-mcmodel=medany",
        ])
        .args(["-static", "-nostdlib", "-Wl,--build-id=none"])
        // The programs keep the number of their case in gp.
        .args(["-Wl,--no-relax", "-Wl,--no-warn-rwx-segments"]);
    if ["fence_i", "rvc"].contains(&name(program).as_str()) {
        // They write into their text, which then isn't compiled.
        command.arg("-Wl,--omagic");
    }
    command
        .arg("-I")
        .arg(root().join("xtask/riscv-tests"))
        .arg("-I")
        .arg(source.join("isa/macros/scalar"))
        .arg(program)
        .arg("-o")
        .arg(&elf);
    succeed(&mut command)?;
    Ok(elf)
}

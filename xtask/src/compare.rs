//! `cargo xtask compare`: figures, measured in pairs in one run.

use anyhow::ensure;
use clap::{Args, Subcommand};
use rekindle_bench::{Machine, Report, Row, Selection};

use crate::packages;
use crate::shell::{cargo, release_rekindle, root, succeed};

/// What is compared.
#[derive(Debug, Subcommand)]
pub(crate) enum Subject {
    /// The virtual machine: warm with cold, and with qemu-riscv64.
    Vm(Options),
    /// The stand-in for `cranelift-jit`: with it, and with other ways to keep code.
    Cranelift(Options),
}

/// How it is compared and shown.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,

    /// Only rows whose name holds this text.
    #[arg(long, default_value = "", value_name = "TEXT")]
    filter: String,

    /// One pair for each row: whether it works, not how fast it is.
    #[arg(long)]
    quick: bool,

    /// Fail where a row is below its bar.
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(subject: &Subject) -> anyhow::Result<()> {
    match subject {
        Subject::Vm(options) => vm(options),
        Subject::Cranelift(options) => cranelift(options),
    }
}

fn vm(options: &Options) -> anyhow::Result<()> {
    packages::install()?;
    let rekindle = release_rekindle()?;
    let rows = rekindle_bench::compare(&rekindle, &selection(options), |name| eprintln!("{name}"))?;
    show("vm", options, rows)
}

fn cranelift(options: &Options) -> anyhow::Result<()> {
    let target = root().join("target/rivals");
    let mut build = cargo();
    build
        .current_dir(root().join("bench/cranelift"))
        .args(["build", "--quiet", "--release"])
        .env("CARGO_TARGET_DIR", &target);
    succeed(&mut build)?;
    let rivals = target.join("release/cranelift-rivals");
    let rows = rekindle_bench::cranelift::compare(&rivals, &selection(options), |name| {
        eprintln!("{name}");
    })?;
    show("cranelift", options, rows)
}

fn selection(options: &Options) -> Selection {
    Selection {
        filter: options.filter.clone(),
        quick: options.quick,
    }
}

fn show(subject: &str, options: &Options, rows: Vec<Row>) -> anyhow::Result<()> {
    let mut command = format!("cargo xtask compare {subject}");
    if !options.filter.is_empty() {
        command.push_str(&format!(" --filter {}", options.filter));
    }
    if options.quick {
        command.push_str(" --quick");
    }
    let report = Report {
        machine: Machine::here(),
        command,
        rows,
    };
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    let missed: Vec<&str> = report
        .rows
        .iter()
        .filter(|row| !row.passes())
        .map(|row| row.name.as_str())
        .collect();
    ensure!(
        missed.is_empty() || !options.strict,
        "below the bar: {}",
        missed.join(", ")
    );
    Ok(())
}

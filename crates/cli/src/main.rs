//! The `rekindle` program: arguments, printing, exit codes. Nothing else in the workspace prints.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stderr,
    reason = "this is the one crate that talks to people"
)]

mod arguments;
mod binfmt;
mod cache;
mod doctor;
mod ending;
mod manual;
mod report;
mod run;
mod units;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::arguments::{Arguments, Command};

/// A child that a guest makes by `vfork` allocates apart from its parent.
#[global_allocator]
static ALLOCATOR: rekindle_vm::Allocator = rekindle_vm::Allocator;

fn main() -> ExitCode {
    // First of all, since `startup_ns` counts from here.
    let started = Instant::now();
    log_if_asked();
    let arguments = match rekindle_vm::is_started_by_binfmt() {
        true => Arguments::parse_from(binfmt::command_line(std::env::args_os())),
        false => Arguments::parse(),
    };
    match arguments.command {
        Command::Run(arguments) => run::run(arguments, started),
        Command::Cache(arguments) => end(cache::cache(&arguments)),
        Command::Doctor(options) => end(doctor::doctor(&options)),
        Command::Binfmt(arguments) => end(binfmt::binfmt(&arguments)),
        Command::Completions { shell } => end(Ok((manual::completions(shell), true))),
        Command::Man { dir } => end(manual::man(dir.as_deref()).map(|text| (text, true))),
    }
}

/// Prints what a command says; the exit code is that of a success if it is one.
fn end(result: anyhow::Result<(String, bool)>) -> ExitCode {
    let printed = result.and_then(|(text, is_success)| {
        match io::stdout().write_all(text.as_bytes()) {
            // Whoever reads has read enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            result => result?,
        }
        Ok(is_success)
    });
    match printed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rekindle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Sets messages up when `REKINDLE_TRACE` holds a filter (`warn`, `rekindle_tiers=debug`). A run without
/// it doesn't pay for it.
fn log_if_asked() {
    if let Some(filter) = rekindle::variable("REKINDLE_TRACE") {
        let filter = tracing_subscriber::EnvFilter::new(filter.to_string_lossy());
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .init();
    }
}

//! The `rekindle` program: arguments, printing, exit codes. Nothing else in the workspace prints.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stderr,
    reason = "this is the one crate that talks to people"
)]

mod arguments;
mod binfmt;
mod cache;
mod ending;
mod report;
mod run;

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
        Command::Cache(arguments) => end(cache::cache(&arguments).map(|text| (text, true))),
        Command::Binfmt(arguments) => end(binfmt::binfmt(&arguments)),
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

/// Sets logging up when `REKINDLE_LOG` holds a filter (`warn`, `rekindle_tiers=debug`). A run without
/// it doesn't pay for it.
fn log_if_asked() {
    if let Some(filter) = rekindle::variable("REKINDLE_LOG") {
        let filter = tracing_subscriber::EnvFilter::new(filter.to_string_lossy());
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .init();
    }
}

//! The `rekindle` program: arguments, printing, exit codes. Nothing else in the workspace prints.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stderr,
    reason = "this is the one crate that talks to people"
)]

mod arguments;
mod cache;
mod ending;
mod report;
mod run;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    // First of all, since `startup_ns` counts from here.
    let started = Instant::now();
    log_if_asked();
    match Arguments::parse().command {
        Command::Run(arguments) => run::run(arguments, started),
        Command::Cache(arguments) => match cache::cache(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("rekindle: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Sets logging up when `REKINDLE_LOG` holds a filter (`warn`, `rekindle_vm=debug`). A run without
/// it doesn't pay for it.
fn log_if_asked() {
    if std::env::var_os("REKINDLE_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_env("REKINDLE_LOG");
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
    }
}

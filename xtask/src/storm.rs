//! `cargo xtask storm`: a distribution's programs, four at a time on one cache, some of them killed.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use rekindle_testkit::distribution::{self, GUESTS, Judge, Storm};

use crate::debian;
use crate::packages;
use crate::shell::release_rekindle;

/// How long, and of what.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long guests are started.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,

    /// A `rekindle` program that is built already.
    #[arg(long, value_name = "FILE")]
    rekindle: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    packages::install()?;
    let known = GUESTS.iter().filter(|guest| guest.judge == Judge::Known);
    let distribution = debian::provide(&distribution::packages(known))?;
    let rekindle = match &options.rekindle {
        Some(file) => file.canonicalize().context("the rekindle program")?,
        None => release_rekindle()?,
    };
    let cache = tempfile::tempdir()?;
    let time = Duration::from_secs_f64(options.minutes * 60.0);
    let storm = Storm::run(&rekindle, cache.path(), &distribution, time);
    for fault in &storm.faults {
        println!("✗ {fault}");
    }
    println!(
        "{} guests finished and were right, {} were killed, {} were wrong",
        storm.right,
        storm.killed,
        storm.faults.len()
    );
    ensure!(storm.faults.is_empty(), "the storm found something");
    ensure!(storm.right > 0, "no guest finished");
    Ok(())
}

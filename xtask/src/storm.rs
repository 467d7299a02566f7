//! `cargo xtask storm`: a distribution's programs, four at a time on one cache, some of them killed.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use rekindle_testkit::distribution::{self, Judge, Storm};

use crate::debian;
use crate::packages;
use crate::programs::chosen;
use crate::shell::{given_or, release_rekindle};

/// How long, and of what.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long guests are started.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,

    /// Only programs whose name holds one of these texts, apart by commas.
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    filter: Vec<String>,

    /// A `rekindle` program that is built already.
    #[arg(long, value_name = "FILE")]
    rekindle: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    packages::install()?;
    let mut guests = chosen(&options.filter, false);
    guests.retain(|guest| guest.judge == Judge::Known);
    ensure!(!guests.is_empty(), "no program has such a name");
    let distribution = debian::provide(&distribution::packages(guests.iter().copied()))?;
    let rekindle = given_or(options.rekindle.as_deref(), release_rekindle)?;
    let cache = tempfile::tempdir()?;
    let time = Duration::from_secs_f64(options.minutes * 60.0);
    let storm = Storm::run(&guests, &rekindle, cache.path(), &distribution, time);
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

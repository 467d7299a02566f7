//! `cargo xtask programs`: a distribution's programs, in every way of running them, each held
//! against what is known of it or what QEMU makes of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use rekindle_testkit::distribution::{
    self, Distribution, Expectation, GUESTS, Guest, Judge, Outcome, Way,
};
use serde::Serialize;

use crate::debian;
use crate::packages;
use crate::shell::{given_or, release_rekindle};

/// Which programs, and how.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,

    /// Only programs whose name holds one of these texts, apart by commas.
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    filter: Vec<String>,

    /// Only the part that every test run includes, without QEMU.
    #[arg(long)]
    quick: bool,

    /// Only under QEMU: whether what is known is right.
    #[arg(long, conflicts_with = "quick")]
    only_qemu: bool,

    /// Keep what QEMU makes of the programs as what is known of them.
    #[arg(long, requires = "only_qemu")]
    bless: bool,

    /// A `rekindle` program that is built already.
    #[arg(long, value_name = "FILE")]
    rekindle: Option<PathBuf>,
}

/// One run.
#[derive(Debug, Serialize)]
struct Row {
    program: &'static str,
    way: &'static str,
    is_right: bool,
    verdict: String,
    seconds: f64,
    /// How much longer QEMU took.
    qemu_over_ours: Option<f64>,
}

impl Options {
    /// The part for every test run, by a `rekindle` program that is built already.
    pub(crate) fn quick(rekindle: PathBuf) -> Options {
        Options {
            quick: true,
            rekindle: Some(rekindle),
            ..Options::default()
        }
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let guests = chosen(&options.filter, options.quick);
    ensure!(!guests.is_empty(), "no program has such a name");
    packages::install()?;
    let wanted = distribution::packages(guests.iter().copied());
    let distribution = debian::provide(&wanted)?;
    let rekindle = given_or(options.rekindle.as_deref(), || match options.only_qemu {
        true => Ok(PathBuf::new()),
        false => release_rekindle(),
    })?;
    let mut rows = Vec::new();
    for guest in guests {
        let first = rows.len();
        measure(guest, options, &rekindle, &distribution, &mut rows)?;
        if !options.json {
            rows[first..].iter().for_each(print);
        }
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    }
    let wrong = rows.iter().filter(|row| !row.is_right).count();
    ensure!(wrong == 0, "{wrong} of {} runs are not right", rows.len());
    if !options.json {
        println!("all {} runs are right", rows.len());
    }
    Ok(())
}

/// The programs with such names.
pub(crate) fn chosen(filter: &[String], is_quick: bool) -> Vec<&'static Guest> {
    GUESTS
        .iter()
        .filter(|guest| guest.is_quick || !is_quick)
        .filter(|guest| filter.is_empty() || filter.iter().any(|text| guest.name.contains(text)))
        .collect()
}

/// Runs one program in every way.
fn measure(
    guest: &'static Guest,
    options: &Options,
    rekindle: &Path,
    distribution: &Distribution,
    rows: &mut Vec<Row>,
) -> anyhow::Result<()> {
    let cache = tempfile::tempdir()?;
    let once = |way: Way| -> anyhow::Result<Outcome> {
        let engine = way.engine(rekindle, cache.path());
        let started = distribution::start(guest, &engine, distribution)
            .with_context(|| format!("{} can't be started", guest.name))?;
        Ok(started.finish(guest.limit)?)
    };
    // What is known needs no QEMU: the part for every test run does without.
    let by_qemu = match options.quick {
        true => None,
        false => Some(once(Way::Qemu)?),
    };
    if let (true, Judge::Known, Some(outcome)) = (options.bless, guest.judge, &by_qemu) {
        distribution::bless(guest, outcome)?;
    }
    let by_qemu = by_qemu.as_ref();
    let expectation = Expectation::new(guest, by_qemu);
    if let Some(outcome) = by_qemu {
        rows.push(row(guest, Way::Qemu, &expectation, outcome, None));
    }
    if !options.only_qemu {
        for way in Way::OURS {
            let outcome = once(way)?;
            rows.push(row(guest, way, &expectation, &outcome, by_qemu));
        }
    }
    Ok(())
}

fn row(
    guest: &'static Guest,
    way: Way,
    expectation: &Expectation,
    outcome: &Outcome,
    by_qemu: Option<&Outcome>,
) -> Row {
    let fault = expectation.fault(guest, outcome);
    let seconds = outcome.time.as_secs_f64();
    Row {
        program: guest.name,
        way: way.name(),
        is_right: fault.is_none(),
        verdict: fault.unwrap_or_else(|| expectation.praise(guest, outcome)),
        seconds,
        qemu_over_ours: by_qemu.map(|by_qemu| by_qemu.time.as_secs_f64() / seconds),
    }
}

fn print(row: &Row) {
    let ratio = row
        .qemu_over_ours
        .map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let mark = if row.is_right { "  " } else { "✗ " };
    println!(
        "{mark}{:<16} {:<12} {:>8.2} s {ratio:>6}  {}",
        row.program, row.way, row.seconds, row.verdict
    );
}

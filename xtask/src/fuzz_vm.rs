//! `cargo xtask fuzz vm`: random sequences of RISC-V instructions, held against QEMU.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use clap::Args;
use rekindle_testkit::fuzz::{Batch, Machines, Overhead, Way, describe, differing, shrink};

use crate::packages;
use crate::shell::{debug_rekindle, given_or};

/// How many, and from where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,

    /// Until so many instructions of sequences were executed, however long that takes.
    #[arg(long, conflicts_with = "minutes")]
    instructions: Option<u64>,

    /// The first batch's seed; each next one's is greater by one.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How many sequences a batch has.
    #[arg(long, default_value_t = 1000)]
    sequences: u64,

    /// How often each runs.
    #[arg(long, default_value_t = 72)]
    rounds: u64,

    /// Only this sequence of the first batch.
    #[arg(long, value_name = "NUMBER")]
    only: Option<usize>,

    /// Write the first batch's files into this folder, and run nothing.
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,

    /// Go on after a difference was found.
    #[arg(long)]
    keep_going: bool,

    /// A `rekindle` program that is built already.
    #[arg(long, value_name = "FILE")]
    rekindle: Option<PathBuf>,
}

/// What was done so far.
#[derive(Default)]
struct Totals {
    batches: u64,
    sequences: u64,
    instructions: u64,
    regions: u64,
    differences: u64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    packages::install()?;
    let rekindle = given_or(options.rekindle.as_deref(), debug_rekindle)?;
    let machines = Machines::new(rekindle)?;
    if let Some(folder) = &options.write {
        return Ok(machines.write(&batch_of(&machines, options, options.seed), folder)?);
    }
    let overhead = Overhead::measure(&machines).map_err(|error| anyhow!("{error}"))?;
    let started = Instant::now();
    let mut totals = Totals::default();
    let mut seed = options.seed;
    loop {
        one_batch(&machines, overhead, options, seed, &mut totals);
        let is_over = match options.instructions {
            Some(instructions) => totals.instructions >= instructions,
            None => started.elapsed() >= Duration::from_secs_f64(options.minutes * 60.0),
        };
        let has_found = totals.differences > 0 && !options.keep_going;
        if is_over || has_found || options.only.is_some() {
            break;
        }
        seed += 1;
    }
    println!(
        "{} batches from seed {} on, {} sequences, {} instructions of theirs in each of {} ways, {} regions loaded warm, {:.0} s",
        totals.batches,
        options.seed,
        totals.sequences,
        totals.instructions,
        Way::ALL.len(),
        totals.regions,
        started.elapsed().as_secs_f64()
    );
    ensure!(
        totals.differences == 0,
        "{} differences",
        totals.differences
    );
    Ok(())
}

fn one_batch(
    machines: &Machines,
    overhead: Overhead,
    options: &Options,
    seed: u64,
    totals: &mut Totals,
) {
    let batch = batch_of(machines, options, seed);
    let outcome = machines.run(&batch, &Way::ALL, false);
    totals.batches += 1;
    totals.sequences += batch.sequences.len() as u64;
    totals.instructions += overhead.without(&batch, &outcome);
    totals.regions += outcome.regions_loaded;
    let numbers = differing(&batch, &outcome);
    if numbers.is_empty() {
        return;
    }
    totals.differences += numbers.len() as u64;
    println!(
        "seed {seed}: the ways disagree on {} sequences",
        numbers.len()
    );
    println!(
        "  replay one: cargo xtask fuzz vm --seed {seed} --only {}",
        numbers[0]
    );
    let suspects = numbers
        .iter()
        .map(|&number| batch.sequences[number].clone());
    match shrink(machines, &batch.with(suspects.collect()), &Way::ALL) {
        Some(small) => println!("{}", describe(machines, &small, &Way::ALL)),
        None => println!("  not seen again with these alone"),
    }
}

fn batch_of(machines: &Machines, options: &Options, seed: u64) -> Batch {
    let batch = machines.judgeable(&Batch::random(seed, options.sequences, options.rounds));
    match options.only {
        Some(number) => batch.with(batch.sequences.get(number).cloned().into_iter().collect()),
        None => batch,
    }
}

//! `rekindle-fuzz run`: random modules until the time is over. `cargo xtask fuzz cranelift` calls it.
//! `rekindle-fuzz child` is one of its processes.
#![expect(
    clippy::print_stdout,
    reason = "people and the parent process read what is printed"
)]

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use rekindle_fuzz::bytes::{Decoded, TARGETS, Target, decode, decode_one};
use rekindle_fuzz::{Mode, Totals, compare, run};

/// Modules that a process runs.
const BATCH: u64 = 25;

/// Random Cranelift modules, run by cranelift-jit and by ours.
#[derive(Debug, Parser)]
enum Arguments {
    /// Run modules and compare.
    Run {
        /// How long.
        #[arg(long, default_value_t = 1.0)]
        minutes: f64,
        /// The first seed; by default, of the time.
        #[arg(long)]
        seed: Option<u64>,
        /// How many modules at most.
        #[arg(long, default_value_t = u64::MAX)]
        count: u64,
    },
    /// Decode changed bytes, of every target or of one.
    Bytes {
        /// How long, for all targets together.
        #[arg(long, default_value_t = 1.0)]
        minutes: f64,
        /// Where random numbers start.
        #[arg(long)]
        seed: Option<u64>,
        /// Only the target of this name.
        #[arg(long)]
        target: Option<String>,
        /// Only this input, of one target.
        #[arg(long, requires = "target")]
        input: Option<PathBuf>,
    },
    /// Run modules as one rival, and print a line for each.
    Child {
        mode: Mode,
        folder: PathBuf,
        first: u64,
        count: u64,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse() {
        Arguments::Run {
            minutes,
            seed,
            count,
        } => fuzz(minutes, seed.unwrap_or_else(seed_of_the_time), count),
        Arguments::Bytes {
            minutes,
            seed,
            target,
            input,
        } => {
            let targets = chosen(target.as_deref())?;
            if let (Some(file), [target]) = (input, &targets[..]) {
                return decode_one(target, &std::fs::read(file)?);
            }
            let time = Duration::from_secs_f64(minutes * 60.0 / targets.len() as f64);
            decode_all(&targets, seed.unwrap_or_else(seed_of_the_time), time)
        }
        Arguments::Child {
            mode,
            folder,
            first,
            count,
        } => {
            for seed in first..first + count {
                println!("{}", run(seed, mode, &folder)?);
                std::io::stdout().flush()?;
            }
            Ok(())
        }
    }
}

fn chosen(name: Option<&str>) -> anyhow::Result<Vec<Target>> {
    let all = TARGETS.iter().copied();
    let targets: Vec<_> = all
        .filter(|target| name.is_none_or(|name| name == target.name))
        .collect();
    anyhow::ensure!(!targets.is_empty(), "the targets are {TARGETS:?}");
    Ok(targets)
}

/// Each target in its turn. What ends this process leaves its input behind.
fn decode_all(targets: &[Target], seed: u64, time: Duration) -> anyhow::Result<()> {
    for target in targets {
        let current = format!("rekindle-fuzz-{}-{}", target.name, std::process::id());
        let current = std::env::temp_dir().join(current);
        let current = target.is_mapped.then_some(&*current);
        if let Some(current) = current {
            // Should this process end, that is where the input is.
            println!("{}: {}", target.name, current.display());
        }
        let Decoded { inputs, ways } = decode(target, seed, time, current)?;
        current.map_or(Ok(()), std::fs::remove_file)?;
        println!(
            "{}: {inputs} inputs from seed {seed}, {ways} ways",
            target.name
        );
    }
    Ok(())
}

fn seed_of_the_time() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs() * 1_000_000)
}

fn fuzz(minutes: f64, first: u64, count: u64) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let start = Instant::now();
    let end = Duration::from_secs_f64(minutes * 60.0);
    let mut totals = Totals::default();
    let mut done = 0;
    while done < count && start.elapsed() < end {
        let batch = BATCH.min(count - done);
        let result = compare(&program, first + done, batch);
        if result.is_err() {
            println!("after {totals:?}:");
        }
        totals.add(result?);
        done += batch;
    }
    let Totals {
        modules,
        functions,
        unsupported,
    } = totals;
    println!(
        "{modules} modules of {functions} functions, seeds from {first}: cranelift-jit, ours cold and \
         ours warm in a new process agree; {unsupported} more that Cranelift can't compile"
    );
    Ok(())
}

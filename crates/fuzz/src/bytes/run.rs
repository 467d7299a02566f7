//! Mutates and decodes until the time is over.

use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rekindle_bench::population::Random;

use super::mutate::mutate;
use super::subject::{Subject, Target};

/// How many inputs are kept to be mutated further.
const MOST_KEPT: usize = 2000;

/// How long one input may take, on a busy machine.
const MOST_TIME: Duration = Duration::from_secs(10);

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoded {
    /// Inputs that were decoded.
    pub inputs: u64,
    /// Ways that they went.
    pub ways: usize,
}

/// Decodes mutated inputs. Each is written to `current` before, so that one that ends the process is
/// not lost.
///
/// # Errors
/// If something doesn't hold, what, and where the input is.
pub fn decode(
    target: &Target,
    seed: u64,
    time: Duration,
    current: Option<&Path>,
) -> anyhow::Result<Decoded> {
    let mut subject = (target.subject)();
    let started = Instant::now();
    let mut random = Random::new(seed);
    let mut kept = subject.seeds();
    let mut ways = HashSet::new();
    for seed in &kept {
        ways.insert(judge(target, subject.as_mut(), seed, current)?);
    }
    let mut inputs = kept.len() as u64;
    while started.elapsed() < time {
        let mut input = kept[random.below(kept.len())].clone();
        let numbers = subject.numbers(&input);
        let other = &kept[random.below(kept.len())];
        mutate(&mut random, &mut input, &numbers, other);
        // Now and then as it is: what was changed must be noticed.
        if random.below(8) > 0 {
            subject.repair(&mut input);
        }
        inputs += 1;
        if ways.insert(judge(target, subject.as_mut(), &input, current)?) && kept.len() < MOST_KEPT
        {
            kept.push(input);
        }
    }
    let ways = ways.len();
    Ok(Decoded { inputs, ways })
}

/// Decodes one input, once more.
///
/// # Errors
/// If something doesn't hold.
pub fn decode_one(target: &Target, input: &[u8]) -> anyhow::Result<()> {
    judge(target, (target.subject)().as_mut(), input, None).map(|_| ())
}

fn judge(
    target: &Target,
    subject: &mut dyn Subject,
    input: &[u8],
    current: Option<&Path>,
) -> anyhow::Result<u64> {
    if let Some(current) = current {
        fs::write(current, input).with_context(|| current.display().to_string())?;
    }
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| subject.check(input)));
    let took = started.elapsed();
    match outcome {
        Ok(way) if took < MOST_TIME => Ok(way),
        Ok(_) => bail!(
            "{}: {} took {took:?}",
            target.name,
            kept_as(target, input)?.display()
        ),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned().or_else(|| {
                payload
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
            });
            let file = kept_as(target, input)?;
            bail!(
                "{}: {}: {}",
                target.name,
                file.display(),
                text.unwrap_or_default()
            )
        }
    }
}

/// Writes an input that was found into a file, to be decoded again.
fn kept_as(target: &Target, input: &[u8]) -> anyhow::Result<PathBuf> {
    let mut hash = 0;
    for byte in input {
        hash = super::subject::mixed([hash, u64::from(*byte)]);
    }
    let name = format!("rekindle-fuzz-{}-{hash:016x}", target.name);
    let file = std::env::temp_dir().join(name);
    fs::write(&file, input)?;
    Ok(file)
}

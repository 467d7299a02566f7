//! Programs that use `cranelift-jit`, unmodified, over the cache: their own tests do with the cache off,
//! cold and warm what they do with `cranelift-jit` itself, and a warm run finds what can be kept.
//!
//! Each is fetched from its crate and built where it is, with its own manifest and lock file and one
//! `[patch]` entry on the command line. All share one folder of what was built.

mod build;
mod front;
mod list;
mod outcome;
mod package;

use anyhow::{bail, ensure};

use list::{EMBEDDERS, Embedder};
use outcome::{Figures, Mode, Outcome};

/// The least part of what can be kept that a warm run must find, in hundredths.
const LEAST_FOUND_PERCENT: f64 = 95.0;

/// How many functions that can't be kept are shown.
const SHOWN: usize = 5;

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// All of them, which takes half an hour; else those that CI runs.
    #[arg(long)]
    all: bool,
    /// These alone, by name.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// What an embedder showed.
struct Shown {
    embedder: &'static Embedder,
    tests: usize,
    failing: usize,
    cold: Figures,
    warm: Figures,
}

/// Fetches, builds and tests those that are asked for.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let is_wanted = |embedder: &&Embedder| match &*options.only {
        [] => options.all || embedder.is_quick,
        names => names.iter().any(|name| name == embedder.name),
    };
    let wanted: Vec<&'static Embedder> = EMBEDDERS.iter().filter(is_wanted).collect();
    ensure!(!wanted.is_empty(), "no such embedder");
    // The lock file of one is that of another, too.
    if wanted.iter().any(|embedder| embedder.is_upstream) {
        package::fetch(&EMBEDDERS[0])?;
    }
    let mut shown = Vec::new();
    let mut faults = Vec::new();
    for embedder in wanted {
        match try_one(embedder) {
            Ok((one, mut found)) => {
                shown.push(one);
                faults.append(&mut found);
            }
            Err(error) => faults.push(format!("{}: {error:#}", embedder.name)),
        }
    }
    print(&shown);
    match &*faults {
        [] => Ok(()),
        faults => bail!("{}", faults.join("\n")),
    }
}

/// Runs one in every way. Returns what it showed, and what is wrong.
fn try_one(embedder: &'static Embedder) -> anyhow::Result<(Shown, Vec<String>)> {
    println!(
        "{} {} on Cranelift {}",
        embedder.name, embedder.version, embedder.cranelift
    );
    package::fetch(embedder)?;
    let published = build::as_published(embedder)?;
    let published = outcome::run(embedder, &published, Mode::Published)?;
    let ours = build::with_ours(embedder)?;
    if !ours.lock_changes.is_empty() {
        let changes = ours.lock_changes.join("; ");
        println!("  the lock file had to change in more than what is patched: {changes}");
    }
    let mut faults = Vec::new();
    if let Err(fault) = front::test(embedder, &ours.lock) {
        faults.push(format!("{}: {fault:#}", embedder.name));
    }
    let mut run = |mode: Mode| -> anyhow::Result<Outcome> {
        let outcome = outcome::run(embedder, &ours.programs, mode)?;
        faults.extend(differences(embedder, mode, &published, &outcome));
        faults.extend(unlike(embedder, mode, &outcome.figures));
        Ok(outcome)
    };
    run(Mode::Off)?;
    let cold = run(Mode::Cold)?;
    let warm = run(Mode::Warm)?;
    let failing = published
        .tests
        .values()
        .filter(|result| *result == "FAILED");
    let shown = Shown {
        embedder,
        tests: published.tests.len(),
        failing: failing.count(),
        cold: cold.figures,
        warm: warm.figures,
    };
    Ok((shown, faults))
}

/// Tests that came out otherwise than with cranelift-jit.
fn differences(
    embedder: &Embedder,
    mode: Mode,
    published: &Outcome,
    outcome: &Outcome,
) -> Vec<String> {
    let mut faults = Vec::new();
    let names = published.tests.keys().chain(outcome.tests.keys());
    for test in names.collect::<std::collections::BTreeSet<_>>() {
        let (before, now) = (published.tests.get(test), outcome.tests.get(test));
        if before != now {
            let text =
                |result: Option<&String>| result.map_or("nothing", |result| result).to_owned();
            let (before, now) = (text(before), text(now));
            let (name, mode) = (embedder.name, mode.name());
            faults.push(format!(
                "{name}, {mode}: {test}: {now}, and {before} with cranelift-jit"
            ));
        }
    }
    faults
}

/// Figures that can't be right.
fn unlike(embedder: &Embedder, mode: Mode, figures: &Figures) -> Option<String> {
    let Figures {
        loaded, compiled, ..
    } = figures;
    let fault = match mode {
        Mode::Published => return None,
        Mode::Off => (*loaded > 0 || *compiled == 0).then_some("the cache isn't off"),
        // Two tests may compile the same function, the second after the first's was written.
        Mode::Cold => (*compiled == 0).then_some("nothing was compiled"),
        Mode::Warm => (figures.found_percent() < LEAST_FOUND_PERCENT)
            .then_some("too little was found of what can be kept"),
    };
    fault.map(|fault| {
        let (name, mode) = (embedder.name, mode.name());
        format!("{name}, {mode}: {fault}: {figures:?}")
    })
}

fn print(shown: &[Shown]) {
    println!(
        "\n{:<24} {:>9} {:>6} {:>7} {:>9} {:>7} {:>9} {:>7} {:>10}",
        "program",
        "cranelift",
        "tests",
        "failing",
        "compiled",
        "found",
        "compiled",
        "found",
        "can't be"
    );
    println!(
        "{:<24} {:>9} {:>6} {:>7} {:>9} {:>7} {:>9} {:>7} {:>10}",
        "", "", "", "before", "cold", "warm", "warm", "", "kept"
    );
    for one in shown {
        let Embedder {
            name,
            version,
            cranelift,
            ..
        } = one.embedder;
        println!(
            "{:<24} {cranelift:>9} {:>6} {:>7} {:>9} {:>7} {:>9} {:>6.1}% {:>10}",
            format!("{name} {version}"),
            one.tests,
            one.failing,
            one.cold.compiled,
            one.warm.loaded,
            one.warm.compiled,
            one.warm.found_percent(),
            one.warm.baked,
        );
    }
    for one in shown {
        let Figures {
            baked_names,
            notices,
            misses,
            ..
        } = &one.warm;
        let name = one.embedder.name;
        if !baked_names.is_empty() {
            let count = baked_names.len();
            println!("\n{name}: {count} names of functions that hold an address, such as");
        }
        for baked in baked_names.iter().take(SHOWN) {
            println!("  {baked}");
        }
        for notice in notices {
            println!("{name}: {notice}");
        }
        if !misses.is_empty() {
            println!("{name}: misses when warm: {misses:?}");
        }
    }
}

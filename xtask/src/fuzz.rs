//! `cargo xtask fuzz`: random input until the time is over.

use clap::{Args, Subcommand};

use std::process::Command;

use crate::fuzz_vm;
use crate::shell::{cargo, succeed, target};

/// What is given random input.
#[derive(Debug, Subcommand)]
pub(crate) enum Subject {
    /// Random Cranelift modules: cranelift-jit, ours cold, and ours warm in a new process must agree.
    Cranelift(Options),
    /// Changed bytes for every decoder of what is on disk: images and all around them.
    Store(StoreOptions),
    /// Random RISC-V instructions: QEMU, the interpreter, compiled and cached code must agree.
    Vm(fuzz_vm::Options),
}

/// How long, and from where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,

    /// The first seed; by default, of the time. A failure names its seed.
    #[arg(long)]
    seed: Option<u64>,

    /// How many modules at most.
    #[arg(long)]
    count: Option<u64>,
}

/// Of which decoders, how long, and from where.
#[derive(Debug, Args)]
pub(crate) struct StoreOptions {
    /// How long, for all of them together.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,

    /// Where random numbers start; by default, at the time.
    #[arg(long)]
    seed: Option<u64>,

    /// Only the decoder of this name.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
}

pub(crate) fn run(subject: &Subject) -> anyhow::Result<()> {
    let options = match subject {
        Subject::Cranelift(options) => options,
        Subject::Store(options) => return store(options),
        Subject::Vm(options) => return fuzz_vm::run(options),
    };
    let Options {
        minutes,
        seed,
        count,
    } = options;
    let mut fuzz = program()?;
    fuzz.arg("run").args(["--minutes", &minutes.to_string()]);
    for (option, value) in [("--seed", seed), ("--count", count)] {
        if let Some(value) = value {
            fuzz.args([option, &value.to_string()]);
        }
    }
    succeed(&mut fuzz)
}

fn store(options: &StoreOptions) -> anyhow::Result<()> {
    let mut fuzz = program()?;
    fuzz.args(["bytes", "--minutes", &options.minutes.to_string()]);
    if let Some(seed) = options.seed {
        fuzz.args(["--seed", &seed.to_string()]);
    }
    if let Some(target) = &options.target {
        fuzz.args(["--target", target]);
    }
    succeed(&mut fuzz)
}

/// The fuzzer, built as the tests build it: assertions are on, Cranelift is optimised.
fn program() -> anyhow::Result<Command> {
    succeed(cargo().args(["build", "--quiet", "--workspace", "--bin", "rekindle-fuzz"]))?;
    Ok(Command::new(target().join("debug/rekindle-fuzz")))
}

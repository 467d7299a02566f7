//! The workspace's chores: `cargo xtask CHORE`.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "chores are run by people and by CI, and talk to them"
)]

mod asan;
mod ci;
mod compare;
mod debian;
mod demo;
mod embedders;
mod fuzz;
mod fuzz_vm;
mod guests;
mod miri;
mod packages;
mod programs;
mod riscv_tests;
mod shell;
mod storm;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The workspace's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Exactly what CI runs: packages, formatting, tidy, guests, lints, twins for Miri, documentation,
    /// tests, a sanitizer, embedders, programs.
    Ci,
    /// Run a guest cold and warm, and show what the cache made of it.
    Demo,
    /// Run the tests of published programs that use `cranelift-jit`, with ours in its place.
    Embedders(embedders::Options),
    /// Feed random input until the time is over.
    Fuzz {
        #[command(subcommand)]
        subject: fuzz::Subject,
    },
    /// Test the crates with unsafe code under AddressSanitizer.
    Asan(asan::Options),
    /// Run what Miri can run, where there is Miri.
    Miri,
    /// Hold the workspace against ARCHITECTURE.md and the house's sizes.
    Tidy,
    /// Fetch a Debian system for RISC-V, and QEMU, into an ignored folder; or build or check the
    /// guests that ship with the repository.
    Guests {
        #[command(subcommand)]
        task: Option<guests::Task>,
    },
    /// Run a distribution's programs in every way, and hold each against what is known or what QEMU
    /// makes of it.
    Programs(programs::Options),
    /// Run the user-level programs of riscv-tests in every way.
    RiscvTests(riscv_tests::Options),
    /// Run a distribution's programs four at a time on one cache, some of them killed.
    Storm(storm::Options),
    /// Measure against peers, in pairs, in one run.
    Compare {
        #[command(subcommand)]
        subject: compare::Subject,
    },
    /// Install the Debian packages that tests need, where they are missing.
    Packages,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Ci => ci::run(),
        Chore::Demo => demo::run(),
        Chore::Embedders(options) => embedders::run(&options),
        Chore::Fuzz { subject } => fuzz::run(&subject),
        Chore::Asan(options) => asan::run(&options),
        Chore::Miri => miri::run(),
        Chore::Tidy => tidy::run(),
        Chore::Guests { task } => guests::run(task.as_ref().unwrap_or(&guests::Task::Fetch)),
        Chore::Programs(options) => programs::run(&options),
        Chore::RiscvTests(options) => riscv_tests::run(&options),
        Chore::Storm(options) => storm::run(&options),
        Chore::Compare { subject } => compare::run(&subject),
        Chore::Packages => packages::install(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

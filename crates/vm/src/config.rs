//! What a run is given, and what it returns.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use rekindle::CacheConfig;

use crate::stats::RunStatistics;

/// How to run one guest program.
#[derive(Debug)]
pub struct Config {
    /// The ELF file to run.
    pub program: PathBuf,
    /// The guest's `argv`, its own name first.
    pub args: Vec<OsString>,
    /// The guest's environment as `NAME=value` strings.
    pub env: Vec<OsString>,
    /// Whether hot code is compiled; without it, everything is interpreted.
    pub jit: bool,
    /// Where translations persist; `None` keeps them in memory alone.
    pub cache: Option<CacheConfig>,
    /// Whether the run, at its end, finishes the compilations that are still queued and so leaves a
    /// cache from which the next run compiles nothing. Costs time at exit; off unless asked for.
    pub finish_compiles: bool,
    /// When the process started, from which `startup_ns` counts.
    pub started: Instant,
}

/// How a guest ended, and what it took.
#[derive(Debug)]
pub struct Outcome {
    /// How the guest ended.
    pub exit: GuestExit,
    /// What the run did.
    pub statistics: RunStatistics,
}

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestExit {
    /// It called `exit` with this status, of which the low eight bits count.
    Code(i32),
    /// A signal killed it.
    Signal {
        /// The signal's number on Linux.
        signal: i32,
        /// What to tell a person: the fault, the guest PC and the address, or empty where the
        /// guest sent the signal itself.
        message: String,
    },
}

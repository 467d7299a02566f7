//! What a run is given, and what it returns.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Instant;

use rekindle::CacheConfig;
use rekindle_linux::GuestExit;
use rekindle_tiers::CodeLocation;

use crate::stats::RunStatistics;

/// Who runs a guest's code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// The interpreter.
    Interpreter,
    /// The single-pass translator, where the host has the instructions for what it makes, and nothing is
    /// kept; the interpreter where it hasn't.
    Quick,
    /// The interpreter, and Cranelift for what is hot.
    #[default]
    Optimizing,
}

/// How to run one guest program.
#[derive(Debug)]
pub struct Config {
    /// The ELF file to run.
    pub program: PathBuf,
    /// The guest's `argv`, its own name first.
    pub args: Vec<OsString>,
    /// The guest's environment as `NAME=value` strings.
    pub env: Vec<OsString>,
    /// Who runs the guest's code.
    pub tier: Tier,
    /// Where translations persist; `None` keeps them in memory alone.
    pub cache: Option<CacheConfig>,
    /// Whether the run, at its end, finishes the compilations that are still queued and so leaves a
    /// cache from which the next run compiles nothing. Costs time at exit; off unless asked for.
    pub finish_compiles: bool,
    /// A folder in which the guest's absolute paths, its dynamic loader's among them, are looked for
    /// before the host's root.
    pub sysroot: Option<PathBuf>,
    /// The arguments with which this executable runs another guest program as this one is run;
    /// `--argv0 NAME --signal-mask SET -- PROGRAM ARGS…` are added. Empty where it can't: the guest's
    /// `execve` of a RISC-V program fails with `ENOEXEC`.
    pub relaunch: Vec<OsString>,
    /// The signals that the guest starts with blocked, where the host's own mask doesn't say.
    pub signal_mask: Option<u64>,
    /// Whether the guest's system calls are printed on standard error, as `strace` does.
    pub traces_calls: bool,
    /// Whether compiled code keeps the guest's registers exact at every access that may fault. It does
    /// from when the guest catches `SIGSEGV` or `SIGBUS`; from the start, the report of a fault that
    /// kills the guest is exact too, at some cost.
    pub exact_faults: bool,
    /// A place whose compiled code is printed on standard error, beside the guest's instructions and
    /// the CLIF between. Only what this run compiles can be shown, so it is not to have a cache.
    pub dump_asm: Option<CodeLocation>,
    /// Whether freshly compiled code is named in `/tmp/perf-PID.map`, where perf looks.
    pub perf_map: bool,
    /// Where a debugger is waited for, before the guest's first instruction; GDB's `target remote`
    /// connects to it. Nothing is compiled then.
    pub gdb: Option<TcpListener>,
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

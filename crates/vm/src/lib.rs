//! RV64GC Linux user-mode engine: runs RISC-V Linux programs on an x86-64 Linux host.
//!
//! [`run`] loads a program, runs it to its end and says how it ended. Guest addresses are host
//! addresses and the guest's system calls are the host's, made with this process's authority: the
//! engine is no sandbox.
//!
//! ```no_run
//! let config = rekindle_vm::Config {
//!     program: "hello".into(),
//!     args: vec!["hello".into()],
//!     env: Vec::new(),
//!     tier: rekindle_vm::Tier::default(),
//!     cache: None,
//!     finish_compiles: false,
//!     sysroot: None,
//!     relaunch: Vec::new(),
//!     signal_mask: None,
//!     traces_calls: false,
//!     exact_faults: false,
//!     gdb: None,
//!     dump_asm: None,
//!     perf_map: false,
//!     started: std::time::Instant::now(),
//! };
//! let outcome = rekindle_vm::run(config)?;
//! assert_eq!(outcome.exit, rekindle_vm::GuestExit::Code(0));
//! # Ok::<(), rekindle_vm::StartError>(())
//! ```

mod config;
mod debug;
mod dispatch;
mod machine;
mod spawn;
mod start;
mod stats;
mod surroundings;
mod vfork;

pub use config::{Config, Outcome, Tier};
pub use rekindle_linux::{
    Allocator, ElfFault, GuestExit, StartError, close_missing_streams, has_standard_error,
    is_started_by_binfmt,
};
pub use rekindle_tiers::{CodeLocation, NoCodeLocation};
pub use start::run;
pub use stats::RunStatistics;

//! RV64GC Linux user-mode engine.

mod abi;
mod arch;
mod config;
#[expect(dead_code, reason = "the interpreter is not here yet")]
mod float;
mod guest_memory;
mod jit;
mod signal;
mod state;
mod stats;

pub use config::{Config, GuestExit, Outcome};
pub use stats::RunStatistics;

//! RV64GC Linux user-mode engine.

mod config;
mod state;
mod stats;

pub use config::{Config, GuestExit, Outcome};
pub use stats::RunStatistics;

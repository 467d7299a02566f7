//! Compiled RISC-V code: hot regions of a guest's code, compiled in the background, kept in the cache,
//! chained to one another, and entered from the dispatch loop.
//!
//! A dispatch loop knows a [`Translator`]; [`Jit`] is the one that compiles. What it needs of the world
//! comes to it as [`CodeModule`]s, which somebody else has mapped, and as its [`Surroundings`]. This
//! crate knows no system call of a guest's, and no operating system that a guest runs on.

mod abi;
mod arch;
mod backend;
mod code_location;
mod code_module;
mod compiler;
mod dump;
mod flow;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod installed;
mod jit;
mod kept;
mod kinds;
mod metadata;
mod news;
mod operands;
mod perf_map;
mod quick;
mod reg_set;
mod region;
mod scopes;
mod source;
mod statistics;
mod surroundings;
#[cfg(test)]
mod tests;
mod translate;
mod translator;

pub use code_location::{CodeLocation, NoCodeLocation};
pub use code_module::{CodeModule, FindModule, ReadText};
pub use jit::{Jit, Shows, own_files};
pub use quick::Quick;
pub use statistics::TierStatistics;
pub use surroundings::Surroundings;
pub use translator::{Entered, InterpretOnly, Translator};

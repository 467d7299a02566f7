//! Random Cranelift modules, run by `cranelift-jit`, by ours with an empty cache, and by ours in a new
//! process that finds everything: all three must compute the same.
//!
//! A module is made from a seed alone, so a seed is all that a failure has to say. `rekindle-fuzz run
//! --seed N --count 1` runs it again; `cargo xtask fuzz cranelift --minutes M` runs new ones.
//!
//! And changed bytes for decoders: see [`bytes`].

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

mod batch;
mod body;
pub mod bytes;
mod call;
mod entry;
mod module;
mod plan;

pub use batch::{Totals, compare};
pub use module::{Mode, run};

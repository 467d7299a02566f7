//! Workloads and measuring: what is compared with what, how often, and what is reported.
//!
//! A side crate: product code never imports it. Each comparison runs both sides in pairs, in one
//! session on one machine, so that a ratio means more than the times it is made of.

#![forbid(unsafe_code)]

pub mod cranelift;
mod machine;
mod paired;
pub mod population;
mod report;
mod vm;

pub use machine::Machine;
pub use paired::{Budget, Samples, Timed, in_pairs};
pub use report::{Report, Row, Side};
pub use vm::{Selection, compare};

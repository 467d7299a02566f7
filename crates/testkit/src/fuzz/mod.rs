//! Random sequences of instructions, run by QEMU, by the interpreter, compiled and from the cache:
//! registers, memory, floating-point flags and faults must agree.
//!
//! A [`Batch`] is thousands of sequences in one guest process, whose harness
//! (`programs/sequences.c`) starts each from many states and folds what becomes of it into one
//! number. Where [`Machines`] disagree on one, [`shrink`] makes it short, and [`describe`] says what
//! differs.

mod batch;
mod count;
mod elf;
mod generate;
mod inputs;
mod instructions;
mod mode;
mod random;
mod report;
mod sequence;
mod shrink;
mod ways;

pub use batch::Batch;
pub use count::Overhead;
pub use generate::sequence;
pub use inputs::Input;
pub use instructions::Pool;
pub use mode::{CODE, Mode};
pub use random::Random;
pub use report::describe;
pub use sequence::{CONTEXT, Item, Sequence, add};
pub use shrink::{differing, shrink};
pub use ways::{Machines, Made, Outcome, Record, Way};

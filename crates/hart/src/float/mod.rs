//! RISC-V floating point in integers: results, flags and rounding exactly as the specification has
//! them (unprivileged specification, chapters "F" and "D"; IEEE 754-2019).
//!
//! The interpreter computes with this, and compiled code calls it for what the host's unit can't do,
//! so it is also what compiled code is held against. It knows nothing of registers or of guests: a
//! value is its bits in a `u64`, a single in the low half.
//!
//! What sets RISC-V apart from the host: NaN results are always the one canonical NaN; tininess is
//! detected after rounding; there is round-to-nearest, ties away (`rmm`); conversions saturate.

mod arithmetic;
mod compare;
mod convert;
pub(crate) mod fast;
mod format;
mod instruction;
mod round;
#[cfg(test)]
mod tests;

pub(crate) use arithmetic::{binary, fused, sqrt};
pub(crate) use compare::{classify, compare, min_max, sign_inject};
pub(crate) use convert::{convert, from_int, to_int};
pub(crate) use format::{boxed, unbox};
pub use instruction::instruction;
pub(crate) use instruction::rounding;
pub use round::Flags;
pub(crate) use round::Rounding;

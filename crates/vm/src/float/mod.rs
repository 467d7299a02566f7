//! Floating point by RISC-V's rules, in integers: the oracle for whatever runs on host hardware.
//!
//! Operands and results are the bits of a format, singles in the low half of a `u64` and unboxed.
//! Every function returns the exceptions it raised. NaN results are canonical; tininess is detected
//! after rounding; a result that is rounded is the exact one rounded once.

mod arithmetic;
mod compare;
mod convert;
pub(crate) mod fast;
mod number;

#[cfg(test)]
mod tests;

pub(crate) use arithmetic::{binary, fused, square_root};
pub(crate) use compare::{class, compare, min_max, sign_inject};
pub(crate) use convert::{between_formats, from_int, to_int};
pub(crate) use number::Rounding;

use rv_isa::FpFormat;

/// Accrued exceptions, as the bits of `fflags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u32);

impl Flags {
    /// Nothing happened.
    pub(crate) const NONE: Self = Self(0);
    /// The result is rounded.
    pub(crate) const INEXACT: Self = Self(1);
    /// The result is tiny and rounded.
    pub(crate) const UNDERFLOW: Self = Self(2);
    /// The result is too large.
    pub(crate) const OVERFLOW: Self = Self(4);
    /// A finite number was divided by zero.
    pub(crate) const DIVIDE_BY_ZERO: Self = Self(8);
    /// The operation has no sensible result.
    pub(crate) const INVALID: Self = Self(16);

    /// The exceptions of both.
    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These where `condition` holds, else none.
    pub(crate) const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }
}

/// A result's bits and the exceptions that were raised.
pub(crate) type Rounded = (u64, Flags);

/// The single in a register: its low half if it is NaN-boxed, else the canonical NaN. Doubles are
/// the whole register.
#[inline]
pub(crate) const fn unbox(format: FpFormat, register: u64) -> u64 {
    match format {
        FpFormat::Double => register,
        FpFormat::Single if register >> 32 == 0xffff_ffff => register & 0xffff_ffff,
        FpFormat::Single => 0x7fc0_0000,
    }
}

/// A value as a register holds it: a single below a half of ones.
#[inline]
pub(crate) const fn nan_box(format: FpFormat, bits: u64) -> u64 {
    match format {
        FpFormat::Double => bits,
        FpFormat::Single => bits | 0xffff_ffff_0000_0000,
    }
}

//! Comparisons, minimum and maximum, classes, signs: nothing here rounds.

use rv_isa::{FpCompareOp, FpFormat, FpMinMaxOp, FpSignInjectOp};

use super::number::{Layout, Number};
use super::{Flags, Rounded};

/// `a op b`, as 0 or 1.
pub(crate) fn compare(op: FpCompareOp, format: FpFormat, a: u64, b: u64) -> Rounded {
    let left = Number::unpack(format, a);
    let right = Number::unpack(format, b);
    if left.is_nan() || right.is_nan() {
        let flags = match op {
            FpCompareOp::Eq => left.signals().union(right.signals()),
            FpCompareOp::Lt | FpCompareOp::Le => Flags::INVALID,
        };
        return (0, flags);
    }
    let (a, b) = (order(format, a), order(format, b));
    let holds = match op {
        FpCompareOp::Eq => a == b,
        FpCompareOp::Lt => a < b,
        FpCompareOp::Le => a <= b,
    };
    (u64::from(holds), Flags::NONE)
}

/// The lesser or greater of two; a number wins over a NaN, and −0 is less than +0.
pub(crate) fn min_max(op: FpMinMaxOp, format: FpFormat, a: u64, b: u64) -> Rounded {
    let left = Number::unpack(format, a);
    let right = Number::unpack(format, b);
    let flags = left.signals().union(right.signals());
    let bits = match (left.is_nan(), right.is_nan()) {
        (true, true) => Layout::of(format).nan(),
        (true, false) => b,
        (false, true) => a,
        (false, false) => {
            let key = |bits: u64, number: Number| (order(format, bits), !number.is_negative());
            let a_is_less = key(a, left) <= key(b, right);
            let wants_less = matches!(op, FpMinMaxOp::Min);
            if a_is_less == wants_less { a } else { b }
        }
    };
    (bits, flags)
}

/// The ten-bit mask of `fclass`.
pub(crate) fn class(format: FpFormat, bits: u64) -> u64 {
    let layout = Layout::of(format);
    let stored = bits & !layout.zero(true);
    let subnormal = stored >> (layout.precision - 1) == 0;
    let bit = match Number::unpack(format, bits) {
        Number::Infinity { negative: true } => 0,
        Number::Finite(finite) if finite.negative && !subnormal => 1,
        Number::Finite(finite) if finite.negative => 2,
        Number::Zero { negative: true } => 3,
        Number::Zero { negative: false } => 4,
        Number::Finite(_) if subnormal => 5,
        Number::Finite(_) => 6,
        Number::Infinity { negative: false } => 7,
        Number::Nan { signalling: true } => 8,
        Number::Nan { signalling: false } => 9,
    };
    1 << bit
}

/// The magnitude of `a` with a sign made from both.
pub(crate) const fn sign_inject(op: FpSignInjectOp, format: FpFormat, a: u64, b: u64) -> u64 {
    let sign = Layout::of(format).zero(true);
    let from = match op {
        FpSignInjectOp::Copy => b,
        FpSignInjectOp::Negate => !b,
        FpSignInjectOp::Xor => a ^ b,
    };
    (a & !sign) | (from & sign)
}

/// Integers in the order of the numbers; both zeros give 0.
const fn order(format: FpFormat, bits: u64) -> i64 {
    let sign = Layout::of(format).zero(true);
    let magnitude = (bits & !sign) as i64;
    if bits & sign != 0 {
        -magnitude
    } else {
        magnitude
    }
}

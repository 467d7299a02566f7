//! Comparisons, minimum and maximum, classes and signs: what needs no rounding.

use rv_isa::{FpCompareOp, FpFormat, FpMinMaxOp, FpSignInjectOp};

use super::format::{Class, Layout};
use super::round::Flags;

/// `a op b`; unordered operands compare false.
pub(crate) fn compare(op: FpCompareOp, format: FpFormat, a: u64, b: u64) -> (bool, Flags) {
    let layout = Layout::of(format);
    let (left, right) = (layout.unpack(a), layout.unpack(b));
    if left.is_nan() || right.is_nan() {
        let signalling = left.is_signalling() || right.is_signalling();
        return (
            false,
            Flags::INVALID.when(signalling || op != FpCompareOp::Eq),
        );
    }
    let (a, b) = (order(layout, a), order(layout, b));
    let holds = match op {
        FpCompareOp::Eq => a == b,
        FpCompareOp::Lt => a < b,
        FpCompareOp::Le => a <= b,
    };
    (holds, Flags::NONE)
}

/// The lesser or the greater; a number wins over a NaN, and −0 is less than +0.
pub(crate) fn min_max(op: FpMinMaxOp, format: FpFormat, a: u64, b: u64) -> (u64, Flags) {
    let layout = Layout::of(format);
    let (left, right) = (layout.unpack(a), layout.unpack(b));
    let flags = Flags::INVALID.when(left.is_signalling() || right.is_signalling());
    let result = match (left.is_nan(), right.is_nan()) {
        (true, true) => layout.canonical_nan(),
        (true, false) => b,
        (false, true) => a,
        (false, false) => {
            let left_is_less = match order(layout, a).cmp(&order(layout, b)) {
                std::cmp::Ordering::Equal => left.sign,
                ordering => ordering.is_lt(),
            };
            if left_is_less == (op == FpMinMaxOp::Min) {
                a
            } else {
                b
            }
        }
    };
    (result, flags)
}

/// A number that orders as the value does; both zeros give 0.
fn order(layout: Layout, bits: u64) -> i64 {
    let magnitude = (bits & !layout.sign_bit()).cast_signed();
    if bits & layout.sign_bit() != 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// The mask of `fclass`: one of ten bits, from negative infinity (bit 0) over the zeros (3, 4) and
/// positive infinity (7) to signalling (8) and quiet NaN (9).
pub(crate) fn classify(format: FpFormat, a: u64) -> u64 {
    let layout = Layout::of(format);
    let unpacked = layout.unpack(a);
    let (negative, positive) = match unpacked.class {
        Class::Infinity => (0, 7),
        Class::Finite { .. } if layout.is_subnormal(a) => (2, 5),
        Class::Finite { .. } => (1, 6),
        Class::Zero => (3, 4),
        Class::Nan { signalling: true } => (8, 8),
        Class::Nan { signalling: false } => (9, 9),
    };
    1 << if unpacked.sign { negative } else { positive }
}

/// The magnitude of `a` with a sign made from both.
pub(crate) fn sign_inject(op: FpSignInjectOp, format: FpFormat, a: u64, b: u64) -> u64 {
    let sign = Layout::of(format).sign_bit();
    let taken = match op {
        FpSignInjectOp::Copy => b,
        FpSignInjectOp::Negate => !b,
        FpSignInjectOp::Xor => a ^ b,
    };
    a & !sign | taken & sign
}

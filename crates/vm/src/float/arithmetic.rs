//! Addition, multiplication, division, square root, fused multiply-add.

use rv_isa::{FpBinaryOp, FpFormat, FpFusedOp};

use super::number::{Exact, Finite, Layout, Number, Rounding, round, shift_right_sticky};
use super::{Flags, Rounded};

/// `a op b`.
pub(crate) fn binary(
    op: FpBinaryOp,
    format: FpFormat,
    rounding: Rounding,
    a: u64,
    b: u64,
) -> Rounded {
    let layout = Layout::of(format);
    let left = Number::unpack(format, a);
    let right = Number::unpack(format, b);
    if left.is_nan() || right.is_nan() {
        return (layout.nan(), left.signals().union(right.signals()));
    }
    match op {
        FpBinaryOp::Add => sum(format, rounding, left, right),
        FpBinaryOp::Sub => sum(format, rounding, left, negate(right)),
        FpBinaryOp::Mul => fused_numbers(format, rounding, left, right, None),
        FpBinaryOp::Div => quotient(format, rounding, left, right),
    }
}

/// `±(a × b) ± c`, rounded once.
pub(crate) fn fused(
    op: FpFusedOp,
    format: FpFormat,
    rounding: Rounding,
    [a, b, c]: [u64; 3],
) -> Rounded {
    let mut left = Number::unpack(format, a);
    let right = Number::unpack(format, b);
    let mut addend = Number::unpack(format, c);
    if matches!(op, FpFusedOp::Nmadd | FpFusedOp::Nmsub) {
        left = negate(left);
    }
    if matches!(op, FpFusedOp::Msub | FpFusedOp::Nmadd) {
        addend = negate(addend);
    }
    fused_numbers(format, rounding, left, right, Some(addend))
}

/// `√a`.
pub(crate) fn square_root(format: FpFormat, rounding: Rounding, a: u64) -> Rounded {
    let layout = Layout::of(format);
    let number = Number::unpack(format, a);
    match number {
        Number::Nan { .. } => (layout.nan(), number.signals()),
        Number::Zero { .. } | Number::Infinity { negative: false } => (a, Flags::NONE),
        Number::Infinity { negative: true } => (layout.nan(), Flags::INVALID),
        Number::Finite(finite) if finite.negative => (layout.nan(), Flags::INVALID),
        Number::Finite(finite) => {
            // An even exponent, and a radicand of at least 114 bits: a root of at least 57.
            let mut shift = finite.significand.leading_zeros() as i32 + 62;
            if (finite.exponent - shift) % 2 != 0 {
                shift -= 1;
            }
            let radicand = u128::from(finite.significand) << shift;
            let root = radicand.isqrt();
            let exact = Exact {
                negative: false,
                exponent: (finite.exponent - shift) / 2,
                significand: root,
                sticky: root * root != radicand,
            };
            round(format, rounding, exact)
        }
    }
}

const fn negate(number: Number) -> Number {
    match number {
        Number::Zero { negative } => Number::Zero {
            negative: !negative,
        },
        Number::Infinity { negative } => Number::Infinity {
            negative: !negative,
        },
        Number::Finite(finite) => Number::Finite(Finite {
            negative: !finite.negative,
            ..finite
        }),
        nan @ Number::Nan { .. } => nan,
    }
}

/// The sum of two numbers that are not NaN.
fn sum(format: FpFormat, rounding: Rounding, left: Number, right: Number) -> Rounded {
    let layout = Layout::of(format);
    match (left, right) {
        (Number::Infinity { negative: a }, Number::Infinity { negative: b }) if a != b => {
            (layout.nan(), Flags::INVALID)
        }
        (Number::Infinity { negative }, _) | (_, Number::Infinity { negative }) => {
            (layout.infinity(negative), Flags::NONE)
        }
        (Number::Zero { negative: a }, Number::Zero { negative: b }) => {
            (zero_sum(layout, rounding, a, b), Flags::NONE)
        }
        (Number::Finite(a), Number::Finite(b)) => add_exact(format, rounding, widen(a), widen(b)),
        (Number::Finite(finite), _) | (_, Number::Finite(finite)) => {
            round(format, rounding, widen(finite))
        }
        _ => (layout.nan(), Flags::NONE),
    }
}

/// `left × right + addend`; a product alone where there is no addend.
fn fused_numbers(
    format: FpFormat,
    rounding: Rounding,
    left: Number,
    right: Number,
    addend: Option<Number>,
) -> Rounded {
    let layout = Layout::of(format);
    let negative = left.is_negative() != right.is_negative();
    let signals = left.signals().union(right.signals());
    let signals = signals.union(addend.map_or(Flags::NONE, Number::signals));
    let is_nan = left.is_nan() || right.is_nan() || addend.is_some_and(Number::is_nan);
    let product = match (left, right) {
        // Invalid even where the addend is a quiet NaN.
        (Number::Infinity { .. }, Number::Zero { .. })
        | (Number::Zero { .. }, Number::Infinity { .. }) => return (layout.nan(), Flags::INVALID),
        _ if is_nan => return (layout.nan(), signals),
        (Number::Infinity { .. }, _) | (_, Number::Infinity { .. }) => {
            return match addend {
                Some(Number::Infinity { negative: other }) if other != negative => {
                    (layout.nan(), Flags::INVALID)
                }
                _ => (layout.infinity(negative), Flags::NONE),
            };
        }
        (Number::Finite(a), Number::Finite(b)) => Some(Exact {
            negative,
            exponent: a.exponent + b.exponent,
            significand: u128::from(a.significand) * u128::from(b.significand),
            sticky: false,
        }),
        _ => None,
    };
    match (product, addend) {
        (_, Some(Number::Infinity { negative })) => (layout.infinity(negative), Flags::NONE),
        (Some(product), Some(Number::Finite(addend))) => {
            add_exact(format, rounding, product, widen(addend))
        }
        (Some(product), _) => round(format, rounding, product),
        (None, Some(Number::Finite(addend))) => round(format, rounding, widen(addend)),
        (None, Some(Number::Zero { negative: other })) => {
            (zero_sum(layout, rounding, negative, other), Flags::NONE)
        }
        (None, _) => (layout.zero(negative), Flags::NONE),
    }
}

/// The quotient of two numbers that are not NaN.
fn quotient(format: FpFormat, rounding: Rounding, left: Number, right: Number) -> Rounded {
    let layout = Layout::of(format);
    let negative = left.is_negative() != right.is_negative();
    match (left, right) {
        (Number::Infinity { .. }, Number::Infinity { .. })
        | (Number::Zero { .. }, Number::Zero { .. }) => (layout.nan(), Flags::INVALID),
        (Number::Infinity { .. }, _) => (layout.infinity(negative), Flags::NONE),
        (Number::Zero { .. }, _) | (_, Number::Infinity { .. }) => {
            (layout.zero(negative), Flags::NONE)
        }
        (Number::Finite(a), Number::Finite(b)) => {
            // 53 bits shifted by 70 over at most 53 bits: a quotient of at least 70 bits.
            let dividend = u128::from(a.significand) << 70;
            let divisor = u128::from(b.significand);
            let exact = Exact {
                negative,
                exponent: a.exponent - b.exponent - 70,
                significand: dividend / divisor,
                sticky: dividend % divisor != 0,
            };
            round(format, rounding, exact)
        }
        _ => (layout.infinity(negative), Flags::DIVIDE_BY_ZERO),
    }
}

const fn widen(finite: Finite) -> Exact {
    let Finite {
        negative,
        exponent,
        significand,
    } = finite;
    Exact {
        negative,
        exponent,
        significand: significand as u128,
        sticky: false,
    }
}

/// The sign of a zero that two zeros, or two numbers that cancel, add up to.
const fn zero_sum(layout: Layout, rounding: Rounding, a: bool, b: bool) -> u64 {
    layout.zero(if a == b {
        a
    } else {
        matches!(rounding, Rounding::Down)
    })
}

/// The rounded sum of two numbers of at most 106 bits each.
///
/// Both are brought to 126 bits, which leaves 20 zero bits below a product and more below an
/// operand; the lesser is then shifted to the greater's exponent. Where that shift is more than 20,
/// bits may collapse into the lowest one, but then no cancellation reaches down to it: the greater
/// loses at most one leading bit.
fn add_exact(format: FpFormat, rounding: Rounding, a: Exact, b: Exact) -> Rounded {
    let align = |exact: Exact| {
        let shift = exact.significand.leading_zeros() as i32 - 2;
        Exact {
            exponent: exact.exponent - shift,
            significand: exact.significand << shift,
            ..exact
        }
    };
    let (a, b) = (align(a), align(b));
    let a_is_greater = (a.exponent, a.significand) >= (b.exponent, b.significand);
    let (greater, lesser) = if a_is_greater { (a, b) } else { (b, a) };
    let distance = (greater.exponent - lesser.exponent).unsigned_abs();
    let shifted = shift_right_sticky(lesser.significand, distance);
    let significand = if greater.negative == lesser.negative {
        greater.significand + shifted
    } else {
        greater.significand - shifted
    };
    if significand == 0 {
        let bits = zero_sum(
            Layout::of(format),
            rounding,
            greater.negative,
            lesser.negative,
        );
        return (bits, Flags::NONE);
    }
    round(
        format,
        rounding,
        Exact {
            significand,
            ..greater
        },
    )
}

//! Addition, multiplication, division, square root and fused multiply-add.
//!
//! Each computes an exact significand of up to 127 bits, or one whose lowest bit stands for all
//! below it, and rounds once.

use rv_isa::{FpBinaryOp, FpFormat, FpFusedOp};

use super::format::{Class, Layout, Unpacked};
use super::round::{Flags, Rounding, round, shift_right_sticky};

/// `a op b`.
pub(crate) fn binary(
    op: FpBinaryOp,
    format: FpFormat,
    a: u64,
    b: u64,
    rounding: Rounding,
) -> (u64, Flags) {
    let layout = Layout::of(format);
    let (a, b) = (layout.unpack(a), layout.unpack(b));
    if a.is_nan() || b.is_nan() {
        return nan(layout, a.is_signalling() || b.is_signalling());
    }
    match op {
        FpBinaryOp::Add => add(layout, a, b, rounding),
        FpBinaryOp::Sub => add(layout, a, b.negated_if(true), rounding),
        FpBinaryOp::Mul => multiply(layout, a, b, rounding),
        FpBinaryOp::Div => divide(layout, a, b, rounding),
    }
}

/// `√a`.
pub(crate) fn sqrt(format: FpFormat, a: u64, rounding: Rounding) -> (u64, Flags) {
    let layout = Layout::of(format);
    let unpacked = layout.unpack(a);
    match unpacked.class {
        Class::Nan { signalling } => nan(layout, signalling),
        Class::Zero => (a, Flags::NONE),
        _ if unpacked.sign => nan(layout, true),
        Class::Infinity => (a, Flags::NONE),
        Class::Finite {
            exponent,
            significand,
        } => {
            // An even exponent halves exactly; an odd one lends the significand a factor of two.
            let radicand = u128::from(significand) << (63 + (exponent & 1));
            let root = radicand.isqrt();
            let exact = root * root == radicand;
            let significand = root << 63 | u128::from(!exact);
            round(layout, false, exponent >> 1, significand, rounding)
        }
    }
}

/// `±(a × b) ± c`, rounded once.
pub(crate) fn fused(
    op: FpFusedOp,
    format: FpFormat,
    (a, b, c): (u64, u64, u64),
    rounding: Rounding,
) -> (u64, Flags) {
    let layout = Layout::of(format);
    let (negate_product, negate_addend) = match op {
        FpFusedOp::Madd => (false, false),
        FpFusedOp::Msub => (false, true),
        FpFusedOp::Nmsub => (true, false),
        FpFusedOp::Nmadd => (true, true),
    };
    let a = layout.unpack(a).negated_if(negate_product);
    let b = layout.unpack(b);
    let c = layout.unpack(c).negated_if(negate_addend);
    let meaningless = matches!(
        (a.class, b.class),
        (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity)
    );
    if meaningless || a.is_nan() || b.is_nan() || c.is_nan() {
        let signalling = a.is_signalling() || b.is_signalling() || c.is_signalling();
        return nan(layout, meaningless || signalling);
    }
    let sign = a.sign != b.sign;
    let product = match (a.class, b.class) {
        (
            Class::Finite {
                exponent: high,
                significand: a,
            },
            Class::Finite {
                exponent,
                significand: b,
            },
        ) => {
            // The operands have at most 53 significant bits, so the bit shifted out is zero.
            let significand = (u128::from(a) * u128::from(b)) >> 1;
            Term {
                sign,
                exponent: high + exponent,
                significand,
            }
        }
        (Class::Infinity, _) | (_, Class::Infinity) => {
            let class = Class::Infinity;
            return add(layout, Unpacked { sign, class }, c, rounding);
        }
        _ => {
            let class = Class::Zero;
            return add(layout, Unpacked { sign, class }, c, rounding);
        }
    };
    match c.class {
        Class::Finite {
            exponent,
            significand,
        } => {
            let addend = Term {
                sign: c.sign,
                exponent,
                significand: u128::from(significand) << 62,
            };
            sum(layout, product, addend, rounding)
        }
        Class::Infinity => (layout.infinity(c.sign), Flags::NONE),
        _ => round(
            layout,
            sign,
            product.exponent,
            product.significand << 1,
            rounding,
        ),
    }
}

/// The canonical NaN.
fn nan(layout: Layout, invalid: bool) -> (u64, Flags) {
    (layout.canonical_nan(), Flags::INVALID.when(invalid))
}

/// `±significand / 2^125 × 2^exponent`, with at most 127 bits, so that two add without overflow.
struct Term {
    sign: bool,
    exponent: i32,
    significand: u128,
}

/// Adds two values that aren't NaN.
fn add(layout: Layout, a: Unpacked, b: Unpacked, rounding: Rounding) -> (u64, Flags) {
    match (a.class, b.class) {
        (Class::Infinity, Class::Infinity) if a.sign != b.sign => nan(layout, true),
        (Class::Infinity, _) => (layout.infinity(a.sign), Flags::NONE),
        (_, Class::Infinity) => (layout.infinity(b.sign), Flags::NONE),
        (Class::Zero, Class::Zero) => {
            let sign = if a.sign == b.sign {
                a.sign
            } else {
                rounding == Rounding::Rdn
            };
            (layout.zero(sign), Flags::NONE)
        }
        (
            Class::Finite {
                exponent,
                significand,
            },
            Class::Zero,
        ) => round(
            layout,
            a.sign,
            exponent,
            u128::from(significand) << 63,
            rounding,
        ),
        (
            Class::Zero,
            Class::Finite {
                exponent,
                significand,
            },
        ) => round(
            layout,
            b.sign,
            exponent,
            u128::from(significand) << 63,
            rounding,
        ),
        (
            Class::Finite {
                exponent: exponent_a,
                significand: significand_a,
            },
            Class::Finite {
                exponent: exponent_b,
                significand: significand_b,
            },
        ) => {
            let term = |sign, exponent, significand| Term {
                sign,
                exponent,
                significand: u128::from(significand) << 62,
            };
            let a = term(a.sign, exponent_a, significand_a);
            sum(layout, a, term(b.sign, exponent_b, significand_b), rounding)
        }
        (Class::Nan { .. }, _) | (_, Class::Nan { .. }) => nan(layout, false),
    }
}

/// Adds two non-zero terms.
///
/// The term with the smaller exponent is shifted right, with a sticky bit. Where that loses bits,
/// the exponents lie so far apart (the significands have 20 zeros and more at their ends) that the
/// difference keeps its leading bits, and the sticky bit stays far below what is rounded.
fn sum(layout: Layout, a: Term, b: Term, rounding: Rounding) -> (u64, Flags) {
    let (high, low) = if a.exponent >= b.exponent {
        (a, b)
    } else {
        (b, a)
    };
    let distance = high.exponent.abs_diff(low.exponent);
    let shifted = shift_right_sticky(low.significand, distance);
    let (sign, significand) = if high.sign == low.sign {
        (high.sign, high.significand + shifted)
    } else if high.significand >= shifted {
        (high.sign, high.significand - shifted)
    } else {
        (low.sign, shifted - high.significand)
    };
    if significand == 0 {
        return (layout.zero(rounding == Rounding::Rdn), Flags::NONE);
    }
    round(layout, sign, high.exponent + 1, significand, rounding)
}

fn multiply(layout: Layout, a: Unpacked, b: Unpacked, rounding: Rounding) -> (u64, Flags) {
    let sign = a.sign != b.sign;
    match (a.class, b.class) {
        (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity) => nan(layout, true),
        (Class::Infinity, _) | (_, Class::Infinity) => (layout.infinity(sign), Flags::NONE),
        (
            Class::Finite {
                exponent: exponent_a,
                significand: significand_a,
            },
            Class::Finite {
                exponent: exponent_b,
                significand: significand_b,
            },
        ) => {
            let product = u128::from(significand_a) * u128::from(significand_b);
            round(layout, sign, exponent_a + exponent_b, product, rounding)
        }
        _ => (layout.zero(sign), Flags::NONE),
    }
}

fn divide(layout: Layout, a: Unpacked, b: Unpacked, rounding: Rounding) -> (u64, Flags) {
    let sign = a.sign != b.sign;
    match (a.class, b.class) {
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => nan(layout, true),
        (Class::Infinity, _) => (layout.infinity(sign), Flags::NONE),
        (_, Class::Zero) => (layout.infinity(sign), Flags::DIVIDE_BY_ZERO),
        (
            Class::Finite {
                exponent: exponent_a,
                significand: significand_a,
            },
            Class::Finite {
                exponent: exponent_b,
                significand: significand_b,
            },
        ) => {
            let dividend = u128::from(significand_a) << 64;
            let divisor = u128::from(significand_b);
            let inexact = dividend % divisor != 0;
            let quotient = (dividend / divisor) << 62 | u128::from(inexact);
            round(layout, sign, exponent_a - exponent_b, quotient, rounding)
        }
        _ => (layout.zero(sign), Flags::NONE),
    }
}

//! Host arithmetic where its result is certainly the right one and no flag can be missed.
//!
//! Usable where rounding is to nearest even and the inexact flag is already set: then a result that
//! is plainly normal can have raised nothing that is not known. Anything else is `None` and goes the
//! slow way.

use rv_isa::{FpBinaryOp, FpFormat, FpFusedOp};

/// Whether a single is normal and not the least of them, which may have been rounded up to.
fn single_is_plain(bits: u32) -> bool {
    (2..0xff).contains(&(bits >> 23 & 0xff))
}

/// Whether a double is normal and not the least of them, which may have been rounded up to.
fn double_is_plain(bits: u64) -> bool {
    (2..0x7ff).contains(&(bits >> 52 & 0x7ff))
}

fn single(value: f32) -> Option<u64> {
    let bits = value.to_bits();
    single_is_plain(bits).then_some(u64::from(bits))
}

fn double(value: f64) -> Option<u64> {
    let bits = value.to_bits();
    double_is_plain(bits).then_some(bits)
}

fn as_single(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

/// `a op b`.
#[inline]
pub(crate) fn binary(op: FpBinaryOp, format: FpFormat, a: u64, b: u64) -> Option<u64> {
    match format {
        FpFormat::Single => {
            let (a, b) = (as_single(a), as_single(b));
            single(match op {
                FpBinaryOp::Add => a + b,
                FpBinaryOp::Sub => a - b,
                FpBinaryOp::Mul => a * b,
                FpBinaryOp::Div => a / b,
            })
        }
        FpFormat::Double => {
            let (a, b) = (f64::from_bits(a), f64::from_bits(b));
            double(match op {
                FpBinaryOp::Add => a + b,
                FpBinaryOp::Sub => a - b,
                FpBinaryOp::Mul => a * b,
                FpBinaryOp::Div => a / b,
            })
        }
    }
}

/// `±(a × b) ± c`.
#[inline]
pub(crate) fn fused(op: FpFusedOp, format: FpFormat, (a, b, c): (u64, u64, u64)) -> Option<u64> {
    let negate_product = matches!(op, FpFusedOp::Nmadd | FpFusedOp::Nmsub);
    let negate_addend = matches!(op, FpFusedOp::Msub | FpFusedOp::Nmadd);
    match format {
        FpFormat::Single => {
            let (a, b, c) = (as_single(a), as_single(b), as_single(c));
            let a = if negate_product { -a } else { a };
            single(a.mul_add(b, if negate_addend { -c } else { c }))
        }
        FpFormat::Double => {
            let (a, b, c) = (f64::from_bits(a), f64::from_bits(b), f64::from_bits(c));
            let a = if negate_product { -a } else { a };
            double(a.mul_add(b, if negate_addend { -c } else { c }))
        }
    }
}

/// `√a`.
#[inline]
pub(crate) fn sqrt(format: FpFormat, a: u64) -> Option<u64> {
    match format {
        FpFormat::Single => single(as_single(a).sqrt()),
        FpFormat::Double => double(f64::from_bits(a).sqrt()),
    }
}

//! One floating-point instruction in software, for compiled code that can't do it in line.

use rv_isa::{Inst, RoundingMode};

use super::arithmetic::{binary, fused, sqrt};
use super::compare::{classify, compare, min_max};
use super::convert::{convert, from_int, to_int};
use super::round::{Flags, Rounding};

/// Does `inst` with operands that are bits, singles in the low half, where `frm` is the dynamic
/// rounding mode; a reserved one rounds to nearest. The result is bits too, or an integer register's
/// value. `None` where `inst` doesn't compute with floating-point numbers.
#[must_use]
pub fn instruction(inst: Inst, frm: u32, [a, b, c]: [u64; 3]) -> Option<(u64, Flags)> {
    // Nobody who computes in software gets here with a reserved mode.
    let rounding = |mode| rounding(mode, frm).unwrap_or(Rounding::Rne);
    Some(match inst {
        Inst::FpBinary { op, format, rm, .. } => binary(op, format, a, b, rounding(rm)),
        Inst::FpFused { op, format, rm, .. } => fused(op, format, (a, b, c), rounding(rm)),
        Inst::FpSqrt { format, rm, .. } => sqrt(format, a, rounding(rm)),
        Inst::FpMinMax { op, format, .. } => min_max(op, format, a, b),
        Inst::FpCompare { op, format, .. } => {
            let (holds, flags) = compare(op, format, a, b);
            (u64::from(holds), flags)
        }
        Inst::FpClass { format, .. } => (classify(format, a), Flags::NONE),
        Inst::FpToInt {
            int, format, rm, ..
        } => to_int(int, format, a, rounding(rm)),
        Inst::IntToFp {
            int, format, rm, ..
        } => from_int(format, int, a, rounding(rm)),
        Inst::FpConvert { to, rm, .. } => convert(to, a, rounding(rm)),
        _ => return None,
    })
}

/// The mode in which an instruction rounds; `None` where it is reserved.
#[inline]
pub(crate) fn rounding(mode: RoundingMode, frm: u32) -> Option<Rounding> {
    match mode {
        RoundingMode::Rne => Some(Rounding::Rne),
        RoundingMode::Rtz => Some(Rounding::Rtz),
        RoundingMode::Rdn => Some(Rounding::Rdn),
        RoundingMode::Rup => Some(Rounding::Rup),
        RoundingMode::Rmm => Some(Rounding::Rmm),
        RoundingMode::Dyn => Rounding::from_field(frm),
    }
}

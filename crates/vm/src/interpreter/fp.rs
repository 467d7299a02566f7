//! Floating-point instructions on a hart's registers.

use rv_isa::{FReg, FpFormat, Inst, RoundingMode, XReg};

use crate::float::{self, Flags, Rounding, boxed, fast, unbox};
use crate::state::GuestState;

/// An instruction that its rounding mode forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReservedRounding;

/// Executes `inst`, a floating-point instruction that touches no memory.
pub(super) fn execute(state: &mut GuestState, inst: Inst) -> Result<(), ReservedRounding> {
    match inst {
        Inst::FpBinary {
            op,
            format,
            rm,
            rd,
            rs1,
            rs2,
        } => {
            let rounding = rounding(state, rm)?;
            let (a, b) = (read(state, format, rs1), read(state, format, rs2));
            let quick = may_be_quick(state, rounding).then(|| fast::binary(op, format, a, b));
            let result = quick.flatten().map(exact);
            let result = result.unwrap_or_else(|| float::binary(op, format, a, b, rounding));
            write(state, format, rd, result);
        }
        Inst::FpFused {
            op,
            format,
            rm,
            rd,
            rs1,
            rs2,
            rs3,
        } => {
            let rounding = rounding(state, rm)?;
            let operands = (
                read(state, format, rs1),
                read(state, format, rs2),
                read(state, format, rs3),
            );
            let quick = may_be_quick(state, rounding).then(|| fast::fused(op, format, operands));
            let result = quick.flatten().map(exact);
            let result = result.unwrap_or_else(|| float::fused(op, format, operands, rounding));
            write(state, format, rd, result);
        }
        Inst::FpSqrt {
            format,
            rm,
            rd,
            rs1,
        } => {
            let rounding = rounding(state, rm)?;
            let a = read(state, format, rs1);
            let quick = may_be_quick(state, rounding).then(|| fast::sqrt(format, a));
            let result = quick.flatten().map(exact);
            let result = result.unwrap_or_else(|| float::sqrt(format, a, rounding));
            write(state, format, rd, result);
        }
        Inst::FpSignInject {
            op,
            format,
            rd,
            rs1,
            rs2,
        } => {
            let (a, b) = (read(state, format, rs1), read(state, format, rs2));
            write(
                state,
                format,
                rd,
                exact(float::sign_inject(op, format, a, b)),
            );
        }
        Inst::FpMinMax {
            op,
            format,
            rd,
            rs1,
            rs2,
        } => {
            let (a, b) = (read(state, format, rs1), read(state, format, rs2));
            write(state, format, rd, float::min_max(op, format, a, b));
        }
        Inst::FpCompare {
            op,
            format,
            rd,
            rs1,
            rs2,
        } => {
            let (a, b) = (read(state, format, rs1), read(state, format, rs2));
            let (holds, flags) = float::compare(op, format, a, b);
            write_int(state, rd, (u64::from(holds), flags));
        }
        Inst::FpClass { format, rd, rs1 } => {
            let class = float::classify(format, read(state, format, rs1));
            write_int(state, rd, exact(class));
        }
        _ => return convert(state, inst),
    }
    Ok(())
}

/// Conversions and moves.
fn convert(state: &mut GuestState, inst: Inst) -> Result<(), ReservedRounding> {
    match inst {
        Inst::FpToInt {
            int,
            format,
            rm,
            rd,
            rs1,
        } => {
            let rounding = rounding(state, rm)?;
            let result = float::to_int(int, format, read(state, format, rs1), rounding);
            write_int(state, rd, result);
        }
        Inst::IntToFp {
            format,
            int,
            rm,
            rd,
            rs1,
        } => {
            let rounding = rounding(state, rm)?;
            let result = float::from_int(format, int, state.x[rs1.index()], rounding);
            write(state, format, rd, result);
        }
        Inst::FpConvert { to, rm, rd, rs1 } => {
            let rounding = rounding(state, rm)?;
            let from = match to {
                FpFormat::Single => FpFormat::Double,
                FpFormat::Double => FpFormat::Single,
            };
            let result = float::convert(to, read(state, from, rs1), rounding);
            write(state, to, rd, result);
        }
        Inst::FpMoveToInt { format, rd, rs1 } => {
            let bits = state.f[rs1.index()];
            let value = match format {
                FpFormat::Single => bits as i32 as i64 as u64,
                FpFormat::Double => bits,
            };
            write_int(state, rd, exact(value));
        }
        Inst::FpMoveFromInt { format, rd, rs1 } => {
            let bits = state.x[rs1.index()];
            let bits = match format {
                FpFormat::Single => bits & 0xffff_ffff,
                FpFormat::Double => bits,
            };
            write(state, format, rd, exact(bits));
        }
        other => unreachable!("{other:?} is no floating-point instruction"),
    }
    Ok(())
}

fn rounding(state: &GuestState, mode: RoundingMode) -> Result<Rounding, ReservedRounding> {
    let mode = match mode {
        RoundingMode::Rne => Some(Rounding::Rne),
        RoundingMode::Rtz => Some(Rounding::Rtz),
        RoundingMode::Rdn => Some(Rounding::Rdn),
        RoundingMode::Rup => Some(Rounding::Rup),
        RoundingMode::Rmm => Some(Rounding::Rmm),
        RoundingMode::Dyn => Rounding::from_field(state.frm),
    };
    mode.ok_or(ReservedRounding)
}

/// Whether host arithmetic can stand in: see `float/fast.rs`.
fn may_be_quick(state: &GuestState, rounding: Rounding) -> bool {
    rounding == Rounding::Rne && state.fflags & Flags::INEXACT.0 != 0
}

/// A result that raised nothing, or nothing new.
const fn exact(bits: u64) -> (u64, Flags) {
    (bits, Flags::NONE)
}

fn read(state: &GuestState, format: FpFormat, register: FReg) -> u64 {
    unbox(format, state.f[register.index()])
}

fn write(state: &mut GuestState, format: FpFormat, register: FReg, (bits, flags): (u64, Flags)) {
    state.f[register.index()] = boxed(format, bits);
    state.fflags |= flags.0;
}

fn write_int(state: &mut GuestState, register: XReg, (value, flags): (u64, Flags)) {
    state.x[register.index()] = value;
    state.x[0] = 0;
    state.fflags |= flags.0;
}

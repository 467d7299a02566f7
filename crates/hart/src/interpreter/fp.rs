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
        Inst::FpBinary { .. } | Inst::FpFused { .. } | Inst::FpSqrt { .. } => {
            arithmetic(state, inst)
        }
        Inst::FpToInt { .. } | Inst::IntToFp { .. } | Inst::FpConvert { .. } => {
            convert(state, inst)
        }
        _ => {
            exact_operation(state, inst);
            Ok(())
        }
    }
}

/// What rounds.
fn arithmetic(state: &mut GuestState, inst: Inst) -> Result<(), ReservedRounding> {
    let (Inst::FpBinary { format, rm, rd, .. }
    | Inst::FpFused { format, rm, rd, .. }
    | Inst::FpSqrt { format, rm, rd, .. }) = inst
    else {
        unreachable!("{inst:?} is no arithmetic")
    };
    let rounding = rounding(state, rm)?;
    let operand = |register| read(state, format, register);
    // Host arithmetic can stand in at times: see `float/fast.rs`.
    let quick = rounding == Rounding::Rne && state.fflags & Flags::INEXACT.0 != 0;
    let result = match inst {
        Inst::FpFused {
            op, rs1, rs2, rs3, ..
        } => {
            let operands = (operand(rs1), operand(rs2), operand(rs3));
            let result = if quick {
                fast::fused(op, format, operands)
            } else {
                None
            };
            result.map_or_else(|| float::fused(op, format, operands, rounding), exact)
        }
        Inst::FpBinary { op, rs1, rs2, .. } => {
            let (a, b) = (operand(rs1), operand(rs2));
            let result = if quick {
                fast::binary(op, format, a, b)
            } else {
                None
            };
            result.map_or_else(|| float::binary(op, format, a, b, rounding), exact)
        }
        Inst::FpSqrt { rs1, .. } => {
            let a = operand(rs1);
            let result = if quick { fast::sqrt(format, a) } else { None };
            result.map_or_else(|| float::sqrt(format, a, rounding), exact)
        }
        _ => unreachable!("{inst:?} is no arithmetic"),
    };
    write(state, format, rd, result);
    Ok(())
}

/// What doesn't round: signs, comparisons, classes, moves.
fn exact_operation(state: &mut GuestState, inst: Inst) {
    match inst {
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
}

/// Conversions.
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
        other => unreachable!("{other:?} is no floating-point instruction"),
    }
    Ok(())
}

fn rounding(state: &GuestState, mode: RoundingMode) -> Result<Rounding, ReservedRounding> {
    float::rounding(mode, state.frm).ok_or(ReservedRounding)
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

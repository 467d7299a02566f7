//! Floating point: on the host's unit wherever it does what RISC-V says.
//!
//! The host rounds as the dynamic mode says, which is one that it has: with any other the guest is
//! interpreted. Static modes are done in line while they are the dynamic one. A register that holds no
//! boxed single reads as a NaN, which is the interpreter's.

use rv_isa::{
    FReg, FpBinaryOp, FpCompareOp, FpFormat, FpFusedOp, FpMinMaxOp, FpSignInjectOp, IntFormat,
    RoundingMode, XReg,
};

use super::Translator;
use super::defer::Deferred;
use crate::host::{Condition, Extend, FloatReg, Host, Rounding};
use crate::layout;
use crate::registers::{S0, T0, T1, T2};

/// How a conversion to an integer rounds, if the host can.
const fn rounding_of(rm: RoundingMode) -> Option<Rounding> {
    match rm {
        RoundingMode::Rne => Some(Rounding::Nearest),
        RoundingMode::Rtz => Some(Rounding::Zero),
        RoundingMode::Rdn => Some(Rounding::Down),
        RoundingMode::Rup => Some(Rounding::Up),
        RoundingMode::Dyn => Some(Rounding::Dynamic),
        RoundingMode::Rmm => None,
    }
}

impl<H: Host> Translator<H> {
    /// What an operation of `format` reads of a register.
    fn operand(&mut self, format: FpFormat, register: FReg, scratch: FloatReg) -> FloatReg {
        let s = self.float_read(register, scratch);
        if format == FpFormat::Single {
            let jump = self.host.branch_unless_boxed(s);
            self.interpret_if(jump);
        }
        s
    }

    /// Two of them.
    fn operands(&mut self, format: FpFormat, rs1: FReg, rs2: FReg) -> (FloatReg, FloatReg) {
        let a = self.operand(format, rs1, T0);
        let b = if rs1 == rs2 {
            a
        } else {
            self.operand(format, rs2, T1)
        };
        (a, b)
    }

    /// Where the host doesn't round so just now, the instruction is the interpreter's. Returns whether
    /// the host ever does.
    fn rounds(&mut self, rm: RoundingMode) -> bool {
        let number = match rm {
            RoundingMode::Dyn => return true,
            RoundingMode::Rne => 0,
            RoundingMode::Rtz => 1,
            RoundingMode::Rdn => 2,
            RoundingMode::Rup => 3,
            RoundingMode::Rmm => {
                self.interpret();
                return false;
            }
        };
        let jump = self.host.branch_state_differs(layout::FRM, number);
        self.interpret_if(jump);
        true
    }

    /// Writes a result that may be any NaN.
    fn float_wrote_any(&mut self, format: FpFormat, rd: FReg, d: FloatReg) {
        let jump = self.host.branch_nan(format, d);
        let back = self.host.position();
        self.deferred.push(Deferred::Nan {
            jump,
            format,
            d,
            back,
        });
        self.float_wrote(rd, d);
    }

    pub(super) fn float_load(&mut self, format: FpFormat, rd: FReg, rs1: XReg, offset: i32) {
        let base = self.read(rs1, S0);
        let d = Self::float_target(rd);
        self.host.float_load(format, d, base, offset);
        self.float_wrote(rd, d);
    }

    pub(super) fn float_store(&mut self, format: FpFormat, rs1: XReg, rs2: FReg, offset: i32) {
        let base = self.read(rs1, S0);
        let s = self.float_read(rs2, T0);
        self.host.float_store(format, base, offset, s);
    }

    pub(super) fn float_binary(
        &mut self,
        op: FpBinaryOp,
        format: FpFormat,
        rm: RoundingMode,
        rd: FReg,
        rs1: FReg,
        rs2: FReg,
    ) {
        if self.rounds(rm) {
            let (a, b) = self.operands(format, rs1, rs2);
            let d = Self::float_target(rd);
            self.host.float_binary(op, format, d, a, b);
            self.float_wrote_any(format, rd, d);
        }
    }

    pub(super) fn float_sqrt(&mut self, format: FpFormat, rm: RoundingMode, rd: FReg, rs1: FReg) {
        if self.rounds(rm) {
            let s = self.operand(format, rs1, T0);
            let d = Self::float_target(rd);
            self.host.float_sqrt(format, d, s);
            self.float_wrote_any(format, rd, d);
        }
    }

    /// Fused multiply-add. Hosts differ from RISC-V in the exceptions of ∞ × 0 + NaN, so a NaN is made
    /// again by the interpreter.
    pub(super) fn float_fused(
        &mut self,
        op: FpFusedOp,
        format: FpFormat,
        rm: RoundingMode,
        rd: FReg,
        [rs1, rs2, rs3]: [FReg; 3],
    ) {
        if self.rounds(rm) {
            let a = self.operand(format, rs1, T0);
            let b = self.operand(format, rs2, T1);
            let c = self.operand(format, rs3, T2);
            self.host.float_fused(op, format, [a, b, c]);
            let jump = self.host.branch_nan(format, T0);
            self.interpret_if(jump);
            self.float_wrote(rd, T0);
        }
    }

    pub(super) fn float_sign(
        &mut self,
        op: FpSignInjectOp,
        format: FpFormat,
        rd: FReg,
        rs1: FReg,
        rs2: FReg,
    ) {
        let (a, b) = self.operands(format, rs1, rs2);
        let d = Self::float_target(rd);
        self.host.float_sign(op, format, d, a, b);
        self.float_wrote(rd, d);
    }

    pub(super) fn float_extreme(
        &mut self,
        op: FpMinMaxOp,
        format: FpFormat,
        rd: FReg,
        rs1: FReg,
        rs2: FReg,
    ) {
        let (a, b) = self.operands(format, rs1, rs2);
        let d = Self::float_target(rd);
        let jump = self.host.float_extreme(op, format, d, a, b);
        self.interpret_if(jump);
        self.float_wrote(rd, d);
    }

    pub(super) fn float_compare(
        &mut self,
        op: FpCompareOp,
        format: FpFormat,
        rd: XReg,
        rs1: FReg,
        rs2: FReg,
    ) {
        let (a, b) = self.operands(format, rs1, rs2);
        let d = Self::target(rd);
        self.host.float_compare(op, format, d, a, b);
        self.wrote(rd, d);
    }

    pub(super) fn float_to_int(
        &mut self,
        int: IntFormat,
        format: FpFormat,
        rm: RoundingMode,
        rd: XReg,
        rs1: FReg,
    ) {
        let Some(rounding) = rounding_of(rm) else {
            return self.interpret();
        };
        let s = self.operand(format, rs1, T0);
        let jump = self.host.branch_unless_fits(int, format, rounding, s);
        self.interpret_if(jump);
        let d = Self::target(rd);
        self.host.float_to_int(int, format, rounding, d, s);
        self.wrote(rd, d);
    }

    pub(super) fn float_from_int(
        &mut self,
        format: FpFormat,
        int: IntFormat,
        rm: RoundingMode,
        rd: FReg,
        rs1: XReg,
    ) {
        let is_exact = match (format, int) {
            (FpFormat::Double, IntFormat::Word | IntFormat::WordUnsigned) => true,
            (FpFormat::Double, IntFormat::Long | IntFormat::LongUnsigned)
            | (FpFormat::Single, _) => false,
        };
        if is_exact || self.rounds(rm) {
            let s = self.read(rs1, S0);
            if int == IntFormat::LongUnsigned {
                let jump = self.host.branch(Condition::Less, s, None);
                self.interpret_if(jump);
            }
            let d = Self::float_target(rd);
            self.host.float_from_int(format, int, d, s);
            self.float_wrote(rd, d);
        }
    }

    pub(super) fn float_convert(&mut self, to: FpFormat, rm: RoundingMode, rd: FReg, rs1: FReg) {
        let (from, is_exact) = match to {
            FpFormat::Single => (FpFormat::Double, false),
            FpFormat::Double => (FpFormat::Single, true),
        };
        if is_exact || self.rounds(rm) {
            let s = self.operand(from, rs1, T0);
            let d = Self::float_target(rd);
            self.host.float_convert(to, d, s);
            self.float_wrote_any(to, rd, d);
        }
    }

    pub(super) fn float_to_bits(&mut self, format: FpFormat, rd: XReg, rs1: FReg) {
        if rd.is_zero() {
            return;
        }
        let s = self.float_read(rs1, T0);
        let d = Self::target(rd);
        self.host.float_to_bits(d, s);
        if format == FpFormat::Single {
            self.host.extend(Extend::I32, d, d);
        }
        self.wrote(rd, d);
    }

    pub(super) fn float_from_bits(&mut self, format: FpFormat, rd: FReg, rs1: XReg) {
        let s = self.read(rs1, S0);
        let d = Self::float_target(rd);
        self.host.float_from_bits(format, d, s);
        self.float_wrote(rd, d);
    }
}

//! Integer arithmetic.

use rv_isa::{AluImmOp, AluOp, AluUnaryOp, XReg};

use super::Translator;
use crate::host::{
    Binary, Bit, Condition, Count, Division, Extend, Extreme, Host, MultiplyHigh, Reg, Shift,
    Source, Width,
};
use crate::registers::{S0, S1};

use Width::{Double, Word};

impl<H: Host> Translator<H> {
    pub(super) fn alu_immediate(&mut self, op: AluImmOp, rd: XReg, rs1: XReg, imm: i32) {
        if rd.is_zero() {
            return;
        }
        if op == AluImmOp::Addi && rs1.is_zero() {
            return self.constant(rd, i64::from(imm));
        }
        let a = self.read(rs1, S0);
        let d = Self::target(rd);
        let number = imm as u8;
        let host = &mut self.host;
        match op {
            AluImmOp::Addi => host.binary_immediate(Binary::Add, Double, d, a, imm),
            AluImmOp::Slti => host.set_immediate(Condition::Less, d, a, imm),
            AluImmOp::Sltiu => host.set_immediate(Condition::Below, d, a, imm),
            AluImmOp::Xori if imm == -1 => host.complement(d, a),
            AluImmOp::Xori => host.binary_immediate(Binary::Xor, Double, d, a, imm),
            AluImmOp::Ori => host.binary_immediate(Binary::Or, Double, d, a, imm),
            AluImmOp::Andi => host.binary_immediate(Binary::And, Double, d, a, imm),
            AluImmOp::Slli => host.shift_immediate(Shift::Left, Double, d, a, number),
            AluImmOp::Srli => host.shift_immediate(Shift::Right, Double, d, a, number),
            AluImmOp::Srai => host.shift_immediate(Shift::RightSigned, Double, d, a, number),
            AluImmOp::Addiw => host.binary_immediate(Binary::Add, Word, d, a, imm),
            AluImmOp::Slliw => host.shift_immediate(Shift::Left, Word, d, a, number),
            AluImmOp::Srliw => host.shift_immediate(Shift::Right, Word, d, a, number),
            AluImmOp::Sraiw => host.shift_immediate(Shift::RightSigned, Word, d, a, number),
            AluImmOp::SlliUw => {
                host.extend(Extend::U32, d, a);
                host.shift_immediate(Shift::Left, Double, d, d, number);
            }
            AluImmOp::Rori => host.shift_immediate(Shift::RotateRight, Double, d, a, number),
            AluImmOp::Roriw => host.shift_immediate(Shift::RotateRight, Word, d, a, number),
            AluImmOp::Bclri => host.bit_immediate(Bit::Clear, d, a, number),
            AluImmOp::Bexti => host.bit_immediate(Bit::Extract, d, a, number),
            AluImmOp::Binvi => host.bit_immediate(Bit::Invert, d, a, number),
            AluImmOp::Bseti => host.bit_immediate(Bit::Set, d, a, number),
        }
        self.wrote(rd, d);
    }

    pub(super) fn alu_unary(&mut self, op: AluUnaryOp, rd: XReg, rs1: XReg) {
        if rd.is_zero() {
            return;
        }
        let s = self.read(rs1, S0);
        let d = Self::target(rd);
        let host = &mut self.host;
        match op {
            AluUnaryOp::Clz => host.count(Count::LeadingZeros, Double, d, s),
            AluUnaryOp::Ctz => host.count(Count::TrailingZeros, Double, d, s),
            AluUnaryOp::Cpop => host.count(Count::Ones, Double, d, s),
            AluUnaryOp::Clzw => host.count(Count::LeadingZeros, Word, d, s),
            AluUnaryOp::Ctzw => host.count(Count::TrailingZeros, Word, d, s),
            AluUnaryOp::Cpopw => host.count(Count::Ones, Word, d, s),
            AluUnaryOp::SextB => host.extend(Extend::I8, d, s),
            AluUnaryOp::SextH => host.extend(Extend::I16, d, s),
            AluUnaryOp::ZextH => host.extend(Extend::U16, d, s),
            AluUnaryOp::OrcB => host.fill_bytes(d, s),
            AluUnaryOp::Rev8 => host.reverse_bytes(d, s),
        }
        self.wrote(rd, d);
    }

    pub(super) fn alu(&mut self, op: AluOp, rd: XReg, rs1: XReg, rs2: XReg) {
        if rd.is_zero() {
            return;
        }
        let d = Self::target(rd);
        match op {
            AluOp::Add => self.binary(Binary::Add, Double, d, rs1, rs2),
            AluOp::Sub => self.binary(Binary::Sub, Double, d, rs1, rs2),
            AluOp::Xor => self.binary(Binary::Xor, Double, d, rs1, rs2),
            AluOp::Or => self.binary(Binary::Or, Double, d, rs1, rs2),
            AluOp::And => self.binary(Binary::And, Double, d, rs1, rs2),
            AluOp::Addw => self.binary(Binary::Add, Word, d, rs1, rs2),
            AluOp::Subw => self.binary(Binary::Sub, Word, d, rs1, rs2),
            AluOp::Sll => self.shift(Shift::Left, Double, d, rs1, rs2),
            AluOp::Srl => self.shift(Shift::Right, Double, d, rs1, rs2),
            AluOp::Sra => self.shift(Shift::RightSigned, Double, d, rs1, rs2),
            AluOp::Sllw => self.shift(Shift::Left, Word, d, rs1, rs2),
            AluOp::Srlw => self.shift(Shift::Right, Word, d, rs1, rs2),
            AluOp::Sraw => self.shift(Shift::RightSigned, Word, d, rs1, rs2),
            AluOp::Rol => self.shift(Shift::RotateLeft, Double, d, rs1, rs2),
            AluOp::Ror => self.shift(Shift::RotateRight, Double, d, rs1, rs2),
            AluOp::Rolw => self.shift(Shift::RotateLeft, Word, d, rs1, rs2),
            AluOp::Rorw => self.shift(Shift::RotateRight, Word, d, rs1, rs2),
            AluOp::Slt => self.set(Condition::Less, d, rs1, rs2),
            AluOp::Sltu => self.set(Condition::Below, d, rs1, rs2),
            AluOp::Mul => self.multiply(Double, d, rs1, rs2),
            AluOp::Mulw => self.multiply(Word, d, rs1, rs2),
            AluOp::Mulh => self.multiply_high(MultiplyHigh::Signed, d, rs1, rs2),
            AluOp::Mulhsu => self.multiply_high(MultiplyHigh::SignedUnsigned, d, rs1, rs2),
            AluOp::Mulhu => self.multiply_high(MultiplyHigh::Unsigned, d, rs1, rs2),
            AluOp::Div => self.divide(false, true, Double, d, rs1, rs2),
            AluOp::Divu => self.divide(false, false, Double, d, rs1, rs2),
            AluOp::Rem => self.divide(true, true, Double, d, rs1, rs2),
            AluOp::Remu => self.divide(true, false, Double, d, rs1, rs2),
            AluOp::Divw => self.divide(false, true, Word, d, rs1, rs2),
            AluOp::Divuw => self.divide(false, false, Word, d, rs1, rs2),
            AluOp::Remw => self.divide(true, true, Word, d, rs1, rs2),
            AluOp::Remuw => self.divide(true, false, Word, d, rs1, rs2),
            AluOp::AddUw => self.add_shifted(true, 0, d, rs1, rs2),
            AluOp::Sh1add => self.add_shifted(false, 1, d, rs1, rs2),
            AluOp::Sh2add => self.add_shifted(false, 2, d, rs1, rs2),
            AluOp::Sh3add => self.add_shifted(false, 3, d, rs1, rs2),
            AluOp::Sh1addUw => self.add_shifted(true, 1, d, rs1, rs2),
            AluOp::Sh2addUw => self.add_shifted(true, 2, d, rs1, rs2),
            AluOp::Sh3addUw => self.add_shifted(true, 3, d, rs1, rs2),
            AluOp::Andn => self.binary_with_complement(Binary::And, d, rs1, rs2),
            AluOp::Orn => self.binary_with_complement(Binary::Or, d, rs1, rs2),
            AluOp::Xnor => self.binary_with_complement(Binary::Xor, d, rs1, rs2),
            AluOp::Max => self.extreme(Extreme::Max, d, rs1, rs2),
            AluOp::Maxu => self.extreme(Extreme::MaxUnsigned, d, rs1, rs2),
            AluOp::Min => self.extreme(Extreme::Min, d, rs1, rs2),
            AluOp::Minu => self.extreme(Extreme::MinUnsigned, d, rs1, rs2),
            AluOp::Bclr => self.bit(Bit::Clear, d, rs1, rs2),
            AluOp::Bext => self.bit(Bit::Extract, d, rs1, rs2),
            AluOp::Binv => self.bit(Bit::Invert, d, rs1, rs2),
            AluOp::Bset => self.bit(Bit::Set, d, rs1, rs2),
        }
        self.wrote(rd, d);
    }

    fn binary(&mut self, op: Binary, width: Width, d: Reg, rs1: XReg, rs2: XReg) {
        // `mv` and `sext.w` come as additions of 0.
        let same = match op {
            Binary::Add | Binary::Or | Binary::Xor if rs1.is_zero() => Some(rs2),
            Binary::Add | Binary::Sub | Binary::Or | Binary::Xor if rs2.is_zero() => Some(rs1),
            Binary::Add | Binary::Sub | Binary::Or | Binary::Xor | Binary::And => None,
        };
        if let Some(register) = same {
            let s = self.read(register, d);
            return match width {
                Word => self.host.extend(Extend::I32, d, s),
                Double => self.host.copy(d, s),
            };
        }
        let a = self.read(rs1, S0);
        self.host.binary(op, width, d, a, self.source(rs2));
    }

    fn shift(&mut self, op: Shift, width: Width, d: Reg, rs1: XReg, rs2: XReg) {
        let (a, b) = (self.read(rs1, S0), self.read(rs2, S1));
        self.host.shift(op, width, d, a, b);
    }

    fn set(&mut self, condition: Condition, d: Reg, rs1: XReg, rs2: XReg) {
        let a = self.read(rs1, S0);
        self.host.set(condition, d, a, self.source(rs2));
    }

    fn multiply(&mut self, width: Width, d: Reg, rs1: XReg, rs2: XReg) {
        let a = self.read(rs1, S0);
        self.host.multiply(width, d, a, self.source(rs2));
    }

    fn multiply_high(&mut self, kind: MultiplyHigh, d: Reg, rs1: XReg, rs2: XReg) {
        let (a, b) = (self.source(rs1), self.source(rs2));
        self.host.multiply_high(kind, d, a, b);
    }

    fn divide(
        &mut self,
        remainder: bool,
        signed: bool,
        width: Width,
        d: Reg,
        rs1: XReg,
        rs2: XReg,
    ) {
        let kind = Division {
            remainder,
            signed,
            width,
        };
        let (a, b) = (self.source(rs1), self.source(rs2));
        self.host.divide(kind, d, a, b);
    }

    fn add_shifted(&mut self, from_word: bool, shift: u8, d: Reg, rs1: XReg, rs2: XReg) {
        let mut a = self.read(rs1, S0);
        if from_word {
            self.host.extend(Extend::U32, S0, a);
            a = S0;
        }
        let b = self.read(rs2, S1);
        self.host.add_shifted(d, a, shift, b);
    }

    fn binary_with_complement(&mut self, op: Binary, d: Reg, rs1: XReg, rs2: XReg) {
        let b = self.read(rs2, S1);
        self.host.complement(S1, b);
        let a = self.read(rs1, S0);
        self.host.binary(op, Double, d, a, Source::Reg(S1));
    }

    fn extreme(&mut self, which: Extreme, d: Reg, rs1: XReg, rs2: XReg) {
        let (a, b) = (self.read(rs1, S0), self.read(rs2, S1));
        self.host.extreme(which, d, a, b);
    }

    fn bit(&mut self, op: Bit, d: Reg, rs1: XReg, rs2: XReg) {
        let (a, b) = (self.read(rs1, S0), self.read(rs2, S1));
        self.host.bit(op, d, a, b);
    }
}

//! Integer arithmetic: RV64IM, Zba, Zbb, Zbs.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use cranelift_frontend::FuncInstBuilder;
use rv_isa::{AluImmOp, AluOp, AluUnaryOp, XReg};

use super::{Known, RegionTranslator};

/// Makes the CLIF instruction of an operation on two values.
trait Operation: FnOnce(FuncInstBuilder<'_, '_>, Value, Value) -> Value {}

impl<F: FnOnce(FuncInstBuilder<'_, '_>, Value, Value) -> Value> Operation for F {}

impl RegionTranslator<'_, '_> {
    #[expect(
        clippy::too_many_lines,
        reason = "a table: one arm for each shape of instruction"
    )]
    pub(super) fn alu_imm(&mut self, op: AluImmOp, rd: XReg, rs1: XReg, imm: i32) {
        if rd.is_zero() || self.fold_imm(op, rd, rs1, imm) {
            return;
        }
        let imm = i64::from(imm);
        if let AluImmOp::Addiw
        | AluImmOp::Slliw
        | AluImmOp::Srliw
        | AluImmOp::Sraiw
        | AluImmOp::Roriw = op
        {
            self.alu_imm_word(op, rd, rs1, imm);
            return;
        }
        let a = self.x(rs1);
        let ins = self.builder.ins();
        let value = match op {
            AluImmOp::Addi => ins.iadd_imm_s(a, imm),
            AluImmOp::Slti | AluImmOp::Sltiu => {
                let signed = op == AluImmOp::Slti;
                let cc = if signed {
                    IntCC::SignedLessThan
                } else {
                    IntCC::UnsignedLessThan
                };
                let less = ins.icmp_imm_s(cc, a, imm);
                let value = self.builder.ins().uextend(types::I64, less);
                self.set_x_extended(rd, value);
                return;
            }
            AluImmOp::Xori if imm == -1 => ins.bnot(a),
            AluImmOp::Xori => ins.bxor_imm_s(a, imm),
            AluImmOp::Ori => ins.bor_imm_s(a, imm),
            AluImmOp::Andi => {
                let value = ins.band_imm_s(a, imm);
                if imm >= 0 {
                    self.set_x_extended(rd, value);
                    return;
                }
                value
            }
            AluImmOp::Slli => ins.ishl_imm_u(a, imm),
            AluImmOp::Srli => ins.ushr_imm_u(a, imm),
            AluImmOp::Srai => ins.sshr_imm_u(a, imm),
            AluImmOp::Rori => {
                let amount = self.builder.ins().iconst(types::I64, imm);
                self.builder.ins().rotr(a, amount)
            }
            AluImmOp::SlliUw => {
                let low = self.x_low(rs1);
                let wide = self.builder.ins().uextend(types::I64, low);
                self.builder.ins().ishl_imm_u(wide, imm)
            }
            AluImmOp::Bclri => {
                let mask = self.constant(!(1 << imm));
                self.builder.ins().band(a, mask)
            }
            AluImmOp::Bseti => {
                let mask = self.constant(1 << imm);
                self.builder.ins().bor(a, mask)
            }
            AluImmOp::Binvi => {
                let mask = self.constant(1 << imm);
                self.builder.ins().bxor(a, mask)
            }
            AluImmOp::Bexti => {
                let shifted = ins.ushr_imm_u(a, imm);
                self.builder.ins().band_imm_s(shifted, 1)
            }
            AluImmOp::Addiw
            | AluImmOp::Slliw
            | AluImmOp::Srliw
            | AluImmOp::Sraiw
            | AluImmOp::Roriw => return self.refuse(),
        };
        self.set_x(rd, value);
    }

    fn alu_imm_word(&mut self, op: AluImmOp, rd: XReg, rs1: XReg, imm: i64) {
        if op == AluImmOp::Addiw && imm == 0 && self.x_is_extended(rs1) {
            self.copy(rd, rs1);
            return;
        }
        let a = self.x_low(rs1);
        let ins = self.builder.ins();
        let low = match op {
            AluImmOp::Addiw if imm == 0 => a,
            AluImmOp::Addiw => ins.iadd_imm_s(a, imm),
            AluImmOp::Slliw => ins.ishl_imm_u(a, imm),
            AluImmOp::Srliw => ins.ushr_imm_u(a, imm),
            AluImmOp::Sraiw => ins.sshr_imm_u(a, imm),
            AluImmOp::Roriw => {
                let amount = self.builder.ins().iconst(types::I32, imm);
                self.builder.ins().rotr(a, amount)
            }
            AluImmOp::Addi
            | AluImmOp::Slti
            | AluImmOp::Sltiu
            | AluImmOp::Xori
            | AluImmOp::Ori
            | AluImmOp::Andi
            | AluImmOp::Slli
            | AluImmOp::Srli
            | AluImmOp::Srai
            | AluImmOp::SlliUw
            | AluImmOp::Rori
            | AluImmOp::Bclri
            | AluImmOp::Bexti
            | AluImmOp::Binvi
            | AluImmOp::Bseti => return self.refuse(),
        };
        self.set_x_low(rd, low);
    }

    /// Copies a register with all that is known about it.
    fn copy(&mut self, rd: XReg, rs: XReg) {
        if rd == rs || rd.is_zero() {
            return;
        }
        if let Some(known) = self.known(rs) {
            self.set_known(rd, known);
            return;
        }
        let low = self.locals.x_low[rs.index()];
        let extended = self.locals.x_extended.contains(rs.index());
        let value = self.x(rs);
        self.set_x(rd, value);
        self.locals.x_low[rd.index()] = low;
        self.locals.x_extended.set(rd.index(), extended);
    }

    /// Moves and arithmetic on known values. Returns whether that was all.
    fn fold_imm(&mut self, op: AluImmOp, rd: XReg, rs1: XReg, imm: i32) -> bool {
        let offset = i64::from(imm);
        match (op, self.known(rs1)) {
            (AluImmOp::Addi, _) if imm == 0 => self.copy(rd, rs1),
            (AluImmOp::Addi, Some(Known::Number(number))) => {
                self.set_known(rd, Known::Number(number.wrapping_add(offset)));
            }
            (AluImmOp::Addi, Some(Known::Address(address))) => {
                self.set_known(rd, Known::Address(address.wrapping_add(offset as u64)));
            }
            (AluImmOp::Addiw, Some(Known::Number(number))) => {
                let sum = number.wrapping_add(offset) as i32;
                self.set_known(rd, Known::Number(i64::from(sum)));
            }
            (AluImmOp::Slli, Some(Known::Number(number))) => {
                self.set_known(rd, Known::Number(number << (imm & 63)));
            }
            _ => return false,
        }
        true
    }

    pub(super) fn alu(&mut self, op: AluOp, rd: XReg, rs1: XReg, rs2: XReg) {
        if rd.is_zero() {
            return;
        }
        let operands = [rs1, rs2];
        match op {
            AluOp::Add if rs1.is_zero() => self.copy(rd, rs2),
            AluOp::Add if rs2.is_zero() => self.copy(rd, rs1),
            // Shifts and rotations by more than the width take the amount modulo the width, in CLIF as
            // in RISC-V.
            AluOp::Addw => self.word(rd, operands, |ins, a, b| ins.iadd(a, b)),
            AluOp::Subw => self.word(rd, operands, |ins, a, b| ins.isub(a, b)),
            AluOp::Sllw => self.word(rd, operands, |ins, a, b| ins.ishl(a, b)),
            AluOp::Srlw => self.word(rd, operands, |ins, a, b| ins.ushr(a, b)),
            AluOp::Sraw => self.word(rd, operands, |ins, a, b| ins.sshr(a, b)),
            AluOp::Mulw => self.word(rd, operands, |ins, a, b| ins.imul(a, b)),
            AluOp::Rolw => self.word(rd, operands, |ins, a, b| ins.rotl(a, b)),
            AluOp::Rorw => self.word(rd, operands, |ins, a, b| ins.rotr(a, b)),
            AluOp::Add => self.double(rd, operands, |ins, a, b| ins.iadd(a, b)),
            AluOp::Sub => self.double(rd, operands, |ins, a, b| ins.isub(a, b)),
            AluOp::Sll => self.double(rd, operands, |ins, a, b| ins.ishl(a, b)),
            AluOp::Srl => self.double(rd, operands, |ins, a, b| ins.ushr(a, b)),
            AluOp::Sra => self.double(rd, operands, |ins, a, b| ins.sshr(a, b)),
            AluOp::Xor => self.double(rd, operands, |ins, a, b| ins.bxor(a, b)),
            AluOp::Or => self.double(rd, operands, |ins, a, b| ins.bor(a, b)),
            AluOp::And => self.double(rd, operands, |ins, a, b| ins.band(a, b)),
            AluOp::Mul => self.double(rd, operands, |ins, a, b| ins.imul(a, b)),
            AluOp::Mulh => self.double(rd, operands, |ins, a, b| ins.smulhi(a, b)),
            AluOp::Mulhu => self.double(rd, operands, |ins, a, b| ins.umulhi(a, b)),
            AluOp::Andn => self.double(rd, operands, |ins, a, b| ins.band_not(a, b)),
            AluOp::Orn => self.double(rd, operands, |ins, a, b| ins.bor_not(a, b)),
            AluOp::Xnor => self.double(rd, operands, |ins, a, b| ins.bxor_not(a, b)),
            AluOp::Max => self.double(rd, operands, |ins, a, b| ins.smax(a, b)),
            AluOp::Maxu => self.double(rd, operands, |ins, a, b| ins.umax(a, b)),
            AluOp::Min => self.double(rd, operands, |ins, a, b| ins.smin(a, b)),
            AluOp::Minu => self.double(rd, operands, |ins, a, b| ins.umin(a, b)),
            AluOp::Rol => self.double(rd, operands, |ins, a, b| ins.rotl(a, b)),
            AluOp::Ror => self.double(rd, operands, |ins, a, b| ins.rotr(a, b)),
            AluOp::Div | AluOp::Divu | AluOp::Rem | AluOp::Remu => {
                let (a, b) = (self.x(rs1), self.x(rs2));
                let value = self.divide(op, a, b);
                self.set_x(rd, value);
            }
            AluOp::Divw | AluOp::Divuw | AluOp::Remw | AluOp::Remuw => {
                let (a, b) = (self.x_low(rs1), self.x_low(rs2));
                let low = self.divide(op, a, b);
                self.set_x_low(rd, low);
            }
            AluOp::Slt => self.set_if(IntCC::SignedLessThan, rd, operands),
            AluOp::Sltu => self.set_if(IntCC::UnsignedLessThan, rd, operands),
            AluOp::AddUw => self.shift_add_low(rd, operands, 0),
            AluOp::Sh1addUw => self.shift_add_low(rd, operands, 1),
            AluOp::Sh2addUw => self.shift_add_low(rd, operands, 2),
            AluOp::Sh3addUw => self.shift_add_low(rd, operands, 3),
            AluOp::Sh1add => self.shift_add_double(rd, operands, 1),
            AluOp::Sh2add => self.shift_add_double(rd, operands, 2),
            AluOp::Sh3add => self.shift_add_double(rd, operands, 3),
            AluOp::Mulhsu => {
                let (a, b) = (self.x(rs1), self.x(rs2));
                let value = self.multiply_high_mixed(a, b);
                self.set_x(rd, value);
            }
            AluOp::Bclr => self.single_bit(rd, operands, |ins, a, bit| ins.band_not(a, bit)),
            AluOp::Bset => self.single_bit(rd, operands, |ins, a, bit| ins.bor(a, bit)),
            AluOp::Binv => self.single_bit(rd, operands, |ins, a, bit| ins.bxor(a, bit)),
            AluOp::Bext => {
                let (a, b) = (self.x(rs1), self.x(rs2));
                let shifted = self.builder.ins().ushr(a, b);
                let value = self.builder.ins().band_imm_s(shifted, 1);
                self.set_x(rd, value);
            }
        }
    }

    /// An operation on the low halves.
    fn word(&mut self, rd: XReg, [rs1, rs2]: [XReg; 2], op: impl Operation) {
        let a = self.x_low(rs1);
        let b = self.x_low(rs2);
        let low = op(self.builder.ins(), a, b);
        self.set_x_low(rd, low);
    }

    fn double(&mut self, rd: XReg, [rs1, rs2]: [XReg; 2], op: impl Operation) {
        let (a, b) = (self.x(rs1), self.x(rs2));
        let value = op(self.builder.ins(), a, b);
        self.set_x(rd, value);
    }

    /// An operation on the first operand and the bit that the second one names.
    fn single_bit(&mut self, rd: XReg, [rs1, rs2]: [XReg; 2], op: impl Operation) {
        let (a, b) = (self.x(rs1), self.x(rs2));
        let one = self.constant(1);
        let bit = self.builder.ins().ishl(one, b);
        let value = op(self.builder.ins(), a, bit);
        self.set_x(rd, value);
    }

    fn set_if(&mut self, cc: IntCC, rd: XReg, [rs1, rs2]: [XReg; 2]) {
        let holds = self.compare(cc, rs1, rs2);
        let value = self.builder.ins().uextend(types::I64, holds);
        self.set_x_extended(rd, value);
    }

    fn shift_add_low(&mut self, rd: XReg, [rs1, rs2]: [XReg; 2], shift: i64) {
        let low = self.x_low(rs1);
        let a = self.builder.ins().uextend(types::I64, low);
        let b = self.x(rs2);
        let value = self.shift_add(a, b, shift);
        self.set_x(rd, value);
    }

    fn shift_add_double(&mut self, rd: XReg, [rs1, rs2]: [XReg; 2], shift: i64) {
        let (a, b) = (self.x(rs1), self.x(rs2));
        let value = self.shift_add(a, b, shift);
        self.set_x(rd, value);
    }

    /// Compares two registers, by their low halves where those say it all.
    pub(super) fn compare(&mut self, cc: IntCC, rs1: XReg, rs2: XReg) -> Value {
        let halves = self.x_is_extended(rs1) && self.x_is_extended(rs2);
        if let Some(number) = self.x_number(rs2) {
            return if halves {
                let a = self.x_low(rs1);
                self.builder
                    .ins()
                    .icmp_imm_s(cc, a, i64::from(number as i32))
            } else {
                let a = self.x(rs1);
                self.builder.ins().icmp_imm_s(cc, a, number)
            };
        }
        if halves {
            let (a, b) = (self.x_low(rs1), self.x_low(rs2));
            return self.builder.ins().icmp(cc, a, b);
        }
        let (a, b) = (self.x(rs1), self.x(rs2));
        self.builder.ins().icmp(cc, a, b)
    }

    fn shift_add(&mut self, a: Value, b: Value, shift: i64) -> Value {
        let shifted = if shift == 0 {
            a
        } else {
            self.builder.ins().ishl_imm_u(a, shift)
        };
        self.builder.ins().iadd(b, shifted)
    }

    /// The high half of signed times unsigned: as unsigned, `a` is 2⁶⁴ too large where negative.
    fn multiply_high_mixed(&mut self, a: Value, b: Value) -> Value {
        let high = self.builder.ins().umulhi(a, b);
        let sign = self.builder.ins().sshr_imm_u(a, 63);
        let excess = self.builder.ins().band(sign, b);
        self.builder.ins().isub(high, excess)
    }

    /// Division as RISC-V defines it: by zero, the quotient has all bits set and the remainder is
    /// the dividend; the least number by −1 overflows to itself, remainder 0. The host would trap,
    /// so it is given a divisor of 1 then, which is right for the overflow.
    fn divide(&mut self, op: AluOp, a: Value, b: Value) -> Value {
        let ty = self.builder.func.dfg.value_type(a);
        let signed = matches!(op, AluOp::Div | AluOp::Rem | AluOp::Divw | AluOp::Remw);
        let quotient = matches!(op, AluOp::Div | AluOp::Divu | AluOp::Divw | AluOp::Divuw);
        let zero = self.builder.ins().icmp_imm_s(IntCC::Equal, b, 0);
        let one = self.builder.ins().iconst(ty, 1);
        let mut divisor = self.builder.ins().select(zero, one, b);
        if signed {
            let minus_one = self.builder.ins().icmp_imm_s(IntCC::Equal, b, -1);
            let least = if ty == types::I64 {
                i64::MIN
            } else {
                i64::from(i32::MIN) & 0xffff_ffff
            };
            let least = self.builder.ins().iconst(ty, least);
            let is_least = self.builder.ins().icmp(IntCC::Equal, a, least);
            let overflow = self.builder.ins().band(minus_one, is_least);
            divisor = self.builder.ins().select(overflow, one, divisor);
        }
        let ins = self.builder.ins();
        let result = match (quotient, signed) {
            (true, true) => ins.sdiv(a, divisor),
            (true, false) => ins.udiv(a, divisor),
            (false, true) => ins.srem(a, divisor),
            (false, false) => ins.urem(a, divisor),
        };
        let by_zero = if quotient {
            let ones = if ty == types::I64 { -1 } else { 0xffff_ffff };
            self.builder.ins().iconst(ty, ones)
        } else {
            a
        };
        self.builder.ins().select(zero, by_zero, result)
    }

    pub(super) fn alu_unary(&mut self, op: AluUnaryOp, rd: XReg, rs1: XReg) {
        if rd.is_zero() {
            return;
        }
        if let AluUnaryOp::Clzw | AluUnaryOp::Ctzw | AluUnaryOp::Cpopw = op {
            let a = self.x_low(rs1);
            let ins = self.builder.ins();
            let low = match op {
                AluUnaryOp::Clzw => ins.clz(a),
                AluUnaryOp::Ctzw => ins.ctz(a),
                AluUnaryOp::Cpopw => ins.popcnt(a),
                AluUnaryOp::Clz
                | AluUnaryOp::Ctz
                | AluUnaryOp::Cpop
                | AluUnaryOp::SextB
                | AluUnaryOp::SextH
                | AluUnaryOp::ZextH
                | AluUnaryOp::OrcB
                | AluUnaryOp::Rev8 => return self.refuse(),
            };
            self.set_x_low(rd, low);
            return;
        }
        let a = self.x(rs1);
        let ins = self.builder.ins();
        let value = match op {
            AluUnaryOp::Clz => ins.clz(a),
            AluUnaryOp::Ctz => ins.ctz(a),
            AluUnaryOp::Cpop => ins.popcnt(a),
            AluUnaryOp::SextB => {
                let byte = ins.ireduce(types::I8, a);
                self.builder.ins().sextend(types::I64, byte)
            }
            AluUnaryOp::SextH => {
                let half = ins.ireduce(types::I16, a);
                self.builder.ins().sextend(types::I64, half)
            }
            AluUnaryOp::ZextH => {
                let half = ins.ireduce(types::I16, a);
                self.builder.ins().uextend(types::I64, half)
            }
            AluUnaryOp::OrcB => self.or_combine(a),
            AluUnaryOp::Rev8 => ins.bswap(a),
            AluUnaryOp::Clzw | AluUnaryOp::Ctzw | AluUnaryOp::Cpopw => return self.refuse(),
        };
        match op {
            AluUnaryOp::Rev8 | AluUnaryOp::OrcB => self.set_x(rd, value),
            _ => self.set_x_extended(rd, value),
        }
    }

    /// `orc.b`: each byte that isn't 0 becomes all ones. Bit 7 of `(low seven + 0x7f) | byte` says
    /// whether a byte is 0; times 255 it fills the byte.
    fn or_combine(&mut self, a: Value) -> Value {
        let sevens = self.constant(0x7f7f_7f7f_7f7f_7f7f);
        let low = self.builder.ins().band(a, sevens);
        let carried = self.builder.ins().iadd(low, sevens);
        let any = self.builder.ins().bor(carried, a);
        let top = self.builder.ins().ushr_imm_u(any, 7);
        let ones = self.constant(0x0101_0101_0101_0101);
        let bits = self.builder.ins().band(top, ones);
        self.builder.ins().imul_imm_s(bits, 255)
    }
}

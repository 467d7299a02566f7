//! Integers of all widths.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, types};

use super::Body;

const WIDTHS: [Type; 4] = [types::I8, types::I16, types::I32, types::I64];

pub(super) const CONDITIONS: [IntCC; 10] = [
    IntCC::Equal,
    IntCC::NotEqual,
    IntCC::SignedLessThan,
    IntCC::SignedGreaterThanOrEqual,
    IntCC::SignedGreaterThan,
    IntCC::SignedLessThanOrEqual,
    IntCC::UnsignedLessThan,
    IntCC::UnsignedGreaterThanOrEqual,
    IntCC::UnsignedGreaterThan,
    IntCC::UnsignedLessThanOrEqual,
];

impl Body<'_> {
    pub(super) fn integer(&mut self) {
        let ty = WIDTHS[self.random.below(4)];
        match self.random.below(10) {
            0 => self.wide(),
            1 => self.convert_integer(ty),
            2 => self.divide(ty),
            3 => self.compare(ty),
            4 => self.unary(ty),
            5 => self.overflow(ty),
            _ => self.binary(ty),
        }
    }

    fn binary(&mut self, ty: Type) {
        let (a, b) = (self.pick(ty), self.pick(ty));
        let amount = self.random.below(4);
        let amount = self.pick(WIDTHS[amount]);
        let choice = self.random.below(18);
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.iadd(a, b),
            1 => ins.isub(a, b),
            2 => ins.imul(a, b),
            3 => ins.band(a, b),
            4 => ins.bor(a, b),
            5 => ins.bxor(a, b),
            6 => ins.smin(a, b),
            7 => ins.umin(a, b),
            8 => ins.smax(a, b),
            9 => ins.umax(a, b),
            10 => ins.ishl(a, amount),
            11 => ins.ushr(a, amount),
            12 => ins.sshr(a, amount),
            13 => ins.rotl(a, amount),
            14 => ins.rotr(a, amount),
            15 => ins.band_not(a, b),
            16 => ins.bxor_not(a, b),
            _ => ins.bor_not(a, b),
        };
        self.keep(value);
    }

    fn unary(&mut self, ty: Type) {
        let a = self.pick(ty);
        let choice = self.random.below(9);
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.bnot(a),
            1 => ins.ineg(a),
            2 => ins.iabs(a),
            3 => ins.clz(a),
            4 => ins.ctz(a),
            5 => ins.popcnt(a),
            6 => ins.bitrev(a),
            7 if ty != types::I8 => ins.bswap(a),
            _ => ins.bmask(ty, a),
        };
        self.keep(value);
    }

    /// By a small positive number, so that nothing traps.
    fn divide(&mut self, ty: Type) {
        let (a, b) = (self.pick(ty), self.pick(ty));
        let b = self.builder.ins().band_imm_u(b, 0x3f);
        let b = self.builder.ins().bor_imm_u(b, 1);
        let choice = self.random.below(4);
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.udiv(a, b),
            1 => ins.sdiv(a, b),
            2 => ins.urem(a, b),
            _ => ins.srem(a, b),
        };
        self.keep(value);
    }

    fn compare(&mut self, ty: Type) {
        let (a, b) = (self.pick(ty), self.pick(ty));
        let condition = CONDITIONS[self.random.below(10)];
        let value = self.builder.ins().icmp(condition, a, b);
        self.keep(value);
        let (then, other) = (self.pick(ty), self.pick(ty));
        let value = match self.random.below(2) {
            0 => self.builder.ins().select(value, then, other),
            _ => self.builder.ins().select_spectre_guard(value, then, other),
        };
        self.keep(value);
    }

    fn overflow(&mut self, ty: Type) {
        let (a, b) = (self.pick(ty), self.pick(ty));
        let choice = self.random.below(6);
        let ins = self.builder.ins();
        let (value, overflow) = match choice {
            0 => ins.uadd_overflow(a, b),
            1 => ins.sadd_overflow(a, b),
            2 => ins.usub_overflow(a, b),
            3 => ins.ssub_overflow(a, b),
            4 => ins.umul_overflow(a, b),
            _ => ins.smul_overflow(a, b),
        };
        self.keep(value);
        self.keep(overflow);
    }

    fn convert_integer(&mut self, to: Type) {
        let from = WIDTHS[self.random.below(4)];
        let value = self.pick(from);
        let signed = self.random.below(2) == 0;
        let ins = self.builder.ins();
        let value = match from.bits().cmp(&to.bits()) {
            core::cmp::Ordering::Less if signed => ins.sextend(to, value),
            core::cmp::Ordering::Less => ins.uextend(to, value),
            core::cmp::Ordering::Equal => ins.bitrev(value),
            core::cmp::Ordering::Greater => ins.ireduce(to, value),
        };
        self.keep(value);
    }

    /// 128 bits.
    fn wide(&mut self) {
        let (a, b) = (self.pick(types::I128), self.pick(types::I128));
        let amount = self.pick(types::I32);
        let small = self.pick(types::I64);
        let choice = self.random.below(12);
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.iadd(a, b),
            1 => ins.isub(a, b),
            2 => ins.imul(a, b),
            3 => ins.bxor(a, b),
            4 => ins.ishl(a, amount),
            5 => ins.ushr(a, amount),
            6 => ins.sshr(a, amount),
            7 => ins.sextend(types::I128, small),
            8 => ins.uextend(types::I128, small),
            9 => ins.icmp(IntCC::SignedLessThan, a, b),
            10 => ins.bnot(a),
            _ => ins.clz(a),
        };
        self.keep(value);
        let whole = self.pick(types::I128);
        let (low, high) = self.builder.ins().isplit(whole);
        self.keep(low);
        self.keep(high);
    }
}

//! Vectors of 128 bits.

use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, Type, types};

use super::{Body, float, integer};
use crate::plan::VECTORS;

const INTEGERS: [Type; 4] = [types::I8X16, types::I16X8, types::I32X4, types::I64X2];

impl Body<'_> {
    pub(super) fn vector(&mut self) {
        match self.random.below(8) {
            0 => self.lanes(),
            1 => self.vector_shift(),
            2 => self.vector_floats(),
            3 => self.vector_convert(),
            4 => self.vector_compare(),
            5 => self.bytes(),
            _ => self.vector_binary(),
        }
    }

    fn vector_binary(&mut self) {
        let ty = INTEGERS[self.random.below(4)];
        let [a, b, c] = [(); 3].map(|()| self.pick(ty));
        let is_narrow = ty.lane_bits() <= 16;
        let choice = self.random.below(16);
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.isub(a, b),
            1 => ins.band(a, b),
            2 => ins.bor(a, b),
            3 => ins.bxor(a, b),
            4 => ins.bitselect(a, b, c),
            5 => ins.bnot(a),
            6 => ins.ineg(a),
            7 => ins.iabs(a),
            8 if ty != types::I8X16 => ins.imul(a, b),
            9 if ty != types::I64X2 => ins.smin(a, b),
            10 if ty != types::I64X2 => ins.umax(a, b),
            11 if is_narrow => ins.sadd_sat(a, b),
            12 if is_narrow => ins.usub_sat(a, b),
            13 if is_narrow => ins.avg_round(a, b),
            14 if ty == types::I8X16 => ins.popcnt(a),
            _ => ins.iadd(a, b),
        };
        self.keep(value);
    }

    fn vector_shift(&mut self) {
        let ty = INTEGERS[self.random.below(4)];
        let (a, amount) = (self.pick(ty), self.pick(types::I32));
        let choice = self.random.below(3);
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.ishl(a, amount),
            1 => ins.ushr(a, amount),
            _ => ins.sshr(a, amount),
        };
        self.keep(value);
    }

    fn lanes(&mut self) {
        let ty = VECTORS[self.random.below(6)];
        let (vector, lane) = (self.pick(ty), self.pick(ty.lane_type()));
        let number = self.random.below(ty.lane_count() as usize) as u8;
        let value = match self.random.below(3) {
            0 => self.builder.ins().splat(ty, lane),
            1 => self.builder.ins().insertlane(vector, lane, number),
            _ => self.builder.ins().extractlane(vector, number),
        };
        self.keep(value);
    }

    fn vector_floats(&mut self) {
        let ty = [types::F32X4, types::F64X2][self.random.below(2)];
        let (a, b) = (self.pick(ty), self.pick(ty));
        let choice = self.random.below(8);
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.fadd(a, b),
            1 => ins.fsub(a, b),
            2 => ins.fmul(a, b),
            3 => ins.fdiv(a, b),
            4 => ins.fmin(a, b),
            5 => ins.fmax(a, b),
            _ => return self.float_unary(ty),
        };
        self.keep(value);
    }

    fn vector_convert(&mut self) {
        let [bytes, shorts, words, floats] =
            [types::I8X16, types::I16X8, types::I32X4, types::F32X4].map(|ty| self.pick(ty));
        let (from, to) = (VECTORS[self.random.below(6)], VECTORS[self.random.below(6)]);
        let any = self.pick(from);
        let choice = self.random.below(9);
        let ins = self.builder.ins();
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        let value = match choice {
            0 => ins.swiden_low(bytes),
            1 => ins.uwiden_high(bytes),
            2 => ins.swiden_high(shorts),
            3 => ins.uwiden_low(words),
            4 => ins.snarrow(shorts, shorts),
            5 => ins.unarrow(words, words),
            6 => ins.fcvt_from_sint(types::F32X4, words),
            7 => ins.fcvt_to_sint_sat(types::I32X4, floats),
            _ => ins.bitcast(to, little, any),
        };
        self.keep(value);
    }

    fn vector_compare(&mut self) {
        if self.random.below(3) == 0 {
            let ty = [types::F32X4, types::F64X2][self.random.below(2)];
            let (a, b) = (self.pick(ty), self.pick(ty));
            let condition = float::CONDITIONS[self.random.below(8)];
            let value = self.builder.ins().fcmp(condition, a, b);
            return self.keep(value);
        }
        let ty = INTEGERS[self.random.below(4)];
        let (a, b) = (self.pick(ty), self.pick(ty));
        let condition = integer::CONDITIONS[self.random.below(10)];
        let value = self.builder.ins().icmp(condition, a, b);
        self.keep(value);
        let value = match self.random.below(3) {
            0 => self.builder.ins().vany_true(value),
            1 => self.builder.ins().vall_true(value),
            _ => self.builder.ins().vhigh_bits(types::I32, value),
        };
        self.keep(value);
    }

    /// Moving bytes about.
    fn bytes(&mut self) {
        let (a, b) = (self.pick(types::I8X16), self.pick(types::I8X16));
        let value = match self.random.below(2) {
            0 => self.builder.ins().swizzle(a, b),
            _ => {
                let lanes: Vec<u8> = (0..16).map(|_| self.random.below(32) as u8).collect();
                let lanes = ConstantData::from(&lanes[..]);
                let lanes = self.builder.func.dfg.immediates.push(lanes);
                self.builder.ins().shuffle(a, b, lanes)
            }
        };
        self.keep(value);
    }
}

//! Floating point, and conversions from and to integers.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, types};

use super::Body;

pub(super) const CONDITIONS: [FloatCC; 8] = [
    FloatCC::Ordered,
    FloatCC::Unordered,
    FloatCC::Equal,
    FloatCC::NotEqual,
    FloatCC::LessThan,
    FloatCC::LessThanOrEqual,
    FloatCC::UnorderedOrGreaterThan,
    FloatCC::UnorderedOrLessThan,
];

impl Body<'_> {
    pub(super) fn float(&mut self) {
        let ty = [types::F32, types::F64][self.random.below(2)];
        match self.random.below(8) {
            0 => self.convert_float(ty),
            1 => self.compare_floats(ty),
            2 | 3 => self.float_unary(ty),
            _ => self.float_binary(ty),
        }
    }

    fn float_binary(&mut self, ty: Type) {
        let [a, b, c] = [(); 3].map(|()| self.pick(ty));
        let choice = self.random.below(8);
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.fadd(a, b),
            1 => ins.fsub(a, b),
            2 => ins.fmul(a, b),
            3 => ins.fdiv(a, b),
            4 => ins.fmin(a, b),
            5 => ins.fmax(a, b),
            6 => ins.fcopysign(a, b),
            _ => ins.fma(a, b, c),
        };
        self.keep(value);
    }

    pub(super) fn float_unary(&mut self, ty: Type) {
        let a = self.pick(ty);
        let choice = self.random.below(7);
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.sqrt(a),
            1 => ins.fneg(a),
            2 => ins.fabs(a),
            3 => ins.ceil(a),
            4 => ins.floor(a),
            5 => ins.trunc(a),
            _ => ins.nearest(a),
        };
        self.keep(value);
    }

    fn compare_floats(&mut self, ty: Type) {
        let (a, b) = (self.pick(ty), self.pick(ty));
        let condition = CONDITIONS[self.random.below(8)];
        let value = self.builder.ins().fcmp(condition, a, b);
        self.keep(value);
        let selected = self.builder.ins().select(value, a, b);
        self.keep(selected);
    }

    fn convert_float(&mut self, ty: Type) {
        let integer = [types::I32, types::I64][self.random.below(2)];
        let (float, number) = (self.pick(ty), self.pick(integer));
        let (single, double) = (self.pick(types::F32), self.pick(types::F64));
        let same_size = match ty {
            types::F32 => types::I32,
            _ => types::I64,
        };
        let bits = self.pick(same_size);
        let choice = self.random.below(8);
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.fcvt_to_sint_sat(integer, float),
            1 => ins.fcvt_to_uint_sat(integer, float),
            2 => ins.fcvt_from_sint(ty, number),
            3 => ins.fcvt_from_uint(ty, number),
            4 => ins.fpromote(types::F64, single),
            5 => ins.fdemote(types::F32, double),
            6 => ins.bitcast(same_size, MemFlagsData::new(), float),
            _ => ins.bitcast(ty, MemFlagsData::new(), bits),
        };
        self.keep(value);
    }
}

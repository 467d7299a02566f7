//! Floating point: conversions and moves between register files.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use rv_isa::{FReg, FpFormat, Inst, IntFormat, RoundingMode, XReg};

use super::RegionTranslator;
use crate::kinds::{atomic_inst, float_inst, integer_inst};

impl RegionTranslator<'_, '_> {
    #[expect(
        clippy::too_many_lines,
        reason = "a table: one arm for each shape of instruction"
    )]
    pub(super) fn convert(&mut self, inst: Inst) {
        match inst {
            Inst::FpToInt {
                int,
                format,
                rm: RoundingMode::Rtz,
                rd,
                rs1,
            } => {
                self.truncate(inst, int, format, rd, rs1);
            }
            Inst::FpToInt {
                format, rd, rs1, ..
            } => {
                let value = self.helper(inst, format, &[rs1]);
                self.set_x(rd, value);
            }
            Inst::IntToFp {
                format,
                int,
                rm,
                rd,
                rs1,
            } => {
                self.convert_int(inst, format, int, rm, rd, rs1);
            }
            Inst::FpConvert {
                to: FpFormat::Single,
                rm: RoundingMode::Dyn,
                rd,
                rs1,
            } => {
                let a = self.f(FpFormat::Double, rs1);
                let value = self.builder.ins().fdemote(types::F32, a);
                self.set_rounded(FpFormat::Single, rd, value);
            }
            Inst::FpConvert {
                to: FpFormat::Single,
                rd,
                rs1,
                ..
            } => {
                self.float_by_helper(inst, FpFormat::Single, rd, FpFormat::Double, &[rs1]);
            }
            Inst::FpConvert {
                to: FpFormat::Double,
                rd,
                rs1,
                ..
            } => {
                let a = self.f(FpFormat::Single, rs1);
                let value = self.builder.ins().fpromote(types::F64, a);
                self.set_rounded(FpFormat::Double, rd, value);
            }
            Inst::FpMoveToInt {
                format: FpFormat::Single,
                rd,
                rs1,
            } => {
                let low = self.f_low_bits(rs1);
                self.set_x_low(rd, low);
            }
            Inst::FpMoveToInt {
                format: FpFormat::Double,
                rd,
                rs1,
            } => {
                let value = self.f_exact(FpFormat::Double, rs1);
                let bits = self.bits(FpFormat::Double, value);
                self.set_x(rd, bits);
            }
            Inst::FpMoveFromInt {
                format: FpFormat::Single,
                rd,
                rs1,
            } => {
                let low = self.x_low(rs1);
                let value = self
                    .builder
                    .ins()
                    .bitcast(types::F32, MemFlagsData::new(), low);
                self.set_f(FpFormat::Single, rd, value, false);
            }
            Inst::FpMoveFromInt {
                format: FpFormat::Double,
                rd,
                rs1,
            } => {
                let bits = self.x(rs1);
                let value = self
                    .builder
                    .ins()
                    .bitcast(types::F64, MemFlagsData::new(), bits);
                self.set_f(FpFormat::Double, rd, value, false);
            }
            integer_inst!() | atomic_inst!() | float_inst!() => self.refuse(),
        }
    }

    /// Conversion to an integer towards zero. Signed ones saturate as CLIF's do, with the flags that
    /// the host's instruction raises, but that a NaN becomes the greatest number. Unsigned ones are
    /// done as signed ones that certainly fit, else by the helper.
    fn truncate(&mut self, inst: Inst, int: IntFormat, format: FpFormat, rd: XReg, rs1: FReg) {
        let a = self.f(format, rs1);
        match int {
            IntFormat::Word | IntFormat::Long => {
                let (ty, greatest) = match int {
                    IntFormat::Word => (types::I32, i64::from(i32::MAX)),
                    IntFormat::Long | IntFormat::WordUnsigned | IntFormat::LongUnsigned => {
                        (types::I64, i64::MAX)
                    }
                };
                let saturated = self.builder.ins().fcvt_to_sint_sat(ty, a);
                let is_nan = self.builder.ins().fcmp(FloatCC::Unordered, a, a);
                let greatest = self.builder.ins().iconst(ty, greatest);
                let value = self.builder.ins().select(is_nan, greatest, saturated);
                match int {
                    IntFormat::Word => self.set_x_low(rd, value),
                    IntFormat::Long | IntFormat::WordUnsigned | IntFormat::LongUnsigned => {
                        self.set_x(rd, value);
                    }
                }
                if self.flow_kills_integer(rd) {
                    self.keep(saturated);
                }
            }
            IntFormat::WordUnsigned | IntFormat::LongUnsigned => {
                let limit = match int {
                    IntFormat::WordUnsigned => 4_294_967_296.0,
                    IntFormat::Word | IntFormat::Long | IntFormat::LongUnsigned => {
                        9_223_372_036_854_775_808.0
                    }
                };
                let value = self.truncate_in_range(inst, format, a, limit);
                if int == IntFormat::WordUnsigned {
                    let low = self.builder.ins().ireduce(types::I32, value);
                    self.set_x_low(rd, low);
                } else {
                    self.set_x(rd, value);
                }
                if self.flow_kills_integer(rd) {
                    self.keep(value);
                }
            }
        }
    }

    /// Truncates what lies between −1 and `limit`, both excluded; the rest is the helper's.
    fn truncate_in_range(&mut self, inst: Inst, format: FpFormat, a: Value, limit: f64) -> Value {
        let (low, high) = match format {
            FpFormat::Single => {
                let low = self.builder.ins().f32const(-1.0);
                (low, self.builder.ins().f32const(limit as f32))
            }
            FpFormat::Double => {
                let low = self.builder.ins().f64const(-1.0);
                (low, self.builder.ins().f64const(limit))
            }
        };
        let above = self
            .builder
            .ins()
            .fcmp(FloatCC::UnorderedOrLessThanOrEqual, a, low);
        let below = self
            .builder
            .ins()
            .fcmp(FloatCC::UnorderedOrGreaterThanOrEqual, a, high);
        let outside = self.builder.ins().bor(above, below);
        self.choose_rarely(
            outside,
            types::I64,
            |this| this.builder.ins().fcvt_to_sint_sat(types::I64, a),
            |this| {
                let bits = this.bits(format, a);
                this.helper_on_bits(inst, &[bits])
            },
        )
    }

    fn convert_int(
        &mut self,
        inst: Inst,
        format: FpFormat,
        int: IntFormat,
        rm: RoundingMode,
        rd: FReg,
        rs1: XReg,
    ) {
        let ty = match format {
            FpFormat::Single => types::F32,
            FpFormat::Double => types::F64,
        };
        let is_word = matches!(int, IntFormat::Word | IntFormat::WordUnsigned);
        let is_exact = is_word && format == FpFormat::Double;
        if rm != RoundingMode::Dyn && !is_exact {
            let operand = self.x(rs1);
            let bits = self.helper_on_bits(inst, &[operand]);
            let value = self.with_bits(format, bits);
            self.set_f(format, rd, value, false);
            return;
        }
        let value = match int {
            IntFormat::Word => {
                let low = self.x_low(rs1);
                self.builder.ins().fcvt_from_sint(ty, low)
            }
            IntFormat::WordUnsigned => {
                let low = self.x_low(rs1);
                let wide = self.builder.ins().uextend(types::I64, low);
                self.builder.ins().fcvt_from_sint(ty, wide)
            }
            IntFormat::Long => {
                let a = self.x(rs1);
                self.builder.ins().fcvt_from_sint(ty, a)
            }
            // Halved with the lost bit kept sticky where too large, which rounds right in any mode.
            IntFormat::LongUnsigned => {
                let a = self.x(rs1);
                self.builder.ins().fcvt_from_uint(ty, a)
            }
        };
        self.set_f(format, rd, value, false);
        if self.flow_kills_float(rd) {
            self.keep(value);
        }
    }
}

//! Floating point: arithmetic on the host's SSE unit.
//!
//! While compiled code runs, the host's MXCSR holds the guest's rounding mode and gathers its
//! exception flags. Regions with arithmetic are compiled without the optimiser, so that an operation
//! stays where it is: the optimiser takes it for pure, and would delete it, or move it to where it
//! is needed, whatever flags it raises. What isn't optimised is still dropped where its result is
//! unused, so a result that nobody reads is stored in the state's scratch word. Nothing reads flags
//! or changes the rounding mode inside a region after arithmetic: such instructions begin a region.
//!
//! Where the host differs from RISC-V, the rare case is told apart inline and handed to a helper,
//! which does the whole instruction in software.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use rekindle_hart::offsets;
use rv_isa::{
    Csr, CsrOp, CsrSource, FReg, FpBinaryOp, FpCompareOp, FpFormat, FpFusedOp, FpMinMaxOp,
    FpSignInjectOp, Inst, RoundingMode, XReg,
};

use super::{RegionTranslator, Symbol};
use crate::kinds::{atomic_inst, conversion_inst, integer_inst};

impl RegionTranslator<'_, '_> {
    #[expect(
        clippy::too_many_lines,
        reason = "a table: one arm for each shape of instruction"
    )]
    pub(super) fn float(&mut self, pc: u64, inst: Inst) {
        match inst {
            Inst::FpLoad {
                format,
                rd,
                rs1,
                offset,
            } => self.float_load(pc, format, rd, rs1, offset),
            Inst::FpStore {
                format,
                rs1,
                rs2,
                offset,
            } => {
                self.float_store(pc, format, rs1, rs2, offset);
            }
            Inst::FpBinary {
                op,
                format,
                rm: RoundingMode::Dyn,
                rd,
                rs1,
                rs2,
            } => {
                let (a, b) = (self.f(format, rs1), self.f(format, rs2));
                let ins = self.builder.ins();
                let value = match op {
                    FpBinaryOp::Add => ins.fadd(a, b),
                    FpBinaryOp::Sub => ins.fsub(a, b),
                    FpBinaryOp::Mul => ins.fmul(a, b),
                    FpBinaryOp::Div => ins.fdiv(a, b),
                };
                self.set_rounded(format, rd, value);
            }
            Inst::FpBinary {
                format,
                rd,
                rs1,
                rs2,
                ..
            } => {
                self.float_by_helper(inst, format, rd, format, &[rs1, rs2]);
            }
            Inst::FpSqrt {
                format,
                rm: RoundingMode::Dyn,
                rd,
                rs1,
            } => {
                let a = self.f(format, rs1);
                let value = self.builder.ins().sqrt(a);
                self.set_rounded(format, rd, value);
            }
            Inst::FpSqrt {
                format, rd, rs1, ..
            } => {
                self.float_by_helper(inst, format, rd, format, &[rs1]);
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
                if rm == RoundingMode::Dyn && self.target.has_fma {
                    self.fused(inst, op, format, rd, [rs1, rs2, rs3]);
                } else {
                    self.float_by_helper(inst, format, rd, format, &[rs1, rs2, rs3]);
                }
            }
            Inst::FpSignInject {
                op,
                format,
                rd,
                rs1,
                rs2,
            } => {
                self.sign_inject(op, format, rd, rs1, rs2);
            }
            Inst::FpMinMax {
                op,
                format,
                rd,
                rs1,
                rs2,
            } => {
                self.min_max(inst, op, format, rd, [rs1, rs2]);
            }
            Inst::FpCompare {
                op,
                format,
                rd,
                rs1,
                rs2,
            } => {
                self.float_compare(inst, op, format, rd, [rs1, rs2]);
            }
            Inst::FpClass { format, rd, rs1 } => {
                let value = self.helper(inst, format, &[rs1]);
                self.set_x_extended(rd, value);
            }
            integer_inst!() | atomic_inst!() | conversion_inst!() => self.refuse(),
        }
    }

    /// Writes the result of arithmetic.
    pub(super) fn set_rounded(&mut self, format: FpFormat, rd: FReg, value: Value) {
        self.set_f(format, rd, value, true);
        if self.flow_kills_float(rd) {
            self.keep(value);
        }
    }

    /// Keeps a value that nothing reads from being dropped with the flags that it raises.
    pub(super) fn keep(&mut self, value: Value) {
        self.store_state(value, offsets::SCRATCH as i32);
    }

    fn float_load(&mut self, pc: u64, format: FpFormat, rd: FReg, rs1: XReg, offset: i32) {
        let base = self.x(rs1);
        let flags = self.access(pc);
        let ty = match format {
            FpFormat::Single => types::F32,
            FpFormat::Double => types::F64,
        };
        let value = self.builder.ins().load(ty, flags, base, offset);
        self.set_f(format, rd, value, false);
    }

    fn float_store(&mut self, pc: u64, format: FpFormat, rs1: XReg, rs2: FReg, offset: i32) {
        let base = self.x(rs1);
        let value = match format {
            FpFormat::Single if self.f_is_held_single(rs2) => self.f_exact(format, rs2),
            FpFormat::Single => self.f_low_bits(rs2),
            FpFormat::Double => self.f_exact(format, rs2),
        };
        let flags = self.store_access(pc);
        self.builder.ins().store(flags, value, base, offset);
    }

    /// A value's bits in the low end of an integer.
    pub(super) fn bits(&mut self, format: FpFormat, value: Value) -> Value {
        match format {
            FpFormat::Single => {
                let bits = self
                    .builder
                    .ins()
                    .bitcast(types::I32, MemFlagsData::new(), value);
                self.builder.ins().uextend(types::I64, bits)
            }
            FpFormat::Double => self
                .builder
                .ins()
                .bitcast(types::I64, MemFlagsData::new(), value),
        }
    }

    /// The value whose bits these are.
    pub(super) fn with_bits(&mut self, format: FpFormat, bits: Value) -> Value {
        match format {
            FpFormat::Single => {
                let low = self.builder.ins().ireduce(types::I32, bits);
                self.builder
                    .ins()
                    .bitcast(types::F32, MemFlagsData::new(), low)
            }
            FpFormat::Double => self
                .builder
                .ins()
                .bitcast(types::F64, MemFlagsData::new(), bits),
        }
    }

    /// Does `inst` in software with these operands; returns the result's bits.
    pub(super) fn helper(&mut self, inst: Inst, format: FpFormat, operands: &[FReg]) -> Value {
        let values: Vec<Value> = operands
            .iter()
            .map(|register| self.f(format, *register))
            .collect();
        let bits: Vec<Value> = values
            .into_iter()
            .map(|value| self.bits(format, value))
            .collect();
        self.helper_on_bits(inst, &bits)
    }

    /// The same with operands that are bits already.
    pub(super) fn helper_on_bits(&mut self, inst: Inst, operands: &[Value]) -> Value {
        let word = rv_isa::encode(&inst).unwrap_or_else(|_| {
            self.refuse();
            0
        });
        let mut arguments = vec![self.constant(i64::from(word))];
        arguments.extend_from_slice(operands);
        while arguments.len() < 4 {
            arguments.push(self.constant(0));
        }
        self.call_helper(Symbol::FloatHelper, &arguments)
    }

    /// Does all of `inst` in software.
    pub(super) fn float_by_helper(
        &mut self,
        inst: Inst,
        to: FpFormat,
        rd: FReg,
        from: FpFormat,
        operands: &[FReg],
    ) {
        let bits = self.helper(inst, from, operands);
        let value = self.with_bits(to, bits);
        self.set_f(to, rd, value, false);
    }

    /// Fused multiply-add. Hosts differ from RISC-V in the flags of ∞ × 0 + NaN, so a NaN is made
    /// again by the helper.
    fn fused(
        &mut self,
        inst: Inst,
        op: FpFusedOp,
        format: FpFormat,
        rd: FReg,
        operands: [FReg; 3],
    ) {
        let [a, b, c] = operands.map(|register| self.f(format, register));
        let negate_product = matches!(op, FpFusedOp::Nmsub | FpFusedOp::Nmadd);
        let negate_addend = matches!(op, FpFusedOp::Msub | FpFusedOp::Nmadd);
        let factor = if negate_product {
            self.builder.ins().fneg(a)
        } else {
            a
        };
        let addend = if negate_addend {
            self.builder.ins().fneg(c)
        } else {
            c
        };
        let sum = self.builder.ins().fma(factor, b, addend);
        let is_nan = self.builder.ins().fcmp(FloatCC::Unordered, sum, sum);
        let ty = self.builder.func.dfg.value_type(sum);
        let value = self.choose_rarely(
            is_nan,
            ty,
            |_| sum,
            |this| {
                let bits = [a, b, c].map(|value| this.bits(format, value));
                let result = this.helper_on_bits(inst, &bits);
                this.with_bits(format, result)
            },
        );
        self.set_f(format, rd, value, false);
    }

    fn sign_inject(
        &mut self,
        op: FpSignInjectOp,
        format: FpFormat,
        rd: FReg,
        rs1: FReg,
        rs2: FReg,
    ) {
        if rs1 == rs2 && op == FpSignInjectOp::Copy {
            let loose = self.f_is_loose(rs1);
            let value = self.f(format, rs1);
            // Reading a raw register as a single made it exact.
            let loose = loose && self.f_is_loose(rs1);
            self.set_f(format, rd, value, loose);
            return;
        }
        let a = self.f_exact(format, rs1);
        let b = self.f_exact(format, rs2);
        let ins = self.builder.ins();
        let value = match op {
            FpSignInjectOp::Negate if rs1 == rs2 => ins.fneg(a),
            FpSignInjectOp::Xor if rs1 == rs2 => ins.fabs(a),
            FpSignInjectOp::Copy => ins.fcopysign(a, b),
            FpSignInjectOp::Negate => {
                let opposite = ins.fneg(b);
                self.builder.ins().fcopysign(a, opposite)
            }
            FpSignInjectOp::Xor => {
                let bits = self.bits(format, a);
                let other = self.bits(format, b);
                let sign = if format == FpFormat::Single {
                    1 << 31
                } else {
                    i64::MIN
                };
                let sign = self.builder.ins().band_imm_s(other, sign);
                let flipped = self.builder.ins().bxor(bits, sign);
                self.with_bits(format, flipped)
            }
        };
        self.set_f(format, rd, value, false);
    }

    /// Minimum and maximum: without a NaN, CLIF's do as RISC-V's, −0 below +0 included.
    fn min_max(&mut self, inst: Inst, op: FpMinMaxOp, format: FpFormat, rd: FReg, rs: [FReg; 2]) {
        let [a, b] = rs.map(|register| self.f(format, register));
        let unordered = self.builder.ins().fcmp(FloatCC::Unordered, a, b);
        let ty = self.builder.func.dfg.value_type(a);
        let value = self.choose_rarely(
            unordered,
            ty,
            |this| match op {
                FpMinMaxOp::Min => this.builder.ins().fmin(a, b),
                FpMinMaxOp::Max => this.builder.ins().fmax(a, b),
            },
            |this| {
                let bits = [a, b].map(|value| this.bits(format, value));
                let result = this.helper_on_bits(inst, &bits);
                this.with_bits(format, result)
            },
        );
        self.set_f(format, rd, value, false);
    }

    /// Comparisons. The host's raise no flag for a quiet NaN, and may be merged into what uses them;
    /// so flags come from the helper alone, where an operand is a NaN.
    fn float_compare(
        &mut self,
        inst: Inst,
        op: FpCompareOp,
        format: FpFormat,
        rd: XReg,
        operands: [FReg; 2],
    ) {
        let [a, b] = operands.map(|register| self.f(format, register));
        let unordered = self.builder.ins().fcmp(FloatCC::Unordered, a, b);
        self.rarely(unordered, |this| {
            let bits = [a, b].map(|value| this.bits(format, value));
            this.helper_on_bits(inst, &bits);
        });
        let cc = match op {
            FpCompareOp::Eq => FloatCC::Equal,
            FpCompareOp::Lt => FloatCC::LessThan,
            FpCompareOp::Le => FloatCC::LessThanOrEqual,
        };
        let condition = self.builder.ins().fcmp(cc, a, b);
        let value = self.builder.ins().uextend(types::I64, condition);
        self.set_x_extended(rd, value);
    }

    /// Runs `build` out of the way where `condition` isn't 0, then goes on.
    fn rarely(&mut self, condition: Value, build: impl FnOnce(&mut Self)) {
        let out = self.builder.create_block();
        let on = self.builder.create_block();
        self.builder.ins().brif(condition, out, &[], on, &[]);
        self.builder.set_cold_block(out);
        self.builder.seal_block(out);
        self.builder.switch_to_block(out);
        let locals = self.locals.clone();
        build(self);
        self.locals = locals;
        self.builder.ins().jump(on, &[]);
        self.builder.seal_block(on);
        self.builder.switch_to_block(on);
    }

    /// `fflags`, `frm` and `fcsr`: at the head of a region only.
    pub(super) fn csr(&mut self, op: CsrOp, rd: XReg, csr: Csr, source: CsrSource) {
        let (operand, writes) = match source {
            CsrSource::Reg(register) => {
                (self.x(register), op == CsrOp::Write || !register.is_zero())
            }
            CsrSource::Imm(bits) => (
                self.constant(i64::from(bits)),
                op == CsrOp::Write || bits != 0,
            ),
        };
        let action = crate::abi::environment_action(op, csr, writes);
        let action = self.constant(i64::from(action));
        let old = self.call_helper(Symbol::EnvironmentHelper, &[action, operand]);
        self.set_x_extended(rd, old);
    }
}

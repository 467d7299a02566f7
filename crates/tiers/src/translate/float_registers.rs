//! Floating-point registers: boxing of singles, and NaNs that aren't canonical yet.
//!
//! A register lives in one of two variables, as the flow analysis decided for each block: as 64 raw
//! bits (an `f64`), or, where it certainly holds a boxed single, as an `f32`. The host's arithmetic
//! keeps the payload of NaN operands where RISC-V's gives the canonical NaN. That difference shows
//! only when somebody looks at the bits, so results are made canonical (*exact*) then, and not
//! before; arithmetic and comparisons take them as they are, for they are quiet.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use rekindle_hart::GuestState;
use rv_isa::{FReg, FpFormat, XReg};

use super::{RegionTranslator, Symbol, state};
use crate::reg_set::RegSet;

/// The upper half of a boxed single.
const BOX: i64 = 0xffff_ffff_0000_0000_u64.cast_signed();
/// The canonical NaNs.
const NAN_SINGLE: f32 = f32::from_bits(0x7fc0_0000);
const NAN_DOUBLE: f64 = f64::from_bits(0x7ff8_0000_0000_0000);

impl RegionTranslator<'_, '_> {
    /// Leaves to the interpreter where the dynamic rounding mode isn't one that the host has.
    pub(super) fn check_environment(&mut self) {
        if !self.flow.dynamic_rounding {
            return;
        }
        let frm = self.load_state(types::I32, std::mem::offset_of!(GuestState, frm) as i32);
        let unknown = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::UnsignedGreaterThan, frm, 3);
        self.refuse_entry(unknown);
    }

    fn refuse_entry(&mut self, condition: Value) {
        let head = self.region.head;
        self.unlikely(condition, |this| {
            let pc = this.guest_address(head);
            this.leave_through(Symbol::ExitInterpret, pc);
        });
    }

    /// Loads the floating-point registers that the region needs. Those that it first reads as
    /// singles are expected to be boxed; where one isn't, the interpreter carries on.
    pub(super) fn load_float_registers(&mut self, state: Value) {
        let mut boxes = None;
        for register in self.flow.f_needed_single.iter() {
            let half = self.load_at(state, types::I32, state::f_offset(register) + 4);
            boxes = Some(match boxes {
                None => half,
                Some(all) => self.builder.ins().band(all, half),
            });
        }
        if let Some(boxes) = boxes {
            let unboxed = self.builder.ins().icmp_imm_s(IntCC::NotEqual, boxes, -1);
            self.refuse_entry(unboxed);
        }
        for register in self.flow.f_needed.iter() {
            let offset = state::f_offset(register);
            if self.flow.f_needed_single.contains(register) {
                let value = self.load_at(state, types::F32, offset);
                self.builder.def_var(self.f_single[register], value);
            } else {
                let value = self.load_at(state, types::F64, offset);
                self.builder.def_var(self.f_raw[register], value);
            }
        }
    }

    /// A register as an operand of arithmetic: its NaN need not be canonical.
    pub(super) fn f(&mut self, format: FpFormat, register: FReg) -> Value {
        match format {
            FpFormat::Single => self.f_single(register.index()),
            FpFormat::Double => self.f_raw(register.index()),
        }
    }

    /// A register's value with all its bits right.
    pub(super) fn f_exact(&mut self, format: FpFormat, register: FReg) -> Value {
        self.make_exact(register.index());
        self.f(format, register)
    }

    /// The low half of a register, without regard to boxing, as an integer.
    pub(super) fn f_low_bits(&mut self, register: FReg) -> Value {
        let index = register.index();
        self.make_exact(index);
        if self.locals.f_is_single.contains(index) {
            let value = self.f_single(index);
            return self
                .builder
                .ins()
                .bitcast(types::I32, MemFlagsData::new(), value);
        }
        let bits = self.f_bits(index);
        self.builder.ins().ireduce(types::I32, bits)
    }

    /// All 64 bits as an integer; the register is exact.
    fn f_bits(&mut self, index: usize) -> Value {
        if self.locals.f_is_single.contains(index) {
            let value = self.f_single(index);
            let bits = self
                .builder
                .ins()
                .bitcast(types::I32, MemFlagsData::new(), value);
            let wide = self.builder.ins().uextend(types::I64, bits);
            return self.builder.ins().bor_imm_s(wide, BOX);
        }
        let value = self.f_raw(index);
        self.builder
            .ins()
            .bitcast(types::I64, MemFlagsData::new(), value)
    }

    fn f_raw(&mut self, index: usize) -> Value {
        if let Some(value) = self.locals.f_raw[index] {
            return value;
        }
        let value = if self.locals.f_is_single.contains(index) {
            self.make_exact(index);
            let bits = self.f_bits(index);
            self.builder
                .ins()
                .bitcast(types::F64, MemFlagsData::new(), bits)
        } else {
            self.builder.use_var(self.f_raw[index])
        };
        self.locals.f_raw[index] = Some(value);
        value
    }

    fn f_single(&mut self, index: usize) -> Value {
        if let Some(value) = self.locals.f_single[index] {
            return value;
        }
        let value = if self.locals.f_is_single.contains(index) {
            self.builder.use_var(self.f_single[index])
        } else {
            self.make_exact(index);
            self.unbox(index)
        };
        self.locals.f_single[index] = Some(value);
        value
    }

    /// The single in a raw register, or the canonical NaN where it isn't boxed.
    fn unbox(&mut self, index: usize) -> Value {
        let bits = self.f_bits(index);
        let high = self.builder.ins().sshr_imm_u(bits, 32);
        let boxed = self.builder.ins().icmp_imm_s(IntCC::Equal, high, -1);
        let low = self.builder.ins().ireduce(types::I32, bits);
        let nan = self
            .builder
            .ins()
            .iconst(types::I32, i64::from(NAN_SINGLE.to_bits()));
        let chosen = self.builder.ins().select(boxed, low, nan);
        self.builder
            .ins()
            .bitcast(types::F32, MemFlagsData::new(), chosen)
    }

    /// Makes a register's NaN canonical if it may not be.
    fn make_exact(&mut self, index: usize) {
        if !self.locals.f_loose.contains(index) {
            return;
        }
        self.locals.f_loose.remove(index);
        if self.locals.f_is_single.contains(index) {
            let value = self.f_single(index);
            let nan = self.builder.ins().f32const(NAN_SINGLE);
            let exact = self.canonical(value, nan);
            self.builder.def_var(self.f_single[index], exact);
            self.locals.f_single[index] = Some(exact);
        } else {
            let value = self.f_raw(index);
            let nan = self.builder.ins().f64const(NAN_DOUBLE);
            let exact = self.canonical(value, nan);
            self.builder.def_var(self.f_raw[index], exact);
            self.locals.f_raw[index] = Some(exact);
            self.locals.f_single[index] = None;
        }
    }

    fn canonical(&mut self, value: Value, nan: Value) -> Value {
        let is_nan = self.builder.ins().fcmp(FloatCC::Unordered, value, value);
        self.builder.ins().select(is_nan, nan, value)
    }

    /// Writes a register; `loose` says that a NaN may not be canonical.
    pub(super) fn set_f(&mut self, format: FpFormat, register: FReg, value: Value, loose: bool) {
        let index = register.index();
        self.locals.f_loose.set(index, loose);
        self.f_dirty.insert(index);
        self.locals.f_stored.remove(index);
        match format {
            FpFormat::Single => {
                self.builder.def_var(self.f_single[index], value);
                self.locals.f_single[index] = Some(value);
                self.locals.f_raw[index] = None;
                self.locals.f_is_single.insert(index);
            }
            FpFormat::Double => {
                self.builder.def_var(self.f_raw[index], value);
                self.locals.f_raw[index] = Some(value);
                self.locals.f_single[index] = None;
                self.locals.f_is_single.remove(index);
            }
        }
    }

    /// Whether a register may hold a NaN that isn't canonical.
    pub(super) fn f_is_loose(&self, register: FReg) -> bool {
        self.locals.f_loose.contains(register.index())
    }

    /// Whether nobody reads what the current instruction writes to a register.
    pub(super) fn flow_kills_float(&self, register: FReg) -> bool {
        !self.mattering_after.1.contains(register.index())
    }

    /// The same for an integer register.
    pub(super) fn flow_kills_integer(&self, register: XReg) -> bool {
        register.is_zero() || !self.mattering_after.0.contains(register.index())
    }

    /// Whether a register is held as a single.
    pub(super) fn f_is_held_single(&self, register: FReg) -> bool {
        self.locals.f_is_single.contains(register.index())
    }

    /// Brings registers into the form in which the block `inside` wants them: exact, and raw.
    pub(super) fn settle_for(&mut self, inside: usize) {
        let wanted = &self.flow.blocks[inside];
        let (loose, single) = (wanted.f_loose, wanted.f_single);
        let live = wanted.f_live;
        for index in self.locals.f_loose.minus(loose).intersection(live).iter() {
            self.make_exact(index);
        }
        for index in self
            .locals
            .f_is_single
            .minus(single)
            .intersection(live)
            .iter()
        {
            let value = self.f_raw(index);
            self.builder.def_var(self.f_raw[index], value);
        }
    }

    /// Writes floating-point registers back.
    pub(super) fn write_back_floats(&mut self, state: Value, registers: RegSet) {
        for index in registers.iter() {
            self.make_exact(index);
            let value = if self.locals.f_is_single.contains(index) {
                self.f_bits(index)
            } else {
                self.f_raw(index)
            };
            self.store_at(state, value, state::f_offset(index));
        }
    }
}

//! Guest registers and the guest state.

use std::mem::offset_of;

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use rekindle_hart::GuestState;
use rv_isa::XReg;

use super::{Known, RegionTranslator, Symbol};

/// Offset of an integer register in the state.
pub(super) const fn x_offset(register: usize) -> i32 {
    (offset_of!(GuestState, x) + 8 * register) as i32
}

/// Offset of a floating-point register in the state.
pub(super) const fn f_offset(register: usize) -> i32 {
    (offset_of!(GuestState, f) + 8 * register) as i32
}

impl RegionTranslator<'_, '_> {
    /// The address of the guest state.
    pub(super) fn state(&mut self) -> Value {
        self.builder.ins().get_pinned_reg(types::I64)
    }

    fn state_flags(&self) -> MemFlagsData {
        MemFlagsData::trusted().with_alias_region(Some(self.state_region))
    }

    /// Loads a field of the state.
    pub(super) fn load_state(&mut self, ty: Type, offset: i32) -> Value {
        let state = self.state();
        self.load_at(state, ty, offset)
    }

    /// Loads a field of the state, whose address is at hand.
    pub(super) fn load_at(&mut self, state: Value, ty: Type, offset: i32) -> Value {
        let flags = self.state_flags();
        self.builder.ins().load(ty, flags, state, offset)
    }

    /// Stores a field of the state.
    pub(super) fn store_state(&mut self, value: Value, offset: i32) {
        let state = self.state();
        self.store_at(state, value, offset);
    }

    /// Stores a field of the state, whose address is at hand.
    pub(super) fn store_at(&mut self, state: Value, value: Value, offset: i32) {
        let flags = self.state_flags();
        self.builder.ins().store(flags, value, state, offset);
    }

    /// A 64-bit constant.
    pub(super) fn constant(&mut self, number: i64) -> Value {
        self.builder.ins().iconst(types::I64, number)
    }

    /// A guest address in the region's module.
    pub(super) fn guest_address(&mut self, address: u64) -> Value {
        match self.target.floating_base {
            None => self.constant(address as i64),
            Some(base) => {
                let offset = address.wrapping_sub(base) as i64;
                let base = self.symbol(Symbol::ModuleBase);
                self.builder.ins().iadd_imm_s(base, offset)
            }
        }
    }

    /// An integer register's value.
    pub(super) fn x(&mut self, register: XReg) -> Value {
        let index = register.index();
        if register.is_zero() {
            return self.constant(0);
        }
        if let Some(value) = self.locals.x[index] {
            return value;
        }
        let value = match self.locals.x_known[index] {
            Some(Known::Number(number)) => return self.constant(number),
            _ => self.builder.use_var(self.x[index]),
        };
        self.locals.x[index] = Some(value);
        value
    }

    /// The low half of an integer register as a 32-bit value.
    pub(super) fn x_low(&mut self, register: XReg) -> Value {
        if let Some(number) = self.x_number(register) {
            return self.builder.ins().iconst(types::I32, number & 0xffff_ffff);
        }
        if let Some(value) = self.locals.x_low[register.index()] {
            return value;
        }
        let value = self.x(register);
        let low = self.builder.ins().ireduce(types::I32, value);
        self.locals.x_low[register.index()] = Some(low);
        low
    }

    /// The number in a register, if it is known.
    pub(super) fn x_number(&self, register: XReg) -> Option<i64> {
        if register.is_zero() {
            return Some(0);
        }
        match self.locals.x_known[register.index()] {
            Some(Known::Number(number)) => Some(number),
            _ => None,
        }
    }

    /// Whether a register is known to equal its sign-extended low half.
    pub(super) fn x_is_extended(&self, register: XReg) -> bool {
        match self.x_number(register) {
            Some(number) => i64::from(number as i32) == number,
            None => self.locals.x_extended.contains(register.index()),
        }
    }

    /// Writes an integer register.
    pub(super) fn set_x(&mut self, register: XReg, value: Value) {
        if register.is_zero() {
            return;
        }
        let index = register.index();
        self.builder.def_var(self.x[index], value);
        self.locals.x[index] = Some(value);
        self.locals.x_low[index] = None;
        self.locals.x_known[index] = None;
        self.locals.x_extended.remove(index);
        self.locals.x_stored.remove(index);
        self.x_dirty.insert(index);
    }

    /// Writes a 32-bit value, sign-extended.
    pub(super) fn set_x_low(&mut self, register: XReg, low: Value) {
        let value = self.builder.ins().sextend(types::I64, low);
        self.set_x(register, value);
        if !register.is_zero() {
            self.locals.x_low[register.index()] = Some(low);
            self.locals.x_extended.insert(register.index());
        }
    }

    /// Writes a value that equals its sign-extended low half.
    pub(super) fn set_x_extended(&mut self, register: XReg, value: Value) {
        self.set_x(register, value);
        if !register.is_zero() {
            self.locals.x_extended.insert(register.index());
        }
    }

    /// Writes a known value.
    pub(super) fn set_known(&mut self, register: XReg, known: Known) {
        if register.is_zero() {
            return;
        }
        let value = match known {
            Known::Number(number) => self.constant(number),
            Known::Address(address) => self.guest_address(address),
        };
        self.set_x(register, value);
        // A number whose value is asked for again is better made again than kept.
        if matches!(known, Known::Number(_)) {
            self.locals.x[register.index()] = None;
        }
        self.locals.x_known[register.index()] = Some(known);
    }

    /// What is known about a register's value; in a module at fixed addresses, addresses are
    /// numbers.
    pub(super) fn known(&self, register: XReg) -> Option<Known> {
        if register.is_zero() {
            return Some(Known::Number(0));
        }
        self.locals.x_known[register.index()]
    }
}

//! Where the guest's registers are.

use rv_isa::{FReg, XReg};

use super::Translator;
use crate::host::{FloatReg, Host, Reg, Source};
use crate::layout;
use crate::registers::{S0, T0, float_pinned, pinned};

impl<H: Host> Translator<H> {
    /// A host register that holds `register`: `scratch`, where it lives in none.
    #[inline]
    pub(super) fn read(&mut self, register: XReg, scratch: Reg) -> Reg {
        if register.is_zero() {
            self.host.constant(scratch, 0);
            return scratch;
        }
        pinned(register).unwrap_or_else(|| {
            self.host.load_state(scratch, layout::integer(register));
            scratch
        })
    }

    /// Where `register` is. That of `x0` is in the state, too, and is 0.
    #[inline]
    pub(super) fn source(&self, register: XReg) -> Source {
        match pinned(register) {
            Some(register) => Source::Reg(register),
            None => Source::State(layout::integer(register)),
        }
    }

    /// Where a result for `register` is to be made, before [`Self::wrote`].
    #[inline]
    pub(super) fn target(register: XReg) -> Reg {
        pinned(register).unwrap_or(S0)
    }

    /// The result for `register` is in `from`, which its target gave.
    #[inline]
    pub(super) fn wrote(&mut self, register: XReg, from: Reg) {
        if pinned(register).is_none() && !register.is_zero() {
            self.host.store_state(layout::integer(register), from);
        }
    }

    /// `register` = a number.
    pub(super) fn constant(&mut self, register: XReg, value: i64) {
        if register.is_zero() {
            return;
        }
        let d = Self::target(register);
        self.host.constant(d, value);
        self.wrote(register, d);
    }

    /// `register` = an address in the guest's module, by way of `scratch`.
    pub(super) fn guest_address(&mut self, register: XReg, address: u64, scratch: Reg) {
        if register.is_zero() {
            return;
        }
        let d = pinned(register).unwrap_or(scratch);
        self.host.guest_address(d, address, self.floats);
        self.wrote(register, d);
    }

    /// The same of floating-point registers.
    #[inline]
    pub(super) fn float_read(&mut self, register: FReg, scratch: FloatReg) -> FloatReg {
        float_pinned(register).unwrap_or_else(|| {
            self.host.float_load_state(scratch, layout::float(register));
            scratch
        })
    }

    /// The same of floating-point registers.
    #[inline]
    pub(super) fn float_target(register: FReg) -> FloatReg {
        float_pinned(register).unwrap_or(T0)
    }

    /// The same of floating-point registers.
    #[inline]
    pub(super) fn float_wrote(&mut self, register: FReg, from: FloatReg) {
        match float_pinned(register) {
            Some(d) => self.host.float_copy(d, from),
            None => self.host.float_store_state(layout::float(register), from),
        }
    }
}

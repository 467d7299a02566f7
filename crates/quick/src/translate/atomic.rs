//! Atomic instructions, as the interpreter has them: a reservation is an address and what was there.
//!
//! The host orders an atomic access with all others, so nobody's acquire and release bits are asked for.

use rv_isa::{AmoOp, AmoWidth, LoadOp, XReg};

use super::Translator;
use crate::host::{Extend, Host, Reg, Width};
use crate::layout;
use crate::registers::{S0, S1};

const fn width_of(width: AmoWidth) -> Width {
    match width {
        AmoWidth::Word => Width::Word,
        AmoWidth::Double => Width::Double,
    }
}

impl<H: Host> Translator<H> {
    /// The address in `register`; one that isn't aligned is the interpreter's.
    fn aligned(&mut self, register: XReg, width: Width) -> Reg {
        let address = self.read(register, S1);
        let jump = self.host.branch_misaligned(address, width);
        self.interpret_if(jump);
        address
    }

    pub(super) fn load_reserved(&mut self, width: AmoWidth, rd: XReg, rs1: XReg) {
        let width = width_of(width);
        let address = self.aligned(rs1, width);
        let op = match width {
            Width::Word => LoadOp::Lwu,
            Width::Double => LoadOp::Ld,
        };
        self.host.load(op, S0, address, 0);
        self.host.store_state(layout::RESERVATION_ADDRESS, address);
        self.host.store_state(layout::RESERVATION_VALUE, S0);
        if rd.is_zero() {
            return;
        }
        let d = Self::target(rd);
        match width {
            Width::Word => self.host.extend(Extend::I32, d, S0),
            Width::Double => self.host.copy(d, S0),
        }
        self.wrote(rd, d);
    }

    pub(super) fn store_conditional(&mut self, width: AmoWidth, rd: XReg, rs1: XReg, rs2: XReg) {
        let width = width_of(width);
        let address = self.aligned(rs1, width);
        let d = Self::target(rd);
        let value = self.source(rs2);
        if self.host.store_conditional(width, d, address, value) {
            self.wrote(rd, d);
        } else {
            self.interpret();
        }
    }

    pub(super) fn atomic(&mut self, op: AmoOp, width: AmoWidth, rd: XReg, rs1: XReg, rs2: XReg) {
        let width = width_of(width);
        let address = self.aligned(rs1, width);
        let d = (!rd.is_zero()).then(|| Self::target(rd));
        let value = self.source(rs2);
        if !self.host.atomic(op, width, d, address, value) {
            self.interpret();
        } else if let Some(d) = d {
            self.wrote(rd, d);
        }
    }
}

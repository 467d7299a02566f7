//! Loads and stores of integer registers.

use rv_isa::{LoadOp, StoreOp, XReg};

use super::Translator;
use crate::host::Host;
use crate::registers::{S0, S1};

impl<H: Host> Translator<H> {
    pub(super) fn load(&mut self, op: LoadOp, rd: XReg, rs1: XReg, offset: i32) {
        let base = self.read(rs1, S0);
        // A load into `x0` may fault like any other.
        let d = Self::target(rd);
        self.host.load(op, d, base, offset);
        self.wrote(rd, d);
    }

    pub(super) fn store(&mut self, op: StoreOp, rs1: XReg, rs2: XReg, offset: i32) {
        let base = self.read(rs1, S0);
        let value = self.read(rs2, S1);
        self.host.store(op, base, offset, value);
    }
}

//! Loads, stores and fences.
//!
//! Guest addresses are host addresses. Accesses may trap, so none is moved across another, and none is
//! deleted that could trap where those before it did not; their trap code says which access of the
//! region they are, which leads from a host PC to the guest's even where the host merges a load into
//! the instruction that uses it.

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, TrapCode, types};
use rv_isa::{LoadOp, StoreOp, XReg};

use super::{RegionTranslator, state};
use crate::flow::CARRIED_SET;

/// Bit of `fence`'s sets for writes.
const WRITES: u8 = 1;
/// Bit of `fence`'s sets for reads.
const READS: u8 = 2;

impl RegionTranslator<'_, '_> {
    /// The flags of the next guest memory access, made at `pc`. Where the guest handles faults, what
    /// it may look at is stored first.
    pub(super) fn access(&mut self, pc: u64) -> MemFlagsData {
        if self.target.exact_faults {
            self.store_for_fault();
        }
        self.tables.accesses.push(pc);
        let code = u8::try_from(self.tables.accesses.len())
            .ok()
            .and_then(TrapCode::user);
        MemFlagsData::new().with_trap_code(Some(code.unwrap_or(TrapCode::HEAP_OUT_OF_BOUNDS)))
    }

    /// The same, of a store. The optimiser deletes a store of what was just loaded from that address:
    /// where the page can only be read, that is a fault less. So it is shown none of the accesses before.
    pub(super) fn store_access(&mut self, pc: u64) -> MemFlagsData {
        if self.target.optimised {
            self.builder.ins().sequence_point();
        }
        self.access(pc)
    }

    /// Stores the registers that differ from the state. The carried ones do unless they were stored.
    fn store_for_fault(&mut self) {
        let x = self.x_dirty.union(CARRIED_SET).minus(self.locals.x_stored);
        let f = self.f_dirty.minus(self.locals.f_stored);
        if x.union(f).is_empty() {
            return;
        }
        let state = self.state();
        for register in x.iter() {
            let value = self.x(XReg::new(register as u8));
            self.store_at(state, value, state::x_offset(register));
        }
        self.write_back_floats(state, f);
        self.locals.x_stored = self.locals.x_stored.union(x);
        self.locals.f_stored = self.locals.f_stored.union(f);
    }

    pub(super) fn load(&mut self, pc: u64, op: LoadOp, rd: XReg, rs1: XReg, offset: i32) {
        let base = self.x(rs1);
        let flags = self.access(pc);
        let ins = self.builder.ins();
        let value = match op {
            LoadOp::Lb => ins.sload8(types::I64, flags, base, offset),
            LoadOp::Lh => ins.sload16(types::I64, flags, base, offset),
            LoadOp::Lw => ins.sload32(flags, base, offset),
            LoadOp::Ld => ins.load(types::I64, flags, base, offset),
            LoadOp::Lbu => ins.uload8(types::I64, flags, base, offset),
            LoadOp::Lhu => ins.uload16(types::I64, flags, base, offset),
            LoadOp::Lwu => ins.uload32(flags, base, offset),
        };
        match op {
            LoadOp::Ld | LoadOp::Lwu => self.set_x(rd, value),
            LoadOp::Lb | LoadOp::Lh | LoadOp::Lw | LoadOp::Lbu | LoadOp::Lhu => {
                self.set_x_extended(rd, value);
            }
        }
    }

    pub(super) fn store(&mut self, pc: u64, op: StoreOp, rs1: XReg, rs2: XReg, offset: i32) {
        let base = self.x(rs1);
        let value = match op {
            StoreOp::Sw => self.x_low(rs2),
            StoreOp::Sb | StoreOp::Sh | StoreOp::Sd => self.x(rs2),
        };
        let flags = self.store_access(pc);
        let ins = self.builder.ins();
        match op {
            StoreOp::Sb => ins.istore8(flags, value, base, offset),
            StoreOp::Sh => ins.istore16(flags, value, base, offset),
            StoreOp::Sw | StoreOp::Sd => ins.store(flags, value, base, offset),
        };
    }

    /// The host keeps all orders but that of a store before a later load.
    pub(super) fn fence(&mut self, pred: u8, succ: u8) {
        if pred & WRITES != 0 && succ & READS != 0 {
            self.builder.ins().fence();
        } else {
            self.builder.ins().sequence_point();
        }
    }
}

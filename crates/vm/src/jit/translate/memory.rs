//! Loads, stores and fences.
//!
//! Guest addresses are host addresses. Accesses may trap, so none is deleted or moved across another;
//! their trap code says which access of the region they are, which leads from a host PC to the
//! guest's even where the host merges a load into the instruction that uses it.

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, TrapCode, types};
use rv_isa::{LoadOp, StoreOp, XReg};

use super::Translator;

/// Bit of `fence`'s sets for writes.
const WRITES: u8 = 1;
/// Bit of `fence`'s sets for reads.
const READS: u8 = 2;

impl Translator<'_, '_> {
    /// The flags of the next guest memory access, made at `pc`.
    pub(super) fn access(&mut self, pc: u64) -> MemFlagsData {
        self.tables.accesses.push(pc);
        let code = u8::try_from(self.tables.accesses.len())
            .ok()
            .and_then(TrapCode::user);
        MemFlagsData::new().with_trap_code(Some(code.unwrap_or(TrapCode::HEAP_OUT_OF_BOUNDS)))
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
            _ => self.set_x_extended(rd, value),
        }
    }

    pub(super) fn store(&mut self, pc: u64, op: StoreOp, rs1: XReg, rs2: XReg, offset: i32) {
        let base = self.x(rs1);
        let value = match op {
            StoreOp::Sw => self.x_low(rs2),
            _ => self.x(rs2),
        };
        let flags = self.access(pc);
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

//! Atomic memory operations: AMOs and load-reserved/store-conditional.
//!
//! A reservation is the address and the value that was read there; the store succeeds where the
//! value is still the same. A misaligned access is the interpreter's to judge.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, Type, Value, types};
use rekindle_hart::GuestState;
use rv_isa::{AmoOp, AmoWidth, Inst, XReg};

use super::{RegionTranslator, Symbol};
use crate::kinds::{conversion_inst, float_inst, integer_inst};

const RESERVATION_ADDRESS: i32 = offset_of!(GuestState, reservation_address) as i32;
const RESERVATION_VALUE: i32 = offset_of!(GuestState, reservation_value) as i32;

fn type_of(width: AmoWidth) -> Type {
    match width {
        AmoWidth::Word => types::I32,
        AmoWidth::Double => types::I64,
    }
}

impl RegionTranslator<'_, '_> {
    pub(super) fn atomic(&mut self, pc: u64, inst: Inst) {
        match inst {
            Inst::LoadReserved { width, rd, rs1, .. } => self.load_reserved(pc, width, rd, rs1),
            Inst::StoreConditional {
                width,
                rd,
                rs1,
                rs2,
                ..
            } => {
                self.store_conditional(pc, width, [rd, rs1, rs2]);
            }
            Inst::Amo {
                op,
                width,
                rd,
                rs1,
                rs2,
                ..
            } => {
                self.read_modify_write(pc, op, width, [rd, rs1, rs2]);
            }
            integer_inst!() | float_inst!() | conversion_inst!() => self.refuse(),
        }
    }

    /// The address in a register; control leaves to the interpreter where it isn't aligned.
    fn aligned_address(&mut self, pc: u64, width: AmoWidth, rs1: XReg) -> Value {
        let address = self.x(rs1);
        let low = i64::from(type_of(width).bytes()) - 1;
        let misaligned = self.builder.ins().band_imm_s(address, low);
        self.unlikely(misaligned, |this| {
            let pc = this.guest_address(pc);
            this.leave_through(Symbol::ExitInterpret, pc);
        });
        address
    }

    fn operand(&mut self, width: AmoWidth, register: XReg) -> Value {
        match width {
            AmoWidth::Word => self.x_low(register),
            AmoWidth::Double => self.x(register),
        }
    }

    fn set_result(&mut self, width: AmoWidth, rd: XReg, value: Value) {
        match width {
            AmoWidth::Word => self.set_x_low(rd, value),
            AmoWidth::Double => self.set_x(rd, value),
        }
    }

    fn load_reserved(&mut self, pc: u64, width: AmoWidth, rd: XReg, rs1: XReg) {
        let address = self.aligned_address(pc, width, rs1);
        let flags = self.access(pc);
        let value = self
            .builder
            .ins()
            .atomic_load(type_of(width), flags, address);
        let wide = match width {
            AmoWidth::Word => self.builder.ins().uextend(types::I64, value),
            AmoWidth::Double => value,
        };
        self.store_state(address, RESERVATION_ADDRESS);
        self.store_state(wide, RESERVATION_VALUE);
        self.set_result(width, rd, value);
    }

    fn store_conditional(&mut self, pc: u64, width: AmoWidth, [rd, rs1, rs2]: [XReg; 3]) {
        let address = self.aligned_address(pc, width, rs1);
        let new = self.operand(width, rs2);
        let reserved = self.load_state(types::I64, RESERVATION_ADDRESS);
        let expected = self.load_state(type_of(width), RESERVATION_VALUE);
        let none = self.constant(-1);
        self.store_state(none, RESERVATION_ADDRESS);
        let unreserved = self.builder.ins().icmp(IntCC::NotEqual, address, reserved);
        let flags = self.access(pc);
        let failed = self.choose_rarely(
            unreserved,
            types::I64,
            |this| {
                let found = this.builder.ins().atomic_cas(flags, address, expected, new);
                let differs = this.builder.ins().icmp(IntCC::NotEqual, found, expected);
                this.builder.ins().uextend(types::I64, differs)
            },
            |this| this.constant(1),
        );
        self.set_x_extended(rd, failed);
    }

    fn read_modify_write(
        &mut self,
        pc: u64,
        op: AmoOp,
        width: AmoWidth,
        [rd, rs1, rs2]: [XReg; 3],
    ) {
        let address = self.aligned_address(pc, width, rs1);
        let operand = self.operand(width, rs2);
        let op = match op {
            AmoOp::Swap => AtomicRmwOp::Xchg,
            AmoOp::Add => AtomicRmwOp::Add,
            AmoOp::Xor => AtomicRmwOp::Xor,
            AmoOp::And => AtomicRmwOp::And,
            AmoOp::Or => AtomicRmwOp::Or,
            AmoOp::Min => AtomicRmwOp::Smin,
            AmoOp::Max => AtomicRmwOp::Smax,
            AmoOp::Minu => AtomicRmwOp::Umin,
            AmoOp::Maxu => AtomicRmwOp::Umax,
        };
        let flags = self.access(pc);
        let ty = type_of(width);
        let old = self
            .builder
            .ins()
            .atomic_rmw(ty, flags, op, address, operand);
        self.set_result(width, rd, old);
    }
}

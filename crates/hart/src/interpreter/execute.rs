//! One instruction at a time.

use std::time::Instant;

use rv_isa::{CsrSource, FpFormat, Inst, LoadOp, StoreOp};

use super::{alu, atomic, csr, fault_at, fp};
use crate::exit::Exit;
use crate::guest_memory::{
    AccessFault, load8, load16, load32, load64, store8, store16, store32, store64,
};
use crate::state::GuestState;

/// What comes after an instruction.
pub(super) enum Step {
    /// The next one.
    Next,
    /// The one at this address.
    Jump(u64),
    /// Something that the instruction can't do itself.
    Exit(Exit),
}

/// `base + offset`, wrapping.
#[inline(always)]
const fn offset_by(base: u64, offset: i32) -> u64 {
    base.wrapping_add_signed(offset as i64)
}

/// Executes `inst`, which is at `pc` and `len` bytes long.
#[inline(always)]
pub(super) fn execute(
    state: &mut GuestState,
    inst: Inst,
    pc: u64,
    len: u8,
    started: Instant,
) -> Step {
    let x = |register: rv_isa::XReg| state.x[register.index()];
    let (rd, value) = match inst {
        Inst::AluImm { op, rd, rs1, imm } => (rd, alu::alu_imm(op, x(rs1), imm)),
        Inst::Alu { op, rd, rs1, rs2 } => (rd, alu::alu(op, x(rs1), x(rs2))),
        Inst::Load { .. } | Inst::Store { .. } | Inst::FpLoad { .. } | Inst::FpStore { .. } => {
            return access(state, inst);
        }
        Inst::Branch {
            op,
            rs1,
            rs2,
            offset,
        } => {
            let taken = alu::branch(op, x(rs1), x(rs2));
            return if taken {
                Step::Jump(offset_by(pc, offset))
            } else {
                Step::Next
            };
        }
        Inst::Lui { rd, imm } => (rd, i64::from(imm).cast_unsigned()),
        Inst::Auipc { rd, imm } => (rd, offset_by(pc, imm)),
        Inst::Jal { rd, offset } => {
            state.x[rd.index()] = pc.wrapping_add(u64::from(len));
            state.x[0] = 0;
            return Step::Jump(offset_by(pc, offset));
        }
        Inst::Jalr { rd, rs1, offset } => {
            let target = offset_by(x(rs1), offset) & !1;
            state.x[rd.index()] = pc.wrapping_add(u64::from(len));
            state.x[0] = 0;
            return Step::Jump(target);
        }
        Inst::AluUnary { op, rd, rs1 } => (rd, alu::alu_unary(op, x(rs1))),
        Inst::Fence { .. } => {
            std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
            return Step::Next;
        }
        Inst::FenceI => return Step::Exit(Exit::FenceI),
        Inst::Ecall => return Step::Exit(Exit::Syscall),
        Inst::Ebreak => return Step::Exit(Exit::Breakpoint),
        _ => return execute_rare(state, inst, started),
    };
    state.x[rd.index()] = value;
    state.x[0] = 0;
    Step::Next
}

/// Loads and stores.
#[inline(always)]
fn access(state: &mut GuestState, inst: Inst) -> Step {
    let (address, result) = match inst {
        Inst::Load {
            op,
            rd,
            rs1,
            offset,
        } => {
            let address = offset_by(state.x[rs1.index()], offset);
            let result = load(op, address).map(|value| {
                state.x[rd.index()] = value;
                state.x[0] = 0;
            });
            (address, result)
        }
        Inst::Store {
            op,
            rs1,
            rs2,
            offset,
        } => {
            let address = offset_by(state.x[rs1.index()], offset);
            (address, store(op, address, state.x[rs2.index()]))
        }
        Inst::FpLoad {
            format,
            rd,
            rs1,
            offset,
        } => {
            let address = offset_by(state.x[rs1.index()], offset);
            (
                address,
                fp_load(format, address).map(|bits| state.f[rd.index()] = bits),
            )
        }
        Inst::FpStore {
            format,
            rs1,
            rs2,
            offset,
        } => {
            let address = offset_by(state.x[rs1.index()], offset);
            (address, fp_store(format, address, state.f[rs2.index()]))
        }
        _ => unreachable!("{inst:?} touches no memory"),
    };
    match result {
        Ok(()) => Step::Next,
        Err(AccessFault) => Step::Exit(fault_at(address)),
    }
}

/// CSRs, atomics and floating point: what is long anyway stays out of the hot loop.
#[inline(never)]
fn execute_rare(state: &mut GuestState, inst: Inst, started: Instant) -> Step {
    let x = |register: rv_isa::XReg| state.x[register.index()];
    let result = match inst {
        Inst::Csr {
            op,
            rd,
            csr,
            source,
        } => {
            // Set and clear with x0 or 0 as operand don't write; csrrw always does.
            let (operand, names_nothing) = match source {
                CsrSource::Reg(register) => (x(register), register.is_zero()),
                CsrSource::Imm(imm) => (u64::from(imm), imm == 0),
            };
            let writes = op == rv_isa::CsrOp::Write || !names_nothing;
            csr::access(state, op, csr, writes.then_some(operand), started)
                .map(|old| (rd, old))
                .ok_or(Exit::IllegalInstruction)
        }
        Inst::LoadReserved {
            width,
            ordering: _,
            rd,
            rs1,
        } => {
            let address = x(rs1);
            atomic::load_reserved(state, width, address).map(|value| (rd, value))
        }
        Inst::StoreConditional {
            width,
            ordering: _,
            rd,
            rs1,
            rs2,
        } => {
            let (address, value) = (x(rs1), x(rs2));
            atomic::store_conditional(state, width, address, value).map(|failed| (rd, failed))
        }
        Inst::Amo {
            op,
            width,
            ordering: _,
            rd,
            rs1,
            rs2,
        } => atomic::read_modify_write(op, width, x(rs1), x(rs2)).map(|old| (rd, old)),
        _ => {
            return match fp::execute(state, inst) {
                Ok(()) => Step::Next,
                Err(fp::ReservedRounding) => Step::Exit(Exit::IllegalInstruction),
            };
        }
    };
    match result {
        Ok((rd, value)) => {
            state.x[rd.index()] = value;
            state.x[0] = 0;
            Step::Next
        }
        Err(exit) => Step::Exit(exit),
    }
}

#[inline(always)]
fn load(op: LoadOp, address: u64) -> Result<u64, AccessFault> {
    Ok(match op {
        LoadOp::Lb => load8(address)?.cast_signed() as i64 as u64,
        LoadOp::Lh => load16(address)?.cast_signed() as i64 as u64,
        LoadOp::Lw => load32(address)?.cast_signed() as i64 as u64,
        LoadOp::Ld => load64(address)?,
        LoadOp::Lbu => u64::from(load8(address)?),
        LoadOp::Lhu => u64::from(load16(address)?),
        LoadOp::Lwu => u64::from(load32(address)?),
    })
}

#[inline(always)]
fn store(op: StoreOp, address: u64, value: u64) -> Result<(), AccessFault> {
    match op {
        StoreOp::Sb => store8(address, value as u8),
        StoreOp::Sh => store16(address, value as u16),
        StoreOp::Sw => store32(address, value as u32),
        StoreOp::Sd => store64(address, value),
    }
}

#[inline(always)]
fn fp_load(format: FpFormat, address: u64) -> Result<u64, AccessFault> {
    let bits = match format {
        FpFormat::Single => u64::from(load32(address)?),
        FpFormat::Double => load64(address)?,
    };
    Ok(crate::float::boxed(format, bits))
}

#[inline(always)]
fn fp_store(format: FpFormat, address: u64, bits: u64) -> Result<(), AccessFault> {
    match format {
        FpFormat::Single => store32(address, bits as u32),
        FpFormat::Double => store64(address, bits),
    }
}

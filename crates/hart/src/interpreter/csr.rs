//! Control and status registers that user programs may access.

use std::time::Instant;

use rv_isa::{Csr, CsrOp};

use crate::state::GuestState;

/// The frequency of the `time` register, as `riscv_hwprobe` tells it.
pub const TIMER_HZ: u64 = 10_000_000;

/// The bits of `fcsr` that exist: flags in the low five, the rounding mode in the next three.
const FCSR_MASK: u64 = 0xff;

/// Reads `csr` and, where `write` holds an operand, changes it by `op`. Returns what was read, or
/// `None` for a register that doesn't exist or can't be written: an illegal instruction.
pub(super) fn access(
    state: &mut GuestState,
    op: CsrOp,
    csr: Csr,
    write: Option<u64>,
    started: Instant,
) -> Option<u64> {
    let old = match csr {
        Csr::FFLAGS => u64::from(state.fflags),
        Csr::FRM => u64::from(state.frm),
        Csr::FCSR => u64::from(state.frm) << 5 | u64::from(state.fflags),
        Csr::CYCLE | Csr::INSTRET if write.is_none() => started.elapsed().as_nanos() as u64,
        Csr::TIME if write.is_none() => {
            started.elapsed().as_nanos() as u64 / (1_000_000_000 / TIMER_HZ)
        }
        _ => return None,
    };
    if let Some(operand) = write {
        let new = match op {
            CsrOp::Write => operand,
            CsrOp::Set => old | operand,
            CsrOp::Clear => old & !operand,
        } & FCSR_MASK;
        match csr {
            Csr::FFLAGS => state.fflags = (new & 0x1f) as u32,
            Csr::FRM => state.frm = (new & 7) as u32,
            _ => {
                state.fflags = (new & 0x1f) as u32;
                state.frm = (new >> 5) as u32;
            }
        }
    }
    Some(old)
}

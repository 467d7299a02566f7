//! Atomic instructions, on top of the host's compare-and-swap.
//!
//! A load reservation is the address and the value that was read; the store succeeds where the
//! value is still there. So a value that was changed and changed back goes unnoticed, which the
//! compare-and-swap loops that compilers emit can't tell apart from nothing having happened.

use rv_isa::{AmoOp, AmoWidth};

use super::fault_at;
use crate::exit::{Exit, FaultKind, GuestFault};
use crate::guest_memory::{compare_exchange32, compare_exchange64, load32, load64};
use crate::state::GuestState;

/// A word as registers keep it.
const fn extend(value: u32) -> u64 {
    value.cast_signed() as i64 as u64
}

/// Atomic accesses must be aligned.
fn check_alignment(address: u64, width: AmoWidth) -> Result<(), Exit> {
    let mask = match width {
        AmoWidth::Word => 3,
        AmoWidth::Double => 7,
    };
    if address & mask == 0 {
        Ok(())
    } else {
        Err(Exit::Fault(GuestFault {
            address,
            kind: FaultKind::Misaligned,
        }))
    }
}

/// `lr.w`, `lr.d`: returns what was read.
pub(super) fn load_reserved(
    state: &mut GuestState,
    width: AmoWidth,
    address: u64,
) -> Result<u64, Exit> {
    check_alignment(address, width)?;
    let (raw, value) = match width {
        AmoWidth::Word => {
            let raw = load32(address).map_err(|_| fault_at(address))?;
            (u64::from(raw), extend(raw))
        }
        AmoWidth::Double => {
            let raw = load64(address).map_err(|_| fault_at(address))?;
            (raw, raw)
        }
    };
    state.reservation_address = address;
    state.reservation_value = raw;
    Ok(value)
}

/// `sc.w`, `sc.d`: returns 0 where the store took place, else 1.
pub(super) fn store_conditional(
    state: &mut GuestState,
    width: AmoWidth,
    address: u64,
    value: u64,
) -> Result<u64, Exit> {
    check_alignment(address, width)?;
    let reserved = state.reservation_address == address;
    let expected = state.reservation_value;
    state.reservation_address = u64::MAX;
    if !reserved {
        return Ok(1);
    }
    let stored = match width {
        AmoWidth::Word => {
            let expected = expected as u32;
            compare_exchange32(address, expected, value as u32).map(|found| found == expected)
        }
        AmoWidth::Double => {
            compare_exchange64(address, expected, value).map(|found| found == expected)
        }
    };
    stored
        .map(|stored| u64::from(!stored))
        .map_err(|_| fault_at(address))
}

/// Read-modify-write: returns what was read.
pub(super) fn read_modify_write(
    op: AmoOp,
    width: AmoWidth,
    address: u64,
    operand: u64,
) -> Result<u64, Exit> {
    check_alignment(address, width)?;
    let result = match width {
        AmoWidth::Word => {
            let mut old = load32(address).map_err(|_| fault_at(address))?;
            loop {
                let new = combine(op, extend(old), extend(operand as u32)) as u32;
                match compare_exchange32(address, old, new) {
                    Ok(found) if found == old => break Ok(extend(old)),
                    Ok(found) => old = found,
                    Err(fault) => break Err(fault),
                }
            }
        }
        AmoWidth::Double => {
            let mut old = load64(address).map_err(|_| fault_at(address))?;
            loop {
                match compare_exchange64(address, old, combine(op, old, operand)) {
                    Ok(found) if found == old => break Ok(old),
                    Ok(found) => old = found,
                    Err(fault) => break Err(fault),
                }
            }
        }
    };
    result.map_err(|_| fault_at(address))
}

/// What an operation stores; words come sign-extended, which keeps the order of both comparisons.
fn combine(op: AmoOp, old: u64, operand: u64) -> u64 {
    match op {
        AmoOp::Swap => operand,
        AmoOp::Add => old.wrapping_add(operand),
        AmoOp::Xor => old ^ operand,
        AmoOp::And => old & operand,
        AmoOp::Or => old | operand,
        AmoOp::Min => old.cast_signed().min(operand.cast_signed()).cast_unsigned(),
        AmoOp::Max => old.cast_signed().max(operand.cast_signed()).cast_unsigned(),
        AmoOp::Minu => old.min(operand),
        AmoOp::Maxu => old.max(operand),
    }
}

//! The frame that a guest's signal handler finds on its stack, laid out as RISC-V Linux does.
//!
//! `siginfo` (128 bytes), then `ucontext`: flags, link, stack, mask (room for 1024 signals), and at
//! offset 176 the registers: PC and x1 to x31, then f0 to f31 and `fcsr` in a union that is large
//! enough for quad precision.

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::{copy_in, copy_out};

use crate::errno::Errno;
use crate::guest_signal::{
    AlternateStack, INFO_LEN, SignalAction, SignalInfo, ThreadSignals, UNBLOCKABLE, bit,
};

const CONTEXT: usize = INFO_LEN;
const STACK: usize = CONTEXT + 16;
const MASK: usize = CONTEXT + 40;
const REGISTERS: usize = CONTEXT + 176;
const FP_REGISTERS: usize = REGISTERS + 256;
const FCSR: usize = FP_REGISTERS + 256;
const FRAME_LEN: usize = FP_REGISTERS + 528;

/// Makes the guest enter the handler of `action` with `info`; `return_to` is the function to which
/// it returns. Fails where the stack can't take the frame.
pub(crate) fn push(
    state: &mut GuestState,
    signals: &mut ThreadSignals,
    action: SignalAction,
    info: SignalInfo,
    return_to: u64,
) -> Result<(), Errno> {
    let stack = signals.alternate_stack;
    let wants_alternate = action.flags & libc::SA_ONSTACK as u64 != 0
        && stack.flags & libc::SS_DISABLE as u32 == 0
        && !stack.holds(state.x[2]);
    let top = if wants_alternate {
        stack.start.wrapping_add(stack.len)
    } else {
        state.x[2]
    };
    let frame = top.wrapping_sub(FRAME_LEN as u64) & !15;
    let saved_mask = signals.suspended_mask.take().unwrap_or(signals.blocked);
    copy_out(frame, &image(state, stack, saved_mask, info))?;

    signals.blocked |= action.mask & !UNBLOCKABLE;
    if action.flags & libc::SA_NODEFER as u64 == 0 {
        signals.blocked |= bit(info.signal());
    }
    state.x[1] = return_to;
    state.x[2] = frame;
    state.x[10] = i64::from(info.signal()).cast_unsigned();
    state.x[11] = frame;
    state.x[12] = frame + CONTEXT as u64;
    state.pc = action.handler;
    Ok(())
}

/// Puts back what [`push`] saved in the frame at the guest's stack pointer.
pub(crate) fn pop(state: &mut GuestState, signals: &mut ThreadSignals) -> Result<(), Errno> {
    let mut frame = [0_u8; FRAME_LEN];
    copy_in(&mut frame, state.x[2])?;
    let word = |offset: usize| {
        u64::from_le_bytes(frame[offset..].first_chunk().copied().unwrap_or_default())
    };
    for (index, register) in state.x.iter_mut().enumerate().skip(1) {
        *register = word(REGISTERS + index * 8);
    }
    for (index, register) in state.f.iter_mut().enumerate() {
        *register = word(FP_REGISTERS + index * 8);
    }
    let fcsr = word(FCSR) as u32;
    state.pc = word(REGISTERS) & !1;
    state.fflags = fcsr & 0x1f;
    state.frm = fcsr >> 5 & 7;
    state.reservation_address = u64::MAX;
    signals.blocked = word(MASK) & !UNBLOCKABLE;
    signals.alternate_stack = AlternateStack {
        start: word(STACK),
        flags: word(STACK + 8) as u32,
        len: word(STACK + 16),
    };
    Ok(())
}

/// The bytes of a frame.
fn image(
    state: &GuestState,
    stack: AlternateStack,
    mask: u64,
    info: SignalInfo,
) -> [u8; FRAME_LEN] {
    let mut frame = [0_u8; FRAME_LEN];
    let mut put = |offset: usize, bytes: &[u8]| {
        frame[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    put(0, &info.0);
    put(STACK, &stack.start.to_le_bytes());
    put(STACK + 8, &stack.flags.to_le_bytes());
    put(STACK + 16, &stack.len.to_le_bytes());
    put(MASK, &mask.to_le_bytes());
    put(REGISTERS, &state.pc.to_le_bytes());
    for (index, register) in state.x.iter().enumerate().skip(1) {
        put(REGISTERS + index * 8, &register.to_le_bytes());
    }
    for (index, register) in state.f.iter().enumerate() {
        put(FP_REGISTERS + index * 8, &register.to_le_bytes());
    }
    put(FCSR, &(state.frm << 5 | state.fflags).to_le_bytes());
    frame
}

//! Calls about signals.

use super::{Kernel, host};
use crate::errno::Errno;
use crate::guest_memory::{copy_out, load32, load64, store32, store64};
use crate::guest_signal::{AlternateStack, SignalAction, SignalInfo, UNBLOCKABLE, bit};
use crate::signal;
use crate::signal_frame;
use crate::state::GuestState;

/// The size of a signal set in bytes; the kernel takes no other.
const SET_LEN: u64 = 8;
/// `si_code` of `kill`.
const SENT_BY_KILL: i32 = 0;
/// `si_code` of `tkill` and `tgkill`.
const SENT_BY_TKILL: i32 = -6;

fn is_self(process: u64) -> bool {
    process as i32 == std::process::id().cast_signed()
}

/// Sends this process a signal; 0 only asks whether one could.
fn send_self(kernel: &mut Kernel, signal: u64, code: i32) -> Result<u64, Errno> {
    let signal = signal as i32;
    if signal != 0 {
        if bit(signal) == 0 {
            return Err(Errno::EINVAL);
        }
        kernel.signals.post(SignalInfo::own(signal, code));
    }
    Ok(0)
}

pub(super) fn kill(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    if is_self(arguments[0]) {
        return send_self(kernel, arguments[1], SENT_BY_KILL);
    }
    host::call(libc::SYS_kill, arguments)
}

pub(super) fn tkill(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    if arguments[0] == host::call(libc::SYS_gettid, [0; 6])? {
        return send_self(kernel, arguments[1], SENT_BY_TKILL);
    }
    host::call(libc::SYS_tkill, arguments)
}

pub(super) fn tgkill(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    if is_self(arguments[0]) && arguments[1] == host::call(libc::SYS_gettid, [0; 6])? {
        return send_self(kernel, arguments[2], SENT_BY_TKILL);
    }
    host::call(libc::SYS_tgkill, arguments)
}

pub(super) fn sigaltstack(
    kernel: &mut Kernel,
    state: &mut GuestState,
    [new, old, ..]: [u64; 6],
) -> Result<u64, Errno> {
    const MIN_LEN: u64 = 2048;
    const DISABLE: u32 = libc::SS_DISABLE as u32;
    let current = kernel.signals.alternate_stack;
    let in_use = current.holds(state.x[2]);
    let mut replacement = None;
    if new != 0 {
        if in_use {
            return Err(Errno(libc::EPERM));
        }
        let start = load64(new)?;
        let flags = load32(new.wrapping_add(8))?;
        let len = load64(new.wrapping_add(16))?;
        replacement = Some(match flags {
            DISABLE => AlternateStack::NONE,
            0 | 1 if len < MIN_LEN => return Err(Errno::ENOMEM),
            0 | 1 => AlternateStack {
                start,
                flags: 0,
                len,
            },
            _ => return Err(Errno::EINVAL),
        });
    }
    if old != 0 {
        let flags = if in_use {
            libc::SS_ONSTACK as u32
        } else {
            current.flags
        };
        store64(old, current.start)?;
        store32(old.wrapping_add(8), flags)?;
        store64(old.wrapping_add(16), current.len)?;
    }
    kernel.signals.alternate_stack = replacement.unwrap_or(current);
    Ok(0)
}

pub(super) fn rt_sigaction(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [signal, new, old, set_len, ..]: [u64; 6],
) -> Result<u64, Errno> {
    let signal = signal as i32;
    let current = kernel.signals.action(signal).ok_or(Errno::EINVAL)?;
    if set_len != SET_LEN || (new != 0 && bit(signal) & UNBLOCKABLE != 0) {
        return Err(Errno::EINVAL);
    }
    let replacement = match new {
        0 => None,
        _ => Some(SignalAction {
            handler: load64(new)?,
            flags: load64(new.wrapping_add(8))?,
            mask: load64(new.wrapping_add(16))?,
        }),
    };
    if old != 0 {
        let words = [current.handler, current.flags, current.mask];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        copy_out(old, &bytes)?;
    }
    if let Some(action) = replacement {
        kernel.signals.set_action(signal, action);
        signal::forward(signal, action.handler);
    }
    Ok(0)
}

pub(super) fn rt_sigprocmask(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [how, new, old, set_len, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if set_len != SET_LEN {
        return Err(Errno::EINVAL);
    }
    let current = kernel.signals.blocked;
    let mut replacement = current;
    if new != 0 {
        let set = load64(new)?;
        replacement = match how as i32 {
            libc::SIG_BLOCK => current | set,
            libc::SIG_UNBLOCK => current & !set,
            libc::SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
    }
    if old != 0 {
        store64(old, current)?;
    }
    kernel.signals.blocked = replacement & !UNBLOCKABLE;
    Ok(0)
}

pub(super) fn rt_sigpending(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [set, set_len, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if set_len > SET_LEN {
        return Err(Errno::EINVAL);
    }
    store64(set, kernel.signals.pending_set() & kernel.signals.blocked)?;
    Ok(0)
}

/// Waits for a signal from outside under another mask.
pub(super) fn rt_sigsuspend(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [mask, set_len, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if set_len != SET_LEN {
        return Err(Errno::EINVAL);
    }
    let mask = load64(mask)? & !UNBLOCKABLE;
    kernel.signals.suspended_mask = Some(kernel.signals.blocked);
    kernel.signals.blocked = mask;
    while kernel.signals.pending_set() & !mask == 0 {
        wait_for_signal();
        kernel.collect_signals();
    }
    Err(Errno(libc::EINTR))
}

/// Sleeps until a signal arrives, or for a moment: one that arrived right before isn't missed.
fn wait_for_signal() {
    std::thread::sleep(std::time::Duration::from_millis(1));
}

/// Takes a pending signal, waiting for one as long as the guest says.
pub(super) fn rt_sigtimedwait(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [set, info, timeout, set_len, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if set_len != SET_LEN {
        return Err(Errno::EINVAL);
    }
    let set = load64(set)?;
    let deadline = match timeout {
        0 => None,
        _ => {
            let (seconds, nanoseconds) = (load64(timeout)?, load64(timeout.wrapping_add(8))?);
            let wait = std::time::Duration::from_secs(seconds)
                .saturating_add(std::time::Duration::from_nanos(nanoseconds));
            std::time::Instant::now().checked_add(wait)
        }
    };
    loop {
        kernel.collect_signals();
        if let Some(taken) = kernel.signals.take_pending(set) {
            if info != 0 {
                let mut bytes = [0_u8; 128];
                bytes[..4].copy_from_slice(&taken.signal.to_le_bytes());
                bytes[8..12].copy_from_slice(&taken.code.to_le_bytes());
                bytes[16..24].copy_from_slice(&taken.detail.to_le_bytes());
                copy_out(info, &bytes)?;
            }
            return Ok(u64::from(taken.signal.cast_unsigned()));
        }
        if deadline.is_some_and(|deadline| std::time::Instant::now() >= deadline) {
            return Err(Errno::EAGAIN);
        }
        wait_for_signal();
    }
}

pub(super) fn rt_sigreturn(
    kernel: &mut Kernel,
    state: &mut GuestState,
    _: [u64; 6],
) -> Result<u64, Errno> {
    signal_frame::pop(state, &mut kernel.signals)?;
    // The result goes to a0, which has just been restored.
    Ok(state.x[10])
}

//! Calls about signals.

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::{copy_out, load32, load64, store32, store64};
use rustix::process::getuid;

use super::{Kernel, Request};
use crate::errno::Errno;
use crate::guest_signal::{AlternateStack, IGNORE, SignalAction, SignalInfo, UNBLOCKABLE, bit};
use crate::host;
use crate::signal;
use crate::signal_frame;

/// The size of a signal set in bytes; the kernel takes no other.
const SET_LEN: u64 = 8;
pub(super) fn kill(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let (process, number) = (arguments[0] as i32, arguments[1] as i32);
    let own = std::process::id().cast_signed();
    let wanted = bit(number) & !kernel.signals.blocked != 0;
    if process != own || !wanted || kernel.process.threads.count() != 1 {
        return host::call_for_guest(libc::SYS_kill, arguments);
    }
    // The guest's only thread gets the signal before the call returns. The host might choose another
    // thread of this process, which would pass it on some time later.
    let info = SignalInfo::sent(number, libc::SI_USER, own, getuid().as_raw());
    let thread = signal::thread_id() as u64;
    let info_address = info.0.as_ptr() as u64;
    let queued = [own as u64, thread, number as u64, info_address, 0, 0];
    host::call_for_guest(libc::SYS_rt_tgsigqueueinfo, queued)
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
    if set_len != SET_LEN || bit(signal) == 0 || (new != 0 && bit(signal) & UNBLOCKABLE != 0) {
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
    let current = {
        // Held until the host knows too, so that two threads' changes don't cross.
        let mut actions = kernel.process.actions();
        let current = actions.get(signal).ok_or(Errno::EINVAL)?;
        if let Some(action) = replacement {
            actions.set(signal, action);
            signal::forward(signal, action.handler);
        }
        current
    };
    if let Some(action) = replacement
        && action.handler > IGNORE
        && [libc::SIGSEGV, libc::SIGBUS].contains(&signal)
    {
        kernel.request = Some(Request::ExactFaults);
    }
    if old != 0 {
        let words = [current.handler, current.flags, current.mask];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        copy_out(old, &bytes)?;
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
    let mut replacement = None;
    if new != 0 {
        let set = load64(new)?;
        replacement = Some(match how as i32 {
            libc::SIG_BLOCK => current | set,
            libc::SIG_UNBLOCK => current & !set,
            libc::SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        });
    }
    if old != 0 {
        store64(old, current)?;
    }
    if let Some(replacement) = replacement {
        kernel.set_blocked(replacement);
    }
    Ok(0)
}

/// What the host's kernel keeps, and what it could not be told to block.
pub(super) fn rt_sigpending(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [set, set_len, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if set_len > SET_LEN {
        return Err(Errno::EINVAL);
    }
    let mut pending = 0_u64;
    let address = (&raw mut pending) as u64;
    host::call(libc::SYS_rt_sigpending, [address, SET_LEN, 0, 0, 0, 0])?;
    for info in &kernel.signals.deferred {
        pending |= bit(info.signal());
    }
    store64(set, pending & kernel.signals.blocked)?;
    Ok(0)
}

pub(super) fn rt_sigreturn(
    kernel: &mut Kernel,
    state: &mut GuestState,
    _: [u64; 6],
) -> Result<u64, Errno> {
    signal_frame::pop(state, &mut kernel.signals)?;
    kernel.set_blocked(kernel.signals.blocked);
    // The result goes to a0, which has just been restored.
    Ok(state.x[10])
}

//! Calls that wait under a signal mask of their own.
//!
//! The guest's mask is the host thread's but for faults, so such a call passes on with its mask
//! thinned in the same way. While it waits, the mask of the call is the thread's; the one before
//! comes back when the call is over or goes into the frame of the handler that ended it.

use std::ffi::c_long;

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::load64;

use super::Kernel;
use crate::errno::Errno;
use crate::guest_signal::UNBLOCKABLE;
use crate::host;
use crate::signal::host_mask;

/// The size of a signal set in bytes; the kernel takes no other.
const SET_LEN: u64 = 8;

impl Kernel {
    /// Makes a call under the mask at `mask`, a guest's pointer that isn't null: `make` gets the
    /// address of the mask for the host.
    pub(super) fn call_under_mask(
        &mut self,
        mask: u64,
        make: impl FnOnce(u64) -> Result<u64, Errno>,
    ) -> Result<u64, Errno> {
        let wanted = load64(mask)? & !UNBLOCKABLE;
        self.signals.suspended_mask = Some(self.signals.blocked);
        self.signals.blocked = wanted;
        let host = host_mask(wanted);
        // Where a handler ended the call, `finish_call` lets the signal act under this mask; where
        // nothing did, it puts the mask before back.
        make((&raw const host) as u64)
    }
}

/// A call whose argument `position` is a mask or null, and the next its size.
fn with_mask_argument(
    kernel: &mut Kernel,
    number: c_long,
    mut arguments: [u64; 6],
    position: usize,
) -> Result<u64, Errno> {
    if arguments[position] == 0 {
        return host::call_for_guest(number, arguments);
    }
    if arguments[position + 1] != SET_LEN {
        return Err(Errno::EINVAL);
    }
    kernel.call_under_mask(arguments[position], |mask| {
        arguments[position] = mask;
        host::call_for_guest(number, arguments)
    })
}

pub(super) fn ppoll(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    with_mask_argument(kernel, libc::SYS_ppoll, arguments, 3)
}

pub(super) fn pselect6(
    kernel: &mut Kernel,
    _: &mut GuestState,
    mut arguments: [u64; 6],
) -> Result<u64, Errno> {
    let pair = arguments[5];
    let mask = if pair == 0 { 0 } else { load64(pair)? };
    if mask == 0 {
        arguments[5] = 0;
        return host::call_for_guest(libc::SYS_pselect6, arguments);
    }
    if load64(pair.wrapping_add(8))? != SET_LEN {
        return Err(Errno::EINVAL);
    }
    kernel.call_under_mask(mask, |mask| {
        let pair = [mask, SET_LEN];
        arguments[5] = pair.as_ptr() as u64;
        host::call_for_guest(libc::SYS_pselect6, arguments)
    })
}

pub(super) fn rt_sigsuspend(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [mask, set_len, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if set_len != SET_LEN {
        return Err(Errno::EINVAL);
    }
    kernel.call_under_mask(mask, |mask| {
        host::call_for_guest(libc::SYS_rt_sigsuspend, [mask, SET_LEN, 0, 0, 0, 0])
    })
}

pub(super) fn epoll_pwait(
    kernel: &mut Kernel,
    number: c_long,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    with_mask_argument(kernel, number, arguments, 4)
}

//! `epoll`, whose events are packed on x86-64 and nowhere else.

use std::ffi::c_long;

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::{load32, load64, store32, store64};

use super::{Kernel, wait};
use crate::errno::Errno;
use crate::host;

/// The size of the guest's `struct epoll_event`: events, padding, data.
const EVENT_LEN: u64 = 16;
/// More events than this are not asked for at once.
const MAX_EVENTS: u64 = 1024;

pub(super) fn control(
    _: &mut Kernel,
    _: &mut GuestState,
    [epoll, operation, fd, event, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if operation == libc::EPOLL_CTL_DEL as u64 {
        return host::call(libc::SYS_epoll_ctl, [epoll, operation, fd, 0, 0, 0]);
    }
    let event = libc::epoll_event {
        events: load32(event)?,
        u64: load64(event.wrapping_add(8))?,
    };
    let address = (&raw const event) as u64;
    host::call(libc::SYS_epoll_ctl, [epoll, operation, fd, address, 0, 0])
}

pub(super) fn pwait(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    wait_for_events(kernel, libc::SYS_epoll_pwait, arguments)
}

/// With a timeout in nanoseconds.
pub(super) fn pwait2(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    wait_for_events(kernel, libc::SYS_epoll_pwait2, arguments)
}

fn wait_for_events(
    kernel: &mut Kernel,
    number: c_long,
    mut arguments: [u64; 6],
) -> Result<u64, Errno> {
    let [_, events, count, ..] = arguments;
    if count as i32 <= 0 {
        return Err(Errno::EINVAL);
    }
    let mut ready = vec![libc::epoll_event { events: 0, u64: 0 }; count.min(MAX_EVENTS) as usize];
    arguments[1] = ready.as_mut_ptr() as u64;
    arguments[2] = ready.len() as u64;
    let count = wait::epoll_pwait(kernel, number, arguments)?;
    for (index, event) in ready.iter().take(count as usize).enumerate() {
        let address = events.wrapping_add(index as u64 * EVENT_LEN);
        store32(address, event.events)?;
        store64(address.wrapping_add(8), event.u64)?;
    }
    Ok(count)
}

//! `clone`, `clone3`, and what ends a thread.

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::{load64, store64};

use super::{Kernel, Request};
use crate::errno::Errno;
use crate::guest_exit::GuestExit;
use crate::host;
use crate::signal;

/// What a new thread or process is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloneRequest {
    /// Its stack pointer, or 0 for the caller's.
    pub stack: u64,
    /// Its thread pointer, if it isn't the caller's.
    pub tls: Option<u64>,
    /// Where its number is written for the caller.
    pub parent_tid: Option<u64>,
    /// Where its number is written for itself.
    pub child_tid: Option<u64>,
    /// Where a zero is written when it ends, or 0.
    pub clear_tid: u64,
}

const VM: u64 = libc::CLONE_VM as u64;
const FS: u64 = libc::CLONE_FS as u64;
const FILES: u64 = libc::CLONE_FILES as u64;
const SIGHAND: u64 = libc::CLONE_SIGHAND as u64;
const VFORK: u64 = libc::CLONE_VFORK as u64;
const THREAD: u64 = libc::CLONE_THREAD as u64;
const SYSVSEM: u64 = libc::CLONE_SYSVSEM as u64;
const SETTLS: u64 = libc::CLONE_SETTLS as u64;
const PARENT_SETTID: u64 = libc::CLONE_PARENT_SETTID as u64;
const CHILD_CLEARTID: u64 = libc::CLONE_CHILD_CLEARTID as u64;
const CHILD_SETTID: u64 = libc::CLONE_CHILD_SETTID as u64;
/// Flags that change nothing here.
const IGNORED: u64 = (libc::CLONE_DETACHED | libc::CLONE_UNTRACED) as u64 | 0x1_0000_0000;
/// The byte of flags that holds the signal sent to the parent at the end.
const EXIT_SIGNAL: u64 = 0xff;

/// Everything that a thread shares with its process; a library's threads share all of it.
const SHARED_BY_THREADS: u64 = VM | FS | FILES | SIGHAND | THREAD;

pub(super) fn clone(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [flags, stack, parent_tid, tls, child_tid, _]: [u64; 6],
) -> Result<u64, Errno> {
    request(kernel, flags, stack, [parent_tid, child_tid], tls)
}

pub(super) fn clone3(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [arguments, len, ..]: [u64; 6],
) -> Result<u64, Errno> {
    const LEAST_LEN: u64 = 64;
    if len < LEAST_LEN {
        return Err(Errno::EINVAL);
    }
    let word = |index: u64| load64(arguments.wrapping_add(index * 8));
    let (flags, child_tid, parent_tid, exit_signal) = (word(0)?, word(2)?, word(3)?, word(4)?);
    let (stack, stack_len, tls) = (word(5)?, word(6)?, word(7)?);
    if flags & EXIT_SIGNAL != 0 || exit_signal & !EXIT_SIGNAL != 0 {
        return Err(Errno::EINVAL);
    }
    let top = match stack {
        0 => 0,
        _ => stack.wrapping_add(stack_len),
    };
    request(
        kernel,
        flags | exit_signal,
        top,
        [parent_tid, child_tid],
        tls,
    )
}

/// Asks for a thread or process, if one like that can be had.
fn request(
    kernel: &mut Kernel,
    flags: u64,
    stack: u64,
    [parent_tid, child_tid]: [u64; 2],
    tls: u64,
) -> Result<u64, Errno> {
    let given = |flag: u64, value: u64| (flags & flag != 0).then_some(value);
    let request = CloneRequest {
        stack,
        tls: given(SETTLS, tls),
        parent_tid: given(PARENT_SETTID, parent_tid),
        child_tid: given(CHILD_SETTID, child_tid),
        clear_tid: given(CHILD_CLEARTID, child_tid).unwrap_or(0),
    };
    let optional = SETTLS | PARENT_SETTID | CHILD_CLEARTID | CHILD_SETTID | IGNORED;
    let kind = flags & !(optional | EXIT_SIGNAL);
    let exit_signal = flags & EXIT_SIGNAL;
    let wanted = if kind & !SYSVSEM == SHARED_BY_THREADS {
        Request::Thread(request)
    } else if kind == VM | VFORK && exit_signal == libc::SIGCHLD as u64 {
        Request::Vfork(request)
    } else if kind & !VFORK == 0 && exit_signal == libc::SIGCHLD as u64 {
        Request::Fork(request)
    } else {
        if !kernel.process.shares_memory() {
            tracing::warn!(flags, "a clone with these flags isn't possible here");
        }
        return Err(Errno::EINVAL);
    };
    kernel.request = Some(wanted);
    Ok(0)
}

pub(super) fn exit(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [code, ..]: [u64; 6],
) -> Result<u64, Errno> {
    kernel.thread_exit = Some(code as i32 & 0xff);
    Ok(0)
}

pub(super) fn exit_group(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [code, ..]: [u64; 6],
) -> Result<u64, Errno> {
    kernel.process.end(GuestExit::Code(code as i32 & 0xff));
    Ok(0)
}

/// The host's own thread library owns the address that the host's call sets; the engine clears the
/// guest's.
pub(super) fn set_tid_address(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [address, ..]: [u64; 6],
) -> Result<u64, Errno> {
    kernel.clear_tid = address;
    Ok(u64::from(signal::thread_id().cast_unsigned()))
}

/// The host's kernel gets the list too: it serves when this process is killed.
pub(super) fn set_robust_list(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    host::call(libc::SYS_set_robust_list, arguments)?;
    kernel.robust_list = arguments[0];
    Ok(0)
}

pub(super) fn get_robust_list(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [thread, head, len, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if thread != 0 && thread as i32 != signal::thread_id() {
        return host::call(libc::SYS_get_robust_list, [thread, head, len, 0, 0, 0]);
    }
    store64(len, 24)?;
    store64(head, kernel.robust_list)?;
    Ok(0)
}

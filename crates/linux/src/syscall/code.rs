//! Calls by which a program says that it has changed code, or that change code themselves.
//!
//! What is decoded or compiled of memory that the guest can write is thrown away when the guest says
//! so: by `fence.i`, for one thread; by [`riscv_flush_icache`] and [`membarrier`], for all. Text of
//! files is another matter: it changes with its mapping, which the address space sees, and otherwise
//! only by way of a writable descriptor of the file or of memory, of a shared mapping of the file, or of
//! another process. `writers.rs` watches a process that has such a thing; what other processes do isn't
//! seen while it runs, and is never kept.

use rekindle_hart::GuestState;

use super::{Kernel, Request};
use crate::errno::Errno;
use crate::host;

/// The guest has changed code and wants every thread to run the new. Linux ignores which code that is,
/// and so do we: the range may be empty, or that of another mapping of the same memory.
pub(super) fn riscv_flush_icache(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [_start, _end, flags, ..]: [u64; 6],
) -> Result<u64, Errno> {
    /// Only the calling thread has to see it.
    const LOCAL: u64 = 1;
    if flags & !LOCAL != 0 {
        return Err(Errno::EINVAL);
    }
    kernel.request = Some(Request::Fence);
    Ok(0)
}

pub(super) fn membarrier(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let result = host::call_for_guest(libc::SYS_membarrier, arguments)?;
    if arguments[0] as i32 == libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE {
        // The host has synchronised its own processors, which run none of the guest's code.
        kernel.request = Some(Request::Fence);
    }
    Ok(result)
}

/// `PR_RISCV_SET_ICACHE_FLUSH_CTX`: threads may use `fence.i` wherever they migrate. They may always.
pub(super) fn set_icache_flush_context([_, context, scope, ..]: [u64; 6]) -> Result<u64, Errno> {
    match (context, scope) {
        (0 | 1, 0 | 1) => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn process_vm_writev(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let result = host::call_for_guest(libc::SYS_process_vm_writev, arguments);
    // Whoever shares the memory may be named as well as this process.
    if kernel.process.shares_memory() || is_own(arguments[0]) {
        kernel.request = Some(Request::TextWritten);
    }
    result
}

/// Whether `number` is that of a thread of this process: to the kernel, any of them stands for the memory.
fn is_own(number: u64) -> bool {
    let process = u64::from(std::process::id());
    let number = u64::from(number as u32);
    // Sends nothing.
    number == process || host::call(libc::SYS_tgkill, [process, number, 0, 0, 0, 0]).is_ok()
}

//! Calls by which a program says that it has changed code, or that change code themselves.
//!
//! What is decoded or compiled of memory that the guest can write is thrown away when the guest says
//! so: by `fence.i`, for one thread; by [`riscv_flush_icache`] and [`membarrier`], for all. Text of
//! files is another matter: it changes with its mapping, which the address space sees, and otherwise
//! only by way of a writable descriptor of the file or of memory, of a shared mapping of the file, or of
//! another process. A process is watched from when it opens or maps such a thing; what other processes
//! do isn't seen while it runs, and is never kept.

use rekindle_hart::GuestState;

use super::statx::file_facts;
use super::{Kernel, Request};
use crate::errno::Errno;
use crate::host;
use crate::memory::{Backing, FileBacking};

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
    if arguments[0] as u32 == std::process::id() {
        kernel.process.let_text_change(false);
        kernel.request = Some(Request::Fence);
    }
    result
}

/// The guest has opened `fd` with these flags.
pub(super) fn note_opened(kernel: &Kernel, fd: u64, flags: u64) {
    if flags & libc::O_ACCMODE as u64 == libc::O_RDONLY as u64 || kernel.process.files_may_be_text()
    {
        return;
    }
    let Ok(file) = file_facts(fd) else {
        return;
    };
    let is_text = kernel.process.memory().modules.has_file(file.place);
    if is_text || file.is_empty && is_memory(fd) {
        kernel.process.let_text_change(true);
    }
}

/// Whether `fd` is the memory of a process.
fn is_memory(fd: u64) -> bool {
    let path = std::fs::read_link(format!("/proc/self/fd/{fd}"));
    path.is_ok_and(|path| path.ends_with("mem"))
}

/// The guest has made a mapping of a file.
pub(super) fn note_mapping(kernel: &Kernel, backing: Backing) {
    if let Backing::File(FileBacking {
        device,
        inode,
        is_shared: true,
        ..
    }) = backing
        && kernel.process.memory().modules.has_file((device, inode))
    {
        kernel.process.let_text_change(false);
    }
}

/// The guest has mapped a module: its file may be mapped in another way already.
pub(super) fn note_new_module(kernel: &Kernel) {
    let memory = kernel.process.memory();
    let is_shared = memory.space.iter().any(|vma| match vma.backing {
        Backing::File(file) if file.is_shared => memory.modules.has_file((file.device, file.inode)),
        _ => false,
    });
    drop(memory);
    if is_shared {
        kernel.process.let_text_change(false);
    }
}

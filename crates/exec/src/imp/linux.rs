//! Memory from the Linux kernel.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::ptr::null_mut;

use rustix::mm::{Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags};

use super::Access;

fn protection(access: Access) -> ProtFlags {
    match access {
        Access::Read => ProtFlags::READ,
        Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        Access::ReadExecute => ProtFlags::READ | ProtFlags::EXEC,
    }
}

/// New zeroed memory at an address of the kernel's choice.
#[expect(unsafe_code, reason = "mapping memory is this crate's job")]
pub(super) fn map_anonymous(len: usize) -> io::Result<*mut u8> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    let access = protection(Access::ReadWrite);
    // SAFETY: without `MAP_FIXED` the kernel picks addresses that nothing uses.
    let base = unsafe { rustix::mm::mmap_anonymous(null_mut(), len, access, flags) }?;
    Ok(base.cast())
}

/// A file's start, for reading, at an address of the kernel's choice.
#[expect(unsafe_code, reason = "mapping memory is this crate's job")]
pub(super) fn map_file(len: usize, file: &File) -> io::Result<*mut u8> {
    let access = protection(Access::Read);
    // SAFETY: without `MAP_FIXED` the kernel picks addresses that nothing uses.
    let base =
        unsafe { rustix::mm::mmap(null_mut(), len, access, MapFlags::PRIVATE, file.as_fd(), 0) }?;
    Ok(base.cast())
}

/// Replaces mapped memory by zeroes, to be read.
///
/// # Safety
/// The pages are this crate's, and nobody relies on what is there.
#[expect(unsafe_code, reason = "mapping memory is this crate's job")]
pub(super) unsafe fn cover_with_zeroes(start: usize, len: usize) -> bool {
    let flags = MapFlags::PRIVATE | MapFlags::FIXED;
    let start = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the caller owns the range.
    unsafe { rustix::mm::mmap_anonymous(start, len, ProtFlags::READ, flags) }.is_ok()
}

/// Replaces mapped memory by a part of a file.
///
/// # Safety
/// `start..start + len` must be page-aligned memory that [`map_anonymous`] gave and nothing refers
/// to yet.
#[expect(unsafe_code, reason = "mapping memory is this crate's job")]
pub(super) unsafe fn map_file_over(
    start: *mut u8,
    len: usize,
    access: Access,
    file: &File,
    offset: u64,
) -> io::Result<()> {
    let flags = MapFlags::PRIVATE | MapFlags::FIXED;
    let access = protection(access);
    let fd = file.as_fd();
    // SAFETY: the caller owns the range, so that replacing it disturbs no one.
    unsafe { rustix::mm::mmap(start.cast(), len, access, flags, fd, offset) }?;
    Ok(())
}

/// Replaces mapped memory by new zeroed memory.
///
/// # Safety
/// As for [`map_file_over`].
#[expect(unsafe_code, reason = "mapping memory is this crate's job")]
pub(super) unsafe fn map_anonymous_over(start: *mut u8, len: usize) -> io::Result<()> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
    let access = protection(Access::ReadWrite);
    // SAFETY: the caller owns the range, so that replacing it disturbs no one.
    unsafe { rustix::mm::mmap_anonymous(start.cast(), len, access, flags) }?;
    Ok(())
}

/// Puts a whole mapping in the place of mapped memory, in one step for whoever uses that meanwhile.
///
/// # Safety
/// `from..from + len` must be a whole mapping of [`map_anonymous`] to which nothing refers. It is gone
/// then. `to..to + len` must be page-aligned memory that [`map_anonymous`] gave, and there may be no
/// reference to it.
#[expect(unsafe_code, reason = "mapping memory is this crate's job")]
pub(super) unsafe fn move_over(from: *mut u8, len: usize, to: *mut u8) -> io::Result<()> {
    // SAFETY: the caller owns both ranges, so that replacing one by the other disturbs no one.
    unsafe {
        rustix::mm::mremap_fixed(from.cast(), len, len, MremapFlags::MAYMOVE, to.cast())?;
    }
    Ok(())
}

/// Changes what mapped memory allows.
///
/// # Safety
/// `start..start + len` must be page-aligned memory that [`map_anonymous`] gave, and no reference
/// to it may need more than `access` allows.
#[expect(unsafe_code, reason = "changing protections is this crate's job")]
pub(super) unsafe fn protect(start: *mut u8, len: usize, access: Access) -> io::Result<()> {
    let access = match access {
        Access::Read => MprotectFlags::READ,
        Access::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
        Access::ReadExecute => MprotectFlags::READ | MprotectFlags::EXEC,
    };
    // SAFETY: the caller owns the range, and vouches for the references to it.
    unsafe { rustix::mm::mprotect(start.cast(), len, access) }?;
    Ok(())
}

/// Gives memory back. That may fail: the kernel keeps neighbours of one kind as one mapping, and taking
/// the middle out of it leaves two, which may be one more than a process may have. Nothing changed then.
///
/// # Safety
/// `start..start + len` must be a whole mapping of [`map_anonymous`] to which nothing refers.
#[expect(unsafe_code, reason = "unmapping memory is this crate's job")]
pub(super) unsafe fn unmap(start: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: the caller owns the range, and nothing refers to it any more.
    unsafe { rustix::mm::munmap(start.cast(), len) }?;
    Ok(())
}

/// Gives back what mapped memory holds, and keeps its addresses. Failing is fine: it is held longer.
///
/// # Safety
/// As for [`unmap`].
#[expect(unsafe_code, reason = "unmapping memory is this crate's job")]
pub(super) unsafe fn discard(start: *mut u8, len: usize) {
    // SAFETY: the caller owns the range, and nothing refers to it any more.
    let _ = unsafe { rustix::mm::madvise(start.cast(), len, Advice::LinuxDontNeed) };
}

/// Has mapped memory hold zeroes in a process that `fork` makes of this one.
///
/// # Safety
/// `start..start + len` must be page-aligned memory that [`map_anonymous`] gave.
#[expect(unsafe_code, reason = "advising on memory is this crate's job")]
pub(super) unsafe fn wipe_on_fork(start: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: the range is mapped, and nothing changes in this process.
    unsafe { rustix::mm::madvise(start.cast(), len, Advice::LinuxWipeOnFork) }?;
    Ok(())
}

/// The size of a page in bytes.
pub(super) fn page_len() -> usize {
    rustix::param::page_size()
}

//! Memory under Miri, which has no mappings of files and no protections: from the allocator, and
//! files are read.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::Access;

const PAGE_LEN: usize = 4096;

fn layout(len: usize) -> Layout {
    Layout::from_size_align(len.max(1), PAGE_LEN).expect("a mapping's size is a valid layout")
}

#[expect(unsafe_code, reason = "stands in for a mapping")]
pub(super) fn map_anonymous(len: usize) -> io::Result<*mut u8> {
    // SAFETY: the layout's size isn't zero.
    let base = unsafe { alloc_zeroed(layout(len)) };
    if base.is_null() {
        Err(io::ErrorKind::OutOfMemory.into())
    } else {
        Ok(base)
    }
}

/// There are no signals here.
#[expect(unsafe_code, reason = "as its twin")]
pub(super) unsafe fn cover_with_zeroes(_: usize, _: usize) -> bool {
    false
}

#[expect(unsafe_code, reason = "stands in for a mapping")]
pub(super) fn map_file(len: usize, file: &File) -> io::Result<*mut u8> {
    let base = map_anonymous(len)?;
    // SAFETY: the memory is new.
    unsafe { map_file_over(base, len, Access::Read, file, 0)? };
    Ok(base)
}

#[expect(unsafe_code, reason = "stands in for a mapping")]
pub(super) unsafe fn map_file_over(
    start: *mut u8,
    len: usize,
    _: Access,
    file: &File,
    offset: u64,
) -> io::Result<()> {
    let available = file.metadata()?.len().saturating_sub(offset);
    let len = len.min(usize::try_from(available).unwrap_or(len));
    // SAFETY: the caller owns the range, and nothing refers to it.
    let bytes = unsafe { std::slice::from_raw_parts_mut(start, len) };
    file.read_exact_at(bytes, offset)
}

#[expect(unsafe_code, reason = "has the signature of its twin")]
pub(super) unsafe fn map_anonymous_over(_: *mut u8, _: usize) -> io::Result<()> {
    Ok(())
}

#[expect(unsafe_code, reason = "stands in for a mapping")]
pub(super) unsafe fn move_over(from: *mut u8, len: usize, to: *mut u8) -> io::Result<()> {
    // SAFETY: the caller owns both ranges, which are two allocations, and gives the first away.
    unsafe {
        std::ptr::copy_nonoverlapping(from, to, len);
        unmap(from, len)
    }
}

#[expect(unsafe_code, reason = "has the signature of its twin")]
pub(super) unsafe fn protect(_: *mut u8, _: usize, _: Access) -> io::Result<()> {
    Ok(())
}

#[expect(unsafe_code, reason = "stands in for a mapping")]
pub(super) unsafe fn unmap(start: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: the range is a whole mapping, so this is its layout.
    unsafe { dealloc(start, layout(len)) };
    Ok(())
}

#[expect(unsafe_code, reason = "has the signature of its twin")]
pub(super) unsafe fn discard(_: *mut u8, _: usize) {}

#[expect(unsafe_code, reason = "has the signature of its twin")]
pub(super) unsafe fn wipe_on_fork(_: *mut u8, _: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn page_len() -> usize {
    PAGE_LEN
}

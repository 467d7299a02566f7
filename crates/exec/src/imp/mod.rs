//! What this crate asks of the operating system: one file per system, and a twin for Miri.

mod left;
#[cfg(not(miri))]
mod linux;
#[cfg(miri)]
mod miri;

#[cfg(all(test, not(miri)))]
pub(crate) use left::waiting;

use std::fs::File;
use std::io;

#[cfg(not(miri))]
use linux as system;
#[cfg(miri)]
use miri as system;

/// What memory allows. There is deliberately no way to say writable and executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing.
    ReadExecute,
}

/// The size of a page in bytes.
pub(crate) fn page_len() -> usize {
    system::page_len()
}

/// Puts a page of zeroes, to be read, over the page at `address`. Async-signal-safe.
///
/// # Safety
/// The page is this crate's, and nobody relies on what is there.
#[expect(unsafe_code, reason = "mapping memory is this crate's job")]
pub(crate) unsafe fn cover_with_zeroes(address: u64) -> bool {
    // SAFETY: the caller's.
    unsafe { system::cover_with_zeroes(address as usize, page_len()) }
}

/// Memory that this process owns: one mapping, whose parts may differ in what they allow.
///
/// Invariant: `base..base + len` came from the system in one piece and is given back by `drop`
/// alone, so any pointer into it is valid as long as the `Memory` lives.
#[derive(Debug)]
pub(crate) struct Memory {
    base: *mut u8,
    len: usize,
}

#[expect(
    unsafe_code,
    reason = "the raw pointer alone keeps `Memory` from being `Send`"
)]
// SAFETY: a mapping belongs to the process and not to a thread.
unsafe impl Send for Memory {}

#[expect(
    unsafe_code,
    reason = "the raw pointer alone keeps `Memory` from being `Sync`"
)]
// SAFETY: `&Memory` gives out addresses only; who writes through them argues for itself.
unsafe impl Sync for Memory {}

impl Memory {
    /// `len` bytes of zeroes, readable and writable, backed as they are touched.
    ///
    /// None of them lies at a multiple of 4 GiB, if the system has other room: libgcc's unwinder takes
    /// a function there for one that the linker removed, since the low half of its address is zero.
    /// Large mappings stand next to each other and are aligned, so that this happens to one in some
    /// dozens of processes.
    pub(crate) fn reserve(len: usize) -> io::Result<Self> {
        let len = len.max(1).next_multiple_of(page_len());
        let map = || -> io::Result<Self> {
            Ok(Self {
                base: system::map_anonymous(len)?,
                len,
            })
        };
        let memory = map()?;
        if holds_multiple(memory.base.addr() as u64, len as u64)
            // As long as this memory is there, other memory lies elsewhere.
            && let Ok(elsewhere) = map()
        {
            return Ok(elsewhere);
        }
        Ok(memory)
    }

    /// A file as it is, for reading, at an address that suits the system: one whose large pages
    /// it may map at once.
    pub(crate) fn of_file(file: &File, len: usize) -> io::Result<Self> {
        let len = len.max(1).next_multiple_of(page_len());
        Ok(Self {
            base: system::map_file(len, file)?,
            len,
        })
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    /// How many bytes there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The address of the byte at `offset`, which may be one past the end.
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        assert!(
            offset <= self.len,
            "{offset:#x} is past the end of the memory"
        );
        self.base.wrapping_add(offset)
    }

    /// Puts a part of a file in place of some of the memory. `offset` and the file's are multiples
    /// of a page; what lies past the file's end in its last page reads as zeroes.
    pub(crate) fn map_file(
        &mut self,
        offset: usize,
        len: usize,
        access: Access,
        file: &File,
        file_offset: u64,
    ) -> io::Result<()> {
        let start = self.range(offset, len)?;
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the range lies in this mapping, which is borrowed mutably, so that no reference
        // to it is alive.
        unsafe {
            system::map_file_over(start, len, access, file, file_offset)
        }
    }

    /// Puts new memory in place of some of it, and lets `fill` write it.
    pub(crate) fn replace_by_copy(
        &mut self,
        offset: usize,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let start = self.range(offset, len)?;
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the range lies in this mapping, which is borrowed mutably, so that no reference
        // to it is alive.
        unsafe {
            system::map_anonymous_over(start, len)?;
        }
        #[expect(unsafe_code, reason = "memory becomes a slice")]
        // SAFETY: the range was just mapped readable and writable, and is borrowed mutably.
        let bytes = unsafe { std::slice::from_raw_parts_mut(start, len) };
        fill(bytes)
    }

    /// Changes what a part of the memory allows.
    pub(crate) fn protect(&mut self, offset: usize, len: usize, access: Access) -> io::Result<()> {
        let start = self.range(offset, len)?;
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the range lies in this mapping, which is borrowed mutably, so that no reference
        // to it is alive.
        unsafe {
            system::protect(start, len, access)
        }
    }

    /// Changes what a part of shared memory allows.
    ///
    /// # Safety
    /// No reference to the part may need more than `access` allows.
    #[expect(unsafe_code, reason = "the caller knows who uses the part")]
    pub(crate) unsafe fn protect_shared(
        &self,
        offset: usize,
        len: usize,
        access: Access,
    ) -> io::Result<()> {
        let start = self.range(offset, len)?;
        // SAFETY: the range lies in this mapping; the caller vouches for the references to it.
        unsafe { system::protect(start, len, access) }
    }

    /// Gives back what a part of shared memory holds: it may be zeroes then.
    ///
    /// # Safety
    /// Nobody relies on what is there.
    #[expect(unsafe_code, reason = "the caller knows who uses the part")]
    pub(crate) unsafe fn discard(&self, offset: usize, len: usize) {
        if let Ok(start) = self.range(offset, len) {
            // SAFETY: the range lies in this mapping; the caller vouches for who uses it.
            unsafe { system::discard(start, len) };
        }
    }

    /// Puts an edited copy in the place of a part of shared memory. Who executes it meanwhile executes
    /// what was there or what will be.
    ///
    /// # Safety
    /// There may be no reference to the part.
    #[expect(unsafe_code, reason = "the caller knows who uses the part")]
    pub(crate) unsafe fn replace_shared(
        &self,
        offset: usize,
        len: usize,
        access: Access,
        edit: impl FnOnce(&mut [u8]),
    ) -> io::Result<()> {
        let start = self.range(offset, len)?;
        let mut copy = Self::reserve(len)?;
        // SAFETY: all of the range is readable, whatever else it allows, and the copy is as long.
        unsafe { std::ptr::copy_nonoverlapping(start, copy.base, copy.len) };
        // SAFETY: the copy is readable and writable, and no one else knows of it.
        edit(unsafe { std::slice::from_raw_parts_mut(copy.base, copy.len) });
        copy.protect(0, copy.len, access)?;
        // SAFETY: the copy is a whole mapping that this function owns; the range lies in this
        // mapping, and the caller vouches that there are no references to it.
        unsafe { system::move_over(copy.base, copy.len, start)? };
        // It is a part of this memory now.
        std::mem::forget(copy);
        Ok(())
    }

    /// Has the memory hold zeroes in a process that `fork` makes of this one.
    pub(crate) fn wipe_on_fork(&self) -> io::Result<()> {
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the range is this mapping.
        unsafe {
            system::wipe_on_fork(self.base, self.len)
        }
    }

    /// Checks that a range of whole pages lies in the memory.
    fn range(&self, offset: usize, len: usize) -> io::Result<*mut u8> {
        let end = offset
            .checked_add(len)
            .map(|end| end.next_multiple_of(page_len()));
        if end.is_none_or(|end| end > self.len) || !offset.is_multiple_of(page_len()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(self.at(offset))
    }
}

/// Whether one of so many bytes from `base` lies at a multiple of 4 GiB.
fn holds_multiple(base: u64, len: u64) -> bool {
    base.checked_next_multiple_of(1 << 32)
        .is_some_and(|multiple| multiple - base < len)
}

impl Drop for Memory {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: by the invariant the range is a whole mapping, and whoever holds pointers into
        // it was to keep the `Memory` alive.
        unsafe {
            left::give_back(self.base, self.len);
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(not(miri), target_pointer_width = "64"))]
    use super::Memory;
    use super::holds_multiple;

    #[test]
    fn multiples_of_4_gib_are_seen() {
        assert!(holds_multiple(1 << 32, 1));
        assert!(holds_multiple((1 << 32) - 1, 2));
        assert!(!holds_multiple((1 << 32) - 1, 1));
        assert!(!holds_multiple((1 << 32) + 1, 1 << 31));
        assert!(!holds_multiple(u64::MAX - 5, 3));
    }

    /// Enough memory to pass by some.
    #[cfg(all(not(miri), target_pointer_width = "64"))]
    #[test]
    fn no_memory_lies_at_one() {
        let all: Vec<Memory> = (0..200)
            .map(|_| Memory::reserve(64 << 20).expect("address space"))
            .collect();
        for memory in &all {
            assert!(!holds_multiple(
                memory.base.addr() as u64,
                memory.len as u64
            ));
        }
    }
}

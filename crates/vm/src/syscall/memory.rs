//! Calls that change the guest's memory map.

use super::{Kernel, stat};
use crate::errno::Errno;
use crate::memory::{Backing, FileBacking, MapRequest, Placement, Protection};
use crate::state::GuestState;

/// Flags that choose the address; they are the address space's to pass on.
const PLACEMENT_FLAGS: u64 = (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE) as u64;
/// Flags that mean something else to this host, or that the address space can't follow.
const DROPPED_FLAGS: u64 = (0x40 | libc::MAP_GROWSDOWN) as u64;

pub(super) fn brk(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [end, ..]: [u64; 6],
) -> Result<u64, Errno> {
    Ok(kernel.space.set_heap_end(end))
}

pub(super) fn mmap(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [address, len, protection, flags, fd, offset]: [u64; 6],
) -> Result<u64, Errno> {
    let placement = if flags & libc::MAP_FIXED_NOREPLACE as u64 != 0 {
        Placement::FixedIfFree(address)
    } else if flags & libc::MAP_FIXED as u64 != 0 {
        Placement::Fixed(address)
    } else if address != 0 {
        Placement::Hint(address)
    } else {
        Placement::Anywhere
    };
    let fd = fd as i32;
    let backing = if flags & libc::MAP_ANONYMOUS as u64 != 0 {
        Backing::Anonymous
    } else {
        let (device, inode) = stat::identity(fd)?;
        Backing::File(FileBacking {
            device,
            inode,
            offset,
        })
    };
    kernel.space.map(MapRequest {
        placement,
        len,
        protection: Protection::from_bits(protection),
        flags: flags & !(PLACEMENT_FLAGS | DROPPED_FLAGS),
        fd,
        offset,
        backing,
    })
}

pub(super) fn munmap(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [address, len, ..]: [u64; 6],
) -> Result<u64, Errno> {
    kernel.space.unmap(address, len).map(|()| 0)
}

pub(super) fn mremap(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [old, old_len, new_len, flags, wanted, _]: [u64; 6],
) -> Result<u64, Errno> {
    kernel.space.remap(old, old_len, new_len, flags, wanted)
}

pub(super) fn mprotect(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [address, len, protection, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if protection & !7 != 0 {
        return Err(Errno::EINVAL);
    }
    kernel
        .space
        .protect(address, len, Protection::from_bits(protection))
        .map(|()| 0)
}

pub(super) fn madvise(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [address, len, advice, ..]: [u64; 6],
) -> Result<u64, Errno> {
    kernel.space.advise(address, len, advice)
}

/// The guest has changed code in a range and wants to run the new.
pub(super) fn riscv_flush_icache(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [start, end, flags, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if flags & !1 != 0 {
        return Err(Errno::EINVAL);
    }
    kernel.space.note_stale_code(start..end);
    Ok(0)
}

//! Calls that change the guest's memory map.

use std::fs::File;
use std::ops::Range;

use rekindle_hart::GuestState;

use super::{Kernel, statx, writers};
use crate::errno::Errno;
use crate::memory::{Backing, FileBacking, MapRequest, Placement, Protection};
use crate::module::GuestModule;

/// Flags that choose the address; they are the address space's to pass on.
const PLACEMENT_FLAGS: u64 = (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE) as u64;
/// Flags that mean something else to this host, or that the address space can't follow.
const DROPPED_FLAGS: u64 = (0x40 | libc::MAP_GROWSDOWN) as u64;

pub(super) fn brk(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [end, ..]: [u64; 6],
) -> Result<u64, Errno> {
    Ok(kernel.change_memory(|memory| memory.space.set_heap_end(end)))
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
        let (device, inode) = statx::identity(fd)?;
        Backing::File(FileBacking {
            device,
            inode,
            offset,
            is_shared: flags & libc::MAP_PRIVATE as u64 == 0,
        })
    };
    let protection = Protection::from_bits(protection);
    let request = MapRequest {
        placement,
        len,
        protection,
        flags: flags & !(PLACEMENT_FLAGS | DROPPED_FLAGS),
        fd,
        offset,
        backing,
    };
    let address = kernel.change_memory(|memory| memory.space.map(request))?;
    writers::note_mapping(kernel, backing);
    let is_text = protection.contains(Protection::EXEC) && !protection.contains(Protection::WRITE);
    if is_text && matches!(backing, Backing::File(_)) && flags & libc::MAP_PRIVATE as u64 != 0 {
        note_module(kernel, fd, address..address.saturating_add(len), offset);
    }
    Ok(address)
}

/// The guest has mapped code from a file: if it is a library as a dynamic loader maps them, the
/// translator may keep what it makes of it.
fn note_module(kernel: &Kernel, fd: i32, mapping: Range<u64>, offset: u64) {
    let path = format!("/proc/self/fd/{fd}");
    let Ok(file) = File::open(&path) else { return };
    let path = std::fs::read_link(&path).unwrap_or_default();
    let module = GuestModule::of_mapping(&file, path, &mapping, offset, kernel.cache.as_ref());
    if let Some(module) = module {
        kernel.process.memory().modules.add(module);
        writers::note_new_module(kernel);
    }
}

pub(super) fn munmap(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [address, len, ..]: [u64; 6],
) -> Result<u64, Errno> {
    kernel
        .change_memory(|memory| memory.space.unmap(address, len))
        .map(|()| 0)
}

pub(super) fn mremap(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [old, old_len, new_len, flags, wanted, _]: [u64; 6],
) -> Result<u64, Errno> {
    kernel.change_memory(|memory| memory.space.remap(old, old_len, new_len, flags, wanted))
}

pub(super) fn mprotect(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [address, len, protection, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if protection & !7 != 0 {
        return Err(Errno::EINVAL);
    }
    let protection = Protection::from_bits(protection);
    kernel
        .change_memory(|memory| memory.space.protect(address, len, protection))
        .map(|()| 0)
}

pub(super) fn madvise(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [address, len, advice, ..]: [u64; 6],
) -> Result<u64, Errno> {
    kernel.change_memory(|memory| memory.space.advise(address, len, advice))
}

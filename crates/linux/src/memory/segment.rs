//! System V shared memory segments in the guest's address space.

use rekindle_hart::guest_memory::GUEST_END;

use super::{
    AddressSpace, Backing, PAGE, Placement, Protection, SegmentBacking, Vma, page_ceil, page_floor,
};
use crate::errno::Errno;
use crate::host;

impl AddressSpace {
    /// Attaches the segment `id`, of `len` bytes, as `shmat` does, and returns its address. Where
    /// `address` is 0, it is chosen.
    pub(crate) fn attach(
        &mut self,
        id: i32,
        len: u64,
        address: u64,
        flags: u64,
    ) -> Result<u64, Errno> {
        let has = |flag: i32| flags & u64::from(flag.cast_unsigned()) != 0;
        let len = page_ceil(len)
            .filter(|len| *len <= GUEST_END)
            .ok_or(Errno::ENOMEM)?;
        let address = match has(libc::SHM_RND) {
            true => page_floor(address),
            false => address,
        };
        let replaces = has(libc::SHM_REMAP);
        let placement = match (address, replaces) {
            (0, true) => return Err(Errno::EINVAL),
            (0, false) => Placement::Anywhere,
            (address, true) => Placement::Fixed(address),
            (address, false) => Placement::FixedIfFree(address),
        };
        let (address, _) = self.place(placement, len).map_err(|errno| match errno {
            // Where this isn't the guest's to choose, or is taken.
            Errno::EEXIST => Errno::EINVAL,
            other => other,
        })?;
        let not_executable = flags & !u64::from(libc::SHM_EXEC.cast_unsigned());
        let arguments = [
            i64::from(id).cast_unsigned(),
            address,
            not_executable,
            0,
            0,
            0,
        ];
        let got = host::call(libc::SYS_shmat, arguments)?;
        debug_assert_eq!(got, address, "a segment is attached where it is asked for");
        let mut protection = Protection::READ;
        if !has(libc::SHM_RDONLY) {
            protection = protection.union(Protection::WRITE);
        }
        if has(libc::SHM_EXEC) {
            protection = protection.union(Protection::EXEC);
        }
        let range = address..address + len;
        self.forget(range.clone());
        self.map.insert(Vma {
            start: range.start,
            end: range.end,
            protection,
            backing: Backing::Segment(SegmentBacking { id, offset: 0 }),
        });
        Ok(address)
    }

    /// Detaches the segment that was attached at `address`, as `shmdt` does: whatever is left of it
    /// where it was.
    pub(crate) fn detach(&mut self, address: u64) -> Result<(), Errno> {
        if !address.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let is_of_it = |vma: &Vma| match vma.backing {
            Backing::Segment(segment) if address.checked_add(segment.offset) == Some(vma.start) => {
                Some(segment.id)
            }
            _ => None,
        };
        let mut id = None;
        let mut parts = Vec::new();
        for vma in self.map.overlapping(address..GUEST_END) {
            let Some(found) = is_of_it(vma) else { continue };
            if *id.get_or_insert(found) == found {
                parts.push(vma.start..vma.end);
            }
        }
        if parts.is_empty() {
            return Err(Errno::EINVAL);
        }
        host::call(libc::SYS_shmdt, [address, 0, 0, 0, 0, 0])?;
        parts.into_iter().for_each(|part| self.forget(part));
        Ok(())
    }
}

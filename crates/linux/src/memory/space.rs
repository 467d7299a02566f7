//! The guest's address space: the map of its mappings kept in step with the host's.
//!
//! The engine lives above [`GUEST_END`]; no request of a guest reaches there. The host never gets
//! execute permission for guest pages, since their bytes are only ever read.

use std::ffi::c_long;
use std::ops::Range;

use rekindle_hart::guest_memory::{GUEST_END, GUEST_START};

use super::{Backing, PAGE, Protection, Vma, VmaMap, page_ceil};
use crate::errno::Errno;
use crate::host;

/// The mapping area ends here, below stack and its guard: see `stack.rs`.
const STACK_GAP: u64 = 0x1000_0000;

/// Where a new mapping goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Anywhere free.
    Anywhere,
    /// There if it is free, else anywhere.
    Hint(u64),
    /// There, over whatever is mapped.
    Fixed(u64),
    /// There, if it is free.
    FixedIfFree(u64),
}

/// A mapping that a guest or the loader asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapRequest {
    /// Where.
    pub(crate) placement: Placement,
    /// How long; rounded up to pages.
    pub(crate) len: u64,
    /// What the guest may do with it.
    pub(crate) protection: Protection,
    /// `MAP_…` flags for the host, without those of the placement.
    pub(crate) flags: u64,
    /// The host's file descriptor, where the mapping isn't anonymous.
    pub(crate) fd: i32,
    /// The offset in the file.
    pub(crate) offset: u64,
    /// What to remember about it.
    pub(crate) backing: Backing,
}

impl MapRequest {
    /// A private anonymous mapping.
    pub(crate) const fn anonymous(placement: Placement, len: u64, protection: Protection) -> Self {
        Self {
            placement,
            len,
            protection,
            flags: (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64,
            fd: -1,
            offset: 0,
            backing: Backing::Anonymous,
        }
    }
}

/// The guest's address space. Dropping it unmaps everything.
#[derive(Debug, Default)]
pub(crate) struct AddressSpace {
    pub(super) map: VmaMap,
    heap: Range<u64>,
    stale_code: Vec<Range<u64>>,
    /// What was changed since this was made as a copy; `None` for the one that owns the mappings.
    changed: Option<Vec<Range<u64>>>,
}

impl AddressSpace {
    /// A copy for a process that shares the memory, and may be killed while it changes the copy. It owns
    /// no mapping.
    pub(crate) fn copy(&self) -> Self {
        Self {
            map: self.map.clone(),
            heap: self.heap.clone(),
            stale_code: Vec::new(),
            changed: Some(Vec::new()),
        }
    }

    /// Takes over what was changed by way of a copy.
    pub(crate) fn adopt(&mut self, copy: &Self) {
        let changed = copy.changed.iter().flatten();
        for range in changed {
            self.forget(range.clone());
            let parts: Vec<Vma> = copy.map.overlapping(range.clone()).copied().collect();
            for part in parts {
                let part = part.clipped(range);
                self.map.insert(part);
                self.note_if_code(&part);
            }
            self.heap = copy.heap.clone();
        }
    }

    /// Makes the map and the host's mappings agree again, of which `host` are those in the guest's part of
    /// the address space, in order: a process that shared the memory was killed, wherever it was. What
    /// it had mapped is nobody's; what it had unmapped is gone.
    pub(crate) fn reconcile(&mut self, host: &[Range<u64>]) {
        for range in host {
            let mut reached = range.start;
            let known: Vec<Vma> = self.map.overlapping(range.clone()).copied().collect();
            let ends = known.iter().map(|vma| (vma.start, vma.end));
            for (start, end) in ends.chain([(range.end, range.end)]) {
                if start > reached {
                    // Where this fails, the pages stay unused.
                    let _ = range_call(libc::SYS_munmap, &(reached..start), 0);
                }
                reached = reached.max(end);
            }
        }
        let mut lost = Vec::new();
        for vma in self.map.iter() {
            let mut reached = vma.start;
            let inside = host
                .iter()
                .filter(|it| it.start < vma.end && vma.start < it.end);
            let ends = inside.map(|range| (range.start, range.end));
            for (start, end) in ends.chain([(vma.end, vma.end)]) {
                if start > reached {
                    lost.push(reached..start.min(vma.end));
                }
                reached = reached.max(end);
            }
        }
        lost.into_iter().for_each(|range| self.forget(range));
    }

    /// What was changed since this was made as a copy.
    pub(crate) fn changes(&self) -> &[Range<u64>] {
        self.changed.as_deref().unwrap_or_default()
    }

    fn note_changed(&mut self, range: &Range<u64>) {
        // What comes and goes at one place is noted once.
        if let Some(changed) = &mut self.changed
            && !changed
                .iter()
                .rev()
                .take(8)
                .any(|it| it.start <= range.start && range.end <= it.end)
        {
            changed.push(range.clone());
        }
    }

    /// The mapping that holds `address`.
    pub(crate) fn find(&self, address: u64) -> Option<&Vma> {
        self.map.find(address)
    }

    /// All mappings, in order of address.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Vma> {
        self.map.iter()
    }

    /// Whether the guest has a mapping in `address..address + len`.
    pub(crate) fn overlaps(&self, address: u64, len: u64) -> bool {
        guest_range(address, len).is_some_and(|range| !self.map.is_free(range))
    }

    /// The executable ranges whose contents or protection may have changed since the last call.
    pub(crate) fn take_stale_code(&mut self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.stale_code)
    }

    /// Sets where the heap starts, which is empty then.
    pub(crate) fn start_heap(&mut self, start: u64) {
        self.heap = start..start;
    }

    /// Makes a mapping, and returns its address.
    pub(crate) fn map(&mut self, request: MapRequest) -> Result<u64, Errno> {
        let len = page_ceil(request.len)
            .filter(|len| *len <= GUEST_END)
            .ok_or(Errno::ENOMEM)?;
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        let (address, replace) = self.place(request.placement, len)?;
        let noreplace = if replace {
            libc::MAP_FIXED
        } else {
            libc::MAP_FIXED_NOREPLACE
        }
        .cast_unsigned();
        let arguments = [
            address,
            len,
            request.protection.host_bits(),
            request.flags | u64::from(noreplace),
            i64::from(request.fd).cast_unsigned(),
            request.offset,
        ];
        let got = host::call(libc::SYS_mmap, arguments)?;
        if got != address {
            // A kernel before 4.17 takes MAP_FIXED_NOREPLACE for a hint.
            host::call(libc::SYS_munmap, [got, len, 0, 0, 0, 0])?;
            return Err(Errno::ENOMEM);
        }
        let range = address..address + len;
        self.forget(range.clone());
        self.map.insert(Vma {
            start: range.start,
            end: range.end,
            protection: request.protection,
            backing: request.backing,
        });
        Ok(address)
    }

    /// Unmaps `range`, which may hold holes.
    pub(crate) fn unmap(&mut self, address: u64, len: u64) -> Result<(), Errno> {
        let range = guest_range(address, len).ok_or(Errno::EINVAL)?;
        if range.is_empty() {
            return Err(Errno::EINVAL);
        }
        range_call(libc::SYS_munmap, &range, 0)?;
        self.forget(range);
        Ok(())
    }

    /// Changes the protection of `range`, all of which must be mapped.
    pub(crate) fn protect(
        &mut self,
        address: u64,
        len: u64,
        protection: Protection,
    ) -> Result<(), Errno> {
        if !address.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let range = guest_range(address, len).ok_or(Errno::ENOMEM)?;
        if range.is_empty() {
            return Ok(());
        }
        if !self.map.is_covered(range.clone()) {
            return Err(Errno::ENOMEM);
        }
        range_call(libc::SYS_mprotect, &range, protection.host_bits())?;
        self.note_changed(&range);
        for part in self.map.protect(range, protection) {
            self.note_if_code(&part);
            self.note_if_code(&Vma { protection, ..part });
        }
        Ok(())
    }

    /// Passes advice about `range` to the host.
    pub(crate) fn advise(&mut self, address: u64, len: u64, advice: u64) -> Result<u64, Errno> {
        if !address.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let range = guest_range(address, len).ok_or(Errno::ENOMEM)?;
        let result = range_call(libc::SYS_madvise, &range, advice);
        self.note_changed(&range);
        let parts: Vec<Vma> = self.map.overlapping(range).copied().collect();
        parts.iter().for_each(|part| self.note_if_code(part));
        result
    }

    /// Moves, grows or shrinks a mapping, as `mremap` does.
    pub(crate) fn remap(
        &mut self,
        old: u64,
        old_len: u64,
        new_len: u64,
        flags: u64,
        wanted: u64,
    ) -> Result<u64, Errno> {
        const MAY_MOVE: u64 = libc::MREMAP_MAYMOVE as u64;
        const FIXED: u64 = libc::MREMAP_FIXED as u64;
        let new_len = page_ceil(new_len)
            .filter(|len| *len <= GUEST_END)
            .ok_or(Errno::ENOMEM)?;
        let range = guest_range(old, old_len).ok_or(Errno::EINVAL)?;
        let known = flags & !(MAY_MOVE | FIXED) == 0 && old.is_multiple_of(PAGE);
        if !known
            || new_len == 0
            || range.is_empty()
            || (flags & FIXED != 0 && flags & MAY_MOVE == 0)
        {
            return Err(Errno::EINVAL);
        }
        let vma = *self.map.find(old).ok_or(Errno::EFAULT)?;
        if vma.end < range.end {
            return Err(Errno::EFAULT);
        }
        let moved = Vma {
            protection: vma.protection,
            ..clip(vma, old)
        };
        if flags & FIXED != 0 {
            let target = guest_range(wanted, new_len).ok_or(Errno::EINVAL)?;
            let overlap = target.start < range.end && range.start < target.end;
            if overlap || !wanted.is_multiple_of(PAGE) {
                return Err(Errno::EINVAL);
            }
            return self.move_mapping(moved, &range, target);
        }
        if new_len <= range.end - range.start {
            if new_len < range.end - range.start {
                self.unmap(old + new_len, range.end - old - new_len)?;
            }
            return Ok(old);
        }
        let grown =
            guest_range(old, new_len).filter(|grown| self.map.is_free(range.end..grown.end));
        if let Some(grown) = grown.filter(|_| vma.end == range.end) {
            let arguments = [old, range.end - old, new_len, 0, 0, 0];
            if host::call(libc::SYS_mremap, arguments).is_ok() {
                self.note_changed(&(range.end..grown.end));
                self.map.insert(Vma {
                    end: grown.end,
                    ..moved
                });
                return Ok(old);
            }
        }
        if flags & MAY_MOVE == 0 {
            return Err(Errno::ENOMEM);
        }
        let (target, _) = self.place(Placement::Anywhere, new_len)?;
        self.move_mapping(moved, &range, target..target + new_len)
    }

    /// Moves the end of the heap to `end` where that is possible; returns where it is.
    pub(crate) fn set_heap_end(&mut self, end: u64) -> u64 {
        let (Some(old_top), Some(new_top)) = (page_ceil(self.heap.end), page_ceil(end)) else {
            return self.heap.end;
        };
        if end < self.heap.start || new_top > GUEST_END - STACK_GAP {
            return self.heap.end;
        }
        let moved = if new_top > old_top {
            let request = MapRequest {
                backing: Backing::Heap,
                ..MapRequest::anonymous(
                    Placement::FixedIfFree(old_top),
                    new_top - old_top,
                    Protection::READ.union(Protection::WRITE),
                )
            };
            self.map(request).is_ok()
        } else if new_top < old_top {
            self.unmap(new_top, old_top - new_top).is_ok()
        } else {
            true
        };
        if moved {
            self.heap.end = end;
        }
        self.heap.end
    }

    /// Whether `address..address + len` lies in the guest's part of the address space.
    pub(crate) fn holds(address: u64, len: u64) -> bool {
        guest_range(address, len).is_some()
    }

    /// Chooses the address of a mapping of `len` bytes, and whether it may replace others.
    pub(super) fn place(&self, placement: Placement, len: u64) -> Result<(u64, bool), Errno> {
        let fixed = |address: u64| {
            if !address.is_multiple_of(PAGE) {
                return Err(Errno::EINVAL);
            }
            guest_range(address, len).ok_or(Errno::ENOMEM)
        };
        match placement {
            Placement::Fixed(address) => fixed(address).map(|range| (range.start, true)),
            Placement::FixedIfFree(address) => {
                let range = fixed(address)?;
                let free = self.map.is_free(range.clone());
                free.then_some((range.start, false)).ok_or(Errno::EEXIST)
            }
            Placement::Hint(address) => {
                let hinted = page_ceil(address)
                    .and_then(|address| guest_range(address, len))
                    .filter(|range| self.map.is_free(range.clone()));
                match hinted {
                    Some(range) => Ok((range.start, false)),
                    None => self.place(Placement::Anywhere, len),
                }
            }
            Placement::Anywhere => {
                let window = GUEST_START..GUEST_END - STACK_GAP;
                let start = self.map.find_gap(len, window).ok_or(Errno::ENOMEM)?;
                Ok((start, false))
            }
        }
    }

    /// Moves `range`, of which `vma` is the mapping, to `target`.
    fn move_mapping(
        &mut self,
        vma: Vma,
        range: &Range<u64>,
        target: Range<u64>,
    ) -> Result<u64, Errno> {
        let flags = (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED) as u64;
        let len = range.end - range.start;
        let new_len = target.end - target.start;
        host::call(
            libc::SYS_mremap,
            [range.start, len, new_len, flags, target.start, 0],
        )?;
        self.forget(range.clone());
        self.forget(target.clone());
        self.map.insert(Vma {
            start: target.start,
            end: target.end,
            ..vma
        });
        Ok(target.start)
    }

    /// Takes `range` out of the map.
    pub(super) fn forget(&mut self, range: Range<u64>) {
        self.note_changed(&range);
        for part in self.map.remove(range) {
            self.note_if_code(&part);
        }
    }

    /// Notes `vma` as stale where the guest may execute it.
    fn note_if_code(&mut self, vma: &Vma) {
        if vma.protection.contains(Protection::EXEC) {
            self.stale_code.push(vma.start..vma.end);
        }
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        if self.changed.is_some() {
            return;
        }
        for vma in self.map.iter() {
            // Nothing is left to do where this fails: the process keeps pages it doesn't use.
            let _ = range_call(libc::SYS_munmap, &(vma.start..vma.end), 0);
        }
    }
}

/// The pages of `address..address + len`, if they lie in the guest's part of the address space.
fn guest_range(address: u64, len: u64) -> Option<Range<u64>> {
    let end = address.checked_add(page_ceil(len)?)?;
    let inside = address >= GUEST_START && end <= GUEST_END && address.is_multiple_of(PAGE);
    inside.then_some(address..end)
}

/// The part of `vma` from `start`.
fn clip(vma: Vma, start: u64) -> Vma {
    let mut map = VmaMap::default();
    map.insert(vma);
    map.remove(start..vma.end).first().copied().unwrap_or(vma)
}

/// A system call whose first arguments are a range of the guest's, and one more.
fn range_call(number: c_long, range: &Range<u64>, argument: u64) -> Result<u64, Errno> {
    host::call(
        number,
        [range.start, range.end - range.start, argument, 0, 0, 0],
    )
}

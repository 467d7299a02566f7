//! Address space with code: who has which part of it, and what the unwinder knows of it.
//!
//! A chunk has three areas, close enough for 32-bit distances: for code and for constants, which
//! are handed out by whole pages, and for writable data. What was never handed out can be written and holds
//! zeroes. What was given back may hold anything and allow anything.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::frame_tables::FrameTables;
use crate::free_ranges::FreeRanges;
use crate::imp::{Access, Memory, page_len};
use crate::process::process_number;

/// So much code that is given back also gives back the memory that it holds.
const DISCARDED_LEN: usize = 64 << 10;

/// What memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// Code, with its constants. Executable and read-only once it is published.
    Code,
    /// Constants without code. Read-only once they are published.
    Constants,
    /// Writable data.
    Data,
}

impl Area {
    /// What published memory allows.
    pub(crate) fn published(self) -> Access {
        match self {
            Self::Code => Access::ReadExecute,
            Self::Constants => Access::Read,
            Self::Data => Access::ReadWrite,
        }
    }
}

/// How large the areas of a chunk are, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Areas {
    pub(crate) code: usize,
    pub(crate) constants: usize,
    pub(crate) data: usize,
}

impl Areas {
    /// Of a chunk of so many bytes.
    pub(crate) const fn of(len: usize) -> Self {
        let eighth = len / 8;
        Self {
            code: 5 * eighth,
            constants: eighth,
            data: 2 * eighth,
        }
    }
}

/// Which part of an area is free.
#[derive(Debug)]
struct Free {
    ranges: FreeRanges,
    /// What lies behind was never handed out.
    fresh: usize,
}

impl Free {
    fn new(range: Range<usize>) -> Self {
        Self {
            fresh: range.start,
            ranges: FreeRanges::new(range),
        }
    }
}

/// Address space with code.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Of the code in it. Dropped before the memory is.
    frames: Mutex<FrameTables>,
    pub(crate) memory: Memory,
    free: Mutex<[Free; 3]>,
    /// The process that made it. Another one that was forked from it has a copy, in which a lock may be held
    /// by a thread that it doesn't have.
    process: u64,
}

impl Chunk {
    pub(crate) fn reserve(areas: Areas) -> io::Result<Arc<Self>> {
        let page = page_len();
        let code = areas.code.next_multiple_of(page);
        let constants = code + areas.constants.next_multiple_of(page);
        let end = constants + areas.data.next_multiple_of(page);
        Ok(Arc::new(Self {
            frames: Mutex::default(),
            memory: Memory::reserve(end)?,
            free: Mutex::new([0..code, code..constants, constants..end].map(Free::new)),
            process: process_number(),
        }))
    }

    /// Takes so many bytes of an area, at a multiple of `align`; code and constants by whole pages. All of
    /// it can be written, and is zero where `zeroed` says so.
    pub(crate) fn take(self: &Arc<Self>, area: Area, len: usize, align: usize) -> Option<Part> {
        let (unit, align) = match area {
            Area::Code | Area::Constants => (page_len(), page_len()),
            Area::Data => (1, align),
        };
        let len = len.checked_next_multiple_of(unit)?;
        if !self.is_ours() {
            return None;
        }
        let mut free = self.free();
        let start = match len {
            0 => 0,
            _ => free[area as usize].ranges.take(len, align)?,
        };
        let part = self.part(&mut free[area as usize], area, start..start + len);
        drop(free);
        // Who can't have it as it should be does without; the range is given back.
        self.make_writable(area, &part.range, part.fresh).ok()?;
        Some(part)
    }

    /// The same for the pages right behind a part.
    fn take_behind(&self, area: Area, range: &Range<usize>) -> Option<usize> {
        if !self.is_ours() {
            return None;
        }
        let mut free = self.free();
        let free = &mut free[area as usize];
        if !free.ranges.take_at(range.clone()) {
            return None;
        }
        let fresh = free.fresh.clamp(range.start, range.end);
        free.fresh = free.fresh.max(range.end);
        Some(fresh)
    }

    fn part(self: &Arc<Self>, free: &mut Free, area: Area, range: Range<usize>) -> Part {
        let fresh = free.fresh.clamp(range.start, range.end);
        free.fresh = free.fresh.max(range.end);
        Part {
            chunk: Arc::clone(self),
            area,
            range,
            fresh,
        }
    }

    /// Makes pages writable that may have been published before.
    fn make_writable(&self, area: Area, range: &Range<usize>, fresh: usize) -> io::Result<()> {
        let used = fresh - range.start;
        if area == Area::Data || used == 0 {
            return Ok(());
        }
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the pages were free, and are no one's but the caller's.
        unsafe {
            let access = Access::ReadWrite;
            self.memory.protect_shared(range.start, used, access)
        }
    }

    fn give(&self, area: Area, range: Range<usize>) {
        // Nobody here will hand out anything of it.
        if !self.is_ours() || range.is_empty() {
            return;
        }
        if area == Area::Code
            && let Some(mut frames) = self.frames()
        {
            frames.forget(&self.addresses(&range));
        }
        if area != Area::Data && range.len() >= DISCARDED_LEN {
            #[expect(unsafe_code, reason = "the one call")]
            // SAFETY: the pages were the caller's, who has no use for them any more.
            unsafe {
                self.memory.discard(range.start, range.len());
            }
        }
        self.free()[area as usize].ranges.give(range);
    }

    /// Gives back what was taken and not used. From `fresh` on it is as it was at first.
    fn give_unused(&self, area: Area, range: Range<usize>, fresh: usize) {
        if !self.is_ours() {
            return;
        }
        let mut free = self.free();
        let free = &mut free[area as usize];
        if free.fresh == range.end {
            free.fresh = fresh;
        }
        free.ranges.give(range);
    }

    /// Makes records of call frames known for code in a range; what is known of code that was there before is
    /// so no more. There may be none: then nobody unwinds through it by what another's frames were.
    pub(crate) fn add_frames(&self, code: &Range<usize>, records: &[Vec<u8>]) {
        if let Some(mut frames) = self.frames() {
            frames.add(&self.addresses(code), records);
        }
    }

    fn addresses(&self, range: &Range<usize>) -> Range<u64> {
        let base = self.memory.base().expose_provenance() as u64;
        base + range.start as u64..base + range.end as u64
    }

    fn free(&self) -> MutexGuard<'_, [Free; 3]> {
        // A panic elsewhere leaves them as they were, so a poisoned lock is as good.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None in a process that was forked while another thread was at it.
    fn frames(&self) -> Option<MutexGuard<'_, FrameTables>> {
        if self.is_ours() {
            return Some(self.frames.lock().unwrap_or_else(PoisonError::into_inner));
        }
        match self.frames.try_lock() {
            Ok(frames) => Some(frames),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn is_ours(&self) -> bool {
        self.process == process_number()
    }
}

/// A part of a chunk that belongs to whoever has this.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) chunk: Arc<Chunk>,
    area: Area,
    pub(crate) range: Range<usize>,
    /// What lies before may hold anything; the rest holds zeroes.
    fresh: usize,
}

impl Part {
    /// Nothing of a chunk.
    pub(crate) fn empty(chunk: &Arc<Chunk>, area: Area) -> Self {
        Self {
            chunk: Arc::clone(chunk),
            area,
            range: 0..0,
            fresh: 0,
        }
    }

    pub(crate) fn area(&self) -> Area {
        self.area
    }

    /// Takes so many more bytes right behind this, if they are free. Of the area of code.
    pub(crate) fn extend(&mut self, more: usize) -> bool {
        let end = self.range.end;
        let behind = end..end.saturating_add(more.next_multiple_of(page_len()));
        let Some(fresh) = self.chunk.take_behind(self.area, &behind) else {
            return false;
        };
        let result = self.chunk.make_writable(self.area, &behind, fresh);
        if result.is_err() {
            self.chunk.give(self.area, behind);
            return false;
        }
        if fresh > end {
            self.fresh = fresh;
        }
        self.range.end = behind.end;
        true
    }

    /// Gives back whole pages behind an offset of the chunk, which nobody used.
    pub(crate) fn trim(&mut self, used_end: usize) {
        let end = used_end.next_multiple_of(page_len());
        if end < self.range.end {
            let unused = end..self.range.end;
            let fresh = self.fresh.max(end);
            self.range.end = end;
            self.fresh = self.fresh.min(end);
            self.chunk.give_unused(self.area, unused, fresh);
        }
    }

    /// How many bytes of a range of this may hold anything, from its start; the others are zero.
    pub(crate) fn used(&self, range: &Range<usize>) -> usize {
        self.fresh.clamp(range.start, range.end) - range.start
    }

    /// Becomes one with a part right behind it. Gives that back if it is elsewhere.
    pub(crate) fn join(&mut self, mut behind: Self) -> Option<Self> {
        let is_behind = Arc::ptr_eq(&self.chunk, &behind.chunk)
            && self.area == behind.area
            && self.range.end == behind.range.start;
        if !is_behind {
            return Some(behind);
        }
        self.range.end = behind.range.end;
        self.fresh = self.range.end;
        behind.range = 0..0;
        None
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let range = self.range.clone();
        self.chunk.give(self.area, range);
    }
}

//! Code that is published together.
//!
//! The blocks of a batch share pages, which nobody else has and which stay writable until the batch is
//! published.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::arena::{Arena, Lens};
use crate::block::{Block, BlockParts, Demand, Published, Span};
use crate::chunk::Area;
use crate::fork_gate::{self, Held};

/// The least alignment of a block's code: that of a line of the caches.
const ALIGN: usize = 64;

/// How much memory a batch takes at once at most, unless a block needs more.
const MAX_TAKEN: usize = 1 << 20;

/// Code of one owner that waits for being published. Shared between threads.
#[derive(Debug)]
pub struct Batch {
    arena: Arc<Arena>,
    open: Mutex<Vec<Open>>,
}

/// Memory of the batch that isn't published yet. The last in the list is filled.
///
/// Invariant: no block whose bytes may still be written lies in it while nobody holds the lock.
#[derive(Debug)]
struct Open {
    span: Arc<Span>,
    /// Where the last block's code ends.
    used: usize,
    /// Call frame records of its blocks.
    frames: Vec<Vec<u8>>,
}

/// Where a block lies: in which part of its span, and how much of its code's and data's memory was used
/// before.
struct Place {
    code: Range<usize>,
    data: Range<usize>,
    used: (usize, usize),
}

impl Batch {
    /// A batch without blocks, of an arena.
    pub fn new(arena: Arc<Arena>) -> Self {
        Self {
            arena,
            open: Mutex::default(),
        }
    }

    /// The arena that its memory comes from.
    pub fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    /// Adds a block: `fill` writes it, and says which part of its code holds call frame
    /// records, with their terminator. What is returned is there, but it can't run before
    /// [`Self::publish`]. Nothing may be added from within `fill`.
    ///
    /// # Errors
    /// What `fill` returns; else as [`Arena::reserve`] and [`Block::publish_with_frames`].
    pub fn add<E: From<io::Error>>(
        &self,
        demand: Demand,
        fill: impl FnOnce(BlockParts<'_>) -> Result<Option<Range<usize>>, E>,
    ) -> Result<Published, E> {
        demand.check()?;
        // Held until the block is written, so that nobody publishes its pages meanwhile.
        let mut all = self.lock();
        let place = match all.last_mut().and_then(|open| open.take(demand)) {
            Some(place) => place,
            None => self.open(&mut all, demand)?,
        };
        let open = all.last_mut();
        let open = open.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let mut block = Block {
            span: Arc::clone(&open.span),
            code: place.code.start,
            data: place.data.start,
            demand,
        };
        block.clear(place.used.0, place.used.1);
        if let Some(records) = fill(block.parts_mut())? {
            open.frames.extend(block.frames(records)?);
        }
        Ok(block.into_published())
    }

    /// Opens new memory, and takes the first block's.
    fn open(&self, all: &mut Vec<Open>, demand: Demand) -> io::Result<Place> {
        // Blocks that need more than what they ask for, for their alignment.
        let needed = demand.code_len + demand.code_align;
        let last_len = all.last().map_or(0, |open| open.span.code().range.len());
        let wanted = needed.max((2 * last_len).min(MAX_TAKEN));
        let take = |code| {
            let lens = Lens {
                code,
                data: demand.data_len,
                data_align: demand.data_align,
            };
            self.arena.take(Area::Code, lens)
        };
        let (code, data) = take(wanted).or_else(|_| take(needed))?;
        let (data_range, data_used) = (data.range.clone(), data.used(&data.range));
        let used = code.range.start;
        let mut open = Open {
            span: Span::new(code, data),
            used,
            frames: Vec::new(),
        };
        let code = open.take_code(demand).ok_or(io::ErrorKind::OutOfMemory)?;
        let used = (open.span.code().used(&code), data_used);
        all.push(open);
        Ok(Place {
            code,
            data: data_range,
            used,
        })
    }

    /// Makes all of the batch's code executable and read-only.
    ///
    /// # Errors
    /// If the system refuses executable memory; some policies do. What wasn't published then is as it was.
    pub fn publish(&self) -> io::Result<()> {
        let mut all = self.lock();
        while let Some(open) = all.last() {
            open.span.code().trim(open.used);
            // By the invariant nobody holds a reference into these pages: the lock is ours.
            open.span.protect()?;
            open.span.add_frames(&open.frames);
            all.pop();
        }
        Ok(())
    }

    /// Lets code of the batch be edited. Nothing is added or published meanwhile.
    pub fn edit(&self) -> BatchEditor<'_> {
        BatchEditor(self.lock())
    }

    fn lock(&self) -> Held<MutexGuard<'_, Vec<Open>>> {
        // A panic elsewhere leaves the list as it was, so a poisoned lock is as good.
        fork_gate::held(|| self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Open {
    /// The next block's memory, if there is enough.
    fn take(&mut self, demand: Demand) -> Option<Place> {
        let data = match demand.data_len {
            0 => None,
            len => Some(self.span.chunk.take(Area::Data, len, demand.data_align)?),
        };
        let code = self.take_code(demand)?;
        let code_used = self.span.code().used(&code);
        let (range, used) = data.as_ref().map_or((0..0, 0), |data| {
            (data.range.clone(), data.used(&data.range))
        });
        if let Some(data) = data {
            self.span.add_data(data);
        }
        Some(Place {
            code,
            data: range,
            used: (code_used, used),
        })
    }

    fn take_code(&mut self, demand: Demand) -> Option<Range<usize>> {
        let align = demand.code_align.max(ALIGN);
        let start = self.used.next_multiple_of(align);
        let end = start + demand.code_len;
        let mut code = self.span.code();
        if end > code.range.end {
            let needed = end - code.range.end;
            let wanted = needed.max(code.range.len().min(MAX_TAKEN));
            if !code.extend(wanted) && !code.extend(needed) {
                return None;
            }
        }
        self.used = end;
        Some(start..end)
    }
}

/// Edits code that was added to a batch and isn't published yet.
#[derive(Debug)]
pub struct BatchEditor<'a>(Held<MutexGuard<'a, Vec<Open>>>);

impl BatchEditor<'_> {
    /// Edits a part of some code's bytes. Returns whether it could: code that was published is what
    /// it is for good, and the part must lie within the code.
    pub fn edit(
        &mut self,
        code: &Published,
        part: Range<usize>,
        edit: impl FnOnce(&mut [u8]),
    ) -> bool {
        let is_code = part.start <= part.end && part.end <= code.code_len;
        let is_open = |open: &Open| Arc::ptr_eq(&open.span, &code.span);
        if !is_code || !self.0.iter().rev().any(is_open) {
            return false;
        }
        let memory = &code.span.chunk.memory;
        #[expect(unsafe_code, reason = "memory becomes a slice")]
        // SAFETY: the range is readable and writable until the batch is published, which takes the
        // lock that is held here, as do all who write it; the code's block is gone.
        let bytes = unsafe {
            std::slice::from_raw_parts_mut(memory.at(code.code + part.start), part.len())
        };
        edit(bytes);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, BlockParts, Demand, MAX_TAKEN, Published};
    use crate::arena::Arena;
    use crate::frames::{self, tests::RECORDS_LEN};
    use crate::imp::page_len;
    use std::sync::Arc;

    fn demand(code_len: usize) -> Demand {
        Demand {
            code_len,
            data_len: 8,
            data_align: 16,
            code_align: 0,
        }
    }

    fn filled(batch: &Batch, demand: Demand, byte: u8) -> Published {
        let fill = |block: BlockParts<'_>| {
            assert!(block.code.iter().chain(&*block.data).all(|byte| *byte == 0));
            block.code.fill(byte);
            block.data.fill(byte);
            Ok::<_, std::io::Error>(None)
        };
        batch.add(demand, fill).expect("memory")
    }

    #[test]
    fn blocks_of_a_batch_share_pages_and_those_of_two_do_not() {
        let arena = Arc::new(Arena::new());
        let [one, other] = [(); 2].map(|()| Batch::new(Arc::clone(&arena)));
        let page = page_len() as u64;
        let add = |batch: &Batch, code_align| {
            let demand = Demand {
                code_align,
                ..demand(100)
            };
            filled(batch, demand, 0xcc)
        };
        let blocks = [0, 0, 1024].map(|align| add(&one, align));
        let [first, second, third] = [0, 1, 2].map(|index| blocks[index].code_address().0);
        assert_eq!([second - first, third - first], [128, 1024]);
        let apart = add(&other, 0);
        assert_eq!(apart.code_address().0 - first, page);
        one.publish().expect("executable memory");
        one.publish().expect("there is nothing to do");
        let next = add(&one, 0);
        assert_eq!(next.code_address().0 - first, 2 * page);
        // What one published is no matter of the other's.
        let mut editor = other.edit();
        assert!(editor.edit(&apart, 0..1, |_| ()) && !editor.edit(&next, 0..1, |_| ()));
    }

    #[test]
    fn memory_goes_when_all_blocks_of_a_batch_are_gone() {
        let arena = Arc::new(Arena::new());
        let batch = Batch::new(Arc::clone(&arena));
        let mut last = None;
        for _ in 0..1000 {
            let blocks = [1, 2].map(|byte| filled(&batch, demand(3000), byte));
            batch.publish().expect("executable memory");
            let [first, second] = blocks;
            let place = first.code_address();
            drop(first);
            let other = filled(&batch, demand(3000), 3);
            assert_ne!(other.code_address(), place, "half of it is used");
            drop((second, other));
            batch.publish().expect("executable memory");
            assert!(last.is_none_or(|last| last == place), "it grows");
            last = Some(place);
        }
    }

    #[test]
    fn code_is_edited_until_it_is_published() {
        let batch = Batch::new(Arc::default());
        let edit = |code: &Published, part: std::ops::Range<usize>, seen: &mut Vec<u8>| {
            let mut editor = batch.edit();
            editor.edit(code, part, |bytes| {
                seen.extend_from_slice(bytes);
                bytes.fill(9);
            })
        };
        let [first, second] = [1, 2].map(|byte| filled(&batch, demand(100), byte));
        let mut seen = Vec::new();
        assert!(edit(&first, 1..3, &mut seen));
        assert!(edit(&second, 98..100, &mut seen));
        assert!(edit(&first, 0..4, &mut seen));
        assert_eq!(seen, [1, 1, 2, 2, 1, 9, 9, 1]);
        let beyond = 98..101;
        assert!(!edit(&first, beyond, &mut seen));
        let elsewhere = filled(&Batch::new(Arc::default()), demand(100), 4);
        assert!(!edit(&elsewhere, 0..1, &mut seen));
        batch.publish().expect("executable memory");
        assert!(!edit(&first, 0..1, &mut seen));
        let third = filled(&batch, demand(100), 3);
        assert!(!edit(&first, 0..1, &mut seen));
        assert!(edit(&third, 0..1, &mut seen));
        assert_eq!(seen.len(), 9);
    }

    #[test]
    fn a_batch_goes_on_where_there_is_room() {
        let batch = Batch::new(Arc::default());
        let lens = [10, 3 * MAX_TAKEN, 10, 100_000];
        let blocks = lens.map(|len| filled(&batch, demand(len), 1));
        assert_ne!(blocks[0].chunk_address(), blocks[1].chunk_address());
        batch.publish().expect("executable memory");
    }

    #[test]
    fn many_batches_at_once_leave_no_gaps() {
        let arena = Arc::new(Arena::new());
        let batches: Vec<Batch> = (0..20).map(|_| Batch::new(Arc::clone(&arena))).collect();
        let blocks: Vec<Published> = (0..20 * 20)
            .map(|index| filled(&batches[index % 20], demand(64), 1))
            .collect();
        let places = || blocks.iter().map(|block| block.code_address().0);
        let (first, last) = (places().min(), places().max());
        let pages = (last.unwrap_or(0) - first.unwrap_or(0)) / page_len() as u64;
        assert_eq!(pages, 19, "a page each holds 64 blocks of 64 bytes");
    }

    #[test]
    fn records_are_read_as_they_were_added() {
        let batch = Batch::new(Arc::default());
        let len = 64 + RECORDS_LEN;
        let fill = |block: BlockParts<'_>| {
            let field = block.code_address.0 + 64;
            let records = frames::tests::records_at(field, block.code_address.0);
            block.code[64..].copy_from_slice(&records);
            Ok::<_, std::io::Error>(Some(64..len))
        };
        let code = batch.add(demand(len), fill).expect("memory");
        // The unwinder has a copy that was checked.
        assert!(batch.edit().edit(&code, 0..len, |bytes| bytes.fill(0x90)));
        batch.publish().expect("executable memory");
    }

    #[test]
    fn who_fails_to_fill_a_block_of_a_batch_gets_none() {
        let batch = Batch::new(Arc::default());
        let failing = |_: BlockParts<'_>| Err(std::io::Error::other("no"));
        assert!(batch.add(demand(10), failing).is_err());
        let frames = |_: BlockParts<'_>| Ok::<_, std::io::Error>(Some(0..11));
        assert!(batch.add(demand(10), frames).is_err());
        batch.publish().expect("executable memory");
    }
}

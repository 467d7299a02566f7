//! Memory for code that this process compiles.
//!
//! An arena grows by chunks of address space. A chunk has two areas, close enough for 32-bit
//! distances: code, which fills from the front by whole pages, and data, which fills from the
//! middle. A block's code pages are writable until it is published, and executable from then on;
//! they are never both, and never written again. Whole pages are the price: a page that holds
//! published code can't take more, because it may be executing on another core. Who publishes many
//! blocks at once can have them closer: the blocks of a batch share pages, which stay writable until
//! the batch is published.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::arch::make_coherent;
use crate::block::{Block, BlockParts, Chunk, Demand, Published};
use crate::fork_gate::{self, Held};
use crate::imp::{Access, page_len};

/// Address space that an arena's first chunk reserves. Memory is used only where it is touched, but a
/// process may have a limit, and thousands of arenas.
const FIRST_LEN: usize = 256 << 10;

/// How much longer each chunk is than the one before it.
const GROWTH: usize = 4;

/// Address space that no chunk exceeds, unless a single demand does.
const CHUNK_LEN: usize = 64 << 20;

/// Of so many bytes, for code; the rest is for data.
const fn code_part(len: usize) -> usize {
    len / 4 * 3
}

/// The least alignment of a block's code in a batch: that of a line of the caches.
const BATCH_ALIGN: usize = 64;

/// Hands out memory for code and its data. Shared between threads.
#[derive(Debug, Default)]
pub struct Arena {
    current: Mutex<Cursor>,
}

/// Where the next block goes, and which pages wait for being published.
///
/// Invariant: no block whose bytes may still be written lies in the pages of the batch while nobody
/// holds the lock: those of a batch are filled under it, and others start on pages of their own.
#[derive(Debug, Default)]
struct Cursor {
    filling: Option<Filling>,
    /// How long the last chunk was meant to be; zero if there is none.
    last_len: usize,
    /// Pages of the batch that take no more blocks.
    full: Vec<(Arc<Chunk>, Range<usize>)>,
}

/// The chunk that is being filled.
#[derive(Debug)]
struct Filling {
    chunk: Arc<Chunk>,
    /// Where the next block's code starts, and where it must end.
    code: usize,
    code_end: usize,
    /// Where the next block's data starts, and where it must end.
    data: usize,
    data_end: usize,
    /// Where the batch's pages start that end at `code`.
    batch: Option<usize>,
}

impl Arena {
    /// An arena that holds nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reserves memory for a block of code.
    ///
    /// # Errors
    /// If the system gives no memory, or the demand is absurdly large.
    pub fn reserve(&self, demand: Demand) -> io::Result<Block> {
        demand.check()?;
        self.lock().take(demand, false)
    }

    /// Adds a block to the batch: `fill` writes it, and says which part of its code holds call frame
    /// records, with their terminator. What is returned is there, but it can't run before
    /// [`Self::publish_batch`]. Nothing may be reserved from within `fill`.
    ///
    /// # Errors
    /// What `fill` returns; else as [`Self::reserve`] and [`Block::publish_with_frames`].
    pub fn add_to_batch<E: From<io::Error>>(
        &self,
        demand: Demand,
        fill: impl FnOnce(BlockParts<'_>) -> Result<Option<Range<usize>>, E>,
    ) -> Result<Published, E> {
        demand.check()?;
        // Held until the block is written, so that nobody publishes its pages meanwhile.
        let mut cursor = self.lock();
        let mut block = cursor.take(demand, true)?;
        let frames = fill(block.parts_mut())?;
        Ok(block.finish(frames)?)
    }

    /// Makes all of the batch's code executable and read-only for good. The next block starts on
    /// another page.
    ///
    /// # Errors
    /// If the system refuses executable memory; some policies do. What wasn't published yet stays in the batch.
    pub fn publish_batch(&self) -> io::Result<()> {
        let mut cursor = self.lock();
        cursor.end_batch();
        while let Some((chunk, pages)) = cursor.full.last() {
            let len = pages.len();
            make_coherent(chunk.memory.at(pages.start), len);
            #[expect(unsafe_code, reason = "the one call")]
            // SAFETY: by the invariant nobody holds a reference into these pages: the lock is ours.
            unsafe {
                chunk
                    .memory
                    .protect_shared(pages.start, len, Access::ReadExecute)?;
            }
            cursor.full.pop();
        }
        Ok(())
    }

    /// Lets code of the batch be edited. Nothing is reserved, added or published meanwhile.
    pub fn edit_batch(&self) -> BatchEditor<'_> {
        BatchEditor(self.lock())
    }

    fn lock(&self) -> Held<MutexGuard<'_, Cursor>> {
        // A panic elsewhere leaves the cursor as it was, so a poisoned lock is as good.
        fork_gate::held(|| self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Edits code that was added to the batch and isn't published yet.
#[derive(Debug)]
pub struct BatchEditor<'a>(Held<MutexGuard<'a, Cursor>>);

impl BatchEditor<'_> {
    /// Edits a part of some code's bytes. Returns whether it could: code that was published is what
    /// it is for good, and the part must lie within the code, apart from what the unwinder reads.
    pub fn edit(
        &mut self,
        code: &Published,
        part: Range<usize>,
        edit: impl FnOnce(&mut [u8]),
    ) -> bool {
        let Published {
            chunk,
            code: start,
            code_len,
            ..
        } = code;
        let is_code = part.start <= part.end && part.end <= *code_len;
        if !is_code || code.has_frames_in(&part) || !self.0.is_in_batch(chunk, *start) {
            return false;
        }
        #[expect(unsafe_code, reason = "memory becomes a slice")]
        // SAFETY: the range is readable and writable until the batch is published, which takes the
        // lock that is held here, as do all who write it; the code's block is gone.
        let bytes = unsafe {
            std::slice::from_raw_parts_mut(chunk.memory.at(start + part.start), part.len())
        };
        edit(bytes);
        true
    }
}

impl Cursor {
    /// The next block's place, in a new chunk if the last is full.
    fn take(&mut self, demand: Demand, in_batch: bool) -> io::Result<Block> {
        if !in_batch {
            self.end_batch();
        }
        if let Some(filling) = &mut self.filling
            && let Some(block) = filling.take(demand, in_batch)
        {
            return Ok(block);
        }
        self.end_batch();
        let len = match self.last_len {
            0 => FIRST_LEN,
            last => (last * GROWTH).min(CHUNK_LEN),
        };
        // Where there is little address space left, a chunk is as short as a first one.
        let short = |_| Filling::reserve(demand, FIRST_LEN);
        let filling = Filling::reserve(demand, len).or_else(short)?;
        self.last_len = len;
        let filling = self.filling.insert(filling);
        let block = filling.take(demand, in_batch);
        block.ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// Whether code that starts at an offset of a chunk waits for being published.
    fn is_in_batch(&self, chunk: &Arc<Chunk>, code: usize) -> bool {
        let filling = self.filling.as_ref().is_some_and(|filling| {
            let start = filling.batch.unwrap_or(usize::MAX);
            Arc::ptr_eq(&filling.chunk, chunk) && (start..filling.code).contains(&code)
        });
        let is_full = |(full, pages): &(Arc<Chunk>, Range<usize>)| {
            Arc::ptr_eq(full, chunk) && pages.contains(&code)
        };
        filling || self.full.iter().any(is_full)
    }

    /// The pages of the batch take no more.
    fn end_batch(&mut self) {
        if let Some(filling) = &mut self.filling
            && let Some(start) = filling.batch.take()
        {
            filling.code = filling.code.next_multiple_of(page_len());
            if start < filling.code {
                let pages = start..filling.code;
                self.full.push((Arc::clone(&filling.chunk), pages));
            }
        }
    }
}

impl Filling {
    /// A chunk of so many bytes, or of more if the demand asks for that.
    fn reserve(demand: Demand, len: usize) -> io::Result<Self> {
        let page = page_len();
        let code = demand.code_len.next_multiple_of(page);
        let code_end = code_part(len).next_multiple_of(page).max(code);
        let data_end = code_end + (len - code_part(len)).max(demand.data_len + page);
        let chunk = Chunk::reserve(data_end)?;
        Ok(Self {
            chunk,
            code: 0,
            code_end,
            data: code_end,
            data_end,
            batch: None,
        })
    }

    fn take(&mut self, demand: Demand, in_batch: bool) -> Option<Block> {
        let (align, page) = match in_batch {
            true => (demand.code_align.max(BATCH_ALIGN), 1),
            false => (1, page_len()),
        };
        let code = self.code.next_multiple_of(align);
        let code_end = code + demand.code_len.next_multiple_of(page);
        let data = self.data.next_multiple_of(demand.data_align);
        let data_end = data + demand.data_len;
        // The last page may be published as a whole.
        if code_end.next_multiple_of(page_len()) > self.code_end || data_end > self.data_end {
            return None;
        }
        if in_batch {
            self.batch.get_or_insert(self.code);
        }
        (self.code, self.data) = (code_end, data_end);
        Some(Block {
            chunk: Arc::clone(&self.chunk),
            code,
            data,
            demand,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Arena, BlockParts, CHUNK_LEN, Demand, FIRST_LEN, GROWTH, Published, code_part};
    use crate::frames::{self, tests::RECORDS_LEN};

    const CODE_LEN: usize = code_part(CHUNK_LEN);

    fn demand(code_len: usize, data_len: usize) -> Demand {
        Demand {
            code_len,
            data_len,
            data_align: 16,
            code_align: 0,
        }
    }

    #[test]
    fn blocks_are_apart_and_close() {
        let arena = Arena::new();
        let first = arena.reserve(demand(100, 10)).expect("memory");
        let second = arena.reserve(demand(5000, 10)).expect("memory");
        let page = super::page_len() as u64;
        assert_eq!(second.code_address().0 - first.code_address().0, page);
        assert_eq!(second.data_address().0 - first.data_address().0, 16);
        let distance = second.data_address().0 - first.code_address().0;
        assert!(distance < 1 << 31);
    }

    #[test]
    fn large_demands_get_a_chunk_of_their_own() {
        let arena = Arena::new();
        let mut block = arena
            .reserve(demand(CODE_LEN + 1, 20 << 20))
            .expect("memory");
        let last = block.data_mut().len() - 1;
        block.data_mut()[last] = 1;
        assert_eq!(block.code_mut().len(), CODE_LEN + 1);
        assert!(arena.reserve(demand(usize::MAX, 0)).is_err());
    }

    #[test]
    fn odd_alignments_are_refused() {
        let refused = |demand| Arena::new().reserve(demand).is_err();
        for align in [0, 3, 1 << 20] {
            let data_align = align;
            assert!(refused(Demand {
                data_align,
                ..demand(1, 1)
            }));
            let code_align = align.max(1);
            assert!(
                code_align == 1
                    || refused(Demand {
                        code_align,
                        ..demand(1, 1)
                    })
            );
        }
    }

    #[test]
    fn blocks_of_a_batch_share_pages_and_those_of_two_do_not() {
        let arena = Arena::new();
        let page = super::page_len() as u64;
        let add = |code_align| {
            let demand = Demand {
                code_align,
                ..demand(100, 8)
            };
            let fill = |block: BlockParts<'_>| {
                assert!(block.code.iter().all(|byte| *byte == 0));
                block.code.fill(0xcc);
                Ok::<_, std::io::Error>(None)
            };
            arena
                .add_to_batch(demand, fill)
                .expect("memory")
                .code_address()
                .0
        };
        let [first, second, third] = [0, 0, 1024].map(add);
        assert_eq!([second - first, third - first], [128, 1024]);
        let apart = arena.reserve(demand(1, 1)).expect("memory");
        assert_eq!(apart.code_address().0 - first, page);
        let next = add(0);
        assert_eq!(next - first, 2 * page);
        arena.publish_batch().expect("executable memory");
        arena.publish_batch().expect("there is nothing to do");
        assert_eq!(add(0) - next, page);
    }

    #[test]
    fn code_is_edited_until_it_is_published() {
        let arena = Arena::new();
        let add = |byte: u8| {
            let fill = |block: BlockParts<'_>| {
                block.code.fill(byte);
                Ok::<_, std::io::Error>(None)
            };
            arena.add_to_batch(demand(100, 8), fill).expect("memory")
        };
        let edit = |code: &Published, part: std::ops::Range<usize>, seen: &mut Vec<u8>| {
            let mut editor = arena.edit_batch();
            editor.edit(code, part, |bytes| {
                seen.extend_from_slice(bytes);
                bytes.fill(9);
            })
        };
        let [first, second] = [add(1), add(2)];
        let mut seen = Vec::new();
        assert!(edit(&first, 1..3, &mut seen));
        assert!(edit(&second, 98..100, &mut seen));
        // The pages that hold it take no more, but they aren't published.
        let apart = arena.reserve(demand(1, 1)).expect("memory");
        let apart = apart.publish().expect("executable memory");
        assert!(edit(&first, 0..4, &mut seen));
        assert_eq!(seen, [1, 1, 2, 2, 1, 9, 9, 1]);
        let beyond = 98..101;
        assert!(!edit(&first, beyond, &mut seen));
        assert!(!edit(&apart, 0..1, &mut seen));
        assert!(!edit(&add_elsewhere(), 0..1, &mut seen));
        arena.publish_batch().expect("executable memory");
        assert!(!edit(&first, 0..1, &mut seen));
        let third = add(3);
        assert!(!edit(&first, 0..1, &mut seen));
        assert!(edit(&third, 0..1, &mut seen));
        assert_eq!(seen.len(), 9);
    }

    /// Code of another arena's batch.
    fn add_elsewhere() -> Published {
        let fill = |_: BlockParts<'_>| Ok::<_, std::io::Error>(None);
        let arena = Arena::new();
        arena.add_to_batch(demand(100, 8), fill).expect("memory")
    }

    #[test]
    fn a_batch_goes_on_in_the_next_chunk() {
        let arena = Arena::new();
        let add = |code_len| {
            let fill = |block: BlockParts<'_>| {
                block.code[code_len - 1] = 1;
                Ok::<_, std::io::Error>(None)
            };
            arena
                .add_to_batch(demand(code_len, 8), fill)
                .expect("memory")
        };
        let blocks = [10, CODE_LEN - 10, 10].map(add);
        assert_ne!(blocks[0].chunk_address(), blocks[1].chunk_address());
        arena.publish_batch().expect("executable memory");
    }

    #[test]
    fn an_arena_reserves_little_and_grows() {
        let arena = Arena::new();
        let lens: Vec<usize> = (0..7)
            .map(|_| {
                let code_len = code_part(FIRST_LEN);
                let block = arena.reserve(demand(code_len, 8)).expect("memory");
                block.chunk.memory.len()
            })
            .collect();
        assert_eq!(lens[0], FIRST_LEN);
        assert_eq!(lens[1..5], [GROWTH * FIRST_LEN; 4]);
        assert_eq!(lens[5], GROWTH * GROWTH * FIRST_LEN);
    }

    #[test]
    fn what_the_unwinder_reads_is_edited_no_more() {
        let arena = Arena::new();
        let len = 64 + RECORDS_LEN;
        let fill = |block: BlockParts<'_>| {
            let field = block.code_address.0 + 64;
            block.code[64..]
                .copy_from_slice(&frames::tests::records_at(field, block.code_address.0));
            Ok::<_, std::io::Error>(Some(64..len))
        };
        let code = arena.add_to_batch(demand(len, 0), fill).expect("memory");
        let mut editor = arena.edit_batch();
        for part in [60..65, 64..len, len - 1..len] {
            assert!(!editor.edit(&code, part, |_| unreachable!()));
        }
        assert!(editor.edit(&code, 0..64, |bytes| bytes.fill(0x90)));
    }

    #[test]
    fn who_fails_to_fill_a_block_of_a_batch_gets_none() {
        let arena = Arena::new();
        let failing = |_: BlockParts<'_>| Err(std::io::Error::other("no"));
        assert!(arena.add_to_batch(demand(10, 8), failing).is_err());
        let frames = |_: BlockParts<'_>| Ok::<_, std::io::Error>(Some(0..11));
        assert!(arena.add_to_batch(demand(10, 8), frames).is_err());
        arena.publish_batch().expect("executable memory");
    }

    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[test]
    fn published_code_runs() {
        use crate::entry::{Entry, signature_of};
        type Answer = unsafe extern "C" fn() -> u32;

        let arena = Arena::new();
        for answer in [7u8, 9] {
            let mut block = arena.reserve(demand(6, 0)).expect("memory");
            // `mov eax, answer; ret`
            block
                .code_mut()
                .copy_from_slice(&[0xb8, answer, 0, 0, 0, 0xc3]);
            let published = block.publish().expect("executable memory");
            let at = published.code_at(0).expect("there is code");
            drop(published);
            let entry: Entry<Answer> =
                Entry::new(at, signature_of::<Answer>()).expect("the same type");
            #[expect(unsafe_code, reason = "calls what was written above")]
            // SAFETY: the code takes nothing and returns a number in `eax`, as its type says.
            let result = unsafe { (entry.function())() };
            assert_eq!(result, u32::from(answer));
        }
    }
}

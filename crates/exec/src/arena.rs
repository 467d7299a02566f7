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

use crate::address::HostAddr;
use crate::arch::make_coherent;
use crate::frames::{self, RegisteredFrames};
use crate::imp::{Access, Memory, page_len};

/// Address space that a chunk reserves. Memory is used only where it is touched.
const CHUNK_LEN: usize = 64 << 20;

/// Of that, for code; the rest is for data.
const CODE_LEN: usize = 48 << 20;

/// The largest demand: a chunk of twice this still spans less than 32-bit distances reach.
const MAX_DEMAND: usize = 512 << 20;

/// Held while published data is written, so that two threads don't write at once. Rare and short.
static WRITING: Mutex<()> = Mutex::new(());

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
    /// Pages of the batch that take no more blocks.
    full: Vec<(Arc<Chunk>, Range<usize>)>,
}

/// Address space with code.
#[derive(Debug)]
struct Chunk {
    /// Of the code in it. Dropped before the memory is.
    frames: Mutex<Vec<RegisteredFrames>>,
    memory: Memory,
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

/// How much memory a block needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Bytes for code and constants. They start at a page, but in a batch.
    pub code_len: usize,
    /// Alignment of the code in a batch: a power of two up to a page, or zero for none.
    pub code_align: usize,
    /// Bytes for writable data, zeroed.
    pub data_len: usize,
    /// Alignment of the data: a power of two up to a page.
    pub data_align: usize,
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
        check(demand)?;
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
        fill: impl FnOnce(&mut Block) -> Result<Option<Range<usize>>, E>,
    ) -> Result<Published, E> {
        check(demand)?;
        // Held until the block is written, so that nobody publishes its pages meanwhile.
        let mut cursor = self.lock();
        let mut block = cursor.take(demand, true)?;
        let frames = fill(&mut block)?;
        Ok(block.finish(frames)?)
    }

    /// Makes all of the batch's code executable and read-only for good. The next block starts on
    /// another page.
    ///
    /// # Errors
    /// If the system refuses executable memory; some policies do. The batch then is as it was.
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

    fn lock(&self) -> MutexGuard<'_, Cursor> {
        // A panic elsewhere leaves the cursor as it was, so a poisoned lock is as good.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Edits code that was added to the batch and isn't published yet.
#[derive(Debug)]
pub struct BatchEditor<'a>(MutexGuard<'a, Cursor>);

impl BatchEditor<'_> {
    /// Edits a part of some code's bytes. Returns whether it could: code that was published is what
    /// it is for good, and the part must lie within the code.
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
        if part.start > part.end || part.end > *code_len || !self.0.is_in_batch(chunk, *start) {
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

/// Refuses what no chunk holds.
fn check(demand: Demand) -> io::Result<()> {
    let page = page_len();
    if demand.code_len > MAX_DEMAND || demand.data_len > MAX_DEMAND {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let Demand {
        code_align,
        data_align,
        ..
    } = demand;
    let is_alignment = |align: usize| align.is_power_of_two() && align <= page;
    match is_alignment(data_align) && (code_align == 0 || is_alignment(code_align)) {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidInput.into()),
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
        let filling = self.filling.insert(Filling::reserve(demand)?);
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
    fn reserve(demand: Demand) -> io::Result<Self> {
        let page = page_len();
        let code_end = CODE_LEN.max(demand.code_len.next_multiple_of(page));
        let data_end = code_end + (CHUNK_LEN - CODE_LEN).max(demand.data_len + page);
        let chunk = Arc::new(Chunk {
            frames: Mutex::default(),
            memory: Memory::reserve(data_end)?,
        });
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

/// Memory for one piece of code and its data, not executable yet.
///
/// Invariant: its ranges of the chunk belong to this block and what is published from it.
#[derive(Debug)]
pub struct Block {
    chunk: Arc<Chunk>,
    code: usize,
    data: usize,
    demand: Demand,
}

impl Block {
    /// Where the code will live.
    pub fn code_address(&self) -> HostAddr {
        HostAddr(self.chunk.memory.at(self.code).expose_provenance() as u64)
    }

    /// Where the writable data lives.
    pub fn data_address(&self) -> HostAddr {
        HostAddr(self.chunk.memory.at(self.data).expose_provenance() as u64)
    }

    /// Bytes that were asked for code.
    pub fn code_len(&self) -> usize {
        self.demand.code_len
    }

    /// The code's bytes, to be written.
    pub fn code_mut(&mut self) -> &mut [u8] {
        self.code_and_data_mut().0
    }

    /// The data's bytes, to be written.
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.code_and_data_mut().1
    }

    /// The code's bytes and the data's, to be written.
    pub fn code_and_data_mut(&mut self) -> (&mut [u8], &mut [u8]) {
        let Self {
            chunk,
            code,
            data,
            demand,
        } = self;
        #[expect(unsafe_code, reason = "memory becomes a slice")]
        // SAFETY: by the invariant the range is this block's alone, it is readable and writable
        // until `publish` consumes the block, and the block keeps the chunk mapped.
        let code =
            unsafe { std::slice::from_raw_parts_mut(chunk.memory.at(*code), demand.code_len) };
        #[expect(unsafe_code, reason = "memory becomes a slice")]
        // SAFETY: as above; a chunk's code ends before its data begins, so the two don't overlap.
        let data =
            unsafe { std::slice::from_raw_parts_mut(chunk.memory.at(*data), demand.data_len) };
        (code, data)
    }

    /// Makes the code executable and read-only for good.
    ///
    /// # Errors
    /// If the system refuses executable memory; some policies do.
    pub fn publish(self) -> io::Result<Published> {
        let start = self.chunk.memory.at(self.code);
        let len = self.demand.code_len;
        make_coherent(start, len);
        if len > 0 {
            #[expect(unsafe_code, reason = "the one call")]
            // SAFETY: the pages belong to this block, whose slices ended with their borrows.
            unsafe {
                let memory = &self.chunk.memory;
                memory.protect_shared(self.code, len, Access::ReadExecute)?;
            }
        }
        Ok(self.into_published())
    }

    /// The same for code that can be unwound through: the call frame records in the part `records`
    /// of the code's bytes, which a terminator ends, are known to the unwinder from now on.
    ///
    /// # Errors
    /// As [`Self::publish`], and if they aren't records of this block's code.
    pub fn publish_with_frames(mut self, records: Range<usize>) -> io::Result<Published> {
        let has_frames = self.check_frames(&records)?;
        let records_start = self.code + records.start;
        let published = self.publish()?;
        if has_frames {
            published.register_frames(records_start);
        }
        Ok(published)
    }

    /// Ends the writing of a block in a batch, whose pages are published later.
    fn finish(mut self, frames: Option<Range<usize>>) -> io::Result<Published> {
        let records_start = match frames {
            Some(records) if self.check_frames(&records)? => Some(self.code + records.start),
            _ => None,
        };
        let published = self.into_published();
        if let Some(start) = records_start {
            published.register_frames(start);
        }
        Ok(published)
    }

    /// What is left of a block that is written.
    fn into_published(self) -> Published {
        Published {
            chunk: self.chunk,
            code: self.code,
            code_len: self.demand.code_len,
            data: self.data,
            data_len: self.demand.data_len,
        }
    }

    /// Judges call frame records in a part of the code's bytes. Returns whether there are any.
    fn check_frames(&mut self, records: &Range<usize>) -> io::Result<bool> {
        let code = self.code_address().0;
        let records_at = code + records.start as u64;
        let len = self.demand.code_len as u64;
        let bytes = self.code_mut().get(records.clone());
        let bytes = bytes.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(frames::check(bytes, records_at, &(code..code + len))? > 0)
    }

    /// Makes the pages that would hold code readable and nothing else, for good: for constants
    /// without code.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn publish_constants(self) -> io::Result<Published> {
        let len = self.demand.code_len;
        if len > 0 {
            #[expect(unsafe_code, reason = "the one call")]
            // SAFETY: the pages belong to this block, whose slices ended with their borrows.
            unsafe {
                let memory = &self.chunk.memory;
                memory.protect_shared(self.code, len, Access::Read)?;
            }
        }
        Ok(self.into_published())
    }
}

/// Executable code. Keeps its memory, and its data's, mapped.
#[derive(Clone, Debug)]
pub struct Published {
    chunk: Arc<Chunk>,
    code: usize,
    code_len: usize,
    data: usize,
    data_len: usize,
}

impl Published {
    /// Makes call frame records known that were checked, at an offset in the chunk.
    fn register_frames(&self, start: usize) {
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: nobody writes the bytes of a block that was published or finished, and the chunk
        // drops the registration before its memory.
        let frames = unsafe { RegisteredFrames::register(self.chunk.memory.at(start)) };
        let all = self.chunk.frames.lock();
        all.unwrap_or_else(PoisonError::into_inner).push(frames);
    }

    /// Where the code lives.
    pub fn code_address(&self) -> HostAddr {
        HostAddr(self.chunk.memory.at(self.code).expose_provenance() as u64)
    }

    /// Writes into the block's data, `offset` bytes from its start.
    ///
    /// Compiled code may read what is written; that it does so only afterwards is the caller's
    /// affair, as calling it is.
    ///
    /// # Errors
    /// If the bytes don't fit.
    pub fn write_data(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let end = offset
            .checked_add(bytes.len())
            .ok_or(io::ErrorKind::InvalidInput)?;
        if end > self.data_len {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let to = self.chunk.memory.at(self.data + offset);
        let _guard = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(unsafe_code, reason = "writes through a pointer")]
        // SAFETY: the range lies in the block's data, which is writable, belongs to what was
        // published from the block, and to which no references exist any more; the lock keeps
        // other threads from writing at the same time.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        Ok(())
    }

    /// Where the chunk lives that holds the code.
    pub fn chunk_address(&self) -> HostAddr {
        HostAddr(self.chunk.memory.base().expose_provenance() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arena, Block, CODE_LEN, Demand, Published};

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
            let fill = |block: &mut Block| {
                assert!(block.code_mut().iter().all(|byte| *byte == 0));
                block.code_mut().fill(0xcc);
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
            let fill = |block: &mut Block| {
                block.code_mut().fill(byte);
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
        let fill = |_: &mut Block| Ok::<_, std::io::Error>(None);
        let arena = Arena::new();
        arena.add_to_batch(demand(100, 8), fill).expect("memory")
    }

    #[test]
    fn a_batch_goes_on_in_the_next_chunk() {
        let arena = Arena::new();
        let add = |code_len| {
            let fill = |block: &mut Block| {
                let last = block.code_len() - 1;
                block.code_mut()[last] = 1;
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
    fn who_fails_to_fill_a_block_of_a_batch_gets_none() {
        let arena = Arena::new();
        let failing = |_: &mut Block| Err(std::io::Error::other("no"));
        assert!(arena.add_to_batch(demand(10, 8), failing).is_err());
        let frames = |_: &mut Block| Ok::<_, std::io::Error>(Some(0..11));
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
            let address = published.code_address();
            let entry: Entry<Answer> = Entry::new(
                address,
                std::sync::Arc::new(published),
                signature_of::<Answer>(),
            )
            .expect("the same type");
            #[expect(unsafe_code, reason = "calls what was written above")]
            // SAFETY: the code takes nothing and returns a number in `eax`, as its type says.
            let result = unsafe { (entry.function())() };
            assert_eq!(result, u32::from(answer));
        }
    }
}

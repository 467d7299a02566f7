//! Memory for code that this process compiles.
//!
//! An arena grows by chunks of address space. A chunk has two areas, close enough for 32-bit
//! distances: code, which fills from the front by whole pages, and data, which fills from the
//! middle. A block's code pages are writable until it is published, and executable from then on;
//! they are never both, and never written again. Whole pages are the price: a page that holds
//! published code can't take more, because it may be executing on another core.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

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

/// Hands out memory for code and its data. Shared between threads.
#[derive(Debug, Default)]
pub struct Arena {
    current: Mutex<Option<Filling>>,
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
}

/// How much memory a block needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Bytes for code and constants. They start at a page.
    pub code_len: usize,
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
        let page = page_len();
        if demand.code_len > MAX_DEMAND || demand.data_len > MAX_DEMAND {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if !demand.data_align.is_power_of_two() || demand.data_align > page {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // A panic elsewhere leaves the cursors as they were, so a poisoned lock is as good.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(filling) = &mut *current
            && let Some(block) = filling.take(demand)
        {
            return Ok(block);
        }
        let mut filling = Filling::reserve(demand)?;
        let block = filling.take(demand).ok_or(io::ErrorKind::OutOfMemory)?;
        *current = Some(filling);
        Ok(block)
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
        })
    }

    fn take(&mut self, demand: Demand) -> Option<Block> {
        let code = self.code;
        let code_end = code + demand.code_len.next_multiple_of(page_len());
        let data = self.data.next_multiple_of(demand.data_align);
        let data_end = data + demand.data_len;
        if code_end > self.code_end || data_end > self.data_end {
            return None;
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
        self.bytes_mut(self.code, self.demand.code_len)
    }

    /// The data's bytes, to be written.
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.bytes_mut(self.data, self.demand.data_len)
    }

    #[expect(unsafe_code, reason = "memory becomes a slice")]
    fn bytes_mut(&mut self, offset: usize, len: usize) -> &mut [u8] {
        let start = self.chunk.memory.at(offset);
        // SAFETY: by the invariant the range is this block's alone, it is readable and writable
        // until `publish` consumes the block, and the block keeps the chunk mapped.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
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
        Ok(Published {
            code_address: self.code_address(),
            chunk: self.chunk,
            data: self.data,
            data_len: self.demand.data_len,
        })
    }

    /// The same for code that can be unwound through: the call frame records in the part `records`
    /// of the code's bytes, which a terminator ends, are known to the unwinder from now on.
    ///
    /// # Errors
    /// As [`Self::publish`], and if they aren't records of this block's code.
    pub fn publish_with_frames(mut self, records: Range<usize>) -> io::Result<Published> {
        let code = self.code_address().0;
        let records_at = code + records.start as u64;
        let len = self.demand.code_len as u64;
        let bytes = self.code_mut().get(records.clone());
        let bytes = bytes.ok_or(io::ErrorKind::InvalidInput)?;
        let count = frames::check(bytes, records_at, &(code..code + len))?;
        let start = self.chunk.memory.at(self.code + records.start);
        let published = self.publish()?;
        if count > 0 {
            #[expect(unsafe_code, reason = "the one call")]
            // SAFETY: published bytes are never written again, and the chunk drops the registration
            // before its memory.
            let frames = unsafe { RegisteredFrames::register(start) };
            let all = published.chunk.frames.lock();
            all.unwrap_or_else(PoisonError::into_inner).push(frames);
        }
        Ok(published)
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
        Ok(Published {
            code_address: self.code_address(),
            chunk: self.chunk,
            data: self.data,
            data_len: self.demand.data_len,
        })
    }
}

/// Executable code. Keeps its memory, and its data's, mapped.
#[derive(Clone, Debug)]
pub struct Published {
    code_address: HostAddr,
    chunk: Arc<Chunk>,
    data: usize,
    data_len: usize,
}

impl Published {
    /// Where the code lives.
    pub fn code_address(&self) -> HostAddr {
        self.code_address
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
    use super::{Arena, CODE_LEN, Demand};

    fn demand(code_len: usize, data_len: usize) -> Demand {
        Demand {
            code_len,
            data_len,
            data_align: 16,
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
        for data_align in [0, 3, 1 << 20] {
            assert!(
                Arena::new()
                    .reserve(Demand {
                        data_align,
                        ..demand(1, 1)
                    })
                    .is_err()
            );
        }
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

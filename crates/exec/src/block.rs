//! A piece of code's memory: written as a block, published, and kept mapped from then on.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::address::HostAddr;
use crate::arch::make_coherent;
use crate::entry::CodeAddress;
use crate::fork_gate;
use crate::frames::{self, RegisteredFrames};
use crate::imp::{Access, Memory, page_len};

/// The largest demand: a chunk of twice this still spans less than 32-bit distances reach.
const MAX_DEMAND: usize = 512 << 20;

/// Held while published data is written, so that two threads don't write at once. Rare and short.
static WRITING: Mutex<()> = Mutex::new(());

/// Address space with code.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Of the code in it. Dropped before the memory is.
    frames: Mutex<Vec<RegisteredFrames>>,
    pub(crate) memory: Memory,
}

impl Chunk {
    pub(crate) fn reserve(len: usize) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            frames: Mutex::default(),
            memory: Memory::reserve(len)?,
        }))
    }
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

impl Demand {
    /// Refuses what no chunk holds.
    pub(crate) fn check(&self) -> io::Result<()> {
        let Self {
            code_len,
            code_align,
            data_len,
            data_align,
        } = *self;
        if code_len > MAX_DEMAND || data_len > MAX_DEMAND {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let is_alignment = |align: usize| align.is_power_of_two() && align <= page_len();
        match is_alignment(data_align) && (code_align == 0 || is_alignment(code_align)) {
            true => Ok(()),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

/// Memory for one piece of code and its data, not executable yet.
///
/// Invariant: its ranges of the chunk belong to this block and what is published from it.
#[derive(Debug)]
pub struct Block {
    pub(crate) chunk: Arc<Chunk>,
    pub(crate) code: usize,
    pub(crate) data: usize,
    pub(crate) demand: Demand,
}

/// What of a block can be written, for as long as it can. The block itself stays with its owner: who
/// writes into a batch can't carry it out of the batch.
#[derive(Debug)]
pub struct BlockParts<'b> {
    /// Where the code will live.
    pub code_address: HostAddr,
    /// Where the writable data lives.
    pub data_address: HostAddr,
    /// The code's bytes.
    pub code: &'b mut [u8],
    /// The data's bytes.
    pub data: &'b mut [u8],
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
        self.parts_mut().code
    }

    /// The data's bytes, to be written.
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.parts_mut().data
    }

    /// All that can be written.
    pub fn parts_mut(&mut self) -> BlockParts<'_> {
        let (code_address, data_address) = (self.code_address(), self.data_address());
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
        BlockParts {
            code_address,
            data_address,
            code,
            data,
        }
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
        let mut published = self.publish()?;
        if has_frames {
            published.register_frames(records);
        }
        Ok(published)
    }

    /// Ends the writing of a block in a batch, whose pages are published later.
    pub(crate) fn finish(mut self, frames: Option<Range<usize>>) -> io::Result<Published> {
        let frames = match frames {
            Some(records) if self.check_frames(&records)? => Some(records),
            _ => None,
        };
        let mut published = self.into_published();
        if let Some(records) = frames {
            published.register_frames(records);
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
            frames: 0..0,
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
    pub(crate) chunk: Arc<Chunk>,
    pub(crate) code: usize,
    pub(crate) code_len: usize,
    data: usize,
    data_len: usize,
    /// The part of the code's bytes that the unwinder reads; empty if it reads none.
    frames: Range<usize>,
}

impl Published {
    /// Makes call frame records known that were checked, in a part of the code's bytes.
    fn register_frames(&mut self, records: Range<usize>) {
        let start = self.chunk.memory.at(self.code + records.start);
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: nobody writes these bytes any more: a published block has no writer, the editor of a
        // batch keeps off `frames`, and the chunk drops the registration before its memory.
        let registered = unsafe { RegisteredFrames::register(start) };
        let _inside = fork_gate::enter();
        let all = self.chunk.frames.lock();
        all.unwrap_or_else(PoisonError::into_inner).push(registered);
        self.frames = records;
    }

    /// Whether the unwinder reads any of a part of the code's bytes.
    pub(crate) fn has_frames_in(&self, part: &Range<usize>) -> bool {
        part.start < self.frames.end && self.frames.start < part.end
    }

    /// The address of the code's byte at `offset`, for an [`Entry`](crate::Entry). `None` behind its
    /// last.
    pub fn code_at(&self, offset: usize) -> Option<CodeAddress> {
        let address = self.code_address().offset(offset as u64);
        let is_code = offset < self.code_len;
        is_code.then(|| CodeAddress::new(address, Arc::clone(&self.chunk) as _))?
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
        let _inside = fork_gate::enter();
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

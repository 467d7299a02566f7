//! A piece of code's memory: written as a block, published, and kept mapped from then on.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::address::HostAddr;
use crate::arch::{forget_old_code, make_coherent};
use crate::chunk::{Area, Chunk, Part};
use crate::entry::CodeAddress;
use crate::fork_gate;
use crate::frame_list::absolute;
use crate::frames;
use crate::imp::page_len;

/// The largest demand: a chunk of twice this still spans less than 32-bit distances reach.
const MAX_DEMAND: usize = 512 << 20;

/// Held while published data is written, so that two threads don't write at once. Rare and short.
static WRITING: Mutex<()> = Mutex::new(());

/// Memory of one or more blocks, which goes when all of them are gone.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) chunk: Arc<Chunk>,
    /// Whole pages for code or constants, of this chunk as the data is.
    code: Mutex<Part>,
    data: Mutex<Vec<Part>>,
}

impl Span {
    pub(crate) fn new(code: Part, data: Part) -> Arc<Self> {
        Arc::new(Self {
            chunk: Arc::clone(&code.chunk),
            code: Mutex::new(code),
            data: Mutex::new(vec![data]),
        })
    }

    pub(crate) fn code(&self) -> MutexGuard<'_, Part> {
        self.code.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds memory for data.
    pub(crate) fn add_data(&self, part: Part) {
        let mut data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        let apart = match data.last_mut() {
            Some(last) => last.join(part),
            None => Some(part),
        };
        data.extend(apart);
    }

    /// Has the unwinder know the code's frames, by these records.
    pub(crate) fn add_frames(&self, records: &[Vec<u8>]) {
        let code = self.code();
        if code.area() == Area::Code && !code.range.is_empty() {
            self.chunk.add_frames(&code.range, records);
        }
    }

    /// Makes all of the code, or constants, what published memory is.
    pub(crate) fn protect(&self) -> io::Result<()> {
        let code = self.code();
        let (start, len) = (code.range.start, code.range.len());
        if len == 0 {
            return Ok(());
        }
        make_coherent(self.chunk.memory.at(start), len);
        if code.used(&code.range) > 0 {
            forget_old_code();
        }
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the pages belong to this span, and who publishes it let go of its blocks' slices.
        unsafe {
            let memory = &self.chunk.memory;
            memory.protect_shared(start, len, code.area().published())
        }
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
    pub(crate) span: Arc<Span>,
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
        HostAddr(self.span.chunk.memory.at(self.code).expose_provenance() as u64)
    }

    /// Where the writable data lives.
    pub fn data_address(&self) -> HostAddr {
        HostAddr(self.span.chunk.memory.at(self.data).expose_provenance() as u64)
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
            span,
            code,
            data,
            demand,
        } = self;
        let chunk = &span.chunk;
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

    /// Writes zeroes over what its memory held before: so many bytes from the start of the code, and of
    /// the data. The rest holds zeroes.
    pub(crate) fn clear(&mut self, code_len: usize, data_len: usize) {
        let BlockParts { code, data, .. } = self.parts_mut();
        code[..code_len].fill(0);
        data[..data_len].fill(0);
    }

    /// Makes the code executable, and read-only as long as it is there; constants just that.
    ///
    /// # Errors
    /// If the system refuses executable memory; some policies do.
    pub fn publish(self) -> io::Result<Published> {
        self.publish_knowing(&[])
    }

    /// The same for code that can be unwound through: the call frame records in the part `records`
    /// of the code's bytes, which a terminator ends, are known to the unwinder from now on.
    ///
    /// # Errors
    /// As [`Self::publish`], and if they aren't records of this block's code.
    pub fn publish_with_frames(mut self, records: Range<usize>) -> io::Result<Published> {
        let frames = self.frames(records)?;
        self.publish_knowing(frames.as_slice())
    }

    fn publish_knowing(self, frames: &[Vec<u8>]) -> io::Result<Published> {
        self.span.protect()?;
        self.span.add_frames(frames);
        Ok(self.into_published())
    }

    /// What is left of a block that is written.
    pub(crate) fn into_published(self) -> Published {
        Published {
            span: self.span,
            code: self.code,
            code_len: self.demand.code_len,
            data: self.data,
            data_len: self.demand.data_len,
        }
    }

    /// Judges call frame records in a part of the code's bytes, and copies them; none if there are none.
    pub(crate) fn frames(&mut self, records: Range<usize>) -> io::Result<Option<Vec<u8>>> {
        let code = self.code_address().0;
        let records_at = code + records.start as u64;
        let len = self.demand.code_len as u64;
        let bytes = self.code_mut().get(records);
        let bytes = bytes.ok_or(io::ErrorKind::InvalidInput)?;
        let count = frames::check(bytes, records_at, &(code..code + len))?;
        Ok((count > 0).then(|| absolute(bytes, records_at)))
    }
}

/// Executable code. Keeps its memory, and its data's; when the last of those that share it goes, the memory
/// is used again.
#[derive(Clone, Debug)]
pub struct Published {
    pub(crate) span: Arc<Span>,
    pub(crate) code: usize,
    pub(crate) code_len: usize,
    data: usize,
    data_len: usize,
}

impl Published {
    /// The address of the code's byte at `offset`, for an [`Entry`](crate::Entry). `None` behind its
    /// last.
    pub fn code_at(&self, offset: usize) -> Option<CodeAddress> {
        let address = self.code_address().offset(offset as u64);
        let is_code = offset < self.code_len;
        is_code.then(|| CodeAddress::new(address, Arc::clone(&self.span) as _))?
    }

    /// Where the code lives.
    pub fn code_address(&self) -> HostAddr {
        HostAddr(self.span.chunk.memory.at(self.code).expose_provenance() as u64)
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
        let to = self.span.chunk.memory.at(self.data + offset);
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
        HostAddr(self.span.chunk.memory.base().expose_provenance() as u64)
    }
}

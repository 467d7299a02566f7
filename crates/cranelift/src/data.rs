//! Data objects, and code given as bytes: what lives in this process's memory alone.
//!
//! Data is never cached. Code reaches it through cells, so neither its address nor its contents
//! are anywhere in compiled code.

use std::io;
use std::mem;
use std::sync::Arc;

use cranelift_module::{ModuleReloc, ModuleRelocTarget};
use rekindle_exec::{Arena, Block, Demand, HostAddr, Published};
use rekindle_link::Arch;

use crate::relocate::{Patch, RelocateError, VENEER_LEN, veneer_count};

/// Constants are gathered into blocks of at least this many bytes, since their pages are
/// protected together.
const CONSTANTS_LEN: usize = 16 << 10;

/// The largest alignment that an arena gives: any page is as large.
const PAGE_LEN: usize = 4096;

/// Whose memory is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Code,
    Constant,
    Writable,
}

/// The contents of a new object.
pub(crate) struct Object<'a> {
    pub(crate) kind: Kind,
    pub(crate) align: u64,
    pub(crate) contents: Contents<'a>,
    pub(crate) relocs: Vec<ModuleReloc>,
}

/// Bytes, or how many zeroes.
#[derive(Clone, Copy)]
pub(crate) enum Contents<'a> {
    Bytes(&'a [u8]),
    Zeros(usize),
}

/// Hands out memory for objects, and patches and protects them when their module is finalized.
#[derive(Default)]
pub(crate) struct ProcessMemory {
    arena: Arc<Arena>,
    /// The index of the block of constants that is being filled, and its first free byte.
    open_constants: Option<(usize, usize)>,
    pending: Vec<Pending>,
    blocks: Vec<PendingBlock>,
    published: Vec<Published>,
    /// Whether [`Self::publish`] was left before its end: nobody knows which objects are as they should be.
    is_unfinished: bool,
}

/// An object whose relocations wait.
struct Pending {
    /// The index of its block.
    block: usize,
    offset: usize,
    len: usize,
    room: usize,
    relocs: Vec<ModuleReloc>,
}

struct PendingBlock {
    block: Block,
    kind: Kind,
}

impl ProcessMemory {
    /// Memory of an arena.
    pub(crate) fn new(arena: Arc<Arena>) -> Self {
        Self {
            arena,
            ..Self::default()
        }
    }

    /// Gives an object its place, and fills it. It can be used once [`Self::publish`] ran.
    pub(crate) fn add(&mut self, object: Object<'_>) -> io::Result<HostAddr> {
        let Object {
            kind,
            align,
            contents,
            relocs,
        } = object;
        let len = match contents {
            Contents::Bytes(bytes) => bytes.len(),
            Contents::Zeros(len) => len,
        };
        let align = usize::try_from(align.max(1)).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let veneers = match kind {
            Kind::Code => veneer_count(&relocs) * VENEER_LEN,
            Kind::Constant | Kind::Writable => 0,
        };
        // One byte at least, so that two objects never share an address.
        let room = len.max(1).next_multiple_of(8) + veneers;
        let (block, offset) = match kind {
            Kind::Constant => self.reserve_constants(room, align)?,
            Kind::Code | Kind::Writable => self.reserve(kind, room, align)?,
        };
        let pending = Pending {
            block,
            offset,
            len,
            room,
            relocs,
        };
        if let Contents::Bytes(bytes) = contents {
            self.bytes_mut(&pending)[..len].copy_from_slice(bytes);
        }
        let address = self.address(&pending);
        self.pending.push(pending);
        Ok(address)
    }

    /// A block of its own, and where in it an object with this alignment starts.
    fn reserve(&mut self, kind: Kind, room: usize, align: usize) -> io::Result<(usize, usize)> {
        let slack = if align > PAGE_LEN { align } else { 0 };
        let len = room.checked_add(slack).ok_or(io::ErrorKind::OutOfMemory)?;
        let block = match kind {
            Kind::Writable => self.arena.reserve(Demand {
                data_len: len,
                data_align: align.min(PAGE_LEN).next_power_of_two(),
                ..Demand::default()
            }),
            Kind::Code => self.arena.reserve(Demand {
                code_len: len,
                data_align: 1,
                ..Demand::default()
            }),
            Kind::Constant => self.arena.reserve_constants(len),
        }?;
        let start = match kind {
            Kind::Writable => block.data_address(),
            Kind::Code | Kind::Constant => block.code_address(),
        };
        let aligned = start.0.next_multiple_of(align as u64);
        self.blocks.push(PendingBlock { block, kind });
        Ok((self.blocks.len() - 1, (aligned - start.0) as usize))
    }

    /// Room in the open block of constants, or in a new one.
    fn reserve_constants(&mut self, room: usize, align: usize) -> io::Result<(usize, usize)> {
        if align > PAGE_LEN {
            return self.reserve(Kind::Constant, room, align);
        }
        if let Some((block, used)) = self.open_constants {
            let offset = used.next_multiple_of(align);
            if offset + room <= self.blocks[block].block.code_len() {
                self.open_constants = Some((block, offset + room));
                return Ok((block, offset));
            }
        }
        let (block, offset) = self.reserve(Kind::Constant, room.max(CONSTANTS_LEN), 1)?;
        self.open_constants = Some((block, offset + room));
        Ok((block, offset))
    }

    fn address(&self, pending: &Pending) -> HostAddr {
        let PendingBlock { block, kind } = &self.blocks[pending.block];
        let start = match kind {
            Kind::Writable => block.data_address(),
            Kind::Code | Kind::Constant => block.code_address(),
        };
        start.offset(pending.offset as u64)
    }

    fn bytes_mut(&mut self, pending: &Pending) -> &mut [u8] {
        let PendingBlock { block, kind } = &mut self.blocks[pending.block];
        let bytes = match kind {
            Kind::Writable => block.data_mut(),
            Kind::Code | Kind::Constant => block.code_mut(),
        };
        &mut bytes[pending.offset..pending.offset + pending.room]
    }

    /// Patches what was added since the last time, and protects its memory for good.
    ///
    /// # Errors
    /// If a relocation can't be applied, or the system refuses.
    pub(crate) fn publish(
        &mut self,
        value_of: &dyn Fn(&ModuleRelocTarget) -> u64,
    ) -> Result<(), PublishError> {
        let arch = Arch::host().ok_or(io::ErrorKind::Unsupported);
        let arch = arch.map_err(io::Error::from)?;
        if self.is_unfinished {
            return Err(PublishError::Unfinished);
        }
        self.is_unfinished = true;
        for pending in mem::take(&mut self.pending) {
            let address = self.address(&pending).0;
            let mut patch = Patch {
                arch,
                bytes: self.bytes_mut(&pending),
                len: pending.len,
                address,
            };
            patch.apply(&pending.relocs, value_of)?;
        }
        self.open_constants = None;
        for PendingBlock { block, .. } in mem::take(&mut self.blocks) {
            self.published.push(block.publish()?);
        }
        self.is_unfinished = false;
        Ok(())
    }
}

/// Objects can't be made usable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Relocate(#[from] RelocateError),
    #[error("the system refuses to protect memory: {0}")]
    Memory(#[from] io::Error),
    #[error("the memory provider refuses: {0}")]
    Provider(String),
    #[error("an earlier finalization of this module failed")]
    Unfinished,
}

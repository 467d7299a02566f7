//! Decoded basic blocks, found by guest PC.
//!
//! A block starts where control arrived and ends with an instruction that may go elsewhere, at
//! [`MAX_BLOCK_LEN`], or before an instruction that can't be fetched or doesn't exist; so where
//! blocks begin and end depends on the program and its path alone, never on time.

use rustc_hash::{FxHashMap, FxHashSet};
use rv_isa::{Decoded, Inst};

/// The most instructions in one block.
const MAX_BLOCK_LEN: usize = 64;
/// Entries of the table in front of the map; a power of two.
const NEAR_LEN: usize = 1 << 12;
/// When this many instructions are held, everything is dropped and decoded again.
const MAX_HELD: usize = 1 << 22;

/// Which block: an index that is valid until the cache is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockId(u32);

impl BlockId {
    /// No block.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// A basic block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// The guest PC of its first instruction.
    pub(super) pc: u64,
    /// Where its instructions are.
    first: u32,
    /// How many there are.
    pub(super) len: u32,
    /// How often it was entered.
    pub(super) heat: u32,
    /// Whether compiled code is installed for its PC, or a debugger stops there, so that it isn't
    /// interpreted.
    pub(super) is_compiled: bool,
    /// The block that runs when the last instruction doesn't jump, once known.
    pub(super) after: BlockId,
    /// The block that its jump leads to, once known; for an indirect jump, the latest one.
    pub(super) target: BlockId,
}

/// The decoded blocks of a guest.
#[derive(Debug)]
pub(super) struct DecodeCache {
    instructions: Vec<Decoded>,
    blocks: Vec<Block>,
    by_pc: FxHashMap<u64, BlockId>,
    near: Box<[(u64, BlockId)]>,
    /// The blocks whose bytes may change without a change of mappings.
    changeable: Vec<BlockId>,
}

impl DecodeCache {
    /// An empty cache.
    pub(super) fn new() -> Self {
        Self {
            instructions: Vec::new(),
            blocks: Vec::new(),
            by_pc: FxHashMap::default(),
            near: vec![(u64::MAX, BlockId::NONE); NEAR_LEN].into_boxed_slice(),
            changeable: Vec::new(),
        }
    }

    /// The block with this number.
    #[inline(always)]
    pub(super) fn block_mut(&mut self, id: BlockId) -> Option<&mut Block> {
        self.blocks.get_mut(id.0 as usize)
    }

    /// All blocks.
    pub(super) fn blocks_mut(&mut self) -> impl Iterator<Item = &mut Block> {
        self.blocks.iter_mut()
    }

    /// A block's instructions.
    #[inline(always)]
    pub(super) fn instructions(&self, block: &Block) -> &[Decoded] {
        let first = block.first as usize;
        self.instructions
            .get(first..first + block.len as usize)
            .unwrap_or_default()
    }

    /// The block that starts at `pc`, if it was decoded.
    #[inline]
    pub(super) fn find(&mut self, pc: u64) -> Option<BlockId> {
        let slot = &mut self.near[(pc >> 1) as usize % NEAR_LEN];
        if slot.0 == pc {
            return Some(slot.1);
        }
        let id = *self.by_pc.get(&pc)?;
        *slot = (pc, id);
        Some(id)
    }

    /// Adds a block of the instructions that `next` yields for successive guest PCs.
    pub(super) fn add(&mut self, pc: u64, mut next: impl FnMut(u64) -> Option<Decoded>) -> BlockId {
        if self.instructions.len().max(self.blocks.len()) > MAX_HELD {
            self.clear();
        }
        let first = self.instructions.len();
        let mut at = pc;
        while self.instructions.len() - first < MAX_BLOCK_LEN {
            let Some(decoded) = next(at) else { break };
            self.instructions.push(decoded);
            at = at.wrapping_add(u64::from(decoded.len));
            if decoded.inst.ends_block() {
                break;
            }
        }
        let id = BlockId(self.blocks.len() as u32);
        self.blocks.push(Block {
            pc,
            first: first as u32,
            len: (self.instructions.len() - first) as u32,
            heat: 0,
            is_compiled: false,
            after: BlockId::NONE,
            target: BlockId::NONE,
        });
        self.by_pc.insert(pc, id);
        id
    }

    /// Says of a block that its bytes may change without a change of mappings.
    pub(super) fn note_changeable(&mut self, id: BlockId) {
        self.changeable.push(id);
    }

    /// Forgets the blocks of which [`Self::note_changeable`] was told.
    pub(super) fn forget_changeable(&mut self) {
        for id in std::mem::take(&mut self.changeable) {
            let Some(block) = self.blocks.get_mut(id.0 as usize) else {
                continue;
            };
            // Links may lead here still. No guest PC is odd, so that none takes it for its block.
            let pc = std::mem::replace(&mut block.pc, u64::MAX);
            block.len = 0;
            self.by_pc.remove(&pc);
            let slot = &mut self.near[(pc >> 1) as usize % NEAR_LEN];
            if slot.0 == pc {
                *slot = (u64::MAX, BlockId::NONE);
            }
        }
    }

    /// Where the instructions of all blocks are.
    pub(super) fn instruction_pcs(&self) -> FxHashSet<u64> {
        let mut pcs = FxHashSet::default();
        for block in &self.blocks {
            let mut pc = block.pc;
            for decoded in self.instructions(block) {
                pcs.insert(pc);
                pc = pc.wrapping_add(u64::from(decoded.len));
            }
        }
        pcs
    }

    /// Forgets all blocks.
    pub(super) fn clear(&mut self) {
        self.instructions.clear();
        self.blocks.clear();
        self.by_pc.clear();
        self.changeable.clear();
        self.near.fill((u64::MAX, BlockId::NONE));
    }

    /// Whether some block holds an instruction in `range`.
    pub(super) fn touches(&self, range: &std::ops::Range<u64>) -> bool {
        self.blocks.iter().any(|block| {
            // Four bytes for each instruction, or for the one that could not be decoded.
            let reach = block.pc.saturating_add(u64::from(block.len.max(1)) * 4);
            block.pc < range.end && range.start < reach
        })
    }
}

const _: () = assert!(
    size_of::<Inst>() == 8,
    "the decode cache counts on small instructions"
);

//! What is known of a piece of host code besides its bytes.

/// An instruction of the guest, and where its host code begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The guest PC.
    pub pc: u64,
    /// Where its code begins, from the start of the piece.
    pub host: u32,
}

/// A jump to a known guest PC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectExit {
    /// The guest PC.
    pub target: u64,
    /// The place that says where it goes: at first to code that leaves. It is for the host's `link` to
    /// change, and lies so that it can be changed while other threads run through it.
    pub field: u32,
}

/// The tables of a piece. Its guest code is `start..end`, without a gap.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    /// The guest PC of its first instruction.
    pub start: u64,
    /// The end of its last one.
    pub end: u64,
    /// How many instructions it holds.
    pub instructions: u32,
    /// Its entries, in the order of guest PCs and of host code alike; so this is the table from host
    /// to guest, too.
    pub entries: Vec<Entry>,
    /// The end of the code of the last one. Code behind it leaves the piece or joins it again, and
    /// touches no guest memory.
    pub body_len: u32,
    /// Its direct exits.
    pub exits: Vec<DirectExit>,
    /// Where guest addresses of the code's own module stand in it, of eight bytes each: all that must
    /// change where the module is mapped elsewhere at the same distance from its code.
    pub addresses: Vec<u32>,
}

impl Piece {
    /// The guest PC of the instruction whose code holds the byte at `host`, of those that may fault.
    #[must_use]
    pub fn guest_pc_at(&self, host: u32) -> Option<u64> {
        if host >= self.body_len {
            return None;
        }
        let after = self.entries.partition_point(|entry| entry.host <= host);
        Some(self.entries.get(after.checked_sub(1)?)?.pc)
    }

    /// Where the code of the instruction at `pc` begins.
    #[must_use]
    pub fn entry(&self, pc: u64) -> Option<u32> {
        let index = self.entries.binary_search_by_key(&pc, |entry| entry.pc);
        Some(self.entries.get(index.ok()?)?.host)
    }

    /// Forgets what it held, and keeps its memory.
    pub(crate) fn clear(&mut self, start: u64) {
        let Self {
            start: old_start,
            end,
            instructions,
            entries,
            body_len,
            exits,
            addresses,
        } = self;
        (*old_start, *end, *instructions, *body_len) = (start, start, 0, 0);
        entries.clear();
        exits.clear();
        addresses.clear();
    }
}

//! What a region was made from: where the guest's instructions lay, and a digest of their bytes.
//!
//! A key names a module by what its file said when it was mapped; a region is made of what memory
//! holds when it becomes hot. The two differ where the file was written over, or memory was changed
//! behind the engine's back: by `/proc/self/mem`, by another process, by another mapping of the same
//! file. So code carries its source with it. It is installed only where memory holds those bytes, and
//! kept only where the file does: see `kept.rs`.

use std::cell::RefCell;

use rekindle::Digest;
use rekindle_hart::guest_memory::{AccessFault, copy_in, load16};
use rustc_hash::FxHashMap;

use crate::region::{End, Region};

/// The most bytes that a region's instructions take, with room for one that ends it.
const BYTES_MAX: u64 = 1 << 14;
/// The most ranges of a region: every instruction may stand alone.
const RANGES_MAX: usize = 1 << 10;

/// Guest code as it was when a region was discovered: each half-word is read once, so that all that
/// is made of it is made of the same.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    halves: RefCell<FxHashMap<u64, u16>>,
}

impl Snapshot {
    /// The half-word at `address`.
    pub(crate) fn half(&self, address: u64) -> Result<u16, AccessFault> {
        if let Some(half) = self.halves.borrow().get(&address) {
            return Ok(*half);
        }
        let half = load16(address)?;
        self.halves.borrow_mut().insert(address, half);
        Ok(half)
    }
}

/// A range of guest addresses, by its distance from the region's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceRange {
    pub(crate) start: i32,
    pub(crate) len: u32,
}

/// Where a region's instructions lay, and the digest of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// The head, from the module's base.
    pub(crate) head: u64,
    /// Ascending, apart from one another.
    pub(crate) ranges: Vec<SourceRange>,
    /// BLAKE3 of the bytes, range by range.
    pub(crate) digest: [u8; 32],
}

impl Source {
    /// The source of `region`, of a module at `base`, which was discovered in `snapshot`. `None` where
    /// it reaches further from its head than can be said.
    pub(crate) fn of(region: &Region, snapshot: &Snapshot, base: u64) -> Option<Self> {
        let halves = snapshot.halves.borrow();
        // What a region ends before is its source too: it may be the reason why it ends there.
        let ends = region.blocks.iter().filter_map(|block| match block.end {
            End::Leave { pc, .. } => Some((pc, pc.wrapping_add(4))),
            _ => None,
        });
        let inside = region.instructions().map(|it| (it.pc, it.next));
        let mut addresses: Vec<u64> = inside
            .chain(ends)
            .flat_map(|(start, end)| (start..end).step_by(2))
            .filter(|address| halves.contains_key(address))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        let mut ranges: Vec<SourceRange> = Vec::new();
        let mut end = None;
        let mut bytes = Vec::with_capacity(2 * addresses.len());
        for address in addresses {
            bytes.extend_from_slice(&halves[&address].to_le_bytes());
            match ranges.last_mut() {
                Some(range) if end == Some(address) => range.len += 2,
                _ => {
                    let distance = address.wrapping_sub(region.head).cast_signed();
                    let start = i32::try_from(distance).ok()?;
                    ranges.push(SourceRange { start, len: 2 });
                }
            }
            end = address.checked_add(2);
        }
        let source = Self {
            head: region.head.wrapping_sub(base),
            ranges,
            digest: Digest::of(&bytes).0,
        };
        source.is_sound().then_some(source)
    }

    /// Whether it is as [`Self::of`] makes one: one from a file may say anything.
    pub(crate) fn is_sound(&self) -> bool {
        let len: u64 = self.ranges.iter().map(|range| u64::from(range.len)).sum();
        len <= BYTES_MAX && self.ranges.len() <= RANGES_MAX
    }

    /// Whether the bytes that `read` finds, at addresses from the module's base, are those of the
    /// source.
    pub(crate) fn is_in(&self, read: &mut dyn FnMut(&mut [u8], u64) -> bool) -> bool {
        let mut bytes = Vec::new();
        for SourceRange { start, len } in &self.ranges {
            let before = bytes.len();
            bytes.resize(before + *len as usize, 0);
            let address = self.head.wrapping_add_signed(i64::from(*start));
            if !read(&mut bytes[before..], address) {
                return false;
            }
        }
        Digest::of(&bytes).0 == self.digest
    }

    /// Whether guest memory holds those bytes for the module at `base`.
    pub(crate) fn is_in_memory(&self, base: u64) -> bool {
        self.is_in(&mut |bytes, address| copy_in(bytes, base.wrapping_add(address)).is_ok())
    }
}

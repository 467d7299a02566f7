//! An ordered map of the guest's mappings: pure data, no system calls.

use std::collections::BTreeMap;
use std::ops::Range;

/// What a guest may do with a mapping, as `PROT_READ`, `PROT_WRITE` and `PROT_EXEC` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protection(u8);

impl Protection {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READ: Self = Self(1);
    pub(crate) const WRITE: Self = Self(2);
    pub(crate) const EXEC: Self = Self(4);

    /// From the bits of a system call's argument, of which others than the three are dropped.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self((bits & 7) as u8)
    }

    /// Whether every permission of `other` is held.
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The permissions of both.
    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits for the host: never executable, and readable where the guest may execute.
    pub(crate) const fn host_bits(self) -> u64 {
        let readable = if self.contains(Self::EXEC) {
            self.union(Self::READ)
        } else {
            self
        };
        (readable.0 & 3) as u64
    }
}

/// The file behind a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileBacking {
    /// Its device.
    pub(crate) device: u64,
    /// Its inode.
    pub(crate) inode: u64,
    /// The offset in the file of the mapping's first byte.
    pub(crate) offset: u64,
    /// Whether what is written there is the file's.
    pub(crate) is_shared: bool,
}

/// The System V shared memory segment behind a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentBacking {
    /// Its number.
    pub(crate) id: i32,
    /// The offset in the segment of the mapping's first byte.
    pub(crate) offset: u64,
}

/// What is behind a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// Nothing but memory.
    Anonymous,
    /// The heap that `brk` moves.
    Heap,
    /// The vDSO.
    Vdso,
    /// The main stack.
    Stack,
    /// A file.
    File(FileBacking),
    /// A shared memory segment.
    Segment(SegmentBacking),
}

impl Backing {
    /// The backing of a part that starts `bytes` later.
    fn advanced(self, bytes: u64) -> Self {
        match self {
            Self::File(file) => Self::File(FileBacking {
                offset: file.offset.wrapping_add(bytes),
                ..file
            }),
            Self::Segment(segment) => Self::Segment(SegmentBacking {
                offset: segment.offset.wrapping_add(bytes),
                ..segment
            }),
            other => other,
        }
    }
}

/// A mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vma {
    /// Its first address.
    pub(crate) start: u64,
    /// The address after its last.
    pub(crate) end: u64,
    /// What the guest may do with it.
    pub(crate) protection: Protection,
    /// What is behind it.
    pub(crate) backing: Backing,
}

impl Vma {
    /// The part of this mapping inside `range`, which it overlaps.
    pub(super) fn clipped(self, range: &Range<u64>) -> Self {
        let start = self.start.max(range.start);
        let end = self.end.min(range.end);
        Self {
            start,
            end,
            backing: self.backing.advanced(start - self.start),
            ..self
        }
    }

    /// Whether `next`, which starts where this ends, is one mapping with it.
    fn continues_into(&self, next: &Self) -> bool {
        self.end == next.start
            && self.protection == next.protection
            && self.backing.advanced(self.end - self.start) == next.backing
    }
}

/// The guest's mappings: disjoint, ordered by address, neighbours that are alike merged.
#[derive(Clone, Debug, Default)]
pub(crate) struct VmaMap {
    by_start: BTreeMap<u64, Vma>,
}

impl VmaMap {
    /// The mapping that holds `address`.
    pub(crate) fn find(&self, address: u64) -> Option<&Vma> {
        let (_, vma) = self.by_start.range(..=address).next_back()?;
        (address < vma.end).then_some(vma)
    }

    /// The mappings that overlap `range`, in order, whole.
    pub(crate) fn overlapping(&self, range: Range<u64>) -> impl Iterator<Item = &Vma> {
        let first = self.find(range.start).map_or(range.start, |vma| vma.start);
        let bounds = if range.is_empty() {
            first..first
        } else {
            first..range.end
        };
        self.by_start.range(bounds).map(|(_, vma)| vma)
    }

    /// All mappings in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Vma> {
        self.by_start.values()
    }

    /// Whether nothing is mapped in `range`.
    pub(crate) fn is_free(&self, range: Range<u64>) -> bool {
        self.overlapping(range).next().is_none()
    }

    /// Whether every address of `range` is mapped.
    pub(crate) fn is_covered(&self, range: Range<u64>) -> bool {
        let mut reached = range.start;
        for vma in self.overlapping(range.clone()) {
            if vma.start > reached {
                return false;
            }
            reached = vma.end;
        }
        reached >= range.end
    }

    /// Adds a mapping over whatever was there. An empty one adds nothing.
    pub(crate) fn insert(&mut self, vma: Vma) {
        if vma.start >= vma.end {
            return;
        }
        self.remove(vma.start..vma.end);
        self.by_start.insert(vma.start, vma);
        self.merge_around(vma.start..vma.end);
    }

    /// Forgets `range`, and returns the parts of mappings that it held.
    pub(crate) fn remove(&mut self, range: Range<u64>) -> Vec<Vma> {
        let affected: Vec<Vma> = self.overlapping(range.clone()).copied().collect();
        for vma in &affected {
            self.by_start.remove(&vma.start);
            if vma.start < range.start {
                let left = vma.clipped(&(vma.start..range.start));
                self.by_start.insert(left.start, left);
            }
            if vma.end > range.end {
                let right = vma.clipped(&(range.end..vma.end));
                self.by_start.insert(right.start, right);
            }
        }
        affected
            .into_iter()
            .map(|vma| vma.clipped(&range))
            .collect()
    }

    /// Sets the protection of what is mapped in `range`, and returns the parts as they were.
    pub(crate) fn protect(&mut self, range: Range<u64>, protection: Protection) -> Vec<Vma> {
        let parts = self.remove(range.clone());
        for part in &parts {
            self.by_start.insert(
                part.start,
                Vma {
                    protection,
                    ..*part
                },
            );
        }
        self.merge_around(range);
        parts
    }

    /// The highest free range of `len` bytes inside `window`.
    pub(crate) fn find_gap(&self, len: u64, window: Range<u64>) -> Option<u64> {
        let mut ceiling = window.end;
        for vma in self.by_start.range(..window.end).rev().map(|(_, vma)| vma) {
            if vma.end < ceiling && ceiling - vma.end >= len {
                break;
            }
            ceiling = ceiling.min(vma.start);
            if ceiling <= window.start {
                return None;
            }
        }
        let start = ceiling.checked_sub(len)?;
        (start >= window.start).then_some(start)
    }

    /// Merges neighbours that are alike, from the one before `range` to the one after.
    fn merge_around(&mut self, range: Range<u64>) {
        let first = self
            .by_start
            .range(..range.start)
            .next_back()
            .map_or(range.start, |(start, _)| *start);
        let candidates: Vec<Vma> = self
            .by_start
            .range(first..=range.end)
            .map(|(_, vma)| *vma)
            .collect();
        let mut current: Option<Vma> = None;
        for vma in candidates {
            match &mut current {
                Some(held) if held.continues_into(&vma) => {
                    held.end = vma.end;
                    self.by_start.remove(&vma.start);
                    self.by_start.insert(held.start, *held);
                }
                _ => current = Some(vma),
            }
        }
    }
}

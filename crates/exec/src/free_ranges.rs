//! Which parts of some memory nobody has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Ranges that are free. No two touch: neighbours are one.
#[derive(Debug, Default)]
pub(crate) struct FreeRanges {
    /// Where each ends, by where it starts.
    ends: BTreeMap<usize, usize>,
    /// The same by length.
    by_len: BTreeSet<(usize, usize)>,
}

impl FreeRanges {
    /// A single range.
    pub(crate) fn new(range: Range<usize>) -> Self {
        let mut free = Self::default();
        free.give(range);
        free
    }

    /// Takes so many bytes, at a multiple of `align`, from the shortest range that has them.
    pub(crate) fn take(&mut self, len: usize, align: usize) -> Option<usize> {
        let mut fitting = self.by_len.range((len, 0)..);
        let (start, end, at) = fitting.find_map(|(range_len, start)| {
            let end = start + range_len;
            let at = start.checked_next_multiple_of(align)?;
            (at.checked_add(len)? <= end).then_some((*start, end, at))
        })?;
        self.remove(start, end);
        self.insert(start..at);
        self.insert(at + len..end);
        Some(at)
    }

    /// Takes a range, if all of it is free.
    pub(crate) fn take_at(&mut self, range: Range<usize>) -> bool {
        let before = self.ends.range(..=range.start).next_back();
        let Some((start, end)) = before.map(|(start, end)| (*start, *end)) else {
            return false;
        };
        if range.end > end {
            return false;
        }
        self.remove(start, end);
        self.insert(start..range.start);
        self.insert(range.end..end);
        true
    }

    /// Gives back a range that was taken.
    pub(crate) fn give(&mut self, range: Range<usize>) {
        let Range { mut start, mut end } = range;
        if start >= end {
            return;
        }
        let before = self.ends.range(..start).next_back();
        let before = before.map(|(start, end)| (*start, *end));
        if let Some((before, touching)) = before
            && touching == start
        {
            self.remove(before, touching);
            start = before;
        }
        if let Some(after) = self.ends.get(&end).copied() {
            self.remove(end, after);
            end = after;
        }
        self.insert(start..end);
    }

    fn insert(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.ends.insert(range.start, range.end);
            self.by_len.insert((range.len(), range.start));
        }
    }

    fn remove(&mut self, start: usize, end: usize) {
        self.ends.remove(&start);
        self.by_len.remove(&(end - start, start));
    }
}

#[cfg(test)]
mod tests {
    use super::FreeRanges;

    fn all(free: &FreeRanges) -> Vec<(usize, usize)> {
        assert_eq!(free.ends.len(), free.by_len.len());
        free.ends
            .iter()
            .map(|(start, end)| (*start, *end))
            .collect()
    }

    #[test]
    fn what_is_given_back_joins_its_neighbours() {
        let mut free = FreeRanges::new(0..100);
        let taken: Vec<_> = (0..10).map_while(|_| free.take(10, 1)).collect();
        assert_eq!(taken.len(), 10);
        assert_eq!(free.take(1, 1), None);
        for start in [0, 20, 40, 60, 80, 10, 90] {
            free.give(start..start + 10);
        }
        assert_eq!(all(&free), [(0, 30), (40, 50), (60, 70), (80, 100)]);
        // The shortest that is long enough.
        assert_eq!(free.take(10, 1), Some(40));
        assert_eq!(free.take(15, 1), Some(80));
        for range in [30..40, 40..50, 50..60, 70..80, 80..95] {
            free.give(range);
        }
        assert_eq!(all(&free), [(0, 100)]);
    }

    #[test]
    fn alignments_are_kept_and_nothing_is_lost() {
        let mut free = FreeRanges::new(1..64);
        assert_eq!(free.take(8, 16), Some(16));
        assert_eq!(all(&free), [(1, 16), (24, 64)]);
        assert_eq!(free.take(40, 16), None);
        assert_eq!(free.take(32, 32), Some(32));
        assert_eq!(all(&free), [(1, 16), (24, 32)]);
        assert_eq!(free.take(1, 1 << 40), None);
    }

    #[test]
    fn only_what_is_free_is_taken_where_it_is() {
        let mut free = FreeRanges::new(10..30);
        assert!(!free.take_at(5..15) && !free.take_at(25..35) && !free.take_at(0..5));
        assert!(free.take_at(15..20));
        assert!(!free.take_at(19..21));
        assert_eq!(all(&free), [(10, 15), (20, 30)]);
        assert!(free.take_at(20..30));
    }
}

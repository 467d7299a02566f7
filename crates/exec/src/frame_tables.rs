//! Call frame information of the code in a chunk, known to the unwinder as few lists as it needs.
//!
//! libgcc up to version 12 looks through all that was registered for every frame of every panic and
//! backtrace, so that what is registered must not grow with what is published. Records are copied out of
//! the code into lists of this file's own, in the order of their addresses: a new list at first, which
//! joins others of its size once they are many enough. What was registered last is sorted again when
//! the unwinder next looks; no list is so long that this takes long.
//!
//! No two lists are for addresses that interleave: the unwinder looks no further than in the one list
//! whose range has an address. A list that takes the place of others is registered before those are let
//! go, so that another thread may unwind at any time. Records of code that was given back stay until
//! other code is there: they are for code that nobody runs.
//!
//! Since version 13 libgcc keeps lists in a tree by their ranges, which must never overlap, not for a
//! moment: there each publication stays a list of its own.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::frame_list::{Function, functions, write_list};
use crate::frames::{RegisteredFrames, looks_through_all};

/// So many neighbouring lists of one size become one.
const JOINED: usize = 8;

/// A list for more functions than this joins no other.
const MAX_JOINED: usize = 128;

/// A list that grows since its gaps are filled is cut into such of so many functions.
const MAX_FUNCTIONS: usize = JOINED * MAX_JOINED;

/// The lists of one chunk, by the address of the first function of each.
#[derive(Debug, Default)]
pub(crate) struct FrameTables {
    tables: BTreeMap<u64, Table>,
    /// Whether lists join, once that was asked: whoever asks tells the unwinder of something.
    joins: Option<bool>,
}

/// A list that the unwinder knows.
#[derive(Debug)]
struct Table {
    /// Dropped before the list is.
    _registered: RegisteredFrames,
    list: Box<[u8]>,
    /// Where the code of its last function ends.
    end: u64,
    /// How many functions it is for.
    count: usize,
}

impl Table {
    fn new(functions: &[Function<'_>]) -> Option<(u64, Self)> {
        let (first, last) = (functions.first()?, functions.last()?);
        let list = write_list(functions).into_boxed_slice();
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the list was just written, nobody changes it, and it is dropped after the registration.
        let registered = unsafe { RegisteredFrames::register(list.as_ptr()) };
        let table = Self {
            _registered: registered,
            list,
            end: last.end(),
            count: functions.len(),
        };
        Some((first.start, table))
    }

    /// Its size as lists are compared.
    fn level(&self) -> u32 {
        self.count.ilog(JOINED)
    }
}

impl FrameTables {
    /// Makes records known that [`crate::frame_list::absolute`] made, of code that is in a range, where
    /// nothing else is any more.
    pub(crate) fn add(&mut self, code: &Range<u64>, records: &[Vec<u8>]) {
        let old = self.take_overlapping(code);
        let kept = old.iter().flat_map(|table| functions(&table.list));
        let mut all: Vec<Function<'_>> = kept
            .filter(|function| function.end() <= code.start || code.end <= function.start)
            .collect();
        all.extend(records.iter().flat_map(|list| functions(list)));
        if all.is_empty() {
            return;
        }
        all.sort_unstable_by_key(|function| function.start);
        let first = all[0].start;
        for part in all.chunks(MAX_FUNCTIONS) {
            self.tables.extend(Table::new(part));
        }
        drop(all);
        drop(old);
        if *self.joins.get_or_insert_with(looks_through_all) {
            self.join(first);
        }
    }

    /// What was known of code in a range need not be known any more: nobody runs it again.
    pub(crate) fn forget(&mut self, code: &Range<u64>) {
        if self.joins == Some(false) {
            drop(self.take_overlapping(code));
        }
    }

    /// Takes the lists whose addresses are among those of a range, the lowest first.
    fn take_overlapping(&mut self, code: &Range<u64>) -> Vec<Table> {
        let up_to_end = self.tables.range(..code.end).rev();
        let overlapping = up_to_end.take_while(|(_, table)| table.end > code.start);
        let mut starts: Vec<u64> = overlapping.map(|(start, _)| *start).collect();
        starts.reverse();
        self.take(&starts)
    }

    fn take(&mut self, starts: &[u64]) -> Vec<Table> {
        let take = |start| self.tables.remove(start);
        starts.iter().filter_map(take).collect()
    }

    /// Joins the list that starts at an address with those before it, if they are many of one size.
    fn join(&mut self, mut start: u64) {
        while let Some(table) = self.tables.get(&start) {
            let level = table.level();
            let before = self.tables.range(..=start).rev().take(JOINED);
            let alike = before.take_while(|(_, table)| table.level() == level);
            let (mut starts, counts): (Vec<u64>, Vec<usize>) =
                alike.map(|(start, table)| (*start, table.count)).unzip();
            let is_enough = starts.len() == JOINED && table.count <= MAX_JOINED;
            if !is_enough || counts.iter().sum::<usize>() > MAX_FUNCTIONS {
                return;
            }
            starts.reverse();
            // In the order of their addresses, in which they are let go: where one is gone, the unwinder
            // finds the list of them all.
            let old = self.take(&starts);
            let all: Vec<Function<'_>> = old
                .iter()
                .flat_map(|table| functions(&table.list))
                .collect();
            self.tables.extend(Table::new(&all));
            drop(all);
            drop(old);
            start = starts[0];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FrameTables, JOINED, MAX_FUNCTIONS};
    use crate::frame_list::{absolute, functions};
    use crate::frames::tests::{CODE_LEN, records_at};

    const BASE: u64 = 0x7000_0000;

    fn joining() -> FrameTables {
        FrameTables {
            joins: Some(true),
            ..FrameTables::default()
        }
    }

    fn records(code: u64) -> Vec<u8> {
        let at = code + 0x100;
        absolute(&records_at(at, code), at)
    }

    fn add(tables: &mut FrameTables, code: u64, len: u64) {
        tables.add(&(code..code + len), &[records(code)]);
    }

    /// Where the functions start that are known, in order; lists are apart and say what they hold.
    fn known(tables: &FrameTables) -> Vec<u64> {
        let mut all = Vec::new();
        let mut last_end = 0;
        for (start, table) in &tables.tables {
            assert!(*start >= last_end, "lists interleave");
            last_end = table.end;
            let starts: Vec<u64> = functions(&table.list)
                .map(|function| function.start)
                .collect();
            assert_eq!((starts.len(), starts[0]), (table.count, *start));
            assert_eq!(starts.last().map(|start| start + CODE_LEN), Some(table.end));
            all.extend(starts);
        }
        all
    }

    #[test]
    fn many_publications_are_few_lists() {
        let mut tables = joining();
        let places: Vec<u64> = (0..10_000).map(|index| BASE + index * 0x1000).collect();
        for place in &places {
            add(&mut tables, *place, 0x1000);
        }
        assert_eq!(known(&tables), places);
        let most = places.len() / MAX_FUNCTIONS + 4 * JOINED;
        assert!(tables.tables.len() <= most, "{}", tables.tables.len());
    }

    #[test]
    fn what_is_used_again_is_known_as_what_it_is_now() {
        let mut tables = joining();
        for index in 0..100 {
            add(&mut tables, BASE + index * 0x1000, 0x1000);
        }
        // Two pages of one function instead of two of one each, and three functions in a page.
        add(&mut tables, BASE + 0x32000, 0x2000);
        let at = |offset: u64| BASE + 0x40000 + offset;
        let three = [at(0), at(0x100), at(0x200)].map(records);
        tables.add(&(at(0)..at(0x1000)), &three);
        let mut expected: Vec<u64> = (0..100).map(|index| BASE + index * 0x1000).collect();
        expected.retain(|start| *start != BASE + 0x33000);
        expected.extend([at(0x100), at(0x200)]);
        expected.sort_unstable();
        assert_eq!(known(&tables), expected);
        // The same once more changes nothing.
        tables.add(&(at(0)..at(0x1000)), &three);
        assert_eq!(known(&tables), expected);
    }

    #[test]
    fn code_without_frames_is_not_unwound_by_those_of_what_was_there_before() {
        let mut tables = joining();
        for index in 0..3 {
            add(&mut tables, BASE + index * 0x1000, 0x1000);
        }
        tables.add(&(BASE + 0x1000..BASE + 0x2000), &[]);
        assert_eq!(known(&tables), [BASE, BASE + 0x2000]);
    }

    #[test]
    fn where_ranges_may_never_overlap_each_publication_is_a_list_until_it_is_gone() {
        let mut tables = FrameTables {
            joins: Some(false),
            ..FrameTables::default()
        };
        let place = |index: u64| BASE + index * 0x1000;
        for index in 0..100 {
            add(&mut tables, place(index), 0x1000);
        }
        assert_eq!(tables.tables.len(), 100);
        tables.forget(&(place(10)..place(12)));
        assert_eq!(tables.tables.len(), 98);
        add(&mut tables, place(11), 0x1000);
        assert_eq!(known(&tables).len(), 99);
        assert!(tables.tables.values().all(|table| table.count == 1));
    }

    #[test]
    fn code_in_any_order_never_makes_lists_interleave_or_long() {
        let mut tables = joining();
        let mut expected = Vec::new();
        let mut number = 1u64;
        for _ in 0..6_000 {
            // A generator of all numbers below 8191 but zero, in some order.
            number = number * 17 % 8191;
            let place = BASE + number * 0x1000;
            add(&mut tables, place, 0x1000);
            expected.push(place);
        }
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(known(&tables), expected);
        let longest = tables.tables.values().map(|table| table.count).max();
        assert!(longest <= Some(MAX_FUNCTIONS));
    }
}

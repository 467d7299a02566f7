//! Where image files are mapped, for handlers of signals.
//!
//! A file that is truncated while it is mapped takes its pages away: touching them raises `SIGBUS`.
//! Whoever handles that signal asks here whether the address is one of an image's. Asking takes no lock
//! and allocates nothing. Nodes are never given back, only used again.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::imp::{cover_with_zeroes, page_len};

/// How many ranges a node holds.
const NODE_LEN: usize = 64;
/// [`Range::start`] of one that is free, and of one that somebody is about to fill.
const FREE: u64 = 0;
const TAKEN: u64 = 1;

struct Range {
    start: AtomicU64,
    end: AtomicU64,
}

struct Node {
    ranges: [Range; NODE_LEN],
    next: OnceLock<Box<Node>>,
}

impl Node {
    const fn new() -> Self {
        Self {
            ranges: [const {
                Range {
                    start: AtomicU64::new(FREE),
                    end: AtomicU64::new(0),
                }
            }; NODE_LEN],
            next: OnceLock::new(),
        }
    }
}

static FIRST: Node = Node::new();

/// A range that is known while this lives.
pub(crate) struct KnownRange(&'static Range);

impl std::fmt::Debug for KnownRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = self.0.start.load(Ordering::Relaxed);
        write!(f, "{start:#x}..{:#x}", self.0.end.load(Ordering::Relaxed))
    }
}

impl KnownRange {
    /// Makes the `len` bytes at `start` known as an image file's.
    pub(crate) fn new(start: u64, len: usize) -> Self {
        let range = free_range();
        let end = start + len.next_multiple_of(page_len()) as u64;
        range.end.store(end, Ordering::Relaxed);
        range.start.store(start, Ordering::Release);
        Self(range)
    }
}

impl Drop for KnownRange {
    fn drop(&mut self) {
        self.0.start.store(FREE, Ordering::Release);
    }
}

fn free_range() -> &'static Range {
    let mut node = &FIRST;
    loop {
        for range in &node.ranges {
            let taken =
                range
                    .start
                    .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed);
            if taken.is_ok() {
                return range;
            }
        }
        node = node.next.get_or_init(|| Box::new(Node::new()));
    }
}

/// Whether an image file is mapped at `address`. Async-signal-safe.
pub fn is_in_image(address: u64) -> bool {
    let mut node = Some(&FIRST);
    while let Some(here) = node {
        for range in &here.ranges {
            let start = range.start.load(Ordering::Acquire);
            if start > TAKEN && (start..range.end.load(Ordering::Relaxed)).contains(&address) {
                return true;
            }
        }
        node = here.next.get().map(Box::as_ref);
    }
    false
}

/// Puts a page of zeroes in the place of the page at `address` that an image file has lost, so that
/// whoever reads it goes on: what is verified there fails. Returns whether it could; the page isn't
/// executable. Async-signal-safe.
///
/// # Safety
/// Reading at `address` has just raised `SIGBUS`, so that nobody knows what is there.
#[expect(unsafe_code, reason = "replaces a part of a mapping")]
pub unsafe fn cover_lost_page(address: u64) -> bool {
    let page = page_len() as u64;
    // SAFETY: the page is one of an image's, by the check, and has no bytes, as the caller says.
    is_in_image(address) && unsafe { cover_with_zeroes(address / page * page) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_known_while_they_live() {
        let page = page_len() as u64;
        // As many as need more than one node, at addresses that nothing has.
        let at = |index: u64| (1 << 60) + index * 4 * page;
        let known: Vec<KnownRange> = (0..200).map(|i| KnownRange::new(at(i), 5)).collect();
        for index in 0..200 {
            assert!(is_in_image(at(index)) && is_in_image(at(index) + page - 1));
            assert!(!is_in_image(at(index) - 1) && !is_in_image(at(index) + page));
        }
        drop(known);
        assert!((0..200).all(|index| !is_in_image(at(index))));
        let again = KnownRange::new(at(7), 1);
        assert!(is_in_image(at(7)));
        drop(again);
    }
}

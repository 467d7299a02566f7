//! Where image files are mapped, for handlers of signals.
//!
//! A file that is truncated while it is mapped takes its pages away: touching them raises `SIGBUS`.
//! Whoever handles that signal asks here whether the address is one of an image's. Asking takes no lock
//! and allocates nothing. Nodes are never given back, only used again.

use std::os::unix::fs::MetadataExt;
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

/// Whether a thread whose next instruction is at `pc`, in an image file that became shorter, may have come
/// there by way of bytes that the file doesn't have any more: the kernel shows the rest of the page in which
/// a file ends as zeroes, and zeroes are instructions. What that thread's registers and memory hold is
/// nothing to go on from. Where the file can't be found, it is taken for so at the start of each page.
///
/// Reads files: not for handlers of signals, unless what they interrupted held no lock.
pub fn may_have_run_zeroes(pc: u64) -> bool {
    let page = page_len() as u64;
    let Some(end) = end_of_file_at(pc) else {
        return pc.is_multiple_of(page);
    };
    // Who gets to the end of that page faults at the start of the next.
    !end.is_multiple_of(page) && (end..=end.next_multiple_of(page)).contains(&pc)
}

/// The address at which the file that is mapped at `address` ends now, if it has its name still.
fn end_of_file_at(address: u64) -> Option<u64> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        // start-end, what it allows, offset, device, inode, path.
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        let start = number(start)?;
        if !(start..number(end)?).contains(&address) {
            return None;
        }
        let offset = number(fields.nth(1)?)?;
        let inode: u64 = fields.nth(1)?.parse().ok()?;
        let file = std::fs::metadata(fields.next()?.trim_start()).ok()?;
        let is_it = file.ino() == inode;
        is_it.then(|| start.wrapping_sub(offset).wrapping_add(file.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(not(miri))]
    #[test]
    fn who_may_have_run_what_a_file_has_lost_does_not_go_on() {
        let page = page_len() as u64;
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.as_file().set_len(4 * page).expect("space");
        let mut memory = crate::imp::Memory::reserve(6 * page as usize).expect("memory");
        let len = 3 * page as usize;
        memory
            .map_file(
                page as usize,
                len,
                crate::imp::Access::Read,
                file.as_file(),
                page,
            )
            .expect("it maps");
        let start = memory.at(page as usize).expose_provenance() as u64;
        for offset in 0..3 * page {
            assert!(!may_have_run_zeroes(start + offset));
        }
        // A whole number of pages is left: nobody ran anything else.
        file.as_file().set_len(2 * page).expect("it is ours");
        assert!(!may_have_run_zeroes(start + page) && !may_have_run_zeroes(start + page + 6));
        file.as_file().set_len(2 * page - 100).expect("it is ours");
        for offset in [page - 100, page - 1, page] {
            assert!(may_have_run_zeroes(start + offset));
        }
        for offset in [page - 101, page + 1, 2 * page] {
            assert!(!may_have_run_zeroes(start + offset));
        }
        drop(file);
        assert!(may_have_run_zeroes(start + page) && !may_have_run_zeroes(start + page + 1));
    }

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

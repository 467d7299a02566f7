//! The request that a guest thread stop at the next opportunity and return to the dispatch loop.
//!
//! Raised by whoever has news for that loop: a finished compilation, changed code, the end of the
//! process; and by the handler of signals on the thread itself. The request is a word in the
//! thread's state, where compiled code looks for it.

use std::sync::atomic::{AtomicU32, Ordering};

/// Whether someone asks.
#[inline(always)]
pub fn is_raised(word: &AtomicU32) -> bool {
    word.load(Ordering::Relaxed) != 0
}

/// Whether someone asked; the request is answered with that.
#[inline]
pub fn take(word: &AtomicU32) -> bool {
    is_raised(word) && word.swap(0, Ordering::AcqRel) != 0
}

//! The request that a guest thread stop at the next opportunity and return to the dispatch loop.
//!
//! Raised by whoever has news for that loop: a finished compilation, changed code, the end of the
//! process; and by the handler of signals on the thread itself. The request is a word in the
//! thread's state, where compiled code looks for it.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::signal::SharedWord;

/// Reaches a thread's word from others.
#[derive(Debug)]
pub(crate) struct Attention(SharedWord);

impl Attention {
    /// Reaches the thread whose word this is.
    pub(crate) fn new(word: SharedWord) -> Self {
        Self(word)
    }

    /// Asks for attention.
    pub(crate) fn raise(&self) {
        self.0.set();
    }
}

/// Whether someone asks.
#[inline(always)]
pub(crate) fn is_raised(word: &AtomicU32) -> bool {
    word.load(Ordering::Relaxed) != 0
}

/// Whether someone asked; the request is answered with that.
#[inline]
pub(crate) fn take(word: &AtomicU32) -> bool {
    is_raised(word) && word.swap(0, Ordering::AcqRel) != 0
}

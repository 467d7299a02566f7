//! The request that guest execution stop at the next opportunity and return to the dispatch loop.
//!
//! Raised by whoever has news for that loop: a finished compilation, a signal from outside.

use std::sync::atomic::{AtomicBool, Ordering};

static RAISED: AtomicBool = AtomicBool::new(false);

/// Asks for attention. Async-signal-safe.
pub(crate) fn raise() {
    RAISED.store(true, Ordering::Release);
}

/// Whether someone asks.
#[inline(always)]
pub(crate) fn is_raised() -> bool {
    RAISED.load(Ordering::Relaxed)
}

/// Whether someone asked; the request is answered with that.
#[inline]
pub(crate) fn take() -> bool {
    is_raised() && RAISED.swap(false, Ordering::AcqRel)
}

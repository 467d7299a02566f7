//! The word of a thread that says whether a system call of its should not wait: a signal arrived, or
//! the dispatch loop is wanted. Async-signal-safe.

use std::sync::atomic::{AtomicU32, Ordering};

thread_local! {
    static INTERRUPT: AtomicU32 = const { AtomicU32::new(0) };
}

/// The thread's slot holds a signal.
pub(crate) const SIGNAL_ARRIVED: u32 = 1;
/// The dispatch loop is wanted.
pub(crate) const KICKED: u32 = 2;

/// The word itself, which isn't 0 where a call shouldn't wait.
pub(crate) fn word() -> *const AtomicU32 {
    INTERRUPT.with(|flags| &raw const *flags)
}

/// The flags of the calling thread.
pub(crate) fn flags() -> u32 {
    INTERRUPT.with(|flags| flags.load(Ordering::Acquire))
}

/// Sets a flag of the calling thread's.
pub(crate) fn raise(flag: u32) {
    INTERRUPT.with(|flags| flags.fetch_or(flag, Ordering::AcqRel));
}

/// The flags of the calling thread, which has none from here on.
pub(crate) fn take() -> u32 {
    INTERRUPT.with(|flags| flags.swap(0, Ordering::AcqRel))
}

//! Whether text of files may change while its mappings stay what they are, as far as the process has what
//! it takes for that: a descriptor by which such a file, or memory itself, can be written, or a shared mapping
//! of it.
//!
//! Everything here is a hint that something must be looked at: [`crate::syscall`] looks. What is noted is
//! forgotten again, unless something was noted since it was looked for.

use std::sync::atomic::{AtomicU64, Ordering};

/// Descriptors by which regular files can be written were seen.
pub(crate) const WRITABLE: u64 = 1;
/// One of them is of a file that is text, or of memory itself.
pub(crate) const TEXT_OPEN: u64 = 2;
/// A file that is text is mapped and shared.
pub(crate) const TEXT_SHARED: u64 = 4;
/// Threads may have descriptors of their own: nobody knows all of the process's.
pub(crate) const SPLIT: u64 = 8;
/// The rest of the word counts what was noted.
const NOTED: u64 = 16;

/// What was noted, and how often something was.
#[derive(Debug, Default)]
pub(crate) struct TextWriters(AtomicU64);

/// What was noted when somebody began to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look(u64);

impl TextWriters {
    /// Notes these.
    pub(crate) fn note(&self, flags: u64) {
        // The count goes first: who begins to look after that sees what is noted, and who began before
        // forgets nothing.
        self.0.fetch_add(NOTED, Ordering::SeqCst);
        self.0.fetch_or(flags, Ordering::SeqCst);
    }

    /// Whether one of these is noted.
    pub(crate) fn has(&self, flags: u64) -> bool {
        self.0.load(Ordering::SeqCst) & flags != 0
    }

    /// What is noted now: to be called before one looks whether it is so still.
    pub(crate) fn look(&self) -> Look {
        Look(self.0.load(Ordering::SeqCst))
    }

    /// Forgets these, unless something was noted since `look`.
    pub(crate) fn forget(&self, look: Look, flags: u64) {
        let Look(seen) = look;
        let (success, failure) = (Ordering::SeqCst, Ordering::SeqCst);
        // Where it fails, the next one looks again.
        let _ = self
            .0
            .compare_exchange(seen, seen & !flags, success, failure);
    }
}

impl Look {
    /// Whether one of these was noted.
    pub(crate) fn has(self, flags: u64) -> bool {
        self.0 & flags != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_while_somebody_looks_is_not_forgotten() {
        let writers = TextWriters::default();
        assert!(!writers.has(TEXT_OPEN | TEXT_SHARED));
        writers.note(TEXT_OPEN);
        let look = writers.look();
        writers.note(TEXT_OPEN);
        writers.forget(look, TEXT_OPEN);
        assert!(writers.has(TEXT_OPEN));
        let look = writers.look();
        writers.forget(look, TEXT_OPEN);
        assert!(!writers.has(TEXT_OPEN) && look.has(TEXT_OPEN));
    }
}

//! What waits in a process for being written, and belongs to it alone: a process that was forked from it
//! finds nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rekindle_exec::fork_gate::enter;
use rekindle_exec::process_number;

/// What this process added. What a process had when this one was forked from it is that one's.
#[derive(Debug, Default)]
pub(crate) struct Own<C> {
    /// Whose it is. Zero while there is nothing.
    process: AtomicU64,
    values: Mutex<C>,
}

impl<C: Default> Own<C> {
    /// Changes it; what another process added is gone.
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut C) -> R) -> R {
        let _inside = enter();
        // A panic leaves the values as they were before or after one change.
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_ours() {
            *values = C::default();
            self.process.store(process_number(), Ordering::Relaxed);
        }
        change(&mut values)
    }

    /// Looks at it. Takes no lock where this process added nothing: one that was forked may have
    /// inherited a lock that nobody will ever give back.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&C) -> R) -> Option<R> {
        self.is_ours().then(|| self.with(|values| look(values)))
    }

    /// Takes all of it, under the same rule.
    pub(crate) fn take(&self) -> C {
        match self.is_ours() {
            true => self.with(std::mem::take),
            false => C::default(),
        }
    }

    fn is_ours(&self) -> bool {
        self.process.load(Ordering::Relaxed) == process_number()
    }
}

#[cfg(test)]
mod tests {
    use super::Own;
    use std::sync::atomic::Ordering;

    #[test]
    fn what_another_process_added_is_its_own() {
        let own = Own::<Vec<u32>>::default();
        own.with(|values| values.extend([1, 2]));
        assert_eq!(own.look(Vec::len), Some(2));
        // As if this process had been forked from the one that added them.
        own.process.fetch_add(1, Ordering::Relaxed);
        let held = own.values.lock().expect("nobody panicked");
        assert!(own.take().is_empty() && own.look(Vec::len).is_none());
        drop(held);
        own.with(|values| values.push(3));
        assert_eq!(own.take(), [3]);
        assert!(own.take().is_empty());
    }
}

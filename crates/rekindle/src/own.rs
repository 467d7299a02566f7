//! What waits in a process for being written, and belongs to it alone: a process that was forked from it
//! finds nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rekindle_exec::process_number;

/// Values that this process added. What a process had when this one was forked from it is that one's.
#[derive(Debug)]
pub(crate) struct Own<T> {
    /// Whose the values are. Zero while there are none.
    process: AtomicU64,
    values: Mutex<Vec<T>>,
}

impl<T> Default for Own<T> {
    fn default() -> Self {
        Self {
            process: AtomicU64::new(0),
            values: Mutex::default(),
        }
    }
}

impl<T> Own<T> {
    pub(crate) fn push(&self, value: T) {
        self.lock().push(value);
    }

    /// Takes all values. Takes no lock where this process added none: one that was forked may have
    /// inherited a lock that nobody will ever give back.
    pub(crate) fn take(&self) -> Vec<T> {
        match self.is_ours() {
            true => std::mem::take(&mut *self.lock()),
            false => Vec::new(),
        }
    }

    fn is_ours(&self) -> bool {
        self.process.load(Ordering::Relaxed) == process_number()
    }

    /// The values, of which none is another process's.
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        // A panic leaves the values as they were before or after one change.
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_ours() {
            values.clear();
            self.process.store(process_number(), Ordering::Relaxed);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::Own;
    use std::sync::atomic::Ordering;

    #[test]
    fn what_another_process_added_is_its_own() {
        let own = Own::default();
        own.push(1);
        own.push(2);
        // As if this process had been forked from the one that added them.
        own.process.fetch_add(1, Ordering::Relaxed);
        let held = own.values.lock().expect("nobody panicked");
        assert!(own.take().is_empty());
        drop(held);
        own.push(3);
        assert_eq!(own.take(), [3]);
        assert!(own.take().is_empty());
    }
}

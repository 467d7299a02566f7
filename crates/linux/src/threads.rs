//! The threads of a guest, and how they learn that code has changed.
//!
//! A thread that runs guest code says so, and which changes of code it has seen. Whoever changes
//! code notes the range and waits until every other thread has either left guest code or come by
//! the dispatch loop since: when [`Threads::publish_change`] returns, nobody runs what was there.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::attention::Attention;
use crate::signal;

/// [`ThreadEntry::running`] of a thread that runs no guest code.
const IDLE: u64 = u64::MAX;

/// How many changes are remembered. Who has missed more takes all code for changed.
const CHANGES_MAX: usize = 64;

/// A change of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// What is mapped there is another, or may do something else.
    Mapping(Range<u64>),
    /// The guest says that it has written code, without saying where.
    Fence,
}

/// The latest changes, of which the first is number `first`.
#[derive(Debug, Default)]
struct Changes {
    first: u64,
    latest: VecDeque<Change>,
}

impl Changes {
    fn count(&self) -> u64 {
        self.first + self.latest.len() as u64
    }
}

/// What others know of a thread.
#[derive(Debug)]
pub struct ThreadEntry {
    /// Its number; 0 for one that is never called out of a system call.
    number: AtomicI32,
    attention: Attention,
    /// How many changes of code it has seen, while it runs guest code.
    running: AtomicU64,
}

/// The threads of one guest process.
#[derive(Debug, Default)]
pub struct Threads {
    entries: Mutex<Vec<Arc<ThreadEntry>>>,
    left: Condvar,
    changes: Mutex<Changes>,
    change_count: AtomicU64,
}

impl Threads {
    /// Adds the calling thread, by whose `attention` others reach it until it is removed.
    pub fn add(&self, number: i32, attention: Attention) -> Arc<ThreadEntry> {
        let entry = Arc::new(ThreadEntry {
            number: AtomicI32::new(number),
            attention,
            running: AtomicU64::new(IDLE),
        });
        lock(&self.entries).push(Arc::clone(&entry));
        entry
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        lock(&self.entries).len()
    }

    /// Whether one has this number.
    pub fn has(&self, number: i32) -> bool {
        lock(&self.entries)
            .iter()
            .any(|entry| entry.number.load(Ordering::Relaxed) == number)
    }

    /// Removes a thread. Returns how many are left.
    pub fn remove(&self, entry: &Arc<ThreadEntry>) -> usize {
        let mut entries = lock(&self.entries);
        entries.retain(|other| !Arc::ptr_eq(other, entry));
        self.left.notify_all();
        entries.len()
    }

    /// Forgets all but `entry`: in a process that `fork` made, the others don't exist.
    pub fn keep_only(&self, entry: &Arc<ThreadEntry>) {
        lock(&self.entries).retain(|other| Arc::ptr_eq(other, entry));
    }

    /// Holds the registry and the list of changes still, so that a fork finds both whole.
    pub fn hold(&self) -> impl Sized + use<'_> {
        (lock(&self.entries), lock(&self.changes))
    }

    /// Asks every thread to come by the dispatch loop.
    pub fn raise_all(&self) {
        for entry in &*lock(&self.entries) {
            entry.attention.raise();
        }
    }

    /// The same, and calls them out of the system calls in which they may be.
    pub fn kick_all(&self) {
        for entry in &*lock(&self.entries) {
            entry.attention.raise();
            let number = entry.number.load(Ordering::Relaxed);
            if number != 0 {
                signal::kick(number);
            }
        }
    }

    /// Waits until no thread but `own` is left, calling the others out of their system calls.
    /// Gives up on one that the host's kernel holds.
    pub fn end_others(&self, own: &Arc<ThreadEntry>) {
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut entries = lock(&self.entries);
        while entries.iter().any(|entry| !Arc::ptr_eq(entry, own)) && Instant::now() < deadline {
            for entry in entries.iter().filter(|entry| !Arc::ptr_eq(entry, own)) {
                entry.attention.raise();
                let number = entry.number.load(Ordering::Relaxed);
                if number != 0 {
                    signal::kick(number);
                }
            }
            let wait = Duration::from_millis(5);
            entries = match self.left.wait_timeout(entries, wait) {
                Ok((entries, _)) => entries,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Waits until no thread but `own` is left, or `is_over` says so.
    pub fn wait_for_others(&self, own: &Arc<ThreadEntry>, is_over: &dyn Fn() -> bool) {
        let mut entries = lock(&self.entries);
        while entries.iter().any(|entry| !Arc::ptr_eq(entry, own)) && !is_over() {
            let wait = Duration::from_millis(50);
            entries = match self.left.wait_timeout(entries, wait) {
                Ok((entries, _)) => entries,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// How many changes of code there were.
    pub fn change_count(&self) -> u64 {
        self.change_count.load(Ordering::SeqCst)
    }

    /// The changes from number `seen` on, and how many there were in all.
    pub fn changes_since(&self, seen: u64) -> (Vec<Change>, u64) {
        let changes = lock(&self.changes);
        let missed = match seen.checked_sub(changes.first) {
            Some(known) => changes
                .latest
                .iter()
                .skip(known as usize)
                .cloned()
                .collect(),
            None => vec![Change::Mapping(0..u64::MAX)],
        };
        (missed, changes.count())
    }

    /// Notes a change of code, for threads to see before they run guest code again. Returns how many
    /// changes there were.
    pub fn note_change(&self, change: Change) -> u64 {
        let mut changes = lock(&self.changes);
        changes.latest.push_back(change);
        if changes.latest.len() > CHANGES_MAX {
            changes.latest.pop_front();
            changes.first += 1;
        }
        let number = changes.count();
        self.change_count.store(number, Ordering::SeqCst);
        number
    }

    /// Notes a change of code, and waits until no thread but `own` may be running what was there. The
    /// caller holds no lock, and runs no guest code.
    pub fn publish_change(&self, change: Change, own: &Arc<ThreadEntry>) {
        let number = self.note_change(change);
        let others: Vec<Arc<ThreadEntry>> = lock(&self.entries)
            .iter()
            .filter(|entry| !Arc::ptr_eq(entry, own))
            .cloned()
            .collect();
        for other in others {
            let mut spins = 0_u32;
            while other.running.load(Ordering::SeqCst) < number {
                if spins.is_multiple_of(64) && !self.raise_if_present(&other) {
                    break;
                }
                spins += 1;
                std::thread::yield_now();
            }
        }
    }

    /// Asks a thread to come by, unless it was removed.
    fn raise_if_present(&self, entry: &Arc<ThreadEntry>) -> bool {
        // The word lives as long as the entry is in the registry.
        let entries = lock(&self.entries);
        let present = entries.iter().any(|other| Arc::ptr_eq(other, entry));
        if present {
            entry.attention.raise();
        }
        present
    }
}

impl ThreadEntry {
    /// The thread has another number now: `fork` made a process of it.
    pub fn set_number(&self, number: i32) {
        self.number.store(number, Ordering::Relaxed);
    }

    /// The thread is about to run guest code, having seen `changes` changes.
    #[inline]
    pub fn enter(&self, changes: u64) {
        self.running.store(changes, Ordering::SeqCst);
    }

    /// The thread has left guest code.
    #[inline]
    pub fn leave(&self) {
        self.running.store(IDLE, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_don_t_grow_and_who_missed_too_many_takes_all_for_changed() {
        let threads = Threads::default();
        let range = |number: u64| Change::Mapping(number..number + 1);
        for number in 0..10_000 {
            assert_eq!(threads.note_change(range(number)), number + 1);
        }
        assert!(lock(&threads.changes).latest.len() <= CHANGES_MAX);
        assert_eq!(threads.change_count(), 10_000);
        assert_eq!(threads.changes_since(10_000), (Vec::new(), 10_000));
        let latest = vec![range(9_998), range(9_999)];
        assert_eq!(threads.changes_since(9_998), (latest, 10_000));
        for seen in [0, 9_000] {
            let all = vec![Change::Mapping(0..u64::MAX)];
            assert_eq!(threads.changes_since(seen), (all, 10_000));
        }
    }
}

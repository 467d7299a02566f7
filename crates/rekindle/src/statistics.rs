//! Figures of one process's use of a cache.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rekindle_exec::process_number;

use crate::miss::MissReason;

/// Figures of one process's use of a cache; times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Entries that came from images.
    pub entries_loaded: u64,
    /// Entries that this process compiled and inserted.
    pub entries_inserted: u64,
    /// Look-ups that found nothing usable, by reason; reasons that didn't occur are absent.
    pub misses: BTreeMap<MissReason, u64>,
    /// What the inserted entries cost to compile.
    pub compile_ns_spent: u64,
    /// What the loaded entries cost to compile when they were compiled.
    pub compile_ns_avoided: u64,
    /// Inserted entries whose front found an address of this process in them: no other process will
    /// find them. See [`crate::Cache::baked_addresses`].
    pub baked_addresses: u64,
    /// Hits that were compiled all the same and compared; a program counts as one.
    pub hits_verified: u64,
    /// Of those, hits whose kept code was another. See [`crate::Cache::differing`].
    pub hits_differing: u64,
    /// Programs that were opened whole.
    pub programs_loaded: u64,
    /// Programs that were looked for and not found whole.
    pub programs_missed: u64,
    /// Programs that were written.
    pub programs_recorded: u64,
    /// Time spent opening images, and verifying and binding entries. Of the latter one in
    /// sixteen is timed and stands for all: reading the clock would take a tenth of the time.
    pub load_ns: u64,
    /// Images mapped.
    pub images_mapped: u64,
    /// Of those, images that an earlier process of this boot had checked whole, so that this one
    /// checked no digest of them.
    pub images_known_intact: u64,
    /// Bytes of image files mapped.
    pub image_bytes_mapped: u64,
    /// Image files that were refused whole: damaged, foreign, of another format.
    pub images_refused: u64,
    /// Images written.
    pub images_written: u64,
    /// Bytes of image files written.
    pub bytes_written: u64,
    /// Image files removed to keep the budget.
    pub images_evicted: u64,
}

/// The figures while they grow. Each stands for itself, so relaxed order serves.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) entries_loaded: Counter,
    pub(crate) entries_inserted: Counter,
    pub(crate) compile_ns_spent: Counter,
    pub(crate) compile_ns_avoided: Counter,
    pub(crate) baked_addresses: Counter,
    pub(crate) hits_verified: Counter,
    pub(crate) hits_differing: Counter,
    pub(crate) programs_loaded: Counter,
    pub(crate) programs_missed: Counter,
    pub(crate) programs_recorded: Counter,
    pub(crate) load_ns: Counter,
    pub(crate) images_mapped: Counter,
    pub(crate) images_known_intact: Counter,
    pub(crate) image_bytes_mapped: Counter,
    pub(crate) images_refused: Counter,
    pub(crate) images_written: Counter,
    pub(crate) bytes_written: Counter,
    pub(crate) images_evicted: Counter,
    misses: [Counter; MissReason::ALL.len()],
}

impl Counters {
    pub(crate) fn miss(&self, reason: MissReason) {
        self.misses[reason as usize].add(1);
    }

    pub(crate) fn snapshot(&self) -> Statistics {
        let misses = MissReason::ALL
            .into_iter()
            .map(|reason| (reason, self.misses[reason as usize].get()))
            .filter(|(_, count)| *count > 0)
            .collect();
        Statistics {
            entries_loaded: self.entries_loaded.get(),
            entries_inserted: self.entries_inserted.get(),
            misses,
            compile_ns_spent: self.compile_ns_spent.get(),
            compile_ns_avoided: self.compile_ns_avoided.get(),
            baked_addresses: self.baked_addresses.get(),
            hits_verified: self.hits_verified.get(),
            hits_differing: self.hits_differing.get(),
            programs_loaded: self.programs_loaded.get(),
            programs_missed: self.programs_missed.get(),
            programs_recorded: self.programs_recorded.get(),
            load_ns: self.load_ns.get(),
            images_mapped: self.images_mapped.get(),
            images_known_intact: self.images_known_intact.get(),
            image_bytes_mapped: self.image_bytes_mapped.get(),
            images_refused: self.images_refused.get(),
            images_written: self.images_written.get(),
            bytes_written: self.bytes_written.get(),
            images_evicted: self.images_evicted.get(),
        }
    }
}

/// A figure that only grows, from zero in each process: one that was forked counts what it does itself.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    count: AtomicU64,
    /// Whose count it is. Zero if there is none.
    process: AtomicU64,
}

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        let Self { count, process } = self;
        let (last, own) = (process.load(Ordering::Relaxed), process_number());
        if last != own
            && process
                .compare_exchange(last, own, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            // A process that was just forked has one thread.
            count.store(0, Ordering::Relaxed);
        }
        count.fetch_add(amount, Ordering::Relaxed);
    }

    /// Adds the time since `start`.
    pub(crate) fn add_elapsed(&self, start: Instant) {
        self.add(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }

    fn get(&self) -> u64 {
        match self.process.load(Ordering::Relaxed) == process_number() {
            true => self.count.load(Ordering::Relaxed),
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counter;
    use std::sync::atomic::Ordering;

    #[test]
    fn what_another_process_counted_is_not_counted() {
        let counter = Counter::default();
        assert_eq!(counter.get(), 0);
        counter.add(3);
        counter.add(4);
        assert_eq!(counter.get(), 7);
        // As if this process had been forked from the one that counted.
        counter.process.fetch_add(1, Ordering::Relaxed);
        assert_eq!(counter.get(), 0);
        counter.add(5);
        assert_eq!(counter.get(), 5);
    }
}

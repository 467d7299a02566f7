//! Which hits are verified, and what was found: the sample of a process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Names of code that differed that are kept; the others are only counted.
const MAX_NAMES: usize = 64;

/// Which hits are verified, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// Of so many hits, one; none of zero.
    one_in: u64,
    hits: AtomicU64,
    differing: Mutex<Vec<String>>,
}

impl Sample {
    /// A sample that starts anywhere, so that each process verifies others.
    pub(crate) fn new(one_in: u32) -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self {
            one_in: one_in.into(),
            hits: AtomicU64::new(RandomState::new().hash_one(one_in) >> 1),
            differing: Mutex::default(),
        }
    }

    /// Whether any hit is ever one of the sample.
    pub(crate) fn takes_any(&self) -> bool {
        self.one_in > 0
    }

    /// Counts a hit. Returns whether it is one of the sample.
    pub(crate) fn takes(&self) -> bool {
        match self.one_in {
            0 => false,
            one_in => self
                .hits
                .fetch_add(1, Ordering::Relaxed)
                .is_multiple_of(one_in),
        }
    }

    /// Notes code whose kept form isn't what was compiled: its name and what differs.
    pub(crate) fn note(&self, code: String) {
        let mut differing = self
            .differing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if differing.len() < MAX_NAMES {
            differing.push(code);
        }
    }

    /// What was noted.
    pub(crate) fn differing(&self) -> Vec<String> {
        let differing = self.differing.lock();
        differing.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn a_sample_is_of_the_size_that_was_asked_for() {
        for (one_in, expected) in [(0, 0), (1, 60), (4, 15), (60, 1)] {
            let sample = Sample::new(one_in);
            let taken = (0..60).filter(|_| sample.takes()).count();
            assert_eq!(taken, expected);
        }
    }
}

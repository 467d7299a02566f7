//! What the compiled tier did in a run, in figures.

use std::collections::BTreeMap;

/// Figures of the compiled tier; times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierStatistics {
    /// Regions that this process compiled.
    pub regions_compiled: u64,
    /// Regions that came from the persistent cache.
    pub regions_loaded: u64,
    /// Look-ups of hot regions that found nothing usable, by reason.
    pub misses: BTreeMap<String, u64>,
    /// Time that the compile thread spent.
    pub compile_ns_spent: u64,
    /// What the loaded regions cost to compile when they were compiled.
    pub compile_ns_avoided: u64,
}

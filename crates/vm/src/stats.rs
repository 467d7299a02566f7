//! What a run did, in figures.

use std::collections::BTreeMap;

/// Figures of one run; times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunStatistics {
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
    /// Guest instructions that the interpreter executed.
    pub instructions_interpreted: u64,
    /// Bytes of image files mapped.
    pub image_bytes_mapped: u64,
    /// From the start of the process to the first guest instruction.
    pub startup_ns: u64,
    /// From the start of the process to the guest's end.
    pub wall_ns: u64,
    /// What a person should hear about the cache: why it does less than it might.
    pub notices: Vec<String>,
}

//! Figures of one process's use of a cache.

use std::collections::BTreeMap;

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
    /// Time spent opening images, and verifying and binding entries.
    pub load_ns: u64,
    /// Images mapped.
    pub images_mapped: u64,
    /// Bytes of image files mapped.
    pub image_bytes_mapped: u64,
    /// Image files that were refused whole: damaged, foreign, of another format.
    pub images_refused: u64,
    /// Images written.
    pub images_written: u64,
    /// Bytes of image files written.
    pub bytes_written: u64,
}

//! The line that `rekindle run --stats=json` prints, read back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The fields of the statistics line; each means what the program's documentation says.
#[expect(
    missing_docs,
    reason = "the names are the documentation's, and are explained there"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    pub regions_compiled: u64,
    pub regions_loaded: u64,
    pub misses: BTreeMap<String, u64>,
    pub compile_ns_spent: u64,
    pub compile_ns_avoided: u64,
    pub instructions_interpreted: u64,
    pub image_bytes_mapped: u64,
    pub startup_ns: u64,
    pub wall_ns: u64,
    #[serde(default)]
    pub notices: Vec<String>,
}

impl Statistics {
    /// The statistics on the last line of a run's standard error, and what came before that line.
    #[must_use]
    pub fn split(stderr: &[u8]) -> Option<(Statistics, Vec<u8>)> {
        let end = stderr.len() - usize::from(stderr.ends_with(b"\n"));
        let start = stderr[..end]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        let statistics = serde_json::from_slice(&stderr[start..end]).ok()?;
        Some((statistics, stderr[..start].to_vec()))
    }
}

//! Decoders of bytes from disk that only fuzzers call with bytes of their own.

use crate::metadata::{self, Metadata};

/// Decodes what is kept beside a region's code. Returns its length in words, if it is that.
///
/// # Panics
/// If it says something else once it was encoded again.
pub fn region_metadata(head: u64, bytes: &[u8]) -> Option<usize> {
    let Metadata { tables, source } = metadata::decode(head, bytes)?;
    let again = metadata::encode(head, &tables, &source);
    assert_eq!(again.as_deref(), Ok(bytes));
    Some(tables.slots.len() + tables.accesses.len() + source.ranges.len())
}

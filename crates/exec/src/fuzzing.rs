//! Decoders of bytes from disk that only fuzzers call with bytes of their own.

use core::ops::Range;

use crate::frames::check;
use crate::objects::id_among;

/// Checks call frame records that would lie at an address, for code in a range: how many functions
/// they are for, if the unwinder may have them.
pub fn frames(records: &[u8], address: u64, code: &Range<u64>) -> Option<usize> {
    check(records, address, code).ok()
}

/// The build id among some notes of an object.
pub fn build_id(notes: &[u8]) -> Option<&[u8]> {
    id_among(notes)
}

//! Decoders of bytes from disk that only fuzzers call with bytes of their own.

use crate::tables::{self, FunctionTables};

/// What a function's metadata says, if it is what this crate keeps.
pub fn function_tables(metadata: &[u8]) -> Option<FunctionTables> {
    let mut tables = FunctionTables::default();
    tables::read_metadata(metadata, &mut tables)?;
    Some(tables)
}

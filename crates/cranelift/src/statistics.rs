//! What one module did with its cache.

use std::collections::BTreeMap;

use rekindle::{Code, MissReason};

/// Figures of one module. [`JITModule::cache_statistics`](crate::JITModule::cache_statistics) has those of
/// all that this process does with the module's cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleStatistics {
    /// Functions that were found, but for those of programs.
    pub functions_found: u64,
    /// Functions that were compiled for want of kept code.
    pub functions_compiled: u64,
    /// Functions that were found and compiled all the same, since their compiled code was asked for, or to
    /// compare it.
    pub functions_compiled_again: u64,
    /// Functions that were given as bytes, or lie in memory of the embedder's: nothing is kept of them.
    pub functions_uncached: u64,
    /// Of the functions that were compiled, those that hold an address of this process, so that no other
    /// would find them: they aren't kept.
    pub functions_unkeepable: u64,
    /// Programs that were found.
    pub programs_found: u64,
    /// Programs that weren't found.
    pub programs_missed: u64,
    /// Why functions weren't found, and how many.
    pub misses: BTreeMap<MissReason, u64>,
    /// What compiling cost, in nanoseconds.
    pub compile_ns_spent: u64,
    /// What compiling the functions cost that were found, when they were compiled.
    pub compile_ns_avoided: u64,
}

impl ModuleStatistics {
    /// Counts a function that was found, on disk or among what this process compiled.
    pub(crate) fn add_found(&mut self, code: &Code) {
        self.functions_found += 1;
        let time = &mut self.compile_ns_avoided;
        *time = time.saturating_add(code.compile_time_ns());
    }

    /// Counts a function that was compiled, and why.
    pub(crate) fn add_compiled(&mut self, reason: MissReason, compile_time_ns: u64) {
        self.functions_compiled += 1;
        let time = &mut self.compile_ns_spent;
        *time = time.saturating_add(compile_time_ns);
        *self.misses.entry(reason).or_default() += 1;
    }
}

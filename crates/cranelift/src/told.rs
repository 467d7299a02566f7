//! What a person who asked for a cache hears on standard error, once: that nothing is kept, and why.
//!
//! A program that happens to use this crate says nothing there: its user may not even know of the cache.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use rekindle::Cache;

/// Whether the person who started the program asked for a cache.
pub(crate) fn is_asked_for() -> bool {
    let names = ["REKINDLE_CACHE", "REKINDLE_CACHE_DIR"];
    let is_set = |name| rekindle::variable(name).is_some_and(|value| !value.is_empty());
    names.into_iter().any(is_set)
}

/// Says why nothing is kept, if there is anything to say; once in a process.
pub(crate) fn nothing_is_kept(cache: &Cache) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let notices: Vec<String> = cache.notices().iter().map(ToString::to_string).collect();
    if notices.is_empty() || TOLD.swap(true, Ordering::Relaxed) {
        return;
    }
    let why = notices.join("; ");
    // Nobody is left to hear of a failure.
    let _ = writeln!(std::io::stderr(), "rekindle: nothing is kept: {why}");
}

/// Whether a process compiled for a cache that keeps, and nothing of it was kept or found.
pub(crate) fn kept_nothing(cache: &Cache) -> bool {
    let figures = cache.statistics();
    let used = [
        figures.entries_loaded,
        figures.programs_loaded,
        figures.images_written,
    ];
    cache.is_persistent() && figures.entries_inserted > 0 && used.iter().all(|count| *count == 0)
}

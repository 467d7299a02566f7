//! `rekindle cache`: what is on disk, for people and for machines.

use crate::arguments::CacheArguments;

/// Carries out one of the cache commands.
pub(crate) fn cache(arguments: &CacheArguments) -> anyhow::Result<()> {
    let _ = arguments;
    Ok(())
}

//! Placeholder title page.

/// Where a cache lives and how it may be used.
#[derive(Clone, Debug, Default)]
pub struct CacheConfig {}

//! A scope's images, as a process found them.

use std::sync::Arc;

use crate::loaded::LoadedImage;
use crate::miss::MissReason;

/// A scope's images, as far as they can be used.
#[derive(Debug)]
pub(crate) struct OpenedImages {
    /// The process that opened them.
    pub(crate) process: u64,
    /// Newest first.
    pub(crate) images: Vec<Arc<LoadedImage>>,
    /// Why a key that none of them holds isn't there.
    pub(crate) absent: MissReason,
    /// Whether some can't be used and should be removed.
    pub(crate) some_refused: bool,
}

//! The door to image files in memory: says of the cache's files that nobody writes to them.

#![expect(
    unsafe_code,
    reason = "the cache answers for what becomes of its files"
)]

use std::fs::File;
use std::io;

use rekindle_exec::{ImageMapping, ImageShape};

/// Maps an image of the cache.
///
/// # Errors
/// As [`ImageMapping::new`].
pub(crate) fn map_image(file: &File, shape: &ImageShape) -> io::Result<ImageMapping> {
    // SAFETY: an image is written under a temporary name, and never again once it has its own; its folder
    // and it are its user's alone, or are refused. A process of that user that writes to it all the same could
    // write to this one's memory as well.
    unsafe { ImageMapping::new(file, shape) }
}

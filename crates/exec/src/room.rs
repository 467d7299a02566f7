//! How much of a process's mappings and memory images may take.
//!
//! A process may have only so many mappings, and an image takes about four. Who compiles needs some too,
//! and so does everything else: images stop long before they are the last.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of so many mappings that a process may have, one may be an image.
const ONE_IN: usize = 16;

/// So many images need no look at what the process may have.
const FEW: usize = 256;

/// What Linux lets a process have if it doesn't say.
const DEFAULT_MAPPINGS: usize = 65530;

/// How many images there are in this process.
static IMAGES: AtomicUsize = AtomicUsize::new(0);

/// Room for one image, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    taken: &'static AtomicUsize,
}

impl Room {
    /// # Errors
    /// If there are too many images.
    pub(crate) fn take() -> io::Result<Self> {
        Self::take_of(&IMAGES, most)
    }

    fn take_of(taken: &'static AtomicUsize, most: impl FnOnce() -> usize) -> io::Result<Self> {
        let before = taken.fetch_add(1, Ordering::Relaxed);
        let room = Self { taken };
        match before < FEW || before < most() {
            true => Ok(room),
            false => Err(io::ErrorKind::OutOfMemory.into()),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

fn most() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| {
        let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count");
        let limit = limit.ok().and_then(|text| text.trim().parse().ok());
        limit.unwrap_or(DEFAULT_MAPPINGS) / ONE_IN
    })
}

/// What images that are read, since they can't be mapped, may take together, in bytes.
const MOST_READ: usize = 128 << 20;

/// What they take in this process.
static READ: AtomicUsize = AtomicUsize::new(0);

/// Memory for an image that is read, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ReadRoom {
    len: usize,
    taken: &'static AtomicUsize,
}

impl ReadRoom {
    /// Room for so many bytes.
    ///
    /// # Errors
    /// If too many were read already.
    pub(crate) fn take(len: usize) -> io::Result<Self> {
        Self::take_of(&READ, len)
    }

    fn take_of(taken: &'static AtomicUsize, len: usize) -> io::Result<Self> {
        let before = taken.fetch_add(len, Ordering::Relaxed);
        let room = Self { len, taken };
        match before.saturating_add(len) <= MOST_READ {
            true => Ok(room),
            false => Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                "images on a file system that isn't this machine's are read, and take too much memory",
            )),
        }
    }
}

impl Drop for ReadRoom {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.len, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{FEW, MOST_READ, ReadRoom, Room, most};
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn images_leave_most_mappings_to_others() {
        static TAKEN: AtomicUsize = AtomicUsize::new(0);
        let all = |most: usize| -> Vec<Room> {
            let take = |_| Room::take_of(&TAKEN, || most).ok();
            (0..2 * FEW).map_while(take).collect()
        };
        assert_eq!(all(FEW + 10).len(), FEW + 10);
        // Where the limit is low, a few work all the same.
        assert_eq!(all(1).len(), FEW);
        assert!(most() > 0);
    }

    #[test]
    fn images_that_are_read_leave_most_memory_to_others() {
        static TAKEN: AtomicUsize = AtomicUsize::new(0);
        let take = |len| ReadRoom::take_of(&TAKEN, len);
        let first = take(MOST_READ - 10).expect("it fits");
        let error = take(11).expect_err("it doesn't");
        assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
        let rest = take(10).expect("what didn't fit took nothing");
        drop((first, rest));
        assert!(take(usize::MAX / 2).is_err());
        take(MOST_READ).expect("all was given back");
    }
}

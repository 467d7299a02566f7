//! What the cache asks of the system that can go wrong, or be otherwise, in ways that a test can't
//! bring about: disks that are full or lose what was written, file systems of other machines, time.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// The system, as the cache sees it. What a test doesn't replace is the real thing.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Writes all of a new file.
    ///
    /// # Errors
    /// If the system refuses; part of the bytes may be written then.
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Waits until a file's bytes are on the disk.
    ///
    /// # Errors
    /// If they can't be written there, or an earlier attempt failed of which no one was told.
    fn sync_data(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Which kind of file system a folder is on, by its number in `linux/magic.h`.
    ///
    /// # Errors
    /// If the system doesn't say.
    fn file_system(&self, folder: BorrowedFd<'_>) -> io::Result<i64> {
        Ok(rustix::fs::fstatfs(folder)?.f_type)
    }

    /// Seconds since 1970; negative for a clock before that.
    fn now_s(&self) -> i64 {
        rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec
    }
}

/// The system as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Storage for System {}

/// A storage that everything of a cache shares.
pub(crate) type SharedStorage = Arc<dyn Storage>;

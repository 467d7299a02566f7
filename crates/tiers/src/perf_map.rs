//! `/tmp/perf-PID.map`: where perf looks for the names of code that no file holds
//! (tools/perf/Documentation/jit-interface.txt in Linux).

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use rekindle::Code;

/// This process's map, as one thread has it open: threads may have descriptors of their own, so that it is
/// closed where it was opened.
#[derive(Debug)]
pub(crate) struct PerfMap(File);

impl PerfMap {
    /// Starts the map of this process if it `is_first`, and goes on with it else. `None`, and a warning,
    /// where that can't be.
    pub(crate) fn open(is_first: bool) -> Option<Self> {
        let path = format!("/tmp/perf-{}.map", std::process::id());
        let mut options = OpenOptions::new();
        match is_first {
            true => {
                // An older process's; and whoever prepared a link there gets nothing written through it.
                let _ = fs::remove_file(&path);
                options.write(true).create_new(true)
            }
            false => options.append(true),
        };
        match options.open(&path) {
            Ok(file) => Some(Self(file)),
            Err(error) => {
                tracing::warn!(%error, path, "perf won't know the names of fresh code");
                None
            }
        }
    }

    /// Adds a line for `code`.
    pub(crate) fn add(&self, code: &Code, name: &str) {
        let (start, len) = (code.address().0, code.text_len_bytes());
        let line = format!("{start:x} {len:x} {name}\n");
        // What is missing there, perf shows as an address.
        let _ = (&mut &self.0).write_all(line.as_bytes());
    }
}

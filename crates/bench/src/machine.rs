//! The machine that a figure was measured on.

use std::fs;
use std::thread;

use serde::Serialize;

/// What a reader must know about the machine behind a figure.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's own name.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Kernel and its version.
    pub kernel: String,
}

impl Machine {
    /// This machine. What the kernel doesn't tell is `unknown`.
    #[must_use]
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']))
            .to_owned();
        let kernel = match read("/proc/sys/kernel/osrelease").trim() {
            "" => "unknown".to_owned(),
            release => format!("Linux {release}"),
        };
        Machine {
            cpu,
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel,
        }
    }
}

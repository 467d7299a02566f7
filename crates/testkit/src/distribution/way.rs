//! The ways of running a guest.

use std::ffi::OsString;
use std::path::Path;

use super::world::Engine;

/// A way of running a guest, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By QEMU.
    Qemu,
    /// Every instruction interpreted.
    Interpreter,
    /// From an empty cache.
    Cold,
    /// In a new process, from the cache that the cold run left.
    Warm,
    /// With machine code in memory alone.
    NoCache,
}

impl Way {
    /// The ways of this engine.
    pub const OURS: [Way; 4] = [Way::Interpreter, Way::Cold, Way::Warm, Way::NoCache];

    /// What tables call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Way::Qemu => "qemu",
            Way::Interpreter => "interpreter",
            Way::Cold => "cold",
            Way::Warm => "warm",
            Way::NoCache => "no cache",
        }
    }

    /// What runs a guest in this way. Cold and warm differ in what they find in `cache`.
    #[must_use]
    pub fn engine(self, rekindle: &Path, cache: &Path) -> Engine {
        let options: Vec<OsString> = match self {
            Way::Qemu => return Engine::Qemu,
            Way::Interpreter => vec!["--no-jit".into()],
            Way::Cold | Way::Warm => vec!["--cache-dir".into(), cache.into()],
            Way::NoCache => vec!["--no-persistent-cache".into()],
        };
        Engine::Rekindle(rekindle.to_owned(), options)
    }
}

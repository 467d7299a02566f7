//! How a batch's sequences are run, and where.

/// Where the harness has the sequences' code.
pub const CODE: u64 = 0x1000_0000;

/// How a batch's sequences are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Whether they may access what isn't mapped, which their process then has handlers for: that
    /// makes the translator keep the state exact at every access.
    pub faults: bool,
    /// Whether the code is a library's, which must not depend on where it is loaded.
    pub library: bool,
    /// Whether there are instructions that make the machine forget what it decoded, and so keep
    /// code from getting hot.
    pub fences: bool,
}

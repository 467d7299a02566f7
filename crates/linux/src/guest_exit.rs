//! How a guest ended.

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestExit {
    /// It called `exit` with this status, of which the low eight bits count.
    Code(i32),
    /// A signal killed it.
    Signal {
        /// The signal's number on Linux.
        signal: i32,
        /// What to tell a person: the fault, the guest PC and the address, or empty where the
        /// guest sent the signal itself.
        message: String,
    },
}

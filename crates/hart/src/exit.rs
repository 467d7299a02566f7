//! Why the interpreter or compiled code stopped running guest instructions.

/// Why guest execution stopped. Except after `Dispatch`, the guest PC is that of the instruction
/// that is responsible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The instruction at the guest PC is next; someone has to decide who runs it.
    Dispatch,
    /// An `ecall`.
    Syscall,
    /// An `ebreak`.
    Breakpoint,
    /// An instruction that doesn't exist or that its operands forbid.
    IllegalInstruction,
    /// A `fence.i`.
    FenceI,
    /// A memory access that failed.
    Fault(GuestFault),
}

/// A memory access that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestFault {
    /// The address that was accessed, or that instructions were fetched from.
    pub address: u64,
    /// What was wrong with it.
    pub kind: FaultKind,
}

/// What was wrong with an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing is mapped there for this kind of access: `SIGSEGV`.
    Segmentation,
    /// The mapped file has no such byte: `SIGBUS`.
    Bus,
    /// An atomic access isn't aligned to its size: `SIGBUS`.
    Misaligned,
}

impl FaultKind {
    /// From the signal that the host raised.
    pub const fn from_signal(signal: i32) -> Self {
        if signal == libc::SIGBUS {
            Self::Bus
        } else {
            Self::Segmentation
        }
    }

    /// The signal that Linux sends for it.
    pub const fn signal(self) -> i32 {
        match self {
            Self::Segmentation => libc::SIGSEGV,
            Self::Bus | Self::Misaligned => libc::SIGBUS,
        }
    }
}

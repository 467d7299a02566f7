//! Addresses as the linker sees them.

use core::fmt;

/// Where something will live: a host address, or a distance from an image's base. Within one link
/// all addresses are of one kind; the patched bytes depend on differences alone.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u64);

impl Address {
    /// The address `len` bytes further on; wraps, as addresses do.
    #[must_use]
    pub fn plus(self, len: u64) -> Self {
        Self(self.0.wrapping_add(len))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:#x})", self.0)
    }
}

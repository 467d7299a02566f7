//! Why a look-up found nothing usable.

use core::fmt;

/// Why a look-up found nothing usable. Displayed as the name under which it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MissReason {
    /// No image holds the key.
    NotCached,
    /// There is no persistent layer: it was switched off, or its folder can't be used.
    CacheOff,
    /// An image holds the key, but its bytes aren't the ones that were written.
    Damaged,
    /// An image holds the key, but a name that its code refers to has no value in this process.
    Unbound,
    /// The system gave this process no memory, mapping or file descriptor for an image, which may hold
    /// the key. What is compiled instead isn't kept.
    NoMemory,
    /// An image holds the key, but for code of another signature than is wanted.
    OtherSignature,
    /// An image holds the key, but its code was made for names that mean something else here.
    OtherNames,
    /// An image holds the key, but its front found that the code isn't for what it has: see
    /// [`Scope::refuse`](crate::Scope::refuse).
    Refused,
    /// The front knows that no other process can use the code, so nothing was looked for and nothing is
    /// kept: see [`Scope::unkeepable`](crate::Scope::unkeepable).
    Unkeepable,
}

impl MissReason {
    /// All reasons, in the order of their indices.
    pub(crate) const ALL: [Self; 9] = [
        Self::NotCached,
        Self::CacheOff,
        Self::Damaged,
        Self::Unbound,
        Self::NoMemory,
        Self::OtherSignature,
        Self::OtherNames,
        Self::Refused,
        Self::Unkeepable,
    ];

    /// The name under which the reason is counted, in kebab case.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotCached => "not-cached",
            Self::CacheOff => "cache-off",
            Self::Damaged => "damaged",
            Self::Unbound => "unbound",
            Self::NoMemory => "no-memory",
            Self::OtherSignature => "other-signature",
            Self::OtherNames => "other-names",
            Self::Refused => "refused",
            Self::Unkeepable => "unkeepable",
        }
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::MissReason;

    #[test]
    fn all_lists_every_reason_at_its_index() {
        for (index, reason) in MissReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }
}

//! Why an artifact can't be linked.

use core::ops::RangeInclusive;

use rekindle_artifact::{InvalidArtifact, RelocationKind, SectionKind};

/// An artifact can't be linked. All but [`Self::OutOfRange`] and [`Self::TooLarge`] mean that its
/// maker has a bug or a wrong setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The artifact breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidArtifact),
    /// A relocation belongs to another machine.
    #[error("{kind:?} doesn't belong to this machine")]
    WrongMachine {
        /// The relocation's kind.
        kind: RelocationKind,
    },
    /// The text holds an absolute address. Compile position-independent code.
    #[error("the text at {offset:#x} holds an absolute address of {target}")]
    AbsoluteInText {
        /// Where the field starts.
        offset: u32,
        /// What it refers to.
        target: String,
    },
    /// A name is referred to directly, though it may live anywhere. Declare it as not colocated,
    /// so that it goes through a cell.
    #[error("the text at {offset:#x} refers to {symbol} without a cell")]
    NotColocated {
        /// The name.
        symbol: String,
        /// Where the field starts.
        offset: u32,
    },
    /// One of the artifact's own sections is referred to through a cell, by an instruction that isn't
    /// known. Declare the section as colocated.
    #[error("the text at {offset:#x} refers to its own {section} through a cell")]
    CellOfSection {
        /// The section.
        section: SectionKind,
        /// Where the field starts.
        offset: u32,
    },
    /// A value doesn't fit its field.
    #[error("{kind:?} at {offset:#x}: {value:#x} is outside of {range:?}")]
    OutOfRange {
        /// The relocation's kind.
        kind: RelocationKind,
        /// Where the field starts.
        offset: u32,
        /// The value.
        value: i64,
        /// What the field takes.
        range: RangeInclusive<i64>,
    },
    /// A value isn't the multiple that its field takes.
    #[error("{kind:?} at {offset:#x}: {value:#x} isn't a multiple of {multiple}")]
    Misaligned {
        /// The relocation's kind.
        kind: RelocationKind,
        /// Where the field starts.
        offset: u32,
        /// The value.
        value: i64,
        /// What it must be a multiple of.
        multiple: i64,
    },
    /// All together is larger than an image may be.
    #[error("{len_bytes} bytes are more than an image may have")]
    TooLarge {
        /// The size.
        len_bytes: u64,
    },
}

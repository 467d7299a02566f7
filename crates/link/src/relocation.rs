//! Relocations as rows of a table, and the one routine that computes and stores them all.
//!
//! S is the target, A the addend, P the patched place, G the target's cell. Kinds differ in which
//! of these they combine and in the field that takes the result; each architecture's folder has
//! one row per kind.

use core::ops::RangeInclusive;

use rekindle_artifact::RelocationKind;

use crate::address::Address;
use crate::error::LinkError;

/// What a relocation's value is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// The target itself: one of the artifact's own sections.
    Direct,
    /// The target, or a veneer that jumps there.
    Call,
    /// The target's cell.
    Cell,
}

/// How the value is computed from the referred address R (target plus addend) and P.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Formula {
    /// R, known only in the process that runs the code.
    Absolute,
    /// R − P.
    Relative,
    /// Page(R) − Page(P), with pages of 4 KiB, whatever the host's are.
    RelativePage,
    /// R & 0xfff.
    PageOffset,
}

/// The bits that take the value.
pub(crate) struct Field {
    /// What the value may be.
    pub(crate) range: RangeInclusive<i64>,
    /// What the value must be a multiple of.
    pub(crate) multiple: i64,
    /// Stores a value within range; leaves other bits as they are.
    pub(crate) write: fn(&mut [u8], i64),
}

/// One kind of relocation.
pub(crate) struct Row {
    pub(crate) kind: RelocationKind,
    pub(crate) reference: Reference,
    pub(crate) formula: Formula,
    pub(crate) field: &'static Field,
    /// How to do without the cell, for a [`Reference::Cell`] whose target is close.
    pub(crate) relaxation: Option<Relaxation>,
}

/// Turns an instruction that loads an address from a cell into one that computes it.
///
/// Compilers load every address from a cell when they make position-independent code, also those
/// of the artifact's own sections, which need none. Every ELF linker rewrites such loads; so do we.
#[derive(Clone, Copy)]
pub(crate) struct Relaxation {
    /// Recognises the instruction that has its field at an offset of the text, and rewrites it.
    /// One that was rewritten before is recognised too. Returns whether it was either.
    pub(crate) rewrite: fn(&mut [u8], usize) -> bool,
    /// The relocation of the rewritten instruction.
    pub(crate) kind: RelocationKind,
}

/// Why a value doesn't go into its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PatchError {
    OutOfRange {
        value: i64,
        range: RangeInclusive<i64>,
    },
    Misaligned {
        value: i64,
        multiple: i64,
    },
}

impl PatchError {
    /// The error of who links, who knows the relocation.
    pub(crate) fn explain(self, kind: RelocationKind, offset: u32) -> LinkError {
        match self {
            Self::OutOfRange { value, range } => LinkError::OutOfRange {
                kind,
                offset,
                value,
                range,
            },
            Self::Misaligned { value, multiple } => LinkError::Misaligned {
                kind,
                offset,
                value,
                multiple,
            },
        }
    }
}

impl Row {
    /// Computes the value for a field at `place` that refers to `referred`, and stores it at the
    /// start of `bytes`, which must have the kind's length.
    pub(crate) fn patch(
        &self,
        bytes: &mut [u8],
        place: Address,
        referred: Address,
    ) -> Result<(), PatchError> {
        let value = match self.formula {
            Formula::Absolute => referred.0,
            Formula::Relative => referred.0.wrapping_sub(place.0),
            Formula::RelativePage => page(referred).wrapping_sub(page(place)),
            Formula::PageOffset => referred.0 & 0xfff,
        }
        .cast_signed();
        let Field {
            range,
            multiple,
            write,
        } = self.field;
        if !range.contains(&value) {
            return Err(PatchError::OutOfRange {
                value,
                range: range.clone(),
            });
        }
        if value % multiple != 0 {
            return Err(PatchError::Misaligned {
                value,
                multiple: *multiple,
            });
        }
        write(bytes, value);
        Ok(())
    }
}

fn page(address: Address) -> u64 {
    address.0 & !0xfff
}

/// A whole little-endian 64-bit word.
pub(crate) static WORD64: Field = Field {
    range: i64::MIN..=i64::MAX,
    multiple: 1,
    write: |bytes, value| bytes.copy_from_slice(&value.to_le_bytes()),
};

/// A whole little-endian signed 32-bit word.
pub(crate) static SIGNED32: Field = Field {
    range: i32::MIN as i64..=i32::MAX as i64,
    multiple: 1,
    write: |bytes, value| bytes.copy_from_slice(&(value as i32).to_le_bytes()),
};

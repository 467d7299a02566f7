//! Machines: what the linker must know of each, gathered from its folder.

use rekindle_artifact::{Relocation, RelocationKind};

use crate::address::Address;
use crate::error::LinkError;
use crate::machine::{DirectCall, Veneer};
use crate::relocation::Row;
use crate::{aarch64, x86_64};

/// A machine that code can be linked for. Any host can link for any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// x86-64.
    X86_64,
    /// AArch64, little-endian.
    Aarch64,
}

/// Bytes of the field of a direct call or jump that holds the distance.
pub const CALL_FIELD_LEN: usize = 4;

impl Arch {
    /// The machine that this program runs on, if code can be linked for it.
    pub const fn host() -> Option<Self> {
        if cfg!(all(target_arch = "x86_64", target_endian = "little")) {
            Some(Self::X86_64)
        } else if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
            Some(Self::Aarch64)
        } else {
            None
        }
    }

    /// The largest page that a system for this machine may use, in bytes: protections change at
    /// multiples of it.
    pub const fn page_len_bytes(self) -> u64 {
        match self {
            Self::X86_64 => 4 << 10,
            Self::Aarch64 => 64 << 10,
        }
    }

    /// The byte that fills the gaps between functions: repeated, it makes instructions that trap.
    pub const fn padding(self) -> u8 {
        match self {
            // `int3`
            Self::X86_64 => 0xcc,
            // `udf #0`
            Self::Aarch64 => 0,
        }
    }

    /// Takes out of an artifact's text what linking puts in the place of a relocation, which must lie
    /// within it. What was linked for different places is equal then, if it was equal before.
    pub fn blank(self, relocation: &Relocation, text: &mut [u8]) {
        let start = relocation.offset as usize;
        let relaxation = self.row(relocation.kind).and_then(|row| row.relaxation);
        if let Some(relaxation) = relaxation {
            // Whether it applied depended on what else was linked.
            (relaxation.rewrite)(text, start);
        }
        let end = start + relocation.kind.field_len_bytes();
        if let Some(field) = text.get_mut(start..end) {
            field.fill(0);
        }
    }

    /// Leads a direct call or jump to `target`: `field` is what is at `place`. Returns whether it
    /// reaches so far; if not, it leads where it did.
    pub fn lead_call(
        self,
        field: &mut [u8; CALL_FIELD_LEN],
        place: Address,
        target: Address,
    ) -> bool {
        let DirectCall { kind, addend } = *self.call();
        let row = self.row(kind).expect("of the same machine");
        row.patch(field, place, target.plus(addend.cast_unsigned()))
            .is_ok()
    }

    /// Stores in the field of a relocation, which is at `place`, what makes it refer to `referred`.
    ///
    /// # Errors
    /// If the kind is another machine's, or the value doesn't fit.
    ///
    /// # Panics
    /// If the field isn't as long as the kind says.
    pub fn patch(
        self,
        kind: RelocationKind,
        field: &mut [u8],
        place: Address,
        referred: Address,
    ) -> Result<(), LinkError> {
        assert_eq!(field.len(), kind.field_len_bytes(), "a field of {kind:?}");
        let row = self.row(kind).ok_or(LinkError::WrongMachine { kind })?;
        let patched = row.patch(field, place, referred);
        patched.map_err(|error| error.explain(kind, 0))
    }

    /// Writes a veneer that lives at `place` and jumps where `cell` says, into the first of `bytes`.
    ///
    /// # Errors
    /// If the cell is too far away, or there is no room.
    pub fn write_veneer(
        self,
        bytes: &mut [u8],
        place: Address,
        cell: Address,
    ) -> Result<(), LinkError> {
        let Veneer {
            template, patch, ..
        } = self.veneer();
        let len_bytes = template.len() as u64;
        let bytes = bytes.get_mut(..template.len());
        let bytes = bytes.ok_or(LinkError::TooLarge { len_bytes })?;
        bytes.copy_from_slice(template);
        patch(bytes, place, cell).map_err(|error| error.explain(self.call().kind, 0))
    }

    pub(crate) fn call(self) -> &'static DirectCall {
        match self {
            Self::X86_64 => &x86_64::CALL,
            Self::Aarch64 => &aarch64::CALL,
        }
    }

    pub(crate) fn row(self, kind: RelocationKind) -> Option<&'static Row> {
        let rows = match self {
            Self::X86_64 => x86_64::ROWS,
            Self::Aarch64 => aarch64::ROWS,
        };
        rows.iter().find(|row| row.kind == kind)
    }

    pub(crate) fn veneer(self) -> &'static Veneer {
        match self {
            Self::X86_64 => &x86_64::VENEER,
            Self::Aarch64 => &aarch64::VENEER,
        }
    }
}

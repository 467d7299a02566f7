//! What a machine's folder says of it, beside its relocations.

use rekindle_artifact::RelocationKind;

use crate::address::Address;
use crate::relocation::PatchError;

/// Code that jumps to where a cell says: what a direct call reaches when its target lies anywhere.
pub(crate) struct Veneer {
    /// The instructions, with the fields that lead to the cell still empty.
    pub(crate) template: &'static [u8],
    /// Stores the way from the veneer at an address to a cell.
    pub(crate) patch: fn(&mut [u8], Address, Address) -> Result<(), PatchError>,
    /// Where a veneer may start.
    pub(crate) align: u64,
}

/// A direct call or jump.
pub(crate) struct DirectCall {
    /// Its relocation.
    pub(crate) kind: RelocationKind,
    /// The addend with which it leads to the very start of its target.
    pub(crate) addend: i64,
}

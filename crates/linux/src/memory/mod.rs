//! The guest's half of the address space: which ranges are mapped, and how they change.

mod segment;
mod space;
#[cfg(test)]
mod tests;
mod vma;

pub(crate) use space::{AddressSpace, MapRequest, Placement};
pub(crate) use vma::{Backing, FileBacking, Protection, SegmentBacking, Vma, VmaMap};

/// The size of a page, of the guest and of every host we run on.
pub(crate) const PAGE: u64 = 4096;

/// `address` rounded down to a page.
pub(crate) const fn page_floor(address: u64) -> u64 {
    address & !(PAGE - 1)
}

/// `address` rounded up to a page, or `None` past the end of the address space.
pub(crate) const fn page_ceil(address: u64) -> Option<u64> {
    match address.checked_add(PAGE - 1) {
        Some(sum) => Some(page_floor(sum)),
        None => None,
    }
}

//! A part of a guest's code as compilation sees it. Whoever maps the guest's files implements it.

use std::fmt::Debug;
use std::ops::Range;

use rekindle::Digest;

use crate::code_location::CodeLocation;

/// A file's code in the guest's memory, which is the same in every process that maps the file.
pub trait CodeModule: Debug + Send + Sync {
    /// What is added to the file's addresses: 0 for a program at fixed addresses.
    fn base(&self) -> u64;

    /// The file's name, without its folder.
    fn name(&self) -> String;

    /// The digest of everything about the file that translations depend on.
    fn digest(&self) -> Digest;

    /// The ranges whose bytes come from the file, that the guest may execute and can't write.
    fn text_ranges(&self) -> &[Range<u64>];

    /// What reads its text as the digest says it is, at addresses from the base, and tells whether it
    /// could. Memory may hold other bytes by now. For the calling thread, and not for long: it may hold
    /// a descriptor.
    fn original_text(&self) -> ReadText;

    /// What the region at `head` is called: the file, the address in it, and the function's name where
    /// one is known.
    fn region_name(&self, head: u64) -> String;

    /// Where the function of this name is.
    fn function(&self, name: &str) -> Option<u64>;
}

/// Fills a buffer with the text at an address; returns whether it could.
pub type ReadText = Box<dyn FnMut(&mut [u8], u64) -> bool>;

/// Finds the module that holds a guest PC in its text.
pub type FindModule<'a> = &'a dyn Fn(u64) -> Option<std::sync::Arc<dyn CodeModule>>;

/// The range of the module's code that holds `pc`.
pub(crate) fn text_at(module: &dyn CodeModule, pc: u64) -> Option<&Range<u64>> {
    module.text_ranges().iter().find(|text| text.contains(&pc))
}

/// Where a place is, if the module's code holds it.
pub(crate) fn find(module: &dyn CodeModule, location: &CodeLocation) -> Option<u64> {
    let pc = match location {
        CodeLocation::Pc(pc) => *pc,
        CodeLocation::Function { name, offset } => module.function(name)?.checked_add(*offset)?,
    };
    text_at(module, pc).map(|_| pc)
}

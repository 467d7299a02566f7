//! A module's text as its digest says it is: read from the file, or from guest memory.
//!
//! Asked for when a scope is flushed. The file is opened for that and closed again: a descriptor that
//! stayed would be one of the guest's numbers.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rekindle_hart::guest_memory::copy_in;

use crate::module::GuestModule;

/// What holds the text.
enum Original {
    /// Nobody has looked yet.
    Unknown,
    /// The file, unchanged since it was hashed.
    File(File),
    /// Guest memory, all of which was hashed.
    Memory,
    /// Nothing any more.
    Lost,
}

/// Reads bytes of a module's text at an address from its base; returns whether they are the original's.
pub type OriginalText = Box<dyn FnMut(&mut [u8], u64) -> bool>;

impl GuestModule {
    /// What reads the text as it was when the module was hashed.
    pub fn original_text(self: &Arc<Self>) -> OriginalText {
        let module = Arc::clone(self);
        let mut original = Original::Unknown;
        Box::new(move |bytes, address| original.read(&module, bytes, address))
    }
}

impl Original {
    fn read(&mut self, module: &GuestModule, bytes: &mut [u8], address: u64) -> bool {
        if matches!(self, Self::Unknown) {
            *self = match module.open_unchanged() {
                Some(file) => Self::File(file),
                None => in_memory(module),
            };
        }
        if let Self::File(file) = self {
            let offset = module.file_offset(address, bytes.len() as u64);
            let is_read = offset.is_some_and(|offset| file.read_exact_at(bytes, offset).is_ok());
            // What was read is the original's only if nobody has written meanwhile.
            if module.is_unchanged(file) {
                return is_read;
            }
            *self = in_memory(module);
        }
        let is_there = matches!(self, Self::Memory);
        is_there && copy_in(bytes, module.base().wrapping_add(address)).is_ok()
    }
}

/// Without its file, or with one that was touched, a module is judged by all of its text.
fn in_memory(module: &GuestModule) -> Original {
    match module.is_whole_in_memory() {
        true => Original::Memory,
        false => Original::Lost,
    }
}

//! What the embedder gives names for: addresses of the host program.

use std::cell::RefCell;
use std::collections::HashMap;

use cranelift_codegen::ir::LibCall;

/// A symbol look-up function of the embedder.
pub(crate) type LookupFn = Box<dyn Fn(&str) -> Option<*const u8> + Send>;

/// The embedder's names for the routines that Cranelift calls.
pub(crate) type LibCallNames = Box<dyn Fn(LibCall) -> String + Send + Sync>;

/// The host's symbols, as the embedder registered them. Addresses are kept as numbers: nothing
/// here follows them.
pub(crate) struct SymbolTable {
    known: RefCell<HashMap<String, u64>>,
    /// Asked last to first.
    lookups: Vec<LookupFn>,
    libcall_names: LibCallNames,
}

impl SymbolTable {
    pub(crate) fn new(libcall_names: LibCallNames) -> Self {
        let in_process: LookupFn = Box::new(|name| {
            let address = rekindle_exec::find_symbol(name)?;
            Some(core::ptr::with_exposed_provenance(address.0 as usize))
        });
        Self {
            known: RefCell::default(),
            lookups: vec![in_process],
            libcall_names,
        }
    }

    pub(crate) fn define(&mut self, name: String, address: *const u8) {
        self.known
            .get_mut()
            .insert(name, address.expose_provenance() as u64);
    }

    pub(crate) fn add_lookup(&mut self, lookup: LookupFn) {
        self.lookups.push(lookup);
    }

    /// The address of a symbol, remembered once it was found.
    pub(crate) fn find(&self, name: &str) -> Option<u64> {
        if let Some(&address) = self.known.borrow().get(name) {
            return Some(address);
        }
        let address = self.lookups.iter().rev().find_map(|lookup| lookup(name))?;
        let address = address.expose_provenance() as u64;
        self.known.borrow_mut().insert(name.to_owned(), address);
        Some(address)
    }

    /// The symbol that stands for a routine.
    pub(crate) fn libcall_name(&self, libcall: LibCall) -> String {
        (self.libcall_names)(libcall)
    }
}

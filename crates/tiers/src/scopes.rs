//! A guest module as the JIT sees it: its scope in the cache, its code, its keys.

use std::ops::Range;
use std::sync::Arc;

use rekindle::{Cache, Environment, Key, KeyBuilder, Scope, ScopeId};
use rekindle_hart::fetch;
use rekindle_hart::guest_memory::{AccessFault, load16};
use rv_isa::Decoded;

use crate::abi;
use crate::code_location::CodeLocation;
use crate::code_module::{CodeModule, find, text_at};

/// A module whose code may be compiled.
#[derive(Debug)]
pub(super) struct ModuleScope {
    pub(super) module: Arc<dyn CodeModule>,
    pub(super) scope: Scope,
    /// Whether the guest may have changed the module's code in memory. What its file said is no
    /// longer what runs, so nothing is looked up or compiled any more.
    is_stale: bool,
    /// The guest PC whose region is to be shown.
    pub(super) dumped: Option<u64>,
}

impl ModuleScope {
    /// Opens the scope of `module`.
    pub(super) fn open(
        module: Arc<dyn CodeModule>,
        cache: &Cache,
        environment: &Environment,
        dumped: Option<&CodeLocation>,
    ) -> Self {
        let base = module.base();
        let name = module.name();
        let symbols = move |name: &str| match name {
            "rekindle_vm.module_base" => Some(base),
            _ => abi::symbol(name),
        };
        let id = ScopeId::from_digest(module.digest()).with_label(&name);
        let scope = cache.scope(environment, id, Box::new(symbols));
        Self {
            scope,
            is_stale: false,
            dumped: dumped.and_then(|location| find(&*module, location)),
            module,
        }
    }

    /// Whether `pc` is in the module's code, unchanged.
    pub(super) fn holds(&self, pc: u64) -> bool {
        !self.is_stale && self.range(pc).is_some()
    }

    /// Whether a change of `range` would change the module's code.
    pub(super) fn overlaps(&self, range: &Range<u64>) -> bool {
        let overlaps = |text: &Range<u64>| text.start < range.end && range.start < text.end;
        self.text().iter().any(overlaps)
    }

    /// Where its code is.
    pub(super) fn text(&self) -> &[Range<u64>] {
        self.module.text_ranges()
    }

    /// Gives the module up: the guest may have changed its code.
    pub(super) fn give_up(&mut self) {
        self.is_stale = true;
    }

    fn range(&self, pc: u64) -> Option<&Range<u64>> {
        text_at(&*self.module, pc)
    }

    /// The base on which code must not depend; `None` for a module at fixed addresses.
    pub(super) fn floating_base(&self) -> Option<u64> {
        let base = self.module.base();
        (base != 0).then_some(base)
    }

    /// The key of the region at `head`. The module's digest stands for the instructions, since a
    /// region never leaves the module; where it is loaded is no part of it, but whether that may
    /// vary is.
    pub(super) fn key(&self, head: u64) -> Key {
        let base = self.module.base();
        KeyBuilder::new("rekindle-vm/region")
            .digest(&self.module.digest())
            .u64(head.wrapping_sub(base))
            .u64(u64::from(base != 0))
            .finish()
    }

    /// The instruction at `pc`, if it lies in the same range of the module's code as `head`.
    pub(super) fn fetch(&self, head: u64, pc: u64) -> Option<Decoded> {
        let range = self.range(head)?;
        let half = |address: u64| {
            let inside = range.contains(&address) && range.contains(&address.wrapping_add(1));
            match inside {
                true => load16(address),
                false => Err(AccessFault),
            }
        };
        fetch(pc, half).ok()?
    }
}

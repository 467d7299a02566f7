//! A guest module as the JIT sees it: its scope in the cache, its code, its keys.

use std::ops::Range;
use std::sync::Arc;

use rekindle::{Cache, Environment, Key, KeyBuilder, Scope, ScopeId};
use rekindle_hart::fetch;
use rekindle_hart::guest_memory::AccessFault;
use rv_isa::Decoded;

use crate::abi;
use crate::code_location::CodeLocation;
use crate::code_module::{CodeModule, find, text_at};
use crate::kept;
use crate::source::Snapshot;

/// A module whose code may be compiled.
#[derive(Debug)]
pub(crate) struct ModuleScope {
    pub(crate) module: Arc<dyn CodeModule>,
    pub(crate) scope: Scope,
    /// Which of the process's it is.
    pub(crate) number: u64,
    /// How many compilations for it are on their way.
    pub(crate) jobs: usize,
    /// Since which removal the guest may have changed the module's code in memory. What its file said is no
    /// longer what runs, so nothing is looked up or compiled any more.
    stale_since: Option<u64>,
    /// The guest PC whose region is to be shown.
    pub(crate) dumped: Option<u64>,
}

impl ModuleScope {
    /// Opens the scope of `module`.
    pub(crate) fn open(
        number: u64,
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
        let original = Arc::clone(&module);
        scope.keep_only(Box::new(move || kept::judge(&*original)));
        Self {
            scope,
            number,
            jobs: 0,
            stale_since: None,
            dumped: dumped.and_then(|location| find(&*module, location)),
            module,
        }
    }

    /// Whether `pc` is in the module's code, unchanged.
    pub(crate) fn holds(&self, pc: u64) -> bool {
        self.stale_since.is_none() && self.range(pc).is_some()
    }

    /// Whether a change of `range` would change the module's code.
    pub(crate) fn overlaps(&self, range: &Range<u64>) -> bool {
        let overlaps = |text: &Range<u64>| text.start < range.end && range.start < text.end;
        self.text().iter().any(overlaps)
    }

    /// Where its code is.
    pub(crate) fn text(&self) -> &[Range<u64>] {
        self.module.text_ranges()
    }

    /// Gives the module up: the guest may have changed its code.
    pub(crate) fn give_up(&mut self, removal: u64) {
        self.stale_since.get_or_insert(removal);
    }

    /// Whether it was given up by removal `upto`.
    pub(crate) fn is_stale_since(&self, upto: u64) -> bool {
        self.stale_since.is_some_and(|removal| removal <= upto)
    }

    fn range(&self, pc: u64) -> Option<&Range<u64>> {
        text_at(&*self.module, pc)
    }

    /// The base on which code must not depend; `None` for a module at fixed addresses.
    pub(crate) fn floating_base(&self) -> Option<u64> {
        let base = self.module.base();
        (base != 0).then_some(base)
    }

    /// The key of the region at `head`. The module's digest stands for the instructions, since a
    /// region never leaves the module; where it is loaded is no part of it, but whether that may
    /// vary is.
    pub(crate) fn key(&self, head: u64) -> Key {
        let base = self.module.base();
        KeyBuilder::new("rekindle-vm/region")
            .digest(&self.module.digest())
            .u64(head.wrapping_sub(base))
            .u64(u64::from(base != 0))
            .finish()
    }

    /// The instruction at `pc` as `snapshot` has it, if it lies in the same range of the module's code
    /// as `head`.
    pub(crate) fn fetch(&self, head: u64, pc: u64, snapshot: &Snapshot) -> Option<Decoded> {
        let range = self.range(head)?;
        let half = |address: u64| {
            let inside = range.contains(&address) && range.contains(&address.wrapping_add(1));
            match inside {
                true => snapshot.half(address),
                false => Err(AccessFault),
            }
        };
        fetch(pc, half).ok()?
    }
}

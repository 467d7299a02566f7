//! Tier 1: hot regions compiled by Cranelift, kept in the cache, chained to one another.
//!
//! [`Jit`] is what the dispatch loop knows. It looks a block up in the cache when the interpreter
//! decodes it, asks the compile thread for a region when the block becomes hot, installs what comes
//! back, and runs installed code. The stages of a compilation are [`region`] (what), [`flow`] (what
//! is known about it), [`translate`] (to CLIF) and [`backend`] (to machine code).

mod backend;
mod compiler;
mod flow;
mod installed;
mod metadata;
mod operands;
mod reg_set;
mod region;
mod scopes;
mod translate;

use std::collections::BTreeMap;
use std::ops::Range;

use rekindle::{Cache, Code, Environment, Lookup};
use rustc_hash::{FxHashMap, FxHashSet};

pub(crate) use self::backend::REGION_SIGNATURE;
use self::backend::Request;
use self::compiler::{Compiler, Finished, Job};
use self::installed::Installed;
use self::scopes::ModuleScope;
use crate::abi::{self, Left};
use crate::attention;
use crate::dispatch::{Entered, Translator};
use crate::exit::{Exit, FaultKind, GuestFault};
use crate::interpreter::Interpreter;
use crate::module::Modules;
use crate::signal;
use crate::state::{GuestState, JUMP_CACHE_LEN, JumpCacheEntry};
use crate::stats::RunStatistics;

/// The compiled tier of one guest.
#[derive(Debug)]
pub(crate) struct Jit {
    cache: Cache,
    environment: Environment,
    scopes: Vec<ModuleScope>,
    installed: Installed,
    compiler: Compiler,
    /// Heads that were asked for, so that none is asked for twice.
    requested: FxHashSet<u64>,
    /// Where the blocks of regions start that are being compiled: heat there is no news yet.
    pending: FxHashMap<u64, Vec<u64>>,
    /// Hot blocks that weren't asked for because a region that is on its way holds them.
    put_off: FxHashSet<u64>,
    /// Whether the jump cache may lead to regions that were removed.
    has_stale_jumps: bool,
    regions_loaded: u64,
    avoided_ns: u64,
    misses: BTreeMap<String, u64>,
}

impl Jit {
    /// A JIT that keeps its code in `cache`.
    pub(crate) fn new(cache: Cache) -> Self {
        Self {
            cache,
            environment: backend::environment(),
            scopes: Vec::new(),
            installed: Installed::default(),
            compiler: Compiler::new(attention::raise),
            requested: FxHashSet::default(),
            pending: FxHashMap::default(),
            put_off: FxHashSet::default(),
            has_stale_jumps: false,
            regions_loaded: 0,
            avoided_ns: 0,
            misses: BTreeMap::new(),
        }
    }

    /// Ends the compile thread, and writes what was compiled.
    pub(crate) fn end(&mut self) {
        self.compiler.end();
        for scope in &self.scopes {
            scope.scope.flush();
        }
    }

    /// Enters what was done into the run's statistics.
    pub(crate) fn add_to(&self, statistics: &mut RunStatistics) {
        let (regions_compiled, compile_ns_spent) = self.compiler.totals();
        statistics.regions_compiled = regions_compiled;
        statistics.compile_ns_spent = compile_ns_spent;
        statistics.regions_loaded = self.regions_loaded;
        statistics.compile_ns_avoided = self.avoided_ns;
        statistics.misses.clone_from(&self.misses);
    }

    /// The scope of the module that holds `pc`, opened now if it wasn't.
    fn scope(&mut self, pc: u64, modules: &Modules) -> Option<usize> {
        if let Some(index) = self.scopes.iter().position(|scope| scope.holds(pc)) {
            return Some(index);
        }
        let module = modules.find(pc)?;
        if self.scopes.iter().any(|scope| scope.is_of(module)) {
            return None;
        }
        self.scopes
            .push(ModuleScope::open(module, &self.cache, &self.environment));
        Some(self.scopes.len() - 1)
    }

    fn install(&mut self, head: u64, code: &Code, interpreter: &mut Interpreter) {
        let Some(scope) = self.scopes.iter().find(|scope| scope.holds(head)) else {
            return;
        };
        if self.installed.install(head, code, &scope.scope) {
            interpreter.set_compiled(head, true);
        }
    }

    fn install_loaded(&mut self, head: u64, code: &Code, interpreter: &mut Interpreter) {
        if code.is_loaded() {
            self.regions_loaded += 1;
            self.avoided_ns = self.avoided_ns.saturating_add(code.compile_time_ns());
        }
        self.requested.insert(head);
        self.install(head, code, interpreter);
    }

    /// Asks for the region of `pc`, unless it is there or was asked for.
    fn request(&mut self, pc: u64, modules: &Modules, interpreter: &mut Interpreter) {
        if self.requested.contains(&pc) {
            return;
        }
        let Some(index) = self.scope(pc, modules) else {
            return;
        };
        let scope = &self.scopes[index];
        let Some(region) = region::discover(pc, &|at| scope.fetch(pc, at)) else {
            return;
        };
        let ticket = match scope.scope.lookup(&scope.key(pc)) {
            Lookup::Hit(code) => return self.install_loaded(pc, &code, interpreter),
            Lookup::Miss(ticket) => ticket,
        };
        *self.misses.entry(ticket.reason().to_string()).or_default() += 1;
        self.requested.insert(pc);
        let request = Request {
            name: scope.region_name(pc),
            floating_base: scope.floating_base(),
        };
        let scope = scope.scope.clone();
        self.pending
            .insert(pc, region.blocks.iter().map(|block| block.start).collect());
        self.compiler.submit(Job {
            region,
            request,
            scope,
            ticket,
        });
    }

    fn take(&mut self, finished: Finished, interpreter: &mut Interpreter) {
        self.pending.remove(&finished.head);
        if let Some(code) = finished.code {
            self.install(finished.head, &code, interpreter);
        }
    }

    /// The exit for a fault in compiled code; the guest PC becomes that of the access.
    fn fault(&self, state: &mut GuestState) -> Exit {
        let Some(record) = signal::take_fault() else {
            return Exit::Dispatch;
        };
        if let Some(pc) = self.installed.guest_pc(record.host_pc) {
            state.pc = pc;
        }
        let kind = FaultKind::from_signal(record.signal);
        Exit::Fault(GuestFault {
            address: record.address,
            kind,
        })
    }
}

impl Translator for Jit {
    fn is_active(&self) -> bool {
        true
    }

    fn note_decoded(&mut self, pc: u64, modules: &Modules, interpreter: &mut Interpreter) {
        let Some(index) = self.scope(pc, modules) else {
            return;
        };
        let scope = &self.scopes[index];
        if let Lookup::Hit(code) = scope.scope.lookup(&scope.key(pc)) {
            self.install_loaded(pc, &code, interpreter);
        }
    }

    fn note_hot(&mut self, pc: u64, modules: &Modules, interpreter: &mut Interpreter) {
        if self.requested.contains(&pc) {
            return;
        }
        // A loop inside a region that is on its way may never be entered by itself again. If it is,
        // it will be reported again.
        if self.pending.values().any(|starts| starts.contains(&pc)) {
            interpreter.cool(pc);
            self.put_off.insert(pc);
            return;
        }
        self.request(pc, modules, interpreter);
    }

    fn finish(&mut self, modules: &Modules, interpreter: &mut Interpreter) {
        let seen = interpreter.decoded_instructions();
        let mut tried = FxHashSet::default();
        loop {
            for finished in self.compiler.finish() {
                self.take(finished, interpreter);
            }
            let exits = self.installed.exits().filter(|pc| seen.contains(pc));
            let mut wanted: Vec<u64> = exits.chain(self.put_off.drain()).collect();
            wanted.retain(|pc| tried.insert(*pc));
            if wanted.is_empty() {
                return;
            }
            for pc in wanted {
                self.request(pc, modules, interpreter);
            }
        }
    }

    fn poll(&mut self, interpreter: &mut Interpreter) {
        for finished in self.compiler.take_finished() {
            self.take(finished, interpreter);
        }
    }
    fn enter(&mut self, state: &mut GuestState) -> Entered {
        if std::mem::take(&mut self.has_stale_jumps) {
            state.jump_cache.fill(JumpCacheEntry::EMPTY);
        }
        let Some(mut code) = self.installed.entry(state.pc) else {
            return Entered::NotCompiled;
        };
        loop {
            match abi::enter(state, code) {
                Left::Unlinked => {
                    let Some((slot, target)) = self.installed.slot_at(state.exit_slot) else {
                        // No slot of ours leads there; nothing was lost but the PC.
                        unreachable!("an exit through a slot that no region has");
                    };
                    state.pc = target;
                    self.installed.link(slot, target);
                }
                Left::Indirect => {
                    if let Some(code) = self.installed.entry(state.pc) {
                        let entry = JumpCacheEntry {
                            guest_pc: state.pc,
                            code: code.address().0,
                        };
                        state.jump_cache[(state.pc >> 1) as usize % JUMP_CACHE_LEN] = entry;
                    }
                }
                Left::Interpret => return Entered::Interpret,
                Left::Syscall => return Entered::Exit(Exit::Syscall),
                Left::Fault => return Entered::Exit(self.fault(state)),
            }
            code = match self.installed.entry(state.pc) {
                Some(code) if !attention::is_raised() => code,
                _ => return Entered::Exit(Exit::Dispatch),
            };
        }
    }

    fn invalidate(&mut self, range: Range<u64>, interpreter: &mut Interpreter) {
        // A `fence.i` says that code may have changed anywhere, but a module's can't have: it isn't
        // writable, and loses that only with a notice of its own.
        if range == (0..u64::MAX) {
            return;
        }
        let changed = self
            .scopes
            .iter_mut()
            .filter(|scope| scope.overlaps(&range));
        let mut texts = Vec::new();
        for scope in changed {
            scope.give_up();
            texts.extend_from_slice(scope.text());
        }
        if texts.is_empty() {
            return;
        }
        let gone = |head: u64| texts.iter().any(|text| text.contains(&head));
        self.has_stale_jumps = true;
        for head in self.installed.remove(gone) {
            interpreter.set_compiled(head, false);
        }
    }
}

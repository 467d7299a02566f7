//! Tier 1: hot regions compiled by Cranelift, kept in the cache, chained to one another.
//!
//! [`Jit`] is what the dispatch loop knows. It looks a block up in the cache when the interpreter
//! decodes it, asks the compile thread for a region when the block becomes hot, installs what comes
//! back, and runs installed code. The stages of a compilation are [`region`] (what),
//! [`flow`](crate::flow) (what is known about it), [`translate`](crate::translate) (to CLIF) and
//! [`backend`] (to machine code).

mod rescue;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rekindle::{Cache, Code, Environment, Lookup};
use rekindle_hart::{
    Exit, FaultKind, GuestFault, GuestState, Interpreter, attention, faulting_part, faults,
};
use rustc_hash::{FxHashMap, FxHashSet};

use self::rescue::Rescued;
pub use self::rescue::own_files;
use crate::abi::{self, Left, RegionCode};
use crate::backend::Request;
use crate::code_location::CodeLocation;
use crate::code_module::FindModule;
use crate::compiler::{Compiler, Finished, Job};
use crate::installed::Installed;
use crate::news::News;
use crate::scopes::ModuleScope;
use crate::source::{Snapshot, Source};
use crate::statistics::TierStatistics;
use crate::surroundings::Surroundings;
use crate::translator::{Entered, Translator};
use crate::{backend, dump, metadata, operands, region};

/// One guest thread's end of the compiled tier, which the threads of a process share.
#[derive(Debug)]
pub struct Jit {
    shared: Arc<Shared>,
    /// How much of [`State::news`] this thread's interpreter knows.
    seen: usize,
    /// The removals that this thread's jump cache and `recent` reflect.
    generation: u64,
    /// Entry points that this thread asked for, direct-mapped by guest PC: they are found without a
    /// lock.
    recent: Box<[Option<(u64, RegionCode)>; RECENT_LEN]>,
}

/// Entries of [`Jit::recent`].
const RECENT_LEN: usize = 256;

/// What of compiled code people are to see.
#[derive(Clone, Debug)]
pub struct Shows {
    /// The place whose code is printed.
    pub dump: Option<CodeLocation>,
    /// Whether perf is told what fresh code is called.
    pub perf_map: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The length of [`State::news`].
    log_len: AtomicUsize,
    /// How often regions were removed.
    generation: AtomicU64,
}

/// The compiled tier of one guest process.
#[derive(Debug)]
struct State {
    cache: Cache,
    surroundings: Arc<dyn Surroundings>,
    environment: Environment,
    /// Whether compiled code writes registers back before every access that may fault.
    exact_faults: bool,
    scopes: Vec<ModuleScope>,
    installed: Installed,
    compiler: Compiler,
    /// What is to be shown to a person, until it was.
    dump: Option<CodeLocation>,
    /// Whether that was compiled.
    has_dumped: bool,
    /// Heads that were asked for, so that none is asked for twice.
    requested: FxHashSet<u64>,
    /// Where the blocks of regions start that are being compiled: heat there is no news yet.
    pending: FxHashMap<u64, Vec<u64>>,
    /// Hot blocks that weren't asked for because a region that is on its way holds them.
    put_off: FxHashSet<u64>,
    /// The heads of regions in the order in which they were installed (true), and removed or given
    /// up before they were.
    news: News,
    /// Whether regions were removed that threads may know still.
    has_removed: bool,
    /// How often regions were removed.
    removals: u64,
    /// What took the place of regions whose image was truncated under them.
    rescued: Vec<Rescued>,
    /// How many scopes were opened, by which they are numbered.
    scopes_opened: u64,
    regions_loaded: u64,
    avoided_ns: u64,
    misses: BTreeMap<String, u64>,
}

impl Jit {
    /// A JIT that keeps its code in `cache`.
    pub fn new(cache: Cache, surroundings: Arc<dyn Surroundings>, shows: Shows) -> Self {
        let Shows { dump, perf_map } = shows;
        let compiler = Compiler::new(Arc::clone(&surroundings), perf_map);
        let state = State {
            cache,
            surroundings,
            environment: backend::environment(false),
            exact_faults: false,
            scopes: Vec::new(),
            installed: Installed::default(),
            compiler,
            dump,
            has_dumped: false,
            requested: FxHashSet::default(),
            pending: FxHashMap::default(),
            put_off: FxHashSet::default(),
            news: News::default(),
            removals: 0,
            rescued: Vec::new(),
            scopes_opened: 0,
            has_removed: false,
            regions_loaded: 0,
            avoided_ns: 0,
            misses: BTreeMap::new(),
        };
        let shared = Shared {
            state: Mutex::new(state),
            log_len: AtomicUsize::new(0),
            generation: AtomicU64::new(0),
        };
        let shared = Arc::new(shared);
        rescue::watch(&shared);
        Self {
            shared,
            seen: 0,
            generation: 0,
            recent: Box::new([None; RECENT_LEN]),
        }
    }

    /// Ends the compile thread, and writes what was compiled.
    pub fn end(&mut self) {
        let mut state = self.shared.lock();
        state.compiler.end();
        state.flush();
    }

    /// What was done.
    #[must_use]
    pub fn statistics(&self) -> TierStatistics {
        let state = self.shared.lock();
        let (regions_compiled, compile_ns_spent) = state.compiler.totals();
        TierStatistics {
            regions_compiled,
            regions_loaded: state.regions_loaded,
            misses: state.misses.clone(),
            compile_ns_spent,
            compile_ns_avoided: state.avoided_ns,
        }
    }

    /// The exit for a fault in compiled code; the guest PC becomes that of the access.
    fn fault(&self, state: &mut GuestState) -> Exit {
        let Some(record) = faults::take_fault() else {
            return Exit::Dispatch;
        };
        let shared = self.shared.lock();
        let mut address = record.address;
        if let Some(pc) = shared.installed.guest_pc(record.host_pc) {
            state.pc = pc;
            if shared.exact_faults
                && let Some(accessed) = operands::accessed_address(state)
            {
                address = faulting_part(accessed, record.address);
            }
        }
        let kind = FaultKind::from_signal(record.signal);
        Exit::Fault(GuestFault { address, kind })
    }

    /// The code of the region that starts at `pc`.
    fn entry(&mut self, pc: u64) -> Option<RegionCode> {
        let recent = &mut self.recent[(pc >> 1) as usize % RECENT_LEN];
        if let Some((known, code)) = *recent
            && known == pc
        {
            return Some(code);
        }
        let code = self.shared.lock().installed.entry(pc)?;
        *recent = Some((pc, code));
        Some(code)
    }

    /// Where a region that left through its slot at `slot` goes on: the slot is linked, the code is
    /// returned if there is some, and `pc` becomes the guest PC.
    fn follow_slot(&self, slot: u64, pc: &mut u64) -> Option<RegionCode> {
        let mut state = self.shared.lock();
        let Some((slot, target)) = state.installed.slot_at(slot) else {
            // No slot of ours leads there; nothing was lost but the PC.
            unreachable!("an exit through a slot that no region has");
        };
        *pc = target;
        state.installed.link(slot, target);
        state.installed.entry(target)
    }

    fn change<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        self.shared.change(work)
    }
}

impl Shared {
    /// Runs `work` on what threads share, and publishes how the news have grown and that regions went.
    fn change<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = work(&mut state);
        if std::mem::take(&mut state.has_removed) {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        self.log_len.store(state.news.count(), Ordering::Release);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves maps as they were before or after one change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The scope of the module that holds `pc`, opened now if it wasn't.
    fn scope(&mut self, pc: u64, modules: FindModule<'_>) -> Option<usize> {
        if let Some(index) = self.scopes.iter().position(|scope| scope.holds(pc)) {
            return Some(index);
        }
        let module = modules(pc)?;
        let (cache, environment) = (&self.cache, &self.environment);
        self.scopes_opened += 1;
        let number = self.scopes_opened;
        let scope = ModuleScope::open(number, module, cache, environment, self.dump.as_ref());
        self.scopes.push(scope);
        Some(self.scopes.len() - 1)
    }

    /// Installs code whose source is what memory holds. Returns whether it is.
    fn install(&mut self, head: u64, code: &Code, scope: usize) -> bool {
        let scope = &self.scopes[scope];
        if !scope.holds(head) {
            return true;
        }
        // Reading the source costs a hundredth of what making the code did, and its page was read
        // when the interpreter decoded the head.
        let base = scope.module.base();
        let Some(metadata) = metadata::decode(head, code.metadata())
            .filter(|it| it.source.head == head.wrapping_sub(base))
            .filter(|it| it.source.is_in_memory(base))
        else {
            return false;
        };
        if self.installed.install(head, code, metadata, &scope.scope) {
            self.news.push(head, true);
        }
        true
    }

    /// Installs what a look-up found. Returns whether it could be; if not, it was made from other
    /// bytes than memory holds.
    fn install_found(&mut self, head: u64, code: &Code, scope: usize) -> bool {
        if !self.install(head, code, scope) {
            return false;
        }
        if code.is_loaded() {
            self.regions_loaded += 1;
            self.avoided_ns = self.avoided_ns.saturating_add(code.compile_time_ns());
        }
        self.requested.insert(head);
        true
    }

    /// Gives a module up: its code in memory isn't what was compiled, and nobody has said so.
    fn give_up(&mut self, scope: usize) {
        self.removals += 1;
        self.scopes[scope].give_up(self.removals);
        let texts = self.scopes[scope].text().to_vec();
        self.remove(&texts);
    }

    /// Asks for the region of `pc`, unless it is there or was asked for.
    fn request(&mut self, pc: u64, modules: FindModule<'_>) {
        if self.requested.contains(&pc) {
            return;
        }
        let Some(index) = self.scope(pc, modules) else {
            return;
        };
        let scope = &self.scopes[index];
        let snapshot = Snapshot::default();
        let Some(region) = region::discover(pc, &|at| scope.fetch(pc, at, &snapshot)) else {
            return;
        };
        let Some(source) = Source::of(&region, &snapshot, scope.module.base()) else {
            return;
        };
        let key = scope.key(pc);
        let ticket = match scope.scope.lookup(&key) {
            Lookup::Miss(ticket) => ticket,
            Lookup::Hit(code) => {
                if self.install_found(pc, &code, index) {
                    return;
                }
                match self.scopes[index].scope.refuse(&key, &code) {
                    Some(ticket) => ticket,
                    // It was made by this process, and memory has changed since.
                    None => return self.give_up(index),
                }
            }
        };
        let scope = &self.scopes[index];
        *self.misses.entry(ticket.reason().to_string()).or_default() += 1;
        self.requested.insert(pc);
        let dumped = scope.dumped.filter(|dumped| dump::holds(&region, *dumped));
        self.has_dumped |= dumped.is_some();
        let request = Request {
            floating_base: scope.floating_base(),
            exact_faults: self.exact_faults,
            is_dumped: dumped.is_some(),
            source,
        };
        let job = Job {
            scope_number: scope.number,
            module: Arc::clone(&scope.module),
            scope: scope.scope.clone(),
            request,
            ticket,
            region,
            wants_text: false,
        };
        let starts = job.region.blocks.iter().map(|block| block.start);
        self.pending.insert(pc, starts.collect());
        if self.compiler.submit(job) {
            self.scopes[index].jobs += 1;
        }
    }

    fn take(&mut self, finished: Finished) {
        self.pending.remove(&finished.head);
        if let Some(text) = &finished.dump {
            self.surroundings.show(text);
        }
        let number = finished.scope_number;
        let Some(index) = self.scopes.iter().position(|it| it.number == number) else {
            return;
        };
        self.scopes[index].jobs -= 1;
        if let Some(code) = finished.code
            && !self.install(finished.head, &code, index)
        {
            self.give_up(index);
        }
    }

    /// Lets go of what was removed up to removal `upto`: no thread runs it any more.
    fn retire(&mut self, upto: u64) {
        self.installed.retire(upto);
        // What is on its way for a scope holds it still.
        let is_over = |scope: &ModuleScope| scope.jobs == 0 && scope.is_stale_since(upto);
        self.scopes.retain(|scope| !is_over(scope));
    }

    /// Removes every region whose head lies in one of `texts`. Whoever asked for it may ask again.
    fn remove(&mut self, texts: &[Range<u64>]) {
        self.has_removed = true;
        let removal = self.removals;
        let gone = |head: u64| texts.iter().any(|text| text.contains(&head));
        for head in self.installed.remove(removal, gone) {
            self.news.push(head, false);
        }
        for head in self.requested.extract_if(|head| gone(*head)) {
            self.news.push(head, false);
        }
        self.pending.retain(|head, _| !gone(*head));
        self.put_off.retain(|head| !gone(*head));
    }

    fn flush(&self) {
        for scope in &self.scopes {
            scope.scope.flush();
        }
    }

    /// This is a new process: the compile thread and what was queued for it are the old one's, and so
    /// is what is not yet written.
    fn begin_as_child(&mut self) {
        self.compiler.abandon();
        for scope in &mut self.scopes {
            scope.scope.abandon_unflushed();
            scope.jobs = 0;
        }
        for head in std::mem::take(&mut self.pending).into_keys() {
            self.requested.remove(&head);
            self.news.push(head, false);
        }
    }
}

impl Translator for Jit {
    fn for_thread(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            seen: 0,
            generation: 0,
            recent: Box::new([None; RECENT_LEN]),
        }
    }

    fn is_active(&self) -> bool {
        true
    }

    fn note_decoded(&mut self, pc: u64, modules: FindModule<'_>, interpreter: &mut Interpreter) {
        self.change(|state| {
            if state.installed.entry(pc).is_some() {
                interpreter.set_compiled(pc, true);
                return;
            }
            let Some(index) = state.scope(pc, modules) else {
                return;
            };
            let scope = &state.scopes[index];
            if let Lookup::Hit(code) = scope.scope.lookup(&scope.key(pc)) {
                state.install_found(pc, &code, index);
            }
        });
    }

    fn note_hot(&mut self, pc: u64, modules: FindModule<'_>, interpreter: &mut Interpreter) {
        self.change(|state| {
            if state.requested.contains(&pc) {
                return;
            }
            // A loop inside a region that is on its way may never be entered by itself again. If it
            // is, it will be reported again.
            if state.pending.values().any(|starts| starts.contains(&pc)) {
                interpreter.cool(pc);
                state.put_off.insert(pc);
                return;
            }
            state.request(pc, modules);
        });
    }

    fn finish(&mut self, modules: FindModule<'_>, interpreter: &mut Interpreter) {
        let seen = interpreter.decoded_instructions();
        let mut tried = FxHashSet::default();
        self.change(|state| {
            loop {
                for finished in state.compiler.finish() {
                    state.take(finished);
                }
                let exits = state.installed.exits().filter(|pc| seen.contains(pc));
                let mut wanted: Vec<u64> = exits.chain(state.put_off.drain()).collect();
                wanted.retain(|pc| tried.insert(*pc));
                if wanted.is_empty() {
                    return;
                }
                for pc in wanted {
                    state.request(pc, modules);
                }
            }
        });
    }

    fn finish_dump(&mut self, modules: FindModule<'_>) {
        self.change(|state| {
            let Some(location) = state.dump.clone() else {
                return;
            };
            if !state.has_dumped {
                if let CodeLocation::Pc(pc) = location {
                    state.scope(pc, modules);
                }
                let wanted: Vec<u64> = state.scopes.iter().filter_map(|it| it.dumped).collect();
                for pc in wanted {
                    state.request(pc, modules);
                }
            }
            for finished in state.compiler.finish() {
                state.take(finished);
            }
            if !state.has_dumped {
                let text = format!("rekindle: the guest has no code at {location} to compile\n");
                state.surroundings.show(&text);
            }
        });
    }

    fn poll(&mut self) {
        self.change(|state| {
            for finished in state.compiler.take_finished() {
                state.take(finished);
            }
        });
    }

    fn sync(&mut self, interpreter: &mut Interpreter) {
        if self.shared.log_len.load(Ordering::Acquire) == self.seen {
            return;
        }
        let state = self.shared.lock();
        match state.news.since(self.seen) {
            Some(news) => {
                news.for_each(|(head, is_installed)| interpreter.set_compiled(head, is_installed));
            }
            None => {
                interpreter.forget_compiled();
                let heads = state.installed.heads();
                heads.for_each(|head| interpreter.set_compiled(head, true));
            }
        }
        self.seen = state.news.count();
    }

    fn enter(&mut self, state: &mut GuestState) -> Entered {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation != self.generation {
            state.forget_jumps();
            self.recent.fill(None);
            self.generation = generation;
        }
        let Some(mut code) = self.entry(state.pc) else {
            return Entered::NotCompiled;
        };
        loop {
            let next = match abi::enter(state, code) {
                Left::Unlinked => self.follow_slot(state.exit_slot(), &mut state.pc),
                Left::Indirect => {
                    let code = self.entry(state.pc);
                    if let Some(code) = code {
                        let pc = state.pc;
                        abi::remember_jump(state, pc, code);
                    }
                    code
                }
                Left::Interpret => return Entered::Interpret,
                Left::Syscall => return Entered::Exit(Exit::Syscall),
                Left::Fault => return Entered::Exit(self.fault(state)),
            };
            code = match next {
                Some(code) if !attention::is_raised(state.attention()) => code,
                _ => return Entered::Exit(Exit::Dispatch),
            };
        }
    }

    fn invalidate(&mut self, range: &Range<u64>) {
        self.change(|state| {
            let mut texts = Vec::new();
            state.removals += 1;
            let removal = state.removals;
            let holds = |scope: &&mut ModuleScope| scope.overlaps(range);
            for scope in state.scopes.iter_mut().filter(holds) {
                scope.give_up(removal);
                texts.extend_from_slice(scope.text());
            }
            if !texts.is_empty() {
                state.remove(&texts);
            }
        });
    }

    fn removals(&self) -> u64 {
        self.shared.lock().removals
    }

    fn retire(&mut self, upto: u64) {
        self.change(|state| state.retire(upto));
    }

    fn check_sources(&mut self) {
        self.change(|state| {
            for head in state.installed.outdated() {
                if let Some(scope) = state.scopes.iter().position(|scope| scope.holds(head)) {
                    state.give_up(scope);
                }
            }
        });
    }

    fn make_faults_exact(&mut self) -> bool {
        self.change(|state| {
            if std::mem::replace(&mut state.exact_faults, true) {
                return false;
            }
            state.environment = backend::environment(true);
            state.removals += 1;
            for scope in &mut state.scopes {
                scope.give_up(state.removals);
            }
            state.remove(std::slice::from_ref(&(0..u64::MAX)));
            true
        })
    }

    fn faults_are_exact(&self) -> bool {
        self.shared.lock().exact_faults
    }

    fn flush(&mut self) {
        // Of what was compiled something may have to be shown.
        self.poll();
        self.shared.lock().flush();
    }

    fn fork(&mut self, fork: &mut dyn FnMut() -> bool) {
        self.change(|state| {
            let idle = state.compiler.pause();
            let is_child = fork();
            drop(idle);
            if is_child {
                state.begin_as_child();
            }
        });
    }
}

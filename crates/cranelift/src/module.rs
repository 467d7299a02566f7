//! `JITModule`: functions and data of this process, and what they are called.

use std::cell::Cell;
use std::mem;
use std::sync::Arc;

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::Signature;
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_module::{
    DataId, FuncId, FuncOrDataId, Linkage, ModuleDeclarations, ModuleRelocTarget, ModuleResult,
};
use rekindle::{Asked, Cache, Code, HostAddr, Known, Located, Moved, Scope, ScopeId, Statistics};
use rustc_hash::FxHashMap;

use crate::builder::JITBuilder;
use crate::data::{Object, ProcessMemory};
use crate::declarations::{Declarations, Standing};
use crate::key::Writer;
use crate::memory;
use crate::objects::Objects;
use crate::opened::OpenedProgram;
use crate::program_name::program_name;
use crate::provided::ProvidedMemory;
use crate::recording::Recording;
use crate::reference::{Named, Place, Reference};
use crate::session;
use crate::statistics::ModuleStatistics;
use crate::symbols::SymbolTable;
use crate::target::CodeTarget;
use crate::told;

/// A module whose functions are compiled into memory, or come from the cache, and can be called.
///
/// See [`JITBuilder`] for how to make one. As with `cranelift-jit`, code stays in memory when the
/// module is dropped, so that function pointers remain valid; [`Self::free_memory`] ends that.
pub struct JITModule {
    /// The embedder's ISA.
    pub(crate) isa: OwnedTargetIsa,
    /// Its position-independent twin, for which functions are compiled, and what that makes of code.
    target: Arc<CodeTarget>,
    pub(crate) symbols: SymbolTable,
    pub(crate) declarations: Declarations,
    pub(crate) programs: Vec<OpenedProgram>,
    /// While a program is being made.
    pub(crate) recording: Option<Recording>,
    pub(crate) cache: Cache,
    pub(crate) scope: Scope,
    pub(crate) scope_name: String,
    frees_memory: bool,
    /// Whether functions that are found are compiled all the same.
    pub(crate) keeps_compiled_code: bool,
    /// Functions that aren't a program's, by entry point.
    #[cfg(feature = "wasmtime-unwinder")]
    pub(crate) code_starts: std::collections::BTreeMap<u64, FuncId>,
    pub(crate) functions: SecondaryMap<FuncId, Option<Function>>,
    /// What is added to source locations of functions, by entry point, where it is anything.
    pub(crate) location_bases: FxHashMap<HostAddr, u32>,
    pub(crate) data: SecondaryMap<DataId, Option<Data>>,
    /// Whether something was defined since the last finalization.
    pub(crate) has_unfinalized: bool,
    /// How often the module was finalized.
    pub(crate) generation: u32,
    /// Whether someone has the address of a function that wasn't finalized.
    pub(crate) gave_address_early: Cell<bool>,
    /// Whether such a function moved.
    pub(crate) cannot_finalize: bool,
    pub(crate) memory: ProcessMemory,
    /// The embedder's memory, which is used instead of `memory` and everything else.
    pub(crate) provided: Option<ProvidedMemory>,
    pub(crate) writer: Writer,
    pub(crate) statistics: ModuleStatistics,
    /// What functions refer to in the program and in shared libraries, as texts of references.
    pub(crate) in_objects: Vec<String>,
    /// Names of functions that bake an address.
    pub(crate) baked: Vec<String>,
    /// Of the last keyed function.
    pub(crate) keyed_context: Option<KeyedContext>,
}

/// What all keyed functions of one signature and linkage share, and its digest.
pub(crate) type KeyedContext = (Signature, Linkage, [u8; 32]);

/// A defined function.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) address: HostAddr,
    /// The generation in which it was defined.
    pub(crate) generation: u32,
    /// None if it was given as bytes.
    pub(crate) code: Option<Code>,
    /// What is added to each source location of its code.
    pub(crate) location_base: u32,
}

/// A defined data object.
#[derive(Clone)]
pub(crate) struct Data {
    pub(crate) address: HostAddr,
    pub(crate) len: usize,
    pub(crate) generation: u32,
}

impl JITModule {
    /// Creates a module.
    ///
    /// # Panics
    /// If the builder's ISA compiles position-independent code, as in `cranelift-jit`.
    pub fn new(builder: JITBuilder) -> Self {
        let JITBuilder {
            isa,
            symbols,
            cache,
            scope,
            environment,
            memory_provider,
            keeps_compiled_code,
        } = builder;
        assert!(!isa.flags().is_pic(), "cranelift-jit needs is_pic=false");
        let is_asked_for = cache.is_some() || told::is_asked_for();
        let mut cache = cache.unwrap_or_else(session::default_cache);
        let provided = memory_provider.filter(|provider| !provider.is_the_system());
        if provided.is_some() && cache.is_persistent() {
            let asked = mem::replace(&mut cache, Cache::in_memory());
            for cache in [&asked, &cache] {
                cache.notice(
                    "a module with a memory provider of its own keeps and finds nothing: its code must \
                     lie where the provider says",
                );
            }
        }
        if is_asked_for && !cache.is_persistent() {
            told::nothing_is_kept(&cache);
        }
        let name = scope.as_deref().unwrap_or_else(|| program_name());
        let id = ScopeId::from_name(name).with_label(name);
        let target = CodeTarget::of(&*isa, environment);
        let scope = cache.scope_with_late_names(&target.environment, id);
        session::log_at_exit();
        let memory = ProcessMemory::new(Arc::clone(scope.arena()));
        Self {
            frees_memory: false,
            keeps_compiled_code: keeps_compiled_code.unwrap_or_else(session::keeps_compiled_code),
            #[cfg(feature = "wasmtime-unwinder")]
            code_starts: std::collections::BTreeMap::new(),
            isa,
            target,
            symbols,
            declarations: Declarations::new(),
            programs: Vec::new(),
            recording: None,
            cache,
            scope,
            scope_name: name.to_owned(),
            functions: SecondaryMap::new(),
            location_bases: FxHashMap::default(),
            data: SecondaryMap::new(),
            has_unfinalized: false,
            generation: 0,
            gave_address_early: Cell::new(false),
            cannot_finalize: false,
            memory,
            provided: provided.map(ProvidedMemory::new),
            writer: Writer::new(),
            keyed_context: None,
            statistics: ModuleStatistics::default(),
            in_objects: Vec::new(),
            baked: Vec::new(),
        }
    }

    /// Frees the memory of all functions and data objects.
    ///
    /// # Safety
    /// None of the module's functions may be running, and nothing that came from the module, no
    /// function pointer and no address, may be used afterwards.
    #[expect(unsafe_code, reason = "the caller promises what no type can")]
    pub unsafe fn free_memory(self) {
        let mut this = self;
        this.frees_memory = true;
        if let Some(provided) = &mut this.provided {
            // SAFETY: the caller's.
            unsafe { provided.free() };
        }
        drop(this);
    }

    /// The address that a name of this module has: of what is defined here, or else of the host's
    /// symbol of that name.
    ///
    /// # Panics
    /// If the name stands for nothing, as in `cranelift-jit`.
    pub fn get_address(&self, name: &ModuleRelocTarget) -> *const u8 {
        if self.may_move(name) {
            self.gave_address_early.set(true);
        }
        pointer(HostAddr(self.address_of(name)))
    }

    /// Whether this is a function of the cache that was defined since the last finalization.
    fn may_move(&self, name: &ModuleRelocTarget) -> bool {
        let function = match name {
            ModuleRelocTarget::User { .. } if ModuleDeclarations::is_function(name) => {
                self.functions[FuncId::from_name(name)].as_ref()
            }
            ModuleRelocTarget::FunctionOffset(id, _) => self.functions[*id].as_ref(),
            _ => None,
        };
        let is_new = |function: &&Function| function.generation == self.generation;
        let code = function.filter(is_new).and_then(|it| it.code.as_ref());
        code.is_some_and(Code::is_loaded)
    }

    /// The entry point of a function.
    ///
    /// It remains valid until [`Self::free_memory`].
    ///
    /// # Panics
    /// If the function wasn't defined and finalized.
    pub fn get_finalized_function(&self, func_id: FuncId) -> *const u8 {
        let (address, generation) = self
            .defined_function(func_id)
            .expect("function must be compiled before it can be finalized");
        assert!(generation < self.generation, "function not yet finalized");
        pointer(address)
    }

    /// The address and size of a data object.
    ///
    /// They remain valid until [`Self::free_memory`].
    ///
    /// # Panics
    /// If the data object wasn't defined and finalized.
    pub fn get_finalized_data(&self, data_id: DataId) -> (*const u8, usize) {
        let Data {
            address,
            len,
            generation,
        } = self
            .defined_data(data_id)
            .expect("data object must be compiled before it can be finalized");
        assert!(
            generation < self.generation,
            "data object not yet finalized"
        );
        (pointer(address), len)
    }

    /// Whether a function came from the cache. `None` if it isn't defined.
    pub fn is_loaded(&self, func_id: FuncId) -> Option<bool> {
        match &self.functions[func_id] {
            Some(function) => Some(function.code.as_ref().is_some_and(Code::is_loaded)),
            None => self.defined_function(func_id).map(|_| true),
        }
    }

    /// What is at an address inside a compiled function: its name, the offset, the source location
    /// and the trap code recorded there. Takes a lock, so it isn't for signal handlers.
    pub fn locate(&self, pc: *const u8) -> Option<Located> {
        let pc = HostAddr(pc.addr() as u64);
        if let Some(mut located) = self.scope.locate(pc) {
            let entry = HostAddr(pc.0 - u64::from(located.offset));
            let base = self.location_bases.get(&entry).copied().unwrap_or(0);
            let location = &mut located.source_location;
            *location = location.map(|location| location.wrapping_add(base));
            return Some(located);
        }
        let in_program = |program: &OpenedProgram| program.program.locate(pc);
        self.programs.iter().find_map(in_program)
    }

    /// The cache that this module uses.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Figures of this module alone.
    pub fn statistics(&self) -> ModuleStatistics {
        self.statistics.clone()
    }

    /// Figures of this process's use of the module's cache, by all modules that have it.
    /// [`Self::statistics`] has this module's.
    pub fn cache_statistics(&self) -> Statistics {
        self.cache.statistics()
    }

    /// Writes what was compiled so far to the cache, by this and other modules of its scope. This happens by
    /// itself some time after the last function was compiled, and when the process exits: see
    /// [`CacheConfig::write_after`](crate::CacheConfig::write_after).
    pub fn flush_cache(&self) -> rekindle::FlushReport {
        self.scope.flush()
    }

    /// Notes that functions of the cache are elsewhere now.
    pub(crate) fn move_functions(&mut self, moved: &[Moved]) {
        let moved: FxHashMap<HostAddr, &Code> =
            moved.iter().map(|Moved { from, to }| (*from, to)).collect();
        for function in self.functions.values_mut().flatten() {
            let Some(to) = moved.get(&function.address) else {
                continue;
            };
            #[cfg(feature = "wasmtime-unwinder")]
            if let Some(id) = self.code_starts.remove(&function.address.0) {
                self.code_starts.insert(to.address().0, id);
            }
            if let Some(base) = self.location_bases.remove(&function.address) {
                self.location_bases.insert(to.address(), base);
            }
            function.address = to.address();
            function.code = Some(Code::clone(to));
        }
    }

    /// The address of what a relocation refers to.
    pub(crate) fn address_of(&self, target: &ModuleRelocTarget) -> u64 {
        match *target {
            ModuleRelocTarget::User { .. } if ModuleDeclarations::is_function(target) => {
                self.function_address(FuncId::from_name(target))
            }
            ModuleRelocTarget::User { .. } => self.data_address(DataId::from_name(target)),
            ModuleRelocTarget::LibCall(libcall) => self.libcall_address(libcall),
            ModuleRelocTarget::FunctionOffset(id, offset) => {
                let (address, _) = self
                    .defined_function(id)
                    .expect("can't resolve the offset of an undefined function");
                address.offset(u64::from(offset)).0
            }
            ModuleRelocTarget::KnownSymbol(symbol) => panic!("can't resolve known symbol {symbol}"),
        }
    }

    /// Whether what code refers to by this text of a [`Reference`] is here what it was when the code
    /// was compiled. If not, or if that can't be said yet, the code must not be used.
    pub(crate) fn known(&self, reference: &str) -> Option<Known> {
        let is_known = match Reference::parse(reference)? {
            Reference::Named(named) => match self.declarations.standing(&named) {
                // What is the same now may become something that the code may find, too, but nothing else.
                Standing::Same(id) => return Some(number_of(id).map_or(Known::ByName, Known::As)),
                Standing::Changed(_) | Standing::Other => false,
                // A keyed function that wasn't built declared nothing. What the host has it may find
                // there; of anything else nobody knows yet what it will be.
                Standing::Undeclared => {
                    named.place != Place::Module && self.symbols.find(named.name).is_some()
                }
            },
            // Under a key that says so.
            Reference::Function(_) | Reference::Data(_) | Reference::LibCall(_) => true,
            Reference::Object(build_id, offset) => {
                Objects::now().address_of(build_id, offset).is_some()
            }
        };
        is_known.then_some(Known::ByName)
    }

    /// The address that a scope asks for. `None` as of [`Self::address_of_reference`].
    pub(crate) fn address_asked_for(&self, asked: Asked<'_>) -> Option<u64> {
        match asked {
            Asked::Number(number) => Some(self.address_of_id(id_of(number))),
            Asked::Name(reference) => self.address_of_reference(reference),
        }
    }

    /// The address for a cell's name. `None` if it stands for nothing, or not for what it did when the
    /// code was compiled.
    pub(crate) fn address_of_reference(&self, reference: &str) -> Option<u64> {
        match Reference::parse(reference)? {
            Reference::Function(id) => Some(self.function_address(id)),
            Reference::Data(id) => Some(self.data_address(id)),
            Reference::LibCall(libcall) => Some(self.libcall_address(libcall)),
            Reference::Object(build_id, offset) => Objects::now().address_of(build_id, offset),
            Reference::Named(named) => match self.declarations.standing(&named) {
                Standing::Same(id) | Standing::Changed(id) => Some(self.address_of_id(id)),
                Standing::Other => None,
                Standing::Undeclared => self.address_in_host(&named),
            },
        }
    }

    /// The same for a name of an opened program. As long as nobody has read what that declares, nothing
    /// else can have declared it otherwise.
    pub(crate) fn address_of_programs_reference(&self, reference: &str) -> Option<u64> {
        if let Some(program) = self.declarations.unread()
            && let Some(Reference::Named(named)) = Reference::parse(reference)
            && let Some(id) = program.find(named.name)
        {
            return Some(self.address_of_id(id));
        }
        self.address_of_reference(reference)
    }

    fn address_of_id(&self, id: FuncOrDataId) -> u64 {
        match id {
            FuncOrDataId::Func(id) => self.function_address(id),
            FuncOrDataId::Data(id) => self.data_address(id),
        }
    }

    /// Where the host has what nobody declared here. What was to be defined in the module isn't looked
    /// for: whatever the host has of that name is something else.
    fn address_in_host(&self, named: &Named<'_>) -> Option<u64> {
        match named.place {
            Place::Module => None,
            Place::Anywhere => self.symbols.find(named.name),
            Place::AnywhereOrNowhere => Some(self.symbols.find(named.name).unwrap_or(0)),
        }
    }

    /// Where a function is, if it is defined, and the generation in which it was.
    pub(crate) fn defined_function(&self, id: FuncId) -> Option<(HostAddr, u32)> {
        if let Some(function) = &self.functions[id] {
            return Some((function.address, function.generation));
        }
        let in_program =
            |program: &OpenedProgram| Some((program.function(id)?, program.generation));
        self.programs.iter().find_map(in_program)
    }

    /// A data object, if it is defined.
    pub(crate) fn defined_data(&self, id: DataId) -> Option<Data> {
        if let Some(data) = &self.data[id] {
            return Some(data.clone());
        }
        self.programs.iter().find_map(|program| {
            let (address, len) = program.data(id)?;
            Some(Data {
                address,
                len,
                generation: program.generation,
            })
        })
    }

    fn function_address(&self, id: FuncId) -> u64 {
        if let Some((address, _)) = self.defined_function(id) {
            return address.0;
        }
        // A program's imports are all that most processes ask for.
        let unread = self.declarations.unread();
        if let Some(name) = unread.and_then(|program| program.function_name(id))
            && let Some(address) = self.symbols.find(name)
        {
            return address;
        }
        let decl = self.declarations.function(id);
        self.host_address(decl.name, decl.linkage)
    }

    fn data_address(&self, id: DataId) -> u64 {
        if let Some(data) = self.defined_data(id) {
            return data.address.0;
        }
        let unread = self.declarations.unread();
        if let Some(name) = unread.and_then(|program| program.data_name(id))
            && let Some(address) = self.symbols.find(name)
        {
            return address;
        }
        let decl = self.declarations.data(id);
        self.host_address(decl.name, decl.linkage)
    }

    fn host_address(&self, name: Option<&str>, linkage: Linkage) -> u64 {
        let name = name.expect("anonymous symbol must be defined locally");
        match self.symbols.find(name) {
            Some(address) => address,
            None if linkage == Linkage::Preemptible => 0,
            None => panic!("can't resolve symbol {name}"),
        }
    }

    /// Gives a data object, or code given as bytes, its place.
    pub(crate) fn add_object(&mut self, object: Object<'_>) -> ModuleResult<HostAddr> {
        let added = match &mut self.provided {
            Some(provided) => provided.add(object),
            None => self.memory.add(object),
        };
        added.map_err(memory::no_memory)
    }

    fn libcall_address(&self, libcall: cranelift_codegen::ir::LibCall) -> u64 {
        let name = self.symbols.libcall_name(libcall);
        self.symbols
            .find(&name)
            .unwrap_or_else(|| panic!("can't resolve libcall {name}"))
    }

    /// The ISA that functions are compiled for: the embedder's, position-independent.
    pub fn compiled_isa(&self) -> &dyn TargetIsa {
        &**self.target.twin(&*self.isa)
    }
}

/// An address as a pointer, which only the embedder's `unsafe` code can use.
/// The number by which a scope asks for what is declared as `id`, if there is one.
fn number_of(id: FuncOrDataId) -> Option<u32> {
    match id {
        FuncOrDataId::Func(id) => id.as_u32().checked_mul(2),
        FuncOrDataId::Data(id) => id.as_u32().checked_mul(2)?.checked_add(1),
    }
}

/// What [`number_of`] gave a number for.
fn id_of(number: u32) -> FuncOrDataId {
    match number % 2 {
        0 => FuncOrDataId::Func(FuncId::from_u32(number / 2)),
        _ => FuncOrDataId::Data(DataId::from_u32(number / 2)),
    }
}

fn pointer(address: HostAddr) -> *const u8 {
    core::ptr::with_exposed_provenance(address.0 as usize)
}

impl Drop for JITModule {
    fn drop(&mut self) {
        self.scope.end();
        if !self.frees_memory {
            // Function pointers outlive the module: leak a handle on their memory.
            mem::forget(self.scope.clone());
            mem::forget(mem::take(&mut self.programs));
            mem::forget(mem::take(&mut self.memory));
            mem::forget(self.provided.take());
        }
    }
}

const _: () = {
    const fn assert_is_send<T: Send>() {}
    assert_is_send::<JITModule>();
};

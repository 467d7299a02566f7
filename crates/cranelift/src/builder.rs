//! `JITBuilder`: what a module is made from.

use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_module::ModuleResult;
use rekindle::{Cache, CacheConfig};

use crate::memory::JITMemoryProvider;
use crate::symbols::{LibCallNames, LookupFn, SymbolTable};

/// A builder for [`JITModule`](crate::JITModule).
pub struct JITBuilder {
    pub(crate) isa: OwnedTargetIsa,
    pub(crate) symbols: SymbolTable,
    pub(crate) cache: Option<Cache>,
    pub(crate) scope: Option<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) memory_provider: Option<Box<dyn JITMemoryProvider + Send>>,
    /// None if the environment decides.
    pub(crate) keeps_compiled_code: Option<bool>,
}

impl JITBuilder {
    /// A builder for code that runs on this machine, with Cranelift's default flags.
    ///
    /// `libcall_names` gives the symbols of routines that Cranelift calls on its own account;
    /// [`cranelift_module::default_libcall_names`] serves most.
    ///
    /// # Errors
    /// If Cranelift refuses the flags.
    ///
    /// # Panics
    /// If Cranelift can't compile for this machine.
    pub fn new(libcall_names: LibCallNames) -> ModuleResult<Self> {
        Self::with_flags(&[], libcall_names)
    }

    /// A builder for code that runs on this machine, with these of Cranelift's shared flags.
    ///
    /// # Errors
    /// If there is no such flag or value.
    ///
    /// # Panics
    /// If Cranelift can't compile for this machine.
    pub fn with_flags(flags: &[(&str, &str)], libcall_names: LibCallNames) -> ModuleResult<Self> {
        let mut shared = settings::builder();
        for (name, value) in flags {
            shared.set(name, value)?;
        }
        shared.set("use_colocated_libcalls", "false")?;
        shared.set("is_pic", "false")?;
        let isa = cranelift_native::builder()
            .unwrap_or_else(|message| panic!("host machine is not supported: {message}"))
            .finish(settings::Flags::new(shared))?;
        Ok(Self::with_isa(isa, libcall_names))
    }

    /// A builder for a given target, whose `is_pic` flag must be off.
    pub fn with_isa(isa: OwnedTargetIsa, libcall_names: LibCallNames) -> Self {
        Self {
            isa,
            symbols: SymbolTable::new(libcall_names),
            cache: None,
            scope: None,
            environment: Vec::new(),
            memory_provider: None,
            keeps_compiled_code: None,
        }
    }

    /// Defines a symbol of the host for code to refer to; a later definition replaces an earlier.
    ///
    /// Names that are not defined are looked for with the functions of
    /// [`Self::symbol_lookup_fn`], and then among the symbols that the process exports.
    pub fn symbol<K: Into<String>>(&mut self, name: K, ptr: *const u8) -> &mut Self {
        self.symbols.define(name.into(), ptr);
        self
    }

    /// Defines several symbols.
    pub fn symbols<It, K>(&mut self, symbols: It) -> &mut Self
    where
        It: IntoIterator<Item = (K, *const u8)>,
        K: Into<String>,
    {
        for (name, ptr) in symbols {
            self.symbols.define(name.into(), ptr);
        }
        self
    }

    /// Adds a function that looks up symbols that are not defined. The last one added is asked
    /// first.
    pub fn symbol_lookup_fn(&mut self, symbol_lookup_fn: LookupFn) -> &mut Self {
        self.symbols.add_lookup(symbol_lookup_fn);
        self
    }

    /// Has code and data lie in memory of an embedder's own provider, as with `cranelift-jit`. Then none of
    /// the module's code is kept or found, since code that is found lies where its image is mapped;
    /// [`rekindle::Cache::notices`] says so. [`JITModule::function_tables`](crate::JITModule::function_tables)
    /// and [`JITModule::locate`](crate::JITModule::locate) know nothing of such code.
    ///
    /// The providers of this crate stand for any memory of the system's: they change nothing.
    pub fn memory_provider(&mut self, provider: Box<dyn JITMemoryProvider + Send>) -> &mut Self {
        self.memory_provider = Some(provider);
        self
    }

    /// Uses this cache, instead of the one that `REKINDLE_CACHE_DIR` and its like describe.
    pub fn cache(&mut self, cache: Cache) -> &mut Self {
        self.cache = Some(cache);
        self
    }

    /// Uses the cache that `config` describes, instead of the one that the environment does.
    pub fn cache_config(&mut self, config: &CacheConfig) -> &mut Self {
        self.cache = Some(crate::session::cache(config, true));
        self
    }

    /// For embedders that read `Context::compiled_code` after a function was defined: has every
    /// function compiled, those that are found too. Running is as before; what is saved is gone.
    /// [`JITModule::function_tables`](crate::JITModule::function_tables) and
    /// [`JITModule::function_code`](crate::JITModule::function_code) serve most of them, and cost nothing.
    ///
    /// Where nobody calls this, the variable `REKINDLE_COMPILED_CODE` decides: `keep` or `drop`, the
    /// default. So a program that knows nothing of this crate can be given what it reads. A function whose
    /// `Context` asks for its disassembly is compiled in any case.
    pub fn keep_compiled_code(&mut self, keep: bool) -> &mut Self {
        self.keeps_compiled_code = Some(keep);
        self
    }

    /// Adds a field to the environment of the module's code: something that decides what it is and that
    /// neither its input nor Cranelift's settings say, such as the version of what builds the CLIF, or of
    /// the layout of what it refers to. Code of another value, or without the field, isn't found.
    pub fn environment_field(&mut self, name: &str, value: impl ToString) -> &mut Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// Names the part of the cache that holds this module's code. Code that is used together
    /// should share one; by default it is that of the program, by the name of its file.
    pub fn scope(&mut self, name: impl Into<String>) -> &mut Self {
        self.scope = Some(name.into());
        self
    }
}

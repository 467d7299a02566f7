//! Programs: all that a closure declares and defines, under one key.

mod loaded;
mod record;
mod signature;

use cranelift_module::ModuleError;
use rekindle::{Digest, Key, KeyBuilder, ScopeId};

pub(crate) use loaded::LoadedProgram;
pub(crate) use record::Recording;

use crate::declarations::{linkage_number, write_function_name, write_optional_name};
use crate::key::write_signature;
use crate::module::JITModule;
use crate::session;

/// Starts the words of what was declared before.
const DOMAIN: [u32; 2] = [u32::from_le_bytes(*b"prog"), 1];

impl JITModule {
    /// Declares and defines all that `key` determines: in one step if an earlier run of this very
    /// program did, and by calling `build` otherwise.
    ///
    /// Make the key with [`rekindle::KeyBuilder`] from everything that `build` reads. It is
    /// completed with a digest of the running program, the module's scope and target, and what the
    /// module had declared before. Addresses must not stand in code or data as constants: give
    /// them names with [`JITBuilder::symbol`](crate::JITBuilder::symbol), as for
    /// [`Self::define_cached`].
    ///
    /// If the program is found, `build` isn't called. Every function and data object that it
    /// declared has the number that it had then: ask [`cranelift_module::Module::get_name`] for
    /// it. What it defined is defined, and callable after [`Self::finalize_definitions`], which
    /// looks up nothing but what the program imports. The program was verified as a whole, and
    /// nothing else is done for each function.
    ///
    /// If it isn't, functions are looked up and compiled one by one as usual, and the program is
    /// kept when the module's code is: see [`Self::flush_cache`]. One that holds functions given
    /// as bytes, or data aligned to more than a page, can't be kept; [`rekindle::Cache::notices`]
    /// says so.
    ///
    /// Returns whether the program was found. One that is to be verified (`verify_one_in` of
    /// [`rekindle::CacheConfig`]) is made as if it hadn't been, and compared.
    ///
    /// # Errors
    /// What `build` returns.
    pub fn define_program<E: From<ModuleError>>(
        &mut self,
        key: &Key,
        build: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<bool, E> {
        if self.recording.is_some() {
            // Part of another program.
            build(self)?;
            return Ok(false);
        }
        let id = self.program_id(key);
        let found = self.find_program(&id);
        let kept = match found {
            Some(program) if self.scope.verifies_program() => Some(program),
            Some(program) => {
                self.take_over(program);
                return Ok(true);
            }
            None => None,
        };
        self.recording = Some(Recording::start(self));
        let built = build(self);
        let recording = self.recording.take();
        built?;
        if let Some(recording) = recording.filter(|_| self.cache.is_persistent()) {
            match recording.finish(self) {
                Ok(draft) => {
                    let is_kept =
                        kept.is_some_and(|kept| self.scope.verify_program(&kept.program, &draft));
                    if !is_kept {
                        self.scope.keep_program(id, draft);
                    }
                }
                Err(obstacle) => self
                    .cache
                    .notice(&format!("a program can't be kept: {obstacle}")),
            }
        }
        Ok(false)
    }

    /// Declares and defines all that [`Self::define_program`] kept under `key`, if it can be
    /// found. Returns whether it was; if not, the module is as before.
    pub fn open_program(&mut self, key: &Key) -> bool {
        let id = self.program_id(key);
        match self.find_program(&id) {
            Some(program) => {
                self.take_over(program);
                true
            }
            None => false,
        }
    }

    fn find_program(&self, id: &ScopeId) -> Option<LoadedProgram> {
        if !self.cache.is_persistent() {
            return None;
        }
        let program = self.scope.open_program(id)?;
        LoadedProgram::new(program, self.generation)
    }

    fn take_over(&mut self, program: LoadedProgram) {
        self.declarations.restore(program.clone());
        self.programs.push(program);
        self.has_unfinalized = true;
    }

    /// The scope in which a program is kept, alone.
    fn program_id(&mut self, key: &Key) -> ScopeId {
        let before = self.declared_so_far();
        let id = KeyBuilder::new("cranelift/program")
            .str(&self.scope_name)
            .digest(&session::program_digest(&self.cache))
            .digest(&before)
            .digest(&Digest(*key.as_bytes()))
            .finish();
        let label = format!("{} (program)", self.scope_name);
        ScopeId::from_digest(Digest(*id.as_bytes())).with_label(&label)
    }

    fn declared_so_far(&mut self) -> Digest {
        let declarations = self.declarations.get();
        let out = &mut self.writer;
        out.put(DOMAIN);
        for (id, decl) in declarations.get_functions() {
            write_function_name(declarations, id, out);
            write_signature(&decl.signature, out);
            out.u32(u32::from(self.functions[id].is_some()));
        }
        out.u32(u32::MAX);
        for (id, decl) in declarations.get_data_objects() {
            out.put([linkage_number(decl.linkage), u32::from(decl.writable)]);
            write_optional_name(decl.name.as_deref(), id.as_u32(), out);
        }
        Digest(out.finish())
    }
}

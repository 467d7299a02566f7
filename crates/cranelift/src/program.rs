//! Programs: all that a closure declares and defines, under one key.

use std::sync::Arc;

use cranelift_module::ModuleError;
use rekindle::{
    Digest, Key, KeyBuilder, ProgramDraft, ProgramDraftSymbol, ProgramPart, ScopeId, SectionKind,
};

use crate::key::{Writer, write_signature};
use crate::module::{Function, JITModule};
use crate::names::{linkage_number, write_function_name, write_optional_name};
use crate::opened::{self, OpenedProgram};
use crate::recording::{Recording, section_of};
use crate::reference::Reference;
use crate::session;

/// Starts the words of what was declared before.
const DOMAIN: [u32; 2] = [u32::from_le_bytes(*b"prog"), 2];

impl JITModule {
    /// Declares and defines all that `key` determines: in one step if an earlier run of this very
    /// program did, and by calling `build` otherwise.
    ///
    /// Make the key with [`rekindle::KeyBuilder`] from everything that `build` reads. It is
    /// completed with a digest of the running program, the module's scope and target, and what the
    /// module had declared before. Addresses must not stand in code or data as constants: give
    /// them names with [`JITBuilder::symbol`](crate::JITBuilder::symbol), as for
    /// [`Self::define_trusting_key`].
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
            Some(program) => match self.scope.verifies_program() {
                Some(verifying) => Some((program, verifying)),
                None => {
                    self.take_over(program);
                    return Ok(true);
                }
            },
            None => {
                self.statistics.programs_missed += 1;
                None
            }
        };
        self.recording = Some(self.start_recording());
        let built = build(self);
        let recording = self.recording.take();
        built?;
        if let Some(recording) = recording.filter(|_| self.cache.is_persistent()) {
            match self.draft(&recording) {
                Ok(draft) => {
                    let is_kept = kept
                        .as_ref()
                        .is_some_and(|(kept, _)| self.scope.verify_program(&kept.program, &draft));
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
    /// found. Returns whether it was; if not, the module is as before. Within [`Self::define_program`]
    /// it never is: what is made there is part of the one program.
    pub fn open_program(&mut self, key: &Key) -> bool {
        if self.recording.is_some() {
            return false;
        }
        let id = self.program_id(key);
        match self.find_program(&id) {
            Some(program) => {
                self.take_over(program);
                true
            }
            None => {
                self.statistics.programs_missed += 1;
                false
            }
        }
    }

    fn find_program(&self, id: &ScopeId) -> Option<OpenedProgram> {
        if !self.cache.is_persistent() {
            return None;
        }
        let program = self.scope.open_program(id)?;
        OpenedProgram::new(program, self.generation)
    }

    fn take_over(&mut self, program: OpenedProgram) {
        self.statistics.programs_found += 1;
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

    /// What was declared, and what of it is defined, whichever way.
    fn declared_so_far(&mut self) -> Digest {
        let mut writer = std::mem::replace(&mut self.writer, Writer::new());
        let out = &mut writer;
        let declarations = self.declarations.get();
        out.put(DOMAIN);
        for (id, decl) in declarations.get_functions() {
            write_function_name(declarations, id, out);
            write_signature(&decl.signature, out);
            out.u32(u32::from(self.defined_function(id).is_some()));
        }
        out.u32(u32::MAX);
        for (id, decl) in declarations.get_data_objects() {
            out.put([linkage_number(decl.linkage), u32::from(decl.writable)]);
            write_optional_name(decl.name.as_deref(), id.as_u32(), out);
            out.u32(u32::from(self.defined_data(id).is_some()));
        }
        let digest = Digest(out.finish());
        self.writer = writer;
        digest
    }

    fn start_recording(&self) -> Recording {
        let declared = self.declarations.get().get_functions();
        let defined = declared.filter(|(id, _)| self.defined_function(*id).is_some());
        Recording::new(defined.map(|(id, _)| id).collect())
    }

    /// What was declared and defined since a recording started, as symbols and parts; or why it can't be
    /// kept.
    fn draft(&self, recording: &Recording) -> Result<ProgramDraft, String> {
        if let Some(obstacle) = recording.obstacle() {
            return Err(obstacle.to_owned());
        }
        let declarations = self.declarations.get();
        let mut draft = ProgramDraft {
            front: opened::encode(declarations),
            ..ProgramDraft::default()
        };
        for (id, decl) in declarations.get_functions() {
            let own = self.functions[id].as_ref();
            let own = own.filter(|_| !recording.was_defined_before(id));
            let (place, len) = match own {
                None => (None, 0),
                Some(Function { code: None, .. }) => {
                    let name = decl.linkage_name(id);
                    return Err(format!("{name} was given as bytes"));
                }
                Some(Function {
                    code: Some(code),
                    location_base,
                    ..
                }) => {
                    draft.parts.push(ProgramPart::Code {
                        code: code.clone(),
                        location_base: *location_base,
                    });
                    let part = draft.parts.len() - 1;
                    (Some((part, SectionKind::Text)), code.text_len_bytes())
                }
            };
            draft.symbols.push(ProgramDraftSymbol {
                name: decl.name.clone(),
                reference: Reference::of_function(declarations, id).to_text(),
                place,
                len,
            });
        }
        for (id, decl) in declarations.get_data_objects() {
            let (place, len) = match recording.data(id) {
                None => (None, 0),
                Some(artifact) => {
                    draft.parts.push(ProgramPart::Data(Arc::clone(artifact)));
                    let section = section_of(artifact);
                    let len = artifact.section_len(section);
                    // Sections are shorter than 2^32 bytes.
                    (Some((draft.parts.len() - 1, section)), len as u32)
                }
            };
            draft.symbols.push(ProgramDraftSymbol {
                name: decl.name.clone(),
                reference: Reference::of_data(declarations, id).to_text(),
                place,
                len,
            });
        }
        Ok(draft)
    }
}

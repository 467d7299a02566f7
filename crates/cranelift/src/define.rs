//! Defining functions and data: `Module` for `JITModule`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cranelift_codegen::Context;
use cranelift_codegen::ir::{self, ExternalName, GlobalValueData, UserExternalName};
use cranelift_codegen::isa::TargetIsa;
use cranelift_control::ControlPlane;
use cranelift_module::{
    DataDescription, DataId, FuncId, FuncOrDataId, Init, Linkage, Module, ModuleDeclarations,
    ModuleError, ModuleReloc, ModuleResult,
};
use rekindle::{
    Artifact, Code, Key, KeyBuilder, KeyPart, Lookup, SectionKind, SourceLocation, Target, Ticket,
    Verification, Wanted,
};
use rekindle_codegen::{Description, artifact_from_compiled};

use crate::baked;
use crate::data::{Contents, Kind, Object};
use crate::key;
use crate::module::{Data, Function, JITModule};
use crate::named_addresses::{Addresses, with_references};
use crate::names::{DeclaredNames, IN_OBJECTS, name_tag, write_function_name};
use crate::reference::Reference;
use crate::tables;

const WRITABLE_DATA_ALIGNMENT: u64 = 8;
const READONLY_DATA_ALIGNMENT: u64 = 1;

/// Starts the words of a key of this kind.
const DOMAIN: [u32; 2] = [u32::from_le_bytes(*b"clif"), 4];

/// What an artifact is made for.
pub(crate) struct Making {
    /// What its key is made of.
    pub(crate) key_parts: Vec<KeyPart>,
    /// What its source locations count from: under a key over CLIF, which says no other distances, the
    /// function's own base. A function that moves to another line of its file is found.
    pub(crate) location_base: u32,
}

impl JITModule {
    /// The key under which [`Module::define_function`] looks a function up.
    pub fn function_key(&mut self, id: FuncId, func: &ir::Function) -> Key {
        self.clif_key(id, func)
    }

    /// The key of a function: its complete CLIF, and what it and all that it refers to are called.
    fn clif_key(&mut self, id: FuncId, func: &ir::Function) -> Key {
        let out = &mut self.writer;
        out.begin();
        out.part("name and linkage");
        out.put(DOMAIN);
        let names = DeclaredNames {
            declarations: self.declarations.get(),
            in_objects: &self.in_objects,
        };
        write_function_name(names.declarations, id, out);
        key::write_function(func, &names, out);
        Key::from_bytes(out.finish())
    }

    /// What the key that was made last is made of: that of this function.
    fn clif_key_parts(&mut self, func: &ir::Function) -> Vec<KeyPart> {
        let mut parts = self.writer.key_parts();
        let names = DeclaredNames {
            declarations: self.declarations.get(),
            in_objects: &self.in_objects,
        };
        key::add_brief(func, &names, &mut parts);
        parts
    }

    /// Compiles a function and hands it to the cache.
    pub(crate) fn compile(
        &mut self,
        id: FuncId,
        ctx: &mut Context,
        control: &mut ControlPlane,
        ticket: Ticket,
        making: Making,
    ) -> ModuleResult<Code> {
        let artifact = self.compile_artifact(id, ctx, control, making)?;
        let time = artifact.compile_time_ns;
        self.statistics.add_compiled(ticket.reason(), time);
        let inserted = self.scope.insert(ticket, artifact);
        inserted.map_err(|error| backend(error.into()))
    }

    /// Compiles a function that was found, and compares. Returns the code to use.
    pub(crate) fn verify(
        &mut self,
        id: FuncId,
        ctx: &mut Context,
        control: &mut ControlPlane,
        verification: Verification,
        making: Making,
    ) -> ModuleResult<Code> {
        self.statistics.functions_compiled_again += 1;
        let artifact = self.compile_artifact(id, ctx, control, making)?;
        let verified = self.scope.verify(verification, artifact);
        verified.map_err(|error| backend(error.into()))
    }

    fn compile_artifact(
        &self,
        id: FuncId,
        ctx: &mut Context,
        control: &mut ControlPlane,
        making: Making,
    ) -> ModuleResult<Artifact> {
        let start = Instant::now();
        self.compile_alone(ctx, control)?;
        let description = Description {
            name: self.linkage_name(id),
            symbol: Some(Reference::of_function(self.declarations.get(), id).to_text()),
            signature: name_tag(
                &self.cache,
                self.declarations.function(id).name,
                id.as_u32(),
            ),
            compile_time_ns: u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
        };
        let compiled = ctx
            .compiled_code()
            .ok_or_else(|| backend(anyhow::anyhow!("Cranelift kept no code")))?;
        let names = |name: &ExternalName| self.target(id, name, &ctx.func);
        let mut artifact =
            artifact_from_compiled(description, compiled, self.compiled_isa(), &names)
                .map_err(|error| backend(error.into()))?;
        artifact.key_parts = making.key_parts;
        for SourceLocation { location, .. } in &mut artifact.source_locations {
            *location = location.wrapping_sub(making.location_base);
        }
        #[cfg(feature = "wasmtime-unwinder")]
        let added = &crate::wasmtime::exception_table(compiled)?;
        #[cfg(not(feature = "wasmtime-unwinder"))]
        let added = &[];
        artifact.metadata = tables::metadata(compiled, added);
        Ok(artifact)
    }

    /// Compiles a function as its context will have it, and does nothing with the result.
    fn compile_alone(&self, ctx: &mut Context, control: &mut ControlPlane) -> ModuleResult<()> {
        refer_through_cells(&mut ctx.func);
        ctx.compile(self.compiled_isa(), control)?;
        Ok(())
    }

    /// What a name in compiled code refers to.
    fn target(&self, own: FuncId, name: &ExternalName, func: &ir::Function) -> Option<Target> {
        let reference = match name {
            ExternalName::User(reference) => {
                let UserExternalName { namespace, index } =
                    func.params.user_named_funcs()[*reference];
                match namespace {
                    0 if index == own.as_u32() => {
                        return Some(Target::Section(SectionKind::Text));
                    }
                    0 => Reference::of_function(self.declarations.get(), FuncId::from_u32(index)),
                    1 => Reference::of_data(self.declarations.get(), DataId::from_u32(index)),
                    IN_OBJECTS => {
                        let text = self.in_objects.get(index as usize)?;
                        return Some(Target::Symbol(text.clone()));
                    }
                    _ => return None,
                }
            }
            ExternalName::LibCall(libcall) => Reference::LibCall(*libcall),
            ExternalName::TestCase(_) | ExternalName::KnownSymbol(_) => return None,
        };
        Some(Target::Symbol(reference.to_text()))
    }

    /// Compiles a function as `cranelift-jit` does: it lies in the embedder's memory, and nowhere else.
    fn define_in_provided_memory(
        &mut self,
        id: FuncId,
        ctx: &mut Context,
        control: &mut ControlPlane,
    ) -> ModuleResult<()> {
        ctx.compile(&*self.isa, control)?;
        let compiled = ctx
            .compiled_code()
            .ok_or_else(|| backend(anyhow::anyhow!("Cranelift kept no code")))?;
        let relocs = compiled.buffer.relocs().iter();
        let relocs = relocs.map(|reloc| ModuleReloc::from_mach_reloc(reloc, &ctx.func, id));
        let alignment = u64::from(compiled.buffer.alignment);
        self.add_bytes(id, alignment, compiled.code_buffer(), relocs.collect())
    }

    /// Adds a function given as bytes.
    fn add_bytes(
        &mut self,
        id: FuncId,
        alignment: u64,
        bytes: &[u8],
        relocs: Vec<ModuleReloc>,
    ) -> ModuleResult<()> {
        self.statistics.functions_uncached += 1;
        let align = alignment
            .max(u64::from(self.isa.function_alignment().minimum))
            .max(self.isa.symbol_alignment());
        let address = self.add_object(Object {
            kind: Kind::Code,
            align,
            contents: Contents::Bytes(bytes),
            relocs,
        })?;
        self.functions[id] = Some(Function {
            address,
            generation: self.generation,
            code: None,
            location_base: 0,
        });
        self.has_unfinalized = true;
        Ok(())
    }

    /// Finds a function under a key over its CLIF, or compiles it. What is found leaves the embedder its
    /// own function, if this is another form of it.
    fn define_found(
        &mut self,
        id: FuncId,
        ctx: &mut Context,
        control: &mut ControlPlane,
        original: Option<ir::Function>,
    ) -> ModuleResult<()> {
        let location_base = base_of_locations(&ctx.func);
        let key = if self.cache.is_persistent() {
            self.clif_key(id, &ctx.func)
        } else {
            unlike_any()
        };
        let found = {
            let knows = |reference: &str| self.known(reference);
            self.scope.lookup_wanted(&key, &Wanted::new(&knows))
        };
        if let Lookup::Hit(code) = &found {
            self.statistics.add_found(code);
        }
        let code = match found {
            Lookup::Hit(code) => match self.scope.verification(&key, &code) {
                Some(verification) => {
                    let making = Making {
                        key_parts: self.clif_key_parts(&ctx.func),
                        location_base,
                    };
                    self.verify(id, ctx, control, verification, making)?
                }
                None if self.keeps_compiled_code || ctx.want_disasm => {
                    self.statistics.functions_compiled_again += 1;
                    self.compile_alone(ctx, control)?;
                    code
                }
                None => {
                    // What was compiled in this context before is another function.
                    ctx.take_compiled_code();
                    if let Some(original) = original {
                        ctx.func = original;
                    }
                    code
                }
            },
            Lookup::Miss(ticket) => {
                let key_parts = match self.cache.is_persistent() {
                    true => self.clif_key_parts(&ctx.func),
                    false => Vec::new(),
                };
                let making = Making {
                    key_parts,
                    location_base,
                };
                self.compile(id, ctx, control, ticket, making)?
            }
        };
        self.add_function(id, code, location_base);
        Ok(())
    }

    /// Compiles a function that holds an address of this process: no other would find it, so it costs
    /// what it costs without a cache, and nothing of it is written.
    fn define_unkept(
        &mut self,
        id: FuncId,
        ctx: &mut Context,
        control: &mut ControlPlane,
        address: u64,
    ) -> ModuleResult<()> {
        self.statistics.functions_unkeepable += 1;
        self.note_baked_name(self.linkage_name(id), Some(address));
        let making = Making {
            key_parts: Vec::new(),
            location_base: base_of_locations(&ctx.func),
        };
        let location_base = making.location_base;
        let ticket = self.scope.unkeepable();
        let code = self.compile(id, ctx, control, ticket, making)?;
        self.add_function(id, code, location_base);
        Ok(())
    }

    fn linkage_name(&self, id: FuncId) -> String {
        let decl = self.declarations.get().get_function_decl(id);
        decl.linkage_name(id).into_owned()
    }

    /// Checks that a function may be defined now.
    pub(crate) fn check_definable(&self, id: FuncId) -> ModuleResult<()> {
        if !self.declarations.function(id).linkage.is_definable() {
            return Err(ModuleError::InvalidImportDefinition(self.linkage_name(id)));
        }
        if self.defined_function(id).is_some() {
            return Err(ModuleError::DuplicateDefinition(self.linkage_name(id)));
        }
        Ok(())
    }

    /// Adds a function whose code has source locations that count from a base.
    pub(crate) fn add_function(&mut self, id: FuncId, code: Code, location_base: u32) {
        if location_base != 0 {
            self.location_bases.insert(code.address(), location_base);
        }
        #[cfg(feature = "wasmtime-unwinder")]
        self.code_starts.insert(code.address().0, id);
        // What grows by itself doubles, and is copied, and touches new memory each time.
        let count = self.declarations.known_function_count();
        if self.functions.keys().len() < count {
            self.functions.resize(count);
        }
        self.functions[id] = Some(Function {
            address: code.address(),
            generation: self.generation,
            code: Some(code),
            location_base,
        });
        self.has_unfinalized = true;
    }
}

/// A key that no one will ever look for. No other function of the process has it.
fn unlike_any() -> Key {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    KeyBuilder::new("uncached").u64(number).finish()
}

/// What a function's source locations count from, as Cranelift keeps them.
fn base_of_locations(func: &ir::Function) -> u32 {
    let base = func.params.base_srcloc();
    match base.is_default() {
        true => 0,
        false => base.bits(),
    }
}

/// Makes a function load the addresses of all data from cells, so that its text needs no relocation
/// wherever it and what it refers to lie. Cranelift does the same for addresses of functions, as it makes
/// position-independent code. A call of what is declared to be close stays direct: the linker leads it to
/// the callee, or to a veneer.
fn refer_through_cells(func: &mut ir::Function) {
    for value in func.stencil.global_values.values_mut() {
        if let GlobalValueData::Symbol { colocated, .. } = value {
            *colocated = false;
        }
    }
}

fn backend(error: anyhow::Error) -> ModuleError {
    ModuleError::Backend(error)
}

impl Module for JITModule {
    fn isa(&self) -> &dyn TargetIsa {
        &*self.isa
    }

    fn declarations(&self) -> &ModuleDeclarations {
        self.declarations.get()
    }

    fn get_name(&self, name: &str) -> Option<FuncOrDataId> {
        self.declarations.find(name)
    }

    fn declare_function(
        &mut self,
        name: &str,
        linkage: Linkage,
        signature: &ir::Signature,
    ) -> ModuleResult<FuncId> {
        self.declarations.declare_function(name, linkage, signature)
    }

    fn declare_anonymous_function(&mut self, signature: &ir::Signature) -> ModuleResult<FuncId> {
        let declarations = self.declarations.get_mut();
        declarations.declare_anonymous_function(signature)
    }

    fn declare_data(
        &mut self,
        name: &str,
        linkage: Linkage,
        writable: bool,
        tls: bool,
    ) -> ModuleResult<DataId> {
        assert!(!tls, "JIT doesn't yet support TLS");
        self.declarations.declare_data(name, linkage, writable)
    }

    fn declare_anonymous_data(&mut self, writable: bool, tls: bool) -> ModuleResult<DataId> {
        assert!(!tls, "JIT doesn't yet support TLS");
        let declarations = self.declarations.get_mut();
        declarations.declare_anonymous_data(writable, tls)
    }

    fn define_function_with_control_plane(
        &mut self,
        id: FuncId,
        ctx: &mut Context,
        ctrl_plane: &mut ControlPlane,
    ) -> ModuleResult<()> {
        self.check_definable(id)?;
        if self.provided.is_some() {
            return self.define_in_provided_memory(id, ctx, ctrl_plane);
        }
        if self.recording.is_some() && self.bakes_address(&ctx.func) {
            // Found or not: another process has another address there.
            let name = self.linkage_name(id);
            if let Some(recording) = &mut self.recording {
                recording.refuse(&name, baked::OBSTACLE);
            }
        }
        let addresses = match self.cache.is_persistent() {
            true => self.addresses_in(&ctx.func),
            false => Addresses::None,
        };
        match addresses {
            Addresses::None => self.define_found(id, ctx, ctrl_plane, None),
            Addresses::Named(addresses) => {
                let named = with_references(&ctx.func, &addresses);
                let original = std::mem::replace(&mut ctx.func, named);
                self.define_found(id, ctx, ctrl_plane, Some(original))
            }
            Addresses::Unkeepable(address) => self.define_unkept(id, ctx, ctrl_plane, address),
        }
    }

    fn define_function_bytes(
        &mut self,
        id: FuncId,
        alignment: u64,
        bytes: &[u8],
        relocs: &[ModuleReloc],
    ) -> ModuleResult<()> {
        self.check_definable(id)?;
        self.add_bytes(id, alignment, bytes, relocs.to_owned())
    }

    fn define_data(&mut self, id: DataId, data: &DataDescription) -> ModuleResult<()> {
        let decl = self.declarations.data(id);
        let name = || {
            let decl = self.declarations.get().get_data_decl(id);
            decl.linkage_name(id).into_owned()
        };
        if !decl.linkage.is_definable() {
            return Err(ModuleError::InvalidImportDefinition(name()));
        }
        if self.defined_data(id).is_some() {
            return Err(ModuleError::DuplicateDefinition(name()));
        }
        assert!(!decl.tls, "JIT doesn't yet support TLS");
        let (kind, align) = if decl.writable {
            (Kind::Writable, WRITABLE_DATA_ALIGNMENT)
        } else {
            (Kind::Constant, READONLY_DATA_ALIGNMENT)
        };
        if let Some(recording) = &mut self.recording {
            recording.add_data(self.declarations.get(), id, data, align);
            if baked::in_data(data) {
                recording.refuse(&name(), baked::OBSTACLE);
                self.note_baked_name(name(), None);
            }
        }
        let contents = match &data.init {
            Init::Uninitialized => panic!("data is not initialized yet"),
            Init::Zeros { size } => Contents::Zeros(*size),
            Init::Bytes { contents } => Contents::Bytes(contents),
        };
        let pointer_reloc = match self.isa.pointer_bytes() {
            4 => cranelift_codegen::binemit::Reloc::Abs4,
            _ => cranelift_codegen::binemit::Reloc::Abs8,
        };
        let object = Object {
            kind,
            align: data.align.unwrap_or(align),
            contents,
            relocs: data.all_relocs(pointer_reloc).collect(),
        };
        // Upstream gives empty objects one byte, and says so.
        let len = data.init.size().max(1);
        let address = self.add_object(object)?;
        self.data[id] = Some(Data {
            address,
            len,
            generation: self.generation,
        });
        self.has_unfinalized = true;
        Ok(())
    }
}

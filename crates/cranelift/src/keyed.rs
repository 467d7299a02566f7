//! Functions keyed by what their embedder makes them from: on a hit not even CLIF is built.
//!
//! The embedder promises that a key determines the code. What it can't promise it need not: the
//! key also covers the program itself, since another build of it may generate other code, and the
//! function's name, linkage and signature.
//!
//! Most embedders give each function a key of its own, so the name is left out of the key at first,
//! and compared with the one whose code was found: hashing it would take longer than the rest of a
//! hit. A second function with the same key gets one that covers its name.
//!
//! What the code refers to is part of what it is made from, too: a name must be declared as it was when
//! the code was compiled. While nobody has declared it the embedder is asked to build, which declares it,
//! unless the host has it.

use cranelift_codegen::Context;
use cranelift_control::ControlPlane;
use cranelift_module::{FuncId, Module, ModuleError};
use rekindle::{Code, Key, Lookup, MissReason, Ticket, Verification, Wanted};

use crate::define::Making;
use crate::key::write_signature;
use crate::module::JITModule;
use crate::names::{linkage_number, name_tag, write_optional_name};
use crate::session;

/// What came of looking a function up.
enum Found {
    Code(Code),
    /// It's to be compared with what is compiled now.
    ToVerify(Verification),
    Nothing(Ticket),
}

/// Starts the words of a context.
const DOMAIN: [u32; 2] = [u32::from_le_bytes(*b"keyd"), 2];

/// A key in a context. Both are digests, so no two pairs give the same unless someone finds four
/// digests that cancel out.
fn combined(key: &Key, context: &[u8; 32]) -> Key {
    let mut bytes = *key.as_bytes();
    for (byte, context) in bytes.iter_mut().zip(context) {
        *byte ^= context;
    }
    Key::from_bytes(bytes)
}

impl JITModule {
    /// Defines a function whose code `key` determines, without building it if an earlier run of
    /// this very program did. **The caller's key stands for everything that `build` does**: code that was
    /// kept under an equal key runs, whatever `build` would make now. Nothing else is compared, unless
    /// `REKINDLE_VERIFY` asks for it; [`Module::define_function`] promises nothing and is never wrong.
    ///
    /// Make the key with [`rekindle::KeyBuilder`] from everything that `build` reads: the source
    /// text or syntax tree, options, what is known about names. Addresses must not stand in the
    /// CLIF as constants: another process has others. Give them names with
    /// [`JITBuilder::symbol`](crate::JITBuilder::symbol) and declare them as imported functions or
    /// data. On a hit `build` isn't called, so what it would have declared isn't declared either;
    /// names that the code refers to are then looked for among the functions and data of the
    /// module that are defined by the next finalization, and among the host's symbols.
    ///
    /// A function that refers to something without a name, or holds an address of this process as a
    /// constant, is looked for under its CLIF instead, as [`Module::define_function`] does. So is nothing
    /// found whose callees have other signatures now, or are found elsewhere: `build` is called then, and
    /// also if it isn't known yet what a name is, since nobody has declared it and the host has no such
    /// symbol. Declare all functions before the first is defined, and nothing is built on a warm start.
    ///
    /// Returns whether the function came from the cache.
    ///
    /// # Errors
    /// What `build` returns, and what [`Module::define_function`] does.
    pub fn define_trusting_key<E: From<ModuleError>>(
        &mut self,
        key: &Key,
        id: FuncId,
        build: impl FnOnce(&mut Self, &mut Context) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.check_definable(id)?;
        let mut found = self.find_keyed(key, id);
        if let Found::Code(code) = found {
            self.statistics.add_found(&code);
            self.add_function(id, code, 0);
            return Ok(true);
        }
        let mut ctx = self.make_context();
        ctx.func.signature = self.declarations.function(id).signature.clone();
        build(self, &mut ctx)?;
        let is_kept = self.provided.is_none() && !self.refers_to_the_nameless(&ctx.func);
        if !is_kept || self.bakes_address(&ctx.func) {
            // What the key doesn't say, the CLIF does.
            self.define_function(id, &mut ctx)?;
            return Ok(self.is_loaded(id) == Some(true));
        }
        if let Found::Nothing(ticket) = found {
            found = self.find_again(ticket, id);
        }
        let code = match found {
            Found::Code(code) => {
                self.statistics.add_found(&code);
                code
            }
            Found::Nothing(ticket) => {
                let making = self.keyed_making(key, id);
                self.compile(id, &mut ctx, &mut ControlPlane::default(), ticket, making)?
            }
            Found::ToVerify(verification) => {
                let making = self.keyed_making(key, id);
                let control = &mut ControlPlane::default();
                self.verify(id, &mut ctx, control, verification, making)?
            }
        };
        let is_loaded = code.is_loaded();
        self.add_function(id, code, 0);
        Ok(is_loaded)
    }

    /// The name that [`Self::define_trusting_key`] had before.
    ///
    /// # Errors
    /// As [`Self::define_trusting_key`].
    #[deprecated = "the name didn't say that the key is trusted: `define_trusting_key` does the same"]
    pub fn define_cached<E: From<ModuleError>>(
        &mut self,
        key: &Key,
        id: FuncId,
        build: impl FnOnce(&mut Self, &mut Context) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.define_trusting_key(key, id, build)
    }

    /// Looks a function up: under its key without its name, or, if another name's code has that, with
    /// it.
    fn find_keyed(&mut self, key: &Key, id: FuncId) -> Found {
        let context = self.keyed_context(id);
        let unnamed = combined(key, &context);
        let found = self.find_under(unnamed, id, None);
        match &found {
            Found::Nothing(ticket) if ticket.reason() == MissReason::OtherSignature => {}
            _ => return found,
        }
        let decl = self.declarations.function(id);
        let out = &mut self.writer;
        out.fixed(unnamed.as_bytes());
        write_optional_name(decl.name, id.as_u32(), out);
        let named = Key::from_bytes(out.finish());
        self.find_under(named, id, None)
    }

    /// Looks once more now that all that the function refers to is declared, if that is why it wasn't
    /// found.
    fn find_again(&self, ticket: Ticket, id: FuncId) -> Found {
        match ticket.reason() {
            MissReason::OtherNames => self.find_under(*ticket.key(), id, Some(ticket)),
            _ => Found::Nothing(ticket),
        }
    }

    /// Looks up code of a function's name that was made for what names are here; again, if there is the
    /// ticket of a first time.
    fn find_under(&self, key: Key, id: FuncId, ticket: Option<Ticket>) -> Found {
        let name = self.declarations.function(id).name;
        let knows = |reference: &str| self.known(reference);
        let wanted = Wanted::new(&knows).with_signature(name_tag(&self.cache, name, id.as_u32()));
        let found = match ticket {
            None => self.scope.lookup_wanted(&key, &wanted),
            Some(ticket) => self.scope.look_again(ticket, &wanted),
        };
        match found {
            Lookup::Miss(ticket) => Found::Nothing(ticket),
            Lookup::Hit(code) => match self.scope.verification(&key, &code) {
                Some(verification) => Found::ToVerify(verification),
                None => Found::Code(code),
            },
        }
    }

    /// The digest of what the embedder doesn't say and many functions share.
    fn keyed_context(&mut self, id: FuncId) -> [u8; 32] {
        let decl = self.declarations.function(id);
        if let Some((signature, linkage, context)) = &self.keyed_context
            && *linkage == decl.linkage
            && signature == decl.signature
        {
            return *context;
        }
        let out = &mut self.writer;
        out.put(DOMAIN);
        out.fixed(&session::program_digest(&self.cache).0);
        out.u32(linkage_number(decl.linkage));
        write_signature(decl.signature, out);
        let context = out.finish();
        self.keyed_context = Some((decl.signature.clone(), decl.linkage, context));
        context
    }

    /// What a keyed function's artifact is made for: nobody who finds it knows a base of its source
    /// locations, so it has them as they are.
    fn keyed_making(&mut self, key: &Key, id: FuncId) -> Making {
        let program = session::program_digest(&self.cache);
        let decl = self.declarations.function(id);
        let out = &mut self.writer;
        out.begin();
        out.part("program");
        out.fixed(&program.0);
        out.part("the embedder's key");
        out.fixed(key.as_bytes());
        out.part("name and linkage");
        write_optional_name(decl.name, id.as_u32(), out);
        out.u32(linkage_number(decl.linkage));
        out.part("signature");
        write_signature(decl.signature, out);
        out.finish();
        Making {
            key_parts: out.key_parts(),
            location_base: 0,
        }
    }

    /// Whether a function refers to functions or data by number alone. The number may mean
    /// something else in another run, and nothing in the key says so.
    fn refers_to_the_nameless(&self, func: &cranelift_codegen::ir::Function) -> bool {
        func.params
            .user_named_funcs()
            .values()
            .any(|name| match name.namespace {
                0 => {
                    let id = FuncId::from_u32(name.index);
                    self.declarations.get().get_function_decl(id).name.is_none()
                }
                1 => {
                    let id = cranelift_module::DataId::from_u32(name.index);
                    self.declarations.get().get_data_decl(id).name.is_none()
                }
                _ => true,
            })
    }
}

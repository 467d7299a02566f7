//! Finalization: relocations of what is in memory, and values for all cells.

use cranelift_module::{ModuleError, ModuleResult};
use rekindle::Asked;

use crate::data::{ProcessMemory, PublishError};
use crate::declarations::Standing;
use crate::memory::{self, BranchProtection};
use crate::module::JITModule;
use crate::provided::ProvidedMemory;
use crate::reference::Reference;

impl JITModule {
    /// Makes everything that was defined since the last time callable. All that it refers to must
    /// be defined by now, or be a symbol of the host.
    ///
    /// # Errors
    /// If the system refuses memory, if code given as bytes can't reach what it refers to, or if a name
    /// that a function of the cache refers to was declared as something else after the function was found.
    ///
    /// # Panics
    /// If a name stands for nothing, as in `cranelift-jit`.
    pub fn finalize_definitions(&mut self) -> ModuleResult<()> {
        if !self.has_unfinalized {
            return Ok(());
        }
        self.settle()?;
        self.publish_memory()
            .map_err(|error| ModuleError::Backend(error.into()))?;
        let unknown = self
            .scope
            .bind_names(&mut |asked| self.address_asked_for(asked))
            .map_err(memory::no_memory)?;
        let in_programs = self.programs.iter().flat_map(|program| {
            let value_of = &mut |name: &str| self.address_of_programs_reference(name);
            program.program.bind_names(value_of)
        });
        if let Some(text) = unknown.into_iter().chain(in_programs).next() {
            return Err(self.explain_unknown(&text));
        }
        self.has_unfinalized = false;
        self.gave_address_early.set(false);
        self.generation += 1;
        Ok(())
    }

    /// Relocates and protects what the module has in memory of its own. Whatever comes of it, a panic
    /// included, the module keeps what is in use already.
    fn publish_memory(&mut self) -> Result<(), PublishError> {
        let mut taken = Taken {
            memory: std::mem::take(&mut self.memory),
            provided: self.provided.take(),
            module: self,
        };
        let Taken {
            memory,
            provided,
            module,
        } = &mut taken;
        let module = &**module;
        let value_of = &|target: &_| module.address_of(target);
        memory.publish(value_of)?;
        match provided {
            Some(provided) => provided.publish(value_of, module.branch_protection()),
            None => Ok(()),
        }
    }

    /// Has functions of the cache move that refer to a name to which another module of this process gave
    /// another meaning.
    fn settle(&mut self) -> ModuleResult<()> {
        if self.cannot_finalize {
            return Err(address_was_known());
        }
        loop {
            let value_of = &mut |asked: Asked<'_>| self.address_asked_for(asked);
            let moved = self.scope.settle_names(value_of, &mut Vec::new());
            let moved = moved.map_err(memory::no_memory)?;
            if moved.is_empty() {
                return Ok(());
            }
            let is_known = self.gave_address_early.get();
            self.move_functions(&moved);
            if is_known {
                // Whoever has the address may call what isn't there any more, whenever that is.
                self.cannot_finalize = true;
                return Err(address_was_known());
            }
        }
    }

    /// What the embedder's target asks of pages with code.
    fn branch_protection(&self) -> BranchProtection {
        let flags = self.isa.isa_flags();
        let is_asked = flags
            .iter()
            .any(|flag| flag.name == "use_bti" && flag.as_bool() == Some(true));
        match is_asked {
            true => BranchProtection::BTI,
            false => BranchProtection::None,
        }
    }

    /// Why a reference has no address.
    ///
    /// # Panics
    /// If its name stands for nothing.
    fn explain_unknown(&self, text: &str) -> ModuleError {
        let Some(Reference::Named(named)) = Reference::parse(text) else {
            panic!("can't resolve symbol {text}");
        };
        let name = named.name;
        match self.declarations.standing(&named) {
            Standing::Undeclared => panic!("can't resolve symbol {name}"),
            Standing::Same(_) | Standing::Changed(_) | Standing::Other => {
                ModuleError::Backend(anyhow::anyhow!(
                    "{name} was declared otherwise after code was found that refers to it; declare it \
                     before the functions that do"
                ))
            }
        }
    }
}

fn address_was_known() -> ModuleError {
    ModuleError::Backend(anyhow::anyhow!(
        "a function must move whose address was asked for before the module was finalized"
    ))
}

/// A module's memory while it is published; dropped, it is the module's again.
struct Taken<'a> {
    memory: ProcessMemory,
    provided: Option<ProvidedMemory>,
    module: &'a mut JITModule,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.module.memory = std::mem::take(&mut self.memory);
        self.module.provided = self.provided.take();
    }
}

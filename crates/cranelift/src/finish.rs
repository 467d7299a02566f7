//! Finalization: relocations of what is in memory, and values for all cells.

use cranelift_module::{ModuleError, ModuleResult};

use crate::module::JITModule;

impl JITModule {
    /// Makes everything that was defined since the last time callable. All that it refers to must
    /// be defined by now, or be a symbol of the host.
    ///
    /// # Errors
    /// If the system refuses memory, or code given as bytes can't reach what it refers to.
    ///
    /// # Panics
    /// If a name stands for nothing, as in `cranelift-jit`.
    pub fn finalize_definitions(&mut self) -> ModuleResult<()> {
        if !self.has_unfinalized {
            return Ok(());
        }
        let mut memory = std::mem::take(&mut self.memory);
        let published = memory.publish(&|target| self.address_of(target));
        self.memory = memory;
        published.map_err(|error| ModuleError::Backend(error.into()))?;
        let unknown = self
            .scope
            .bind_names(&mut |name| self.address_of_reference(name))
            .map_err(|err| ModuleError::Allocation { err })?;
        let in_programs = self.programs.iter().flat_map(|program| {
            let value_of = &mut |name: &str| self.address_of_reference(name);
            program.program.bind_names(value_of)
        });
        if let Some(name) = unknown.into_iter().chain(in_programs).next() {
            panic!("can't resolve symbol {name}");
        }
        self.has_unfinalized = false;
        self.generation += 1;
        Ok(())
    }
}

//! The feature `wasmtime-unwinder`, as `cranelift-jit` has it: exception tables in the form that
//! Wasmtime's unwinder reads, kept with the code.

use cranelift_codegen::{CodegenError, CompiledCode};
use cranelift_module::{ModuleError, ModuleResult};
use rekindle::{Code, HostAddr};
use wasmtime_unwinder::{ExceptionTable, ExceptionTableBuilder};

use crate::module::JITModule;
use crate::tables;

/// The exception table of a function.
pub(crate) fn exception_table(compiled: &CompiledCode) -> ModuleResult<Vec<u8>> {
    let mut builder = ExceptionTableBuilder::default();
    let added = builder.add_func(0, compiled.buffer.call_sites());
    added.map_err(|_| {
        let message = "Invalid exception data".to_owned();
        ModuleError::Compilation(CodegenError::Unsupported(message))
    })?;
    Ok(builder.to_vec())
}

impl JITModule {
    /// The exception table for an address in a function of this module, and the address from which
    /// the table's offsets count.
    pub fn lookup_wasmtime_exception_data(&self, pc: usize) -> Option<(usize, ExceptionTable<'_>)> {
        let address = HostAddr(pc as u64);
        let in_functions = || {
            let (_, id) = self.code_starts.range(..=address.0).next_back()?;
            self.functions[*id].as_ref()?.code.as_ref()
        };
        let holds = |code: &&Code| {
            let offset = address.0.checked_sub(code.address().0);
            offset.is_some_and(|offset| offset < code.text_len_bytes().into())
        };
        let code = in_functions().filter(holds).or_else(|| {
            let mut programs = self.programs.iter();
            programs.find_map(|program| program.program.code_containing(address))
        })?;
        let table = ExceptionTable::parse(tables::added(code.metadata())?).ok()?;
        Some((code.address().0 as usize, table))
    }
}

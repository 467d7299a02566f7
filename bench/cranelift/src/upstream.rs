//! `cranelift-jit` itself.

use std::time::Instant;

use cranelift_frontend::FunctionBuilderContext;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Module, default_libcall_names};
use rekindle_bench::population::{IMPORTS, signature};

use crate::{POPULATION, Run, call_all, isa};

/// A module with the host's functions.
pub fn module() -> JITModule {
    let mut builder = JITBuilder::with_isa(isa(false), default_libcall_names());
    builder.symbols(IMPORTS.map(|(name, function)| (name, function as *const u8)));
    JITModule::new(builder)
}

/// Compiles everything.
pub fn run() -> anyhow::Result<Run> {
    let mut run = Run::default();
    let start = Instant::now();
    let mut module = module();
    let declared = POPULATION.declare(&mut module)?;
    let mut ctx = module.make_context();
    let mut frontend = FunctionBuilderContext::new();
    for (index, id) in declared.functions.iter().enumerate() {
        module.clear_context(&mut ctx);
        ctx.func.signature = signature(&module);
        POPULATION.build(&mut module, &declared, index, &mut ctx.func, &mut frontend);
        module.define_function(*id, &mut ctx)?;
    }
    module.finalize_definitions()?;
    let functions: Vec<_> =
        declared.functions.iter().map(|id| module.get_finalized_function(*id)).collect();
    run.ready = start.elapsed();
    call_all(&mut run, &functions);
    Ok(run)
}

//! `rekindle-cranelift` at its levels.

use std::path::Path;
use std::time::Instant;

use cranelift_frontend::FunctionBuilderContext;
use cranelift_module::{FuncOrDataId, Module, ModuleError, default_libcall_names};
use rekindle_bench::population::{IMPORTS, function_name, signature};
use rekindle_cranelift::{Cache, CacheConfig, JITBuilder, JITModule, KeyBuilder};

use crate::{POPULATION, Run, call_all, isa};

/// How much a run promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing: the key is the complete CLIF.
    Clif,
    /// That a function's key determines its code.
    Keyed,
}

pub fn cache(folder: &Path) -> Cache {
    Cache::open(&CacheConfig {
        directory: Some(folder.join("rekindle")),
        ..CacheConfig::default()
    })
}

/// A module with the host's functions.
pub fn module(cache: &Cache, scope: &str) -> JITModule {
    let mut builder = JITBuilder::with_isa(isa(false), default_libcall_names());
    builder.symbols(IMPORTS.map(|(name, function)| (name, function as *const u8)));
    builder.cache(cache.clone()).scope(scope);
    JITModule::new(builder)
}

pub fn run(folder: &Path, level: Level) -> anyhow::Result<Run> {
    let start = Instant::now();
    run_with(&cache(folder), level, start)
}

/// The whole population under one key: to the addresses of all functions by name, or only of the
/// last, as a program has one entry point.
pub fn run_program(folder: &Path, all: bool) -> anyhow::Result<Run> {
    let names: Vec<String> = (0..POPULATION.functions).map(function_name).collect();
    let start = Instant::now();
    let cache = cache(folder);
    let mut run = Run::default();
    let mut module = module(&cache, "program");
    // A front's input: some 280 bytes for each function would be the same work for any rival.
    let key = KeyBuilder::new("bench/program").u64(POPULATION.seed).finish();
    let load = Instant::now();
    module.define_program(&key, |module| {
        let declared = POPULATION.declare(module)?;
        let mut ctx = module.make_context();
        let mut frontend = FunctionBuilderContext::new();
        for (index, id) in declared.functions.iter().enumerate() {
            module.clear_context(&mut ctx);
            ctx.func.signature = signature(module);
            POPULATION.build(module, &declared, index, &mut ctx.func, &mut frontend);
            module.define_function(*id, &mut ctx)?;
        }
        Ok::<_, ModuleError>(())
    })?;
    module.finalize_definitions()?;
    let address = |name: &str| match module.get_name(name) {
        Some(FuncOrDataId::Func(id)) => module.get_finalized_function(id),
        _ => core::ptr::null(),
    };
    let first = if all { 0 } else { POPULATION.functions - 1 };
    let mut functions: Vec<_> = names[first..].iter().map(|name| address(name)).collect();
    run.load = load.elapsed();
    run.ready = start.elapsed();
    if !all {
        functions = names.iter().map(|name| address(name)).collect();
    }
    anyhow::ensure!(functions.iter().all(|address| !address.is_null()), "a function is missing");
    let start = Instant::now();
    module.flush_cache();
    run.keep = start.elapsed();
    if cache.statistics().programs_loaded == 1 {
        run.loaded = POPULATION.functions;
    }
    call_all(&mut run, &functions);
    Ok(run)
}

pub fn run_without_cache() -> anyhow::Result<Run> {
    run_with(&Cache::in_memory(), Level::Clif, Instant::now())
}

fn run_with(cache: &Cache, level: Level, start: Instant) -> anyhow::Result<Run> {
    let mut run = Run::default();
    let mut module = module(cache, if level == Level::Clif { "clif" } else { "keyed" });
    let declared = POPULATION.declare(&mut module)?;
    let mut ctx = module.make_context();
    let mut frontend = FunctionBuilderContext::new();
    for (index, id) in declared.functions.iter().enumerate() {
        if level == Level::Keyed {
            // A front's input: some 280 bytes.
            let input = [index as u8; 280];
            let key = KeyBuilder::new("bench").u64(index as u64).field_bytes(&input).finish();
            module.define_trusting_key(&key, *id, |module, ctx| {
                POPULATION.build(module, &declared, index, &mut ctx.func, &mut frontend);
                Ok::<_, ModuleError>(())
            })?;
            continue;
        }
        module.clear_context(&mut ctx);
        ctx.func.signature = signature(&module);
        POPULATION.build(&mut module, &declared, index, &mut ctx.func, &mut frontend);
        module.define_function(*id, &mut ctx)?;
    }
    module.finalize_definitions()?;
    let functions: Vec<_> =
        declared.functions.iter().map(|id| module.get_finalized_function(*id)).collect();
    run.ready = start.elapsed();
    let start = Instant::now();
    module.flush_cache();
    run.keep = start.elapsed();
    run.loaded = cache.statistics().entries_loaded as usize;
    call_all(&mut run, &functions);
    Ok(run)
}

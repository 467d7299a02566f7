//! Hits held against what is compiled now.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use cranelift_codegen::ir::{InstBuilder, types};
use cranelift_frontend::FunctionBuilderContext;
use cranelift_module::{FuncId, FuncOrDataId, Module, ModuleError};
use rekindle_bench::population::{IMPORTS, Population, signature};
use rekindle_cranelift::{Cache, CacheConfig, CacheMode, JITModule, KeyBuilder};

use crate::support::{Home, build, builder, call, declare, define};

fn open(home: &Home, verify_one_in: u32) -> Cache {
    Cache::open(&CacheConfig {
        directory: Some(home.path().join("cache")),
        verify_one_in,
        ..CacheConfig::default()
    })
}

/// A function that returns `constant`, under a key that doesn't say so.
fn badly_keyed(cache: &Cache, constant: i64) -> i64 {
    let mut module = JITModule::new(builder(cache));
    let id = declare(&mut module, "constant", 1);
    let key = KeyBuilder::new("test/verify").finish();
    let defined = module.define_trusting_key(&key, id, |module, ctx| {
        build(module, ctx, id, &mut |_, body, _| {
            body.ins().iconst(types::I64, constant)
        });
        Ok::<_, ModuleError>(())
    });
    defined.expect("sound");
    module.finalize_definitions().expect("all is defined");
    call(&module, id, 0)
}

#[test]
fn a_wrong_key_is_found_out_and_its_entry_replaced() {
    let home = Home::new();
    assert_eq!(badly_keyed(&open(&home, 0), 1), 1);
    // The embedder broke its promise, and nobody looks.
    assert_eq!(badly_keyed(&open(&home, 0), 2), 1);
    let cache = open(&home, 1);
    assert_eq!(badly_keyed(&cache, 2), 2);
    // Once more in this process: what it compiled is no hit of the cache's.
    assert_eq!(badly_keyed(&cache, 2), 2);
    let statistics = cache.statistics();
    assert_eq!(statistics.hits_differing, 1);
    assert_eq!(cache.differing(), ["constant (code)"]);
    let notices: Vec<String> = cache.notices().iter().map(ToString::to_string).collect();
    assert!(notices[0].contains("constant (code)"), "{notices:?}");
    // The fresh code is what the next process finds.
    assert_eq!(badly_keyed(&open(&home, 0), 3), 2);
    let cache = open(&home, 1);
    assert_eq!(badly_keyed(&cache, 2), 2);
    let statistics = cache.statistics();
    assert_eq!(
        (statistics.hits_verified, statistics.hits_differing),
        (1, 0)
    );
}

/// Modules share what was found; none takes what another one of the process found wrong.
#[test]
fn what_one_module_found_wrong_no_other_of_the_process_runs() {
    for mode in [CacheMode::ReadWrite, CacheMode::ReadOnly] {
        let home = Home::new();
        let first = open(&home, 0);
        assert_eq!(badly_keyed(&first, 1), 1);
        first.flush();
        let cache = Cache::open(&CacheConfig {
            directory: Some(home.path().join("cache")),
            mode,
            verify_one_in: 1,
            write_after: None,
            ..CacheConfig::default()
        });
        // While it waits for being written, when it is, and when that image is mapped.
        for _ in 0..4 {
            assert_eq!(badly_keyed(&cache, 2), 2, "{mode:?}");
            assert_eq!(badly_keyed(&cache, 2), 2, "{mode:?}");
            cache.flush();
        }
        let statistics = cache.statistics();
        assert_eq!(statistics.hits_differing, 1, "{mode:?} {statistics:?}");
        let is_kept = mode == CacheMode::ReadWrite;
        assert_eq!(statistics.entries_inserted == 1, is_kept, "{statistics:?}");
        // What was corrected can be found wrong itself.
        if is_kept {
            assert_eq!(badly_keyed(&cache, 3), 3);
            cache.flush();
            assert_eq!(badly_keyed(&cache, 3), 3);
            assert_eq!(cache.statistics().hits_differing, 2);
        }
    }
}

const SMALL: Population = Population {
    functions: 60,
    instructions: (25, 120),
    seed: 11,
};

fn populate(module: &mut JITModule, is_keyed: bool) -> Result<Vec<FuncId>, ModuleError> {
    let declared = SMALL.declare(module)?;
    let mut frontend = FunctionBuilderContext::new();
    for (index, id) in declared.functions.iter().enumerate() {
        let mut ctx = module.make_context();
        ctx.func.signature = signature(module);
        if is_keyed {
            let key = KeyBuilder::new("test/verify").u64(index as u64).finish();
            module.define_trusting_key(&key, *id, |module, ctx| {
                SMALL.build(module, &declared, index, &mut ctx.func, &mut frontend);
                Ok::<_, ModuleError>(())
            })?;
        } else {
            SMALL.build(module, &declared, index, &mut ctx.func, &mut frontend);
            module.define_function(*id, &mut ctx)?;
        }
    }
    Ok(declared.functions)
}

fn populated(cache: &Cache, way: &str) -> JITModule {
    let mut builder = builder(cache);
    builder.symbols(IMPORTS.map(|(name, function)| (name, function as *const u8)));
    let mut module = JITModule::new(builder);
    if way == "program" {
        let key = KeyBuilder::new("test/verify").finish();
        let made = module.define_program(&key, |module| populate(module, false).map(|_| ()));
        made.expect("sound");
    } else {
        populate(&mut module, way == "keyed").expect("sound");
    }
    module.finalize_definitions().expect("all is defined");
    module
}

#[test]
fn what_was_kept_is_what_is_compiled() {
    let functions = SMALL.functions as u64;
    // Whoever verifies a program looks its functions up one by one.
    for (way, expected) in [
        ("clif", functions),
        ("keyed", functions),
        ("program", functions + 1),
    ] {
        let home = Home::new();
        drop(populated(&open(&home, 0), way));
        let cache = open(&home, 1);
        let module = populated(&cache, way);
        let Some(FuncOrDataId::Func(id)) = module.get_name("fn_0") else {
            panic!("it is a function")
        };
        assert_eq!(module.is_loaded(id), Some(true), "{way}");
        drop(module);
        let statistics = cache.statistics();
        assert_eq!(statistics.hits_verified, expected, "{way}");
        assert_eq!(
            statistics.hits_differing,
            0,
            "{way}: {:?}",
            cache.differing()
        );
        let written = (statistics.entries_inserted, statistics.images_written);
        assert_eq!(written, (0, 0), "{way}");
    }
}

#[test]
fn a_sample_has_the_size_that_was_asked_for() {
    let home = Home::new();
    drop(populated(&open(&home, 0), "clif"));
    let cache = open(&home, 4);
    populated(&cache, "clif");
    assert_eq!(cache.statistics().hits_verified, 15);
}

/// A program that returns `constant`, under a key that doesn't say so.
fn bad_program(cache: &Cache, constant: i64) -> i64 {
    let mut module = JITModule::new(builder(cache));
    let key = KeyBuilder::new("test/verify program").finish();
    let made = module.define_program(&key, |module| {
        let id = declare(module, "constant", 1);
        define(module, id, &mut |_, body, _| {
            body.ins().iconst(types::I64, constant)
        });
        Ok::<_, ModuleError>(())
    });
    made.expect("sound");
    module.finalize_definitions().expect("all is defined");
    let Some(FuncOrDataId::Func(id)) = module.get_name("constant") else {
        panic!("it is a function")
    };
    call(&module, id, 0)
}

#[test]
fn a_wrong_key_of_a_program_is_found_out() {
    let home = Home::new();
    assert_eq!(bad_program(&open(&home, 0), 1), 1);
    assert_eq!(bad_program(&open(&home, 0), 2), 1);
    let cache = open(&home, 1);
    assert_eq!(bad_program(&cache, 2), 2);
    assert_eq!(cache.differing(), ["constant (code)"]);
    assert_eq!(bad_program(&open(&home, 0), 3), 2);
}

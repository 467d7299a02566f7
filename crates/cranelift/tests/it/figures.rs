//! Figures: of a module, and of all that a process does with a cache. Types that methods return have names.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use cranelift_codegen::ir::InstBuilder;
use cranelift_module::{Module, ModuleError};
use rekindle_cranelift::{JITModule, KeyBuilder, MissReason, ModuleStatistics};

use crate::support::{Home, build, declare, define, module};

fn define_plus(module: &mut JITModule, name: &str, summand: i64) {
    let id = declare(module, name, 1);
    define(module, id, &mut |_, body, params| {
        body.ins().iadd_imm_s(params[0], summand)
    });
}

#[test]
fn each_module_has_figures_of_its_own() {
    let home = Home::new();
    let mut first = module(&home.open());
    define_plus(&mut first, "f", 1);
    drop(first);

    let cache = home.open();
    let (mut one, mut other) = (module(&cache), module(&cache));
    assert_eq!(one.statistics(), ModuleStatistics::default());
    define_plus(&mut one, "f", 1);
    define_plus(&mut one, "g", 2);
    define_plus(&mut other, "h", 3);
    let figures = one.statistics();
    assert_eq!(
        (figures.functions_found, figures.functions_compiled),
        (1, 1)
    );
    assert_eq!(figures.misses[&MissReason::NotCached], 1);
    assert!(figures.compile_ns_avoided > 0 && figures.compile_ns_spent > 0);
    let figures = other.statistics();
    assert_eq!(
        (figures.functions_found, figures.functions_compiled),
        (0, 1)
    );
    // The cache has them all.
    let all = one.cache_statistics();
    assert_eq!((all.entries_loaded, all.entries_inserted), (1, 2));
}

#[test]
fn keyed_functions_and_programs_are_counted_too() {
    let home = Home::new();
    let key = KeyBuilder::new("test/figures").finish();
    for round in 0..2 {
        let mut module = module(&home.open());
        let program = module.define_program(&key, |module| {
            define_plus(module, "f", 1);
            Ok::<_, ModuleError>(())
        });
        assert_eq!(program.expect("sound"), round == 1);
        let id = declare(&mut module, "g", 1);
        let found = module.define_trusting_key(&key, id, |module, ctx| {
            build(module, ctx, id, &mut |_, body, params| {
                body.ins().iadd_imm_s(params[0], 2)
            });
            Ok::<_, ModuleError>(())
        });
        assert_eq!(found.expect("sound"), round == 1);
        let id = declare(&mut module, "bytes", 0);
        let defined = module.define_function_bytes(id, 1, &[0xc3], &[]);
        defined.expect("bytes");
        let figures = module.statistics();
        assert_eq!(
            (figures.programs_missed, figures.programs_found),
            (1 - round, round)
        );
        // The first is the program's, and counts where that is made.
        let compiled = (figures.functions_compiled, figures.functions_found);
        assert_eq!(compiled, if round == 0 { (2, 0) } else { (0, 1) });
        assert_eq!(figures.functions_uncached, 1);
    }
}

/// Whatever a public method returns can be named with this crate alone.
#[test]
fn all_that_methods_return_can_be_named() {
    use rekindle_cranelift::{self as ours, rekindle};
    let home = Home::new();
    let cache: ours::Cache = home.open();
    let mut module: JITModule = module(&cache);
    define_plus(&mut module, "f", 1);
    let located: Option<ours::Located> = module.locate(std::ptr::null());
    assert_eq!(located, None);
    let report: ours::FlushReport = module.flush_cache();
    assert_eq!(report.entries_written, 1);
    let statistics: ours::Statistics = module.cache_statistics();
    assert_eq!(statistics.entries_inserted, 1);
    let notices: Vec<ours::Notice> = cache.notices();
    assert!(notices.is_empty(), "{notices:?}");
    let entries: Vec<ours::EntryInfo> = cache.entries();
    let images: Vec<ours::ImageInfo> = cache.images();
    let environments: Vec<ours::EnvironmentInfo> = cache.environments();
    assert_eq!((entries.len(), images.len(), environments.len()), (1, 1, 1));
    let why: Option<ours::Why> = cache.why("f");
    assert!(why.is_some());
    let usage: ours::DiskUsage = cache.disk_usage();
    assert_eq!(usage.entries, 1);
    let digest: Option<ours::Digest> = cache.program_digest();
    assert!(digest.is_some());
    let cleared: Result<u64, ours::ClearError> = cache.clear();
    assert!(cleared.is_ok());
    // All else is under the name of the facade.
    let scope = rekindle::ScopeId::from_name("test");
    assert_eq!(scope.clone(), scope);
}

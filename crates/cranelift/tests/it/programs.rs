//! Programs: many functions and data objects under one key.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, types};
use cranelift_module::{
    DataDescription, FuncOrDataId, Linkage, Module, ModuleError, ModuleRelocTarget,
};
use rekindle_cranelift::{Cache, JITModule, Key, KeyBuilder};

use crate::support::{Home, builder, call, declare, define, signature};

extern "C" fn host_add_one(value: i64) -> i64 {
    value + 1
}

extern "C" fn host_add_two(value: i64) -> i64 {
    value + 2
}

fn key(text: &str) -> Key {
    KeyBuilder::new("test/program").str(text).finish()
}

fn module_with(cache: &Cache, host: extern "C" fn(i64) -> i64) -> JITModule {
    let mut builder = builder(cache);
    builder.symbol("host", host as *const u8);
    JITModule::new(builder)
}

/// `main(x) = nameless(x) * 10 + counter++ + limits[1]`, and `nameless(x) = host(x)`, reached
/// through a table of pointers.
fn build(module: &mut JITModule) -> Result<(), ModuleError> {
    let one = signature(module, 1);
    let host = module.declare_function("host", Linkage::Import, &one)?;
    let nameless = module.declare_anonymous_function(&one)?;
    define(module, nameless, &mut |module, body, params| {
        let host = module.declare_func_in_func(host, body.func);
        let call = body.ins().call(host, &[params[0]]);
        body.inst_results(call)[0]
    });
    let counter = module.declare_data("counter", Linkage::Export, true, false)?;
    let mut contents = DataDescription::new();
    contents.define(7_i64.to_le_bytes().to_vec().into());
    module.define_data(counter, &contents)?;
    let limits = module.declare_anonymous_data(false, false)?;
    let mut contents = DataDescription::new();
    contents.define([1_i64, 1000].map(i64::to_le_bytes).concat().into());
    module.define_data(limits, &contents)?;
    let zeros = module.declare_data("zeros", Linkage::Local, true, false)?;
    let mut contents = DataDescription::new();
    contents.define_zeroinit(64);
    module.define_data(zeros, &contents)?;
    let pointers = module.declare_data("pointers", Linkage::Local, false, false)?;
    let mut contents = DataDescription::new();
    contents.define(vec![0; 24].into());
    let function = module.declare_func_in_data(nameless, &mut contents);
    contents.write_function_addr(0, function);
    let data = module.declare_data_in_data(counter, &mut contents);
    contents.write_data_addr(8, data, 0);
    let function = module.declare_func_in_data(host, &mut contents);
    contents.write_function_addr(16, function);
    module.define_data(pointers, &contents)?;
    let main = declare(module, "main", 1);
    define(module, main, &mut |module, body, params| {
        let flags = MemFlagsData::trusted();
        let pointers = module.declare_data_in_func(pointers, body.func);
        let pointers = body.ins().symbol_value(types::I64, pointers);
        let callee = body.ins().load(types::I64, flags, pointers, 0);
        let signature = body.import_signature(signature(module, 1));
        let call = body.ins().call_indirect(signature, callee, &[params[0]]);
        let value = body.inst_results(call)[0];
        let direct = module.declare_func_in_func(nameless, body.func);
        let call = body.ins().call(direct, &[params[0]]);
        let again = body.inst_results(call)[0];
        let difference = body.ins().isub(value, again);
        let value = body.ins().imul_imm_s(value, 10);
        let value = body.ins().iadd(value, difference);
        let counter = body.ins().load(types::I64, flags, pointers, 8);
        let count = body.ins().load(types::I64, flags, counter, 0);
        let next = body.ins().iadd_imm_s(count, 1);
        body.ins().store(flags, next, counter, 0);
        let zeros = module.declare_data_in_func(zeros, body.func);
        let zeros = body.ins().symbol_value(types::I64, zeros);
        let zero = body.ins().load(types::I64, flags, zeros, 56);
        let limits = module.declare_data_in_func(limits, body.func);
        let limits = body.ins().symbol_value(types::I64, limits);
        let limit = body.ins().load(types::I64, flags, limits, 8);
        let sum = body.ins().iadd(value, count);
        let sum = body.ins().iadd(sum, zero);
        body.ins().iadd(sum, limit)
    });
    Ok(())
}

/// Defines the program, finalizes, and calls `main(4)` twice. Returns whether it was found.
fn run(module: &mut JITModule, key: &Key, host: i64) -> bool {
    let found = module.define_program(key, build).expect("sound");
    module.finalize_definitions().expect("all is defined");
    let Some(FuncOrDataId::Func(main)) = module.get_name("main") else {
        panic!("main is a function")
    };
    let is_loaded = module.is_loaded(main).expect("it is defined");
    assert!(is_loaded || !found);
    for count in [7, 8] {
        assert_eq!(call(module, main, 4), (4 + host) * 10 + count + 1000);
    }
    let Some(FuncOrDataId::Data(counter)) = module.get_name("counter") else {
        panic!("the counter is data")
    };
    let (_, len) = module.get_finalized_data(counter);
    assert_eq!(len, 8);
    let entry = module.get_finalized_function(main);
    let located = module.locate(entry.wrapping_add(1)).expect("it is code");
    assert_eq!((located.name.as_str(), located.offset), ("main", 1));
    found
}

#[test]
fn a_program_comes_back_whole() {
    let home = Home::new();
    for round in 0..3 {
        let cache = home.open();
        let mut module = module_with(&cache, host_add_one);
        assert_eq!(run(&mut module, &key("p"), 1), round > 0);
        drop(module);
        let statistics = cache.statistics();
        assert_eq!(statistics.programs_loaded, u64::from(round > 0));
        assert_eq!(statistics.programs_recorded, u64::from(round == 0));
        assert_eq!(statistics.entries_inserted > 0, round == 0);
    }
    // Its imports are this process's.
    let mut module = module_with(&home.open(), host_add_two);
    assert!(run(&mut module, &key("p"), 2));
    // Another key is another program, whose functions are found one by one.
    let cache = home.open();
    assert!(!run(&mut module_with(&cache, host_add_one), &key("q"), 1));
    assert!(cache.statistics().entries_loaded > 0);
}

#[test]
fn declarations_come_back_when_someone_asks() {
    let home = Home::new();
    run(&mut module_with(&home.open(), host_add_one), &key("p"), 1);
    let mut module = module_with(&home.open(), host_add_one);
    assert!(module.open_program(&key("p")));
    assert!(matches!(
        module.get_name("pointers"),
        Some(FuncOrDataId::Data(_))
    ));
    assert_eq!(module.get_name("unknown"), None);
    // The same declarations change nothing, others are checked as ever.
    let one = signature(&module, 1);
    let main = declare(&mut module, "main", 1);
    assert_eq!(module.get_name("main"), Some(FuncOrDataId::Func(main)));
    let two = signature(&module, 2);
    let result = module.declare_function("main", Linkage::Import, &two);
    assert!(matches!(
        result,
        Err(ModuleError::IncompatibleSignature(..))
    ));
    let functions = module.declarations().get_functions().count();
    assert_eq!(functions, 3);
    assert_eq!(module.declarations().get_data_objects().count(), 4);
    assert_eq!(module.declarations().get_function_decl(main).signature, one);
    // New functions go on where the program ended, and call into it.
    let more = declare(&mut module, "more", 1);
    define(&mut module, more, &mut |module, body, params| {
        let main = module.declare_func_in_func(main, body.func);
        let call = body.ins().call(main, &[params[0]]);
        body.inst_results(call)[0]
    });
    module.finalize_definitions().expect("all is defined");
    assert_eq!(call(&module, more, 4), 50 + 7 + 1000);
    let mut ctx = module.make_context();
    let result = module.define_function(main, &mut ctx);
    assert!(matches!(result, Err(ModuleError::DuplicateDefinition(_))));
    let main = module.declarations().get_name("main").expect("declared");
    let target = ModuleRelocTarget::from(main);
    assert!(!module.get_address(&target).is_null());
}

#[test]
fn what_was_declared_before_counts() {
    let home = Home::new();
    run(&mut module_with(&home.open(), host_add_one), &key("p"), 1);
    let mut module = module_with(&home.open(), host_add_one);
    declare(&mut module, "before", 1);
    assert!(!module.open_program(&key("p")));
    assert!(!run(&mut module, &key("p"), 1));
    drop(module);
    let mut module = module_with(&home.open(), host_add_one);
    declare(&mut module, "before", 1);
    assert!(run(&mut module, &key("p"), 1));
}

/// `f() = *d`, where the program defines `d` as 1 unless it is defined already.
fn run_with_data(cache: &Cache, before: Option<i64>) -> (i64, bool) {
    let mut module = module_with(cache, host_add_one);
    let define_data = |module: &mut JITModule, value: i64| {
        let data = module.declare_data("d", Linkage::Export, true, false)?;
        let mut contents = DataDescription::new();
        contents.define(value.to_le_bytes().to_vec().into());
        module.define_data(data, &contents)
    };
    let data = module.declare_data("d", Linkage::Export, true, false);
    let data = data.expect("new");
    if let Some(value) = before {
        define_data(&mut module, value).expect("sound");
    }
    let found = module.define_program(&key("data"), |module| {
        if before.is_none() {
            define_data(module, 1)?;
        }
        let f = declare(module, "f", 1);
        define(module, f, &mut |module, body, _| {
            let data = module.declare_data_in_func(data, body.func);
            let data = body.ins().symbol_value(types::I64, data);
            body.ins()
                .load(types::I64, MemFlagsData::trusted(), data, 0)
        });
        Ok::<_, ModuleError>(())
    });
    let found = found.expect("sound");
    module.finalize_definitions().expect("all is defined");
    let Some(FuncOrDataId::Func(f)) = module.get_name("f") else {
        panic!("f is a function")
    };
    (call(&module, f, 0), found)
}

#[test]
fn data_that_was_defined_before_is_not_the_programs() {
    let home = Home::new();
    assert_eq!(run_with_data(&home.open(), None), (1, false));
    assert_eq!(run_with_data(&home.open(), Some(2)), (2, false));
    assert_eq!(run_with_data(&home.open(), None), (1, true));
    // Its contents are the module's own affair.
    assert_eq!(run_with_data(&home.open(), Some(3)), (3, true));
}

/// Three programs, one on top of the other: each calls the last one's function. Returns which were found.
fn run_tower(cache: &Cache) -> Vec<bool> {
    let mut module = module_with(cache, host_add_one);
    let mut found = Vec::new();
    for level in 0..3 {
        let name = |level: i32| format!("level{level}");
        let made = module.define_program(&key(&name(level)), |module| {
            let id = declare(module, &name(level), 1);
            let data = module.declare_data(&format!("d{level}"), Linkage::Local, false, false)?;
            let mut contents = DataDescription::new();
            contents.define(100_i64.to_le_bytes().to_vec().into());
            module.define_data(data, &contents)?;
            define(module, id, &mut |module, body, params| {
                let data = module.declare_data_in_func(data, body.func);
                let data = body.ins().symbol_value(types::I64, data);
                let flags = MemFlagsData::trusted();
                let mut sum = body.ins().load(types::I64, flags, data, 0);
                if level > 0 {
                    let callee = declare(module, &name(level - 1), 1);
                    let callee = module.declare_func_in_func(callee, body.func);
                    let call = body.ins().call(callee, &[params[0]]);
                    let result = body.inst_results(call)[0];
                    sum = body.ins().iadd(sum, result);
                }
                body.ins().iadd(sum, params[0])
            });
            Ok::<_, ModuleError>(())
        });
        found.push(made.expect("sound"));
    }
    module.finalize_definitions().expect("all is defined");
    let Some(FuncOrDataId::Func(top)) = module.get_name("level2") else {
        panic!("it is a function")
    };
    assert_eq!(call(&module, top, 5), 3 * 105);
    found
}

#[test]
fn a_program_after_another_is_warm_at_the_second_run() {
    let home = Home::new();
    for round in 0..3 {
        assert_eq!(run_tower(&home.open()), [round > 0; 3]);
        assert_eq!(programs(&home).len(), 3, "nothing is kept twice");
    }
    // One that is made anew on top of one that is found.
    let top = programs(&home);
    for image in &top {
        std::fs::remove_file(image).expect("it is ours");
        let found = run_tower(&home.open());
        assert_eq!(found.iter().filter(|found| !**found).count(), 1);
        assert_eq!(run_tower(&home.open()), [true; 3]);
        assert_eq!(programs(&home).len(), 3);
    }
}

#[test]
fn a_program_within_a_program_is_part_of_it() {
    let home = Home::new();
    let inner = |module: &mut JITModule| {
        let id = declare(module, "getpid", 1);
        define(module, id, &mut |_, body, params| {
            body.ins().iadd_imm_s(params[0], 1)
        });
        Ok::<_, ModuleError>(())
    };
    let mut module = module_with(&home.open(), host_add_one);
    module.define_program(&key("inner"), inner).expect("sound");
    drop(module);
    for round in 0..3 {
        let mut module = module_with(&home.open(), host_add_one);
        let found = module.define_program(&key("outer"), |module| {
            assert!(!module.open_program(&key("inner")));
            inner(module)?;
            let outer = declare(module, "outer", 1);
            define(module, outer, &mut |module, body, params| {
                let callee = declare(module, "getpid", 1);
                let callee = module.declare_func_in_func(callee, body.func);
                let call = body.ins().call(callee, &[params[0]]);
                body.inst_results(call)[0]
            });
            Ok::<_, ModuleError>(())
        });
        assert_eq!(found.expect("sound"), round > 0);
        module.finalize_definitions().expect("all is defined");
        let Some(FuncOrDataId::Func(outer)) = module.get_name("outer") else {
            panic!("it is a function")
        };
        assert_eq!(call(&module, outer, 5), 6);
    }
}

#[test]
fn a_damaged_program_is_made_again() {
    let home = Home::new();
    run(&mut module_with(&home.open(), host_add_one), &key("p"), 1);
    let program = programs(&home).pop().expect("one was kept");
    let bytes = std::fs::read(&program).expect("readable");
    let image = home.path().join("image");
    for place in (4096..bytes.len()).step_by(bytes.len() / 40) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 4;
        std::fs::remove_file(&program).expect("it is ours");
        std::fs::write(&image, damaged).expect("space");
        std::fs::rename(&image, &program).expect("it is ours");
        let mode = rekindle_cranelift::CacheMode::ReadOnly;
        let cache = Cache::open(&rekindle_cranelift::CacheConfig {
            directory: Some(home.path().join("cache")),
            mode,
            verify_one_in: 0,
            ..Default::default()
        });
        run(&mut module_with(&cache, host_add_one), &key("p"), 1);
    }
    // One that is damaged where it matters is replaced.
    let mut damaged = bytes;
    damaged[4096] ^= 4;
    std::fs::write(&image, damaged).expect("space");
    std::fs::rename(&image, &program).expect("it is ours");
    assert!(!run(
        &mut module_with(&home.open(), host_add_one),
        &key("p"),
        1
    ));
    assert!(run(
        &mut module_with(&home.open(), host_add_one),
        &key("p"),
        1
    ));
    assert_eq!(programs(&home).len(), 1);
}

/// The images of programs.
fn programs(home: &Home) -> Vec<std::path::PathBuf> {
    let cache = home.open();
    let folder = home.path().join("cache/v1");
    let images = cache.images().into_iter().filter(|image| {
        let header = image.header.as_ref();
        header.is_some_and(|header| header.label.ends_with("(program)"))
    });
    images
        .map(|image| {
            let file = format!("{}.img", image.number);
            folder.join(image.environment).join(image.scope).join(file)
        })
        .collect()
}

#[test]
fn what_cannot_be_kept_is_said() {
    let home = Home::new();
    let cache = home.open();
    let mut module = module_with(&cache, host_add_one);
    let found = module.define_program(&key("bytes"), |module| {
        let id = declare(module, "bytes", 1);
        module.define_function_bytes(id, 16, &[0xc3], &[])
    });
    assert!(!found.expect("sound"));
    let notices: Vec<String> = cache.notices().iter().map(ToString::to_string).collect();
    assert!(
        notices
            .iter()
            .any(|notice| notice.contains("given as bytes")),
        "{notices:?}"
    );
}

#[test]
#[should_panic(expected = "can't resolve symbol host")]
fn a_missing_import_panics_as_upstream_does() {
    let home = Home::new();
    run(&mut module_with(&home.open(), host_add_one), &key("p"), 1);
    let mut module = JITModule::new(builder(&home.open()));
    assert!(module.open_program(&key("p")));
    let _ = module.finalize_definitions();
}

//! What a keyed function's code was made for is part of what it is: the signatures of what it calls, and
//! where that may be.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use cranelift_codegen::ir::{AbiParam, InstBuilder, MemFlagsData, Value, types};
use cranelift_frontend::FunctionBuilder;
use cranelift_module::{DataDescription, FuncId, FuncOrDataId, Linkage, Module, ModuleError};
use rekindle_cranelift::{Cache, JITModule, KeyBuilder, MissReason};

use crate::support::{Body, Home, build, builder, call, declare, define, module, signature};

extern "C" fn host_seven(_: i64) -> i64 {
    7
}

extern "C" fn host_eight(_: i64) -> i64 {
    8
}

/// Defines a function under one and the same key. Returns whether it was found.
fn define_keyed(module: &mut JITModule, id: FuncId, body: &mut Body<'_>) -> bool {
    let key = KeyBuilder::new("test/callees").finish();
    let defined = module.define_trusting_key(&key, id, |module, ctx| {
        build(module, ctx, id, body);
        Ok::<_, ModuleError>(())
    });
    defined.expect("sound")
}

/// Calls `name` with so many arguments: the caller's, and ones.
fn call_by_name(
    module: &mut JITModule,
    body: &mut FunctionBuilder<'_>,
    (name, linkage, params): (&str, Linkage, usize),
    argument: Value,
) -> Value {
    let signature = signature(module, params);
    let callee = module.declare_function(name, linkage, &signature);
    let callee = module.declare_func_in_func(callee.expect("as before"), body.func);
    let mut arguments = vec![argument];
    arguments.resize_with(params, || body.ins().iconst(types::I64, 1));
    let call = body.ins().call(callee, &arguments);
    body.inst_results(call)[0]
}

/// `main(x) = helper(x, 1..)`, and `helper` returns the sum of its parameters. Returns `main(5)`, and
/// whether `main` was found.
fn run(cache: &Cache, params: usize, caller_first: bool) -> (i64, bool) {
    let mut module = module(cache);
    let main = declare(&mut module, "main", 1);
    let define_helper = |module: &mut JITModule| {
        let helper = declare(module, "helper", params);
        define(module, helper, &mut |_, body, params| {
            let sum = params
                .iter()
                .copied()
                .reduce(|sum, x| body.ins().iadd(sum, x));
            sum.expect("it has parameters")
        });
    };
    if !caller_first {
        define_helper(&mut module);
    }
    let found = define_keyed(&mut module, main, &mut |module, body, arguments| {
        let callee = ("helper", Linkage::Export, params);
        call_by_name(module, body, callee, arguments[0])
    });
    if caller_first {
        define_helper(&mut module);
    }
    module.finalize_definitions().expect("all is defined");
    (call(&module, main, 5), found)
}

#[test]
fn a_callee_with_another_signature_is_another_callee() {
    for caller_first in [false, true] {
        let home = Home::new();
        assert_eq!(run(&home.open(), 1, caller_first), (5, false));
        assert_eq!(run(&home.open(), 1, caller_first), (5, true));
        let cache = home.open();
        assert_eq!(run(&cache, 2, caller_first), (6, false));
        assert_eq!(cache.statistics().misses[&MissReason::OtherNames], 1);
        // What was built then took the other's place.
        assert_eq!(run(&home.open(), 2, caller_first), (6, true));
        assert_eq!(run(&home.open(), 3, caller_first), (7, false));
        assert_eq!(run(&home.open(), 1, !caller_first), (5, false));
        assert_eq!(run(&home.open(), 1, !caller_first), (5, true));
    }
}

/// `main(x) = getpid(x)`, where the module has a function of that name, or declares it without having it,
/// or says nothing of it. Returns `main(5)`, and whether `main` was found.
fn run_getpid(cache: &Cache, declared: Option<Linkage>) -> (i64, bool) {
    let mut module = module(cache);
    let main = declare(&mut module, "main", 1);
    let one = signature(&module, 1);
    if let Some(linkage) = declared {
        let id = module
            .declare_function("getpid", linkage, &one)
            .expect("new");
        if linkage != Linkage::Import {
            define(&mut module, id, &mut |_, body, params| {
                body.ins().iadd_imm_s(params[0], 100)
            });
        }
    }
    let found = define_keyed(
        &mut module,
        main,
        &mut |module, body, params| match declared {
            None => body.ins().iadd_imm_s(params[0], 1000),
            Some(linkage) => call_by_name(module, body, ("getpid", linkage, 1), params[0]),
        },
    );
    module.finalize_definitions().expect("all is defined");
    (call(&module, main, 5), found)
}

#[test]
fn what_was_the_modules_own_is_never_found_in_the_host() {
    let pid = i64::from(std::process::id());
    for linkage in [Linkage::Local, Linkage::Export, Linkage::Hidden] {
        let home = Home::new();
        assert_eq!(run_getpid(&home.open(), Some(linkage)), (105, false));
        assert_eq!(run_getpid(&home.open(), Some(linkage)), (105, true));
        // The function is gone, and the embedder's key doesn't say so.
        assert_eq!(run_getpid(&home.open(), None), (1005, false));
    }
    let home = Home::new();
    assert_eq!(
        run_getpid(&home.open(), Some(Linkage::Export)),
        (105, false)
    );
    // It is the host's now.
    assert_eq!(
        run_getpid(&home.open(), Some(Linkage::Import)),
        (pid, false)
    );
    assert_eq!(run_getpid(&home.open(), Some(Linkage::Import)), (pid, true));
    // An import may be defined by the module.
    assert_eq!(run_getpid(&home.open(), Some(Linkage::Export)), (105, true));
}

/// `main(x) = host(x)`, where nobody but `main`'s own building declares `host`.
fn run_import(cache: &Cache, host: extern "C" fn(i64) -> i64) -> (i64, bool) {
    let mut builder = builder(cache);
    builder.symbol("host", host as *const u8);
    let mut module = JITModule::new(builder);
    let main = declare(&mut module, "main", 1);
    let found = define_keyed(&mut module, main, &mut |module, body, params| {
        call_by_name(module, body, ("host", Linkage::Import, 1), params[0])
    });
    module.finalize_definitions().expect("all is defined");
    (call(&module, main, 5), found)
}

#[test]
fn an_import_that_nobody_declared_is_the_hosts() {
    let home = Home::new();
    assert_eq!(run_import(&home.open(), host_seven), (7, false));
    assert_eq!(run_import(&home.open(), host_seven), (7, true));
    assert_eq!(run_import(&home.open(), host_eight), (8, true));
}

#[test]
fn a_name_that_becomes_another_after_code_was_found_is_an_error() {
    let home = Home::new();
    run_import(&home.open(), host_seven);
    let mut builder = builder(&home.open());
    builder.symbol("host", host_seven as *const u8);
    let mut module = JITModule::new(builder);
    let main = declare(&mut module, "main", 1);
    assert!(define_keyed(&mut module, main, &mut |_, _, params| params[0]));
    let host = declare(&mut module, "host", 2);
    define(&mut module, host, &mut |_, _, params| params[1]);
    let error = module
        .finalize_definitions()
        .expect_err("main calls it with one argument");
    assert!(
        format!("{error:?}").contains("host was declared otherwise"),
        "{error:?}"
    );
}

/// `main(x)` returns what `thing` holds as data, or gives as a function.
fn run_thing(cache: &Cache, is_function: bool, writable: bool) -> (i64, bool) {
    let mut module = module(cache);
    let main = declare(&mut module, "main", 1);
    let thing = if is_function {
        let id = declare(&mut module, "thing", 1);
        define(&mut module, id, &mut |_, body, params| {
            body.ins().iadd_imm_s(params[0], 1)
        });
        FuncOrDataId::Func(id)
    } else {
        let id = module
            .declare_data("thing", Linkage::Export, writable, false)
            .expect("new");
        let mut contents = DataDescription::new();
        contents.define(1000_i64.to_le_bytes().into());
        module.define_data(id, &contents).expect("sound");
        FuncOrDataId::Data(id)
    };
    let found = define_keyed(&mut module, main, &mut |module, body, params| match thing {
        FuncOrDataId::Func(_) => {
            call_by_name(module, body, ("thing", Linkage::Export, 1), params[0])
        }
        FuncOrDataId::Data(id) => {
            let data = module.declare_data_in_func(id, body.func);
            let data = body.ins().symbol_value(types::I64, data);
            body.ins()
                .load(types::I64, MemFlagsData::trusted(), data, 0)
        }
    });
    module.finalize_definitions().expect("all is defined");
    (call(&module, main, 5), found)
}

#[test]
fn a_function_and_data_of_one_name_are_not_taken_for_each_other() {
    let home = Home::new();
    assert_eq!(run_thing(&home.open(), true, false), (6, false));
    assert_eq!(run_thing(&home.open(), false, false), (1000, false));
    assert_eq!(run_thing(&home.open(), false, true), (1000, false));
    assert_eq!(run_thing(&home.open(), false, true), (1000, true));
    assert_eq!(run_thing(&home.open(), true, false), (6, false));
}

/// `main(x)` is whether `maybe` is there, which nobody has.
#[test]
fn what_may_be_missing_is_null_whether_the_code_was_found_or_not() {
    let home = Home::new();
    for round in 0..2 {
        let mut module = module(&home.open());
        let main = declare(&mut module, "main", 1);
        let found = define_keyed(&mut module, main, &mut |module, body, _| {
            let one = signature(module, 1);
            let maybe = module.declare_function("no_such_symbol", Linkage::Preemptible, &one);
            let maybe = module.declare_func_in_func(maybe.expect("new"), body.func);
            body.ins().func_addr(types::I64, maybe)
        });
        module.finalize_definitions().expect("it may be missing");
        assert_eq!((call(&module, main, 5), found), (0, round > 0));
    }
}

/// Code that is found under a key over its CLIF may call a function otherwise than that is declared.
#[test]
fn a_signature_of_the_callers_own_is_no_obstacle() {
    let home = Home::new();
    for (declared, is_loaded) in [(1, false), (1, true), (2, false), (2, true)] {
        let mut module = module(&home.open());
        let main = declare(&mut module, "main", 1);
        let helper = declare(&mut module, "helper", declared);
        define(&mut module, helper, &mut |_, _, params| params[0]);
        define(&mut module, main, &mut |module, body, params| {
            let callee = module.declare_func_in_func(helper, body.func);
            let mut three = signature(module, 2);
            three.params.push(AbiParam::new(types::I64));
            let three = body.import_signature(three);
            body.func.dfg.ext_funcs[callee].signature = three;
            let call = body.ins().call(callee, &[params[0]; 3]);
            body.inst_results(call)[0]
        });
        module.finalize_definitions().expect("all is defined");
        assert_eq!(call(&module, main, 5), 5);
        assert_eq!(module.is_loaded(main), Some(is_loaded));
    }
}

/// Two functions were given one key. What only the other one refers to need not be anywhere.
#[test]
fn nothing_is_needed_of_a_function_that_was_not_wanted() {
    let home = Home::new();
    for round in 0..2 {
        let mut builder = builder(&home.open());
        let names: &[_] = if round == 0 { &["f", "g"] } else { &["g"] };
        for name in names {
            builder.symbol(format!("host_of_{name}"), host_seven as *const u8);
        }
        let mut module = JITModule::new(builder);
        for name in names {
            let id = declare(&mut module, name, 1);
            let found = define_keyed(&mut module, id, &mut |module, body, params| {
                let host = format!("host_of_{name}");
                call_by_name(module, body, (&host, Linkage::Import, 1), params[0])
            });
            assert_eq!(found, round > 0, "{name}");
        }
        module.finalize_definitions().expect("all is defined");
    }
}

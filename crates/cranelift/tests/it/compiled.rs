//! What compiling leaves in a `Context`: there when it is asked for, and never another function's.

use cranelift_codegen::Context;
use cranelift_codegen::ir::InstBuilder;
use cranelift_module::{FuncId, Linkage, Module};
use rekindle_cranelift::{CacheConfig, JITBuilder, JITModule};

use crate::support::{
    Home, build, builder, childs_folder, declare, in_new_process, module, signature,
};

/// Builds `name(x) = host(x) + summand`.
fn build_named(module: &mut JITModule, ctx: &mut Context, name: &str, summand: i64) -> FuncId {
    let one = signature(module, 1);
    let host = module.declare_function("host", Linkage::Import, &one);
    let host = host.expect("the same");
    let id = declare(module, name, 1);
    build(module, ctx, id, &mut |module, body, params| {
        let host = module.declare_func_in_func(host, body.func);
        let call = body.ins().call(host, &[params[0]]);
        let result = body.inst_results(call)[0];
        body.ins().iadd_imm_s(result, summand)
    });
    id
}

#[test]
fn a_request_for_disassembly_is_compiled() {
    let home = Home::new();
    for round in 0..2 {
        let mut module = module(&home.open());
        let mut ctx = module.make_context();
        ctx.set_disasm(true);
        let id = build_named(&mut module, &mut ctx, "f", 1);
        module.define_function(id, &mut ctx).expect("sound");
        let compiled = ctx.compiled_code().expect("it was asked for");
        let text = compiled.vcode.as_ref().expect("it was asked for");
        assert!(text.contains("ret"), "{text}");
        // What is run is what was kept all the same.
        assert_eq!(module.is_loaded(id), Some(round == 1));
    }
}

#[test]
fn a_context_never_has_the_code_of_another_function() {
    let home = Home::new();
    let mut first = module(&home.open());
    let mut ctx = first.make_context();
    let id = build_named(&mut first, &mut ctx, "f", 1);
    first.define_function(id, &mut ctx).expect("sound");
    drop(first);
    let mut module = module(&home.open());
    let id = build_named(&mut module, &mut ctx, "g", 2);
    module.define_function(id, &mut ctx).expect("sound");
    assert!(ctx.compiled_code().is_some());
    // An embedder that doesn't clear its context.
    let id = build_named(&mut module, &mut ctx, "f", 1);
    module.define_function(id, &mut ctx).expect("sound");
    assert_eq!(module.is_loaded(id), Some(true));
    assert!(ctx.compiled_code().is_none());
}

/// Defines `f` in a process of its own and says whether it was found, and whether its code is there.
#[test]
fn child_that_reads_compiled_code() {
    let Some(folder) = childs_folder() else {
        return;
    };
    let libcalls = cranelift_module::default_libcall_names();
    let mut builder = JITBuilder::new(libcalls).expect("flags that exist");
    builder.cache_config(&CacheConfig {
        directory: Some(folder),
        verify_one_in: 0,
        ..CacheConfig::default()
    });
    let mut module = JITModule::new(builder);
    let mut ctx = module.make_context();
    let id = build_named(&mut module, &mut ctx, "f", 1);
    module.define_function(id, &mut ctx).expect("sound");
    let is_there = ctx.compiled_code().is_some();
    println!("result: {:?} {is_there}", module.is_loaded(id));
}

#[test]
fn the_environment_can_ask_for_compiled_code() {
    let home = Home::new();
    let child = |value: &str| {
        let variables = [("REKINDLE_COMPILED_CODE", value)];
        let test = "compiled::child_that_reads_compiled_code";
        in_new_process(test, &home.path().join("cache"), &variables)
    };
    assert_eq!(child(""), "Some(false) true");
    assert_eq!(child(""), "Some(true) false");
    assert_eq!(child("keep"), "Some(true) true");
    assert_eq!(child("drop"), "Some(true) false");
    assert_eq!(child("nonsense"), "Some(true) false");
}

#[test]
fn the_code_of_a_function_is_the_same_whether_it_was_found() {
    let home = Home::new();
    let mut codes = Vec::new();
    for keep in [true, false] {
        let mut builder = builder(&home.open());
        builder.keep_compiled_code(keep);
        let mut module = JITModule::new(builder);
        let mut ctx = module.make_context();
        let id = build_named(&mut module, &mut ctx, "f", 1);
        module.define_function(id, &mut ctx).expect("sound");
        let code = module.function_code(id).expect("it is defined");
        if let Some(compiled) = ctx.compiled_code() {
            let bytes = compiled.code_buffer();
            assert_eq!(code.bytes.len(), bytes.len());
            assert_eq!(code.relocations.len(), compiled.buffer.relocs().len());
        }
        let targets = code.relocations.iter().map(|field| field.target.as_deref());
        assert!(targets.into_iter().any(|target| target == Some("host")));
        codes.push(code);
    }
    assert_eq!(codes[0], codes[1]);
}

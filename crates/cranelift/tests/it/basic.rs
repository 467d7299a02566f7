//! One process: every module of a test starts from what the ones before it left.

use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, types};
use cranelift_module::{
    DataDescription, FuncId, Linkage, Module, ModuleError, ModuleReloc, ModuleRelocTarget,
};
use rekindle_cranelift::JITModule;

use crate::support::{Home, builder, call, declare, define, module, signature};

/// `main` calls `first` before it is defined, `first` calls a host function, `recurse` itself.
fn build(module: &mut JITModule, factor: i64) -> FuncId {
    let (main, first) = (declare(module, "main", 1), declare(module, "first", 1));
    let recurse = declare(module, "recurse", 1);
    let host_signature = signature(module, 1);
    let host = module
        .declare_function("host_add_one", Linkage::Import, &host_signature)
        .expect("a new name");
    let table = module
        .declare_data("table", Linkage::Local, true, false)
        .expect("a new name");
    define(module, main, &mut |module, body, params| {
        let first = module.declare_func_in_func(first, body.func);
        let call = body.ins().call(first, &[params[0]]);
        let value = body.inst_results(call)[0];
        let table = module.declare_data_in_func(table, body.func);
        let base = body.ins().symbol_value(types::I64, table);
        let flags = MemFlagsData::trusted();
        let stored = body.ins().load(types::I64, flags, base, 8);
        let next = body.ins().iadd_imm_s(stored, 1);
        body.ins().store(flags, next, base, 8);
        body.ins().iadd(value, stored)
    });
    define(module, first, &mut |module, body, params| {
        let host = module.declare_func_in_func(host, body.func);
        let recurse = module.declare_func_in_func(recurse, body.func);
        let call = body.ins().call(host, &[params[0]]);
        let value = body.inst_results(call)[0];
        let factor = body.ins().iconst(types::I64, factor);
        let value = body.ins().imul(value, factor);
        let pointer = body.ins().func_addr(types::I64, recurse);
        let signature = body.import_signature(signature(module, 1));
        let call = body.ins().call_indirect(signature, pointer, &[value]);
        body.inst_results(call)[0]
    });
    define(module, recurse, &mut |module, body, params| {
        let own = module.declare_func_in_func(recurse, body.func);
        let (again, done) = (body.create_block(), body.create_block());
        let result = body.append_block_param(done, types::I64);
        let zero = body.ins().iconst(types::I64, 0);
        body.ins().brif(params[0], again, &[], done, &[zero.into()]);
        body.switch_to_block(again);
        let less = body.ins().iadd_imm_s(params[0], -1);
        let call = body.ins().call(own, &[less]);
        let sum = body.inst_results(call)[0];
        let sum = body.ins().iadd(sum, params[0]);
        body.ins().jump(done, &[sum.into()]);
        body.switch_to_block(done);
        result
    });
    let mut contents = DataDescription::new();
    contents.define([0u8; 8].into_iter().chain(100i64.to_le_bytes()).collect());
    module.define_data(table, &contents).expect("sound data");
    module.finalize_definitions().expect("all is defined");
    main
}

extern "C" fn host_add_one(value: i64) -> i64 {
    value + 1
}

extern "C" fn host_add_two(value: i64) -> i64 {
    value + 2
}

#[test]
fn a_second_module_compiles_nothing() {
    let home = Home::new();
    for round in 0..3 {
        let cache = home.open();
        let mut builder = builder(&cache);
        builder.symbol("host_add_one", host_add_one as *const u8);
        let mut module = JITModule::new(builder);
        let main = build(&mut module, 2);
        // (4 + 1) * 2 = 10; 10 + 9 + .. = 55; plus 100 and how often it was called.
        assert_eq!(call(&module, main, 4), 155);
        assert_eq!(call(&module, main, 4), 156);
        assert_eq!(module.is_loaded(main), Some(round > 0));
        let statistics = cache.statistics();
        let (loaded, inserted) = if round == 0 { (0, 3) } else { (3, 0) };
        assert_eq!(statistics.entries_loaded, loaded, "{round}");
        assert_eq!(statistics.entries_inserted, inserted, "{round}");
    }
}

#[test]
fn two_modules_bind_the_same_names_differently() {
    let home = Home::new();
    let cache = home.open();
    for _ in 0..2 {
        let mut modules = Vec::new();
        for host in [host_add_one, host_add_two] {
            let mut builder = builder(&cache);
            builder.symbol("host_add_one", host as *const u8);
            let mut module = JITModule::new(builder);
            let main = build(&mut module, 1);
            modules.push((module, main));
        }
        let results: Vec<i64> = modules.iter().map(|(m, main)| call(m, *main, 2)).collect();
        assert_eq!(results, [3 + 2 + 1 + 100, 4 + 3 + 2 + 1 + 100]);
    }
}

#[test]
fn a_changed_callee_is_called_by_a_cached_caller() {
    let home = Home::new();
    for factor in [1, 3, 1] {
        let cache = home.open();
        let mut builder = builder(&cache);
        builder.symbol("host_add_one", host_add_one as *const u8);
        let mut module = JITModule::new(builder);
        let main = build(&mut module, factor);
        let sum: i64 = (1..=2 * factor).sum();
        assert_eq!(call(&module, main, 1), sum + 100);
        // SAFETY: nothing of the module is used any more.
        unsafe { module.free_memory() };
    }
}

#[test]
fn code_as_bytes_refers_to_anything() {
    let cache = Home::new().open();
    let mut module = module(&cache);
    let (caller, callee) = (
        declare(&mut module, "caller", 1),
        declare(&mut module, "callee", 1),
    );
    define(&mut module, callee, &mut |_, body, params| {
        body.ins().iadd_imm_s(params[0], 5)
    });
    // movabs rax, callee; jmp rax
    let relocs = [ModuleReloc {
        offset: 2,
        kind: Reloc::Abs8,
        name: ModuleRelocTarget::user(0, callee.as_u32()),
        addend: 0,
    }];
    let bytes = [0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0];
    module
        .define_function_bytes(caller, 16, &bytes, &relocs)
        .expect("sound bytes");
    module.finalize_definitions().expect("all is defined");
    assert_eq!(call(&module, caller, 1), 6);
}

#[test]
fn data_refers_to_functions_and_data() {
    let cache = Home::new().open();
    let mut module = module(&cache);
    let f = declare(&mut module, "f", 1);
    define(&mut module, f, &mut |_, _, params| params[0]);
    let pointed = module
        .declare_anonymous_data(false, false)
        .expect("declared");
    let pointing = module
        .declare_data("pointing", Linkage::Export, false, false)
        .expect("declared");
    let mut contents = DataDescription::new();
    contents.define(Box::new([0; 24]));
    contents.set_align(64);
    let function = module.declare_func_in_data(f, &mut contents);
    let data = module.declare_data_in_data(pointed, &mut contents);
    contents.write_function_addr(0, function);
    contents.write_data_addr(8, data, 3);
    module.define_data(pointing, &contents).expect("sound data");
    let mut zeros = DataDescription::new();
    zeros.define_zeroinit(1 << 20);
    module.define_data(pointed, &zeros).expect("sound data");
    module.finalize_definitions().expect("all is defined");
    let (address, len) = module.get_finalized_data(pointing);
    assert_eq!((address.addr() % 64, len), (0, 24));
    // SAFETY: the object has 24 bytes and stays mapped.
    let fields = unsafe { core::ptr::read_unaligned(address.cast::<[usize; 3]>()) };
    let target = module.get_finalized_data(pointed).0.addr();
    assert_eq!(
        fields,
        [module.get_finalized_function(f).addr(), target + 3, 0]
    );
}

#[test]
fn misuse_is_refused_as_upstream_does() {
    let cache = Home::new().open();
    let mut module = module(&cache);
    let f = declare(&mut module, "f", 1);
    define(&mut module, f, &mut |_, _, params| params[0]);
    let again = module.define_function_bytes(f, 1, &[0xc3], &[]);
    assert!(matches!(again, Err(ModuleError::DuplicateDefinition(name)) if name == "f"));
    let signature = signature(&module, 1);
    let import = module
        .declare_function("import", Linkage::Import, &signature)
        .expect("declared");
    let defined = module.define_function_bytes(import, 1, &[0xc3], &[]);
    assert!(matches!(
        defined,
        Err(ModuleError::InvalidImportDefinition(_))
    ));
    let other = crate::support::signature(&module, 2);
    let declared = module.declare_function("f", Linkage::Export, &other);
    assert!(matches!(
        declared,
        Err(ModuleError::IncompatibleSignature(..))
    ));
}

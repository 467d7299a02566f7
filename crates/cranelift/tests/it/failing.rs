//! Finalizations that fail: what was finalized before goes on, and what wasn't never runs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cranelift_codegen::ir::InstBuilder;
use cranelift_module::{DataDescription, DataId, FuncId, Linkage, Module, ModuleRelocTarget};
use rekindle_cranelift::{Cache, JITModule};

use crate::support::{Home, builder, call, declare, define, signature};

/// Defines data of 64 equal bytes, and gives it a pointer to a function where there is one.
fn define_bytes(module: &mut JITModule, name: &str, byte: u8, function: Option<FuncId>) -> DataId {
    let id = module.declare_data(name, Linkage::Export, true, false);
    let id = id.expect("a new name");
    let mut contents = DataDescription::new();
    contents.define(vec![byte; 64].into_boxed_slice());
    if let Some(function) = function {
        let function = module.declare_func_in_data(function, &mut contents);
        contents.write_function_addr(0, function);
    }
    module.define_data(id, &contents).expect("sound data");
    id
}

fn bytes(module: &JITModule, id: DataId) -> [u8; 64] {
    let (address, _) = module.get_finalized_data(id);
    // SAFETY: the data is defined, has 64 bytes, and its module lives.
    unsafe { address.cast::<[u8; 64]>().read() }
}

#[test]
fn a_panic_in_a_finalization_takes_nothing_from_what_was_finalized_before() {
    let cache = Cache::in_memory();
    let mut module = JITModule::new(builder(&cache));
    let before = define_bytes(&mut module, "before", 7, None);
    module.finalize_definitions().expect("all is defined");
    let missing = signature(&module, 1);
    let missing = module.declare_function("nobody_has_this", Linkage::Import, &missing);
    let missing = missing.expect("a new name");
    define_bytes(&mut module, "after", 8, Some(missing));
    let failed = catch_unwind(AssertUnwindSafe(|| module.finalize_definitions().is_ok()));
    assert!(failed.is_err(), "nobody has that function");
    let others: Vec<JITModule> = (0..16)
        .map(|_| {
            let mut other = JITModule::new(builder(&cache));
            define_bytes(&mut other, "other", 9, None);
            other.finalize_definitions().expect("all is defined");
            other
        })
        .collect();
    assert_eq!(bytes(&module, before), [7; 64]);
    let again = catch_unwind(AssertUnwindSafe(|| module.finalize_definitions().is_ok()));
    assert!(
        !matches!(again, Ok(true)),
        "one of its objects lacks an address"
    );
    drop(others);
}

/// `main` calls `helper`, which adds a number.
fn main_and_helper(cache: &Cache, number: i64, asks_early: bool) -> (JITModule, FuncId) {
    let mut module = JITModule::new(builder(cache));
    let main = declare(&mut module, "main", 1);
    let helper = declare(&mut module, "helper", 1);
    define(&mut module, main, &mut |module, body, params| {
        let helper = module.declare_func_in_func(helper, body.func);
        let call = body.ins().call(helper, params);
        let result = body.inst_results(call)[0];
        body.ins().iadd_imm_s(result, 1000)
    });
    if asks_early {
        module.get_address(&ModuleRelocTarget::user(0, main.as_u32()));
    }
    define(&mut module, helper, &mut |_, body, params| {
        body.ins().iadd_imm_s(params[0], number)
    });
    (module, main)
}

#[test]
fn a_function_whose_address_is_known_already_never_runs_with_another_modules_names() {
    let home = Home::new();
    let cache = home.open();
    let (mut module, main) = main_and_helper(&cache, 1, false);
    module.finalize_definitions().expect("all is defined");
    assert_eq!(call(&module, main, 0), 1001);
    drop(module);
    drop(cache);
    let cache = home.open();
    let (mut first, first_main) = main_and_helper(&cache, 1, false);
    first.finalize_definitions().expect("all is defined");
    let (mut second, _) = main_and_helper(&cache, 2, true);
    for _ in 0..3 {
        second
            .finalize_definitions()
            .expect_err("it would have to move");
    }
    let (mut third, third_main) = main_and_helper(&cache, 2, false);
    third.get_address(&ModuleRelocTarget::user(0, third_main.as_u32() + 1));
    third
        .finalize_definitions()
        .expect("nobody knows where it was");
    assert_eq!(call(&first, first_main, 0), 1001);
    assert_eq!(call(&third, third_main, 0), 1002);
}

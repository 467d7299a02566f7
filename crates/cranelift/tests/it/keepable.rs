//! Addresses as constants that can be kept, as references to what lies there, and those that can't.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use cranelift_frontend::FunctionBuilder;
use cranelift_module::{DataDescription, Linkage, Module};
use rekindle_cranelift::{Cache, JITModule, MissReason};

use crate::support::{
    Home, call, childs_folder, declare, define, in_new_process, module, open, signature,
};

static TABLE: [i64; 4] = [3, 5, 7, 11];

extern "C" fn host_triple(value: i64) -> i64 {
    value * 3
}

/// What a function does with the address of [`TABLE`], or of [`host_triple`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Load,
    LoadBehindASum,
    Store,
    Call,
    // From here on it is a number.
    Return,
    Compare,
    Hash,
    Pass,
    StoreAsValue,
    HeapLoad,
    LooksLikeOne,
}

const KEEPABLE: [Use; 4] = [Use::Load, Use::LoadBehindASum, Use::Store, Use::Call];

const UNKEEPABLE: [Use; 7] = [
    Use::Return,
    Use::Compare,
    Use::Hash,
    Use::Pass,
    Use::StoreAsValue,
    Use::HeapLoad,
    Use::LooksLikeOne,
];

fn table() -> i64 {
    TABLE.as_ptr().expose_provenance() as i64
}

/// The body of `f(x)` for a use.
fn body_of(way: Use, module: &JITModule, body: &mut FunctionBuilder<'_>, param: Value) -> Value {
    let flags = MemFlagsData::trusted();
    let address = match way {
        Use::Call => (host_triple as *const () as usize) as i64,
        Use::Store | Use::StoreAsValue | Use::HeapLoad => {
            let cell: &'static mut i64 = Box::leak(Box::new(7));
            match way {
                // In the program's own writable memory.
                Use::Store => (&raw const WRITABLE).expose_provenance() as i64,
                _ => core::ptr::from_mut(cell).expose_provenance() as i64,
            }
        }
        // A number that lies where the program does, by chance.
        Use::LooksLikeOne => table() + 1,
        _ => table(),
    };
    let constant = body.ins().iconst(types::I64, address);
    match way {
        Use::Load | Use::HeapLoad => body.ins().load(types::I64, flags, constant, 0),
        Use::LoadBehindASum => {
            let behind = body.ins().iadd_imm_s(constant, 8);
            body.ins().load(types::I64, flags, behind, 8)
        }
        Use::Store => {
            body.ins().store(flags, param, constant, 0);
            body.ins().load(types::I64, flags, constant, 0)
        }
        Use::Call => {
            let signature = signature(module, 1);
            let signature = body.import_signature(signature);
            let call = body.ins().call_indirect(signature, constant, &[param]);
            body.inst_results(call)[0]
        }
        Use::Return => constant,
        Use::Compare => {
            let is_same = body.ins().icmp(IntCC::Equal, constant, param);
            body.ins().uextend(types::I64, is_same)
        }
        Use::Hash | Use::LooksLikeOne => {
            let product = body.ins().imul(constant, param);
            body.ins().bxor(product, constant)
        }
        Use::Pass => {
            let signature = signature(module, 1);
            let signature = body.import_signature(signature);
            let call = body.ins().call_indirect(signature, param, &[constant]);
            body.inst_results(call)[0]
        }
        Use::StoreAsValue => {
            body.ins().store(flags, constant, param, 0);
            param
        }
    }
}

static WRITABLE: core::sync::atomic::AtomicI64 = core::sync::atomic::AtomicI64::new(0);

/// Defines `f` for a use.
fn run(cache: &Cache, way: Use) -> (JITModule, cranelift_module::FuncId) {
    let mut module = module(cache);
    let id = declare(&mut module, "f", 1);
    define(&mut module, id, &mut |module, body, params| {
        body_of(way, module, body, params[0])
    });
    module.finalize_definitions().expect("all is defined");
    (module, id)
}

fn expected(way: Use) -> i64 {
    match way {
        Use::Load => 3,
        Use::LoadBehindASum => 7,
        Use::Store => 5,
        Use::Call => 15,
        _ => panic!("{way:?}"),
    }
}

/// In a process of its own, where everything lies elsewhere.
#[test]
fn child_that_bakes() {
    let Some(folder) = childs_folder() else {
        return;
    };
    let found: Vec<bool> = KEEPABLE
        .into_iter()
        .map(|way| {
            let (module, id) = run(&open(&folder), way);
            assert_eq!(call(&module, id, 5), expected(way), "{way:?}");
            assert!(module.functions_with_baked_addresses().is_empty());
            module.is_loaded(id) == Some(true)
        })
        .collect();
    println!("result: {} {found:?}", table());
}

#[test]
fn an_address_in_the_program_is_found_in_a_process_that_has_it_elsewhere() {
    let home = Home::new();
    let child = || {
        let test = "keepable::child_that_bakes";
        let text = in_new_process(test, &home.path().join("cache"), &[]);
        let (address, found) = text.split_once(' ').expect("two words");
        (address.to_owned(), found.to_owned())
    };
    let (first, found) = child();
    assert_eq!(found, "[false, false, false, false]");
    let mut addresses = vec![first];
    // Some systems don't move programs; ours do.
    for _ in 0..3 {
        let (address, found) = child();
        assert_eq!(found, "[true, true, true, true]");
        addresses.push(address);
    }
    addresses.sort_unstable();
    addresses.dedup();
    assert!(addresses.len() > 1, "{addresses:?}");
}

#[test]
fn another_offset_is_another_function() {
    let home = Home::new();
    for round in 0..2 {
        for (index, expected) in (0_i64..).zip(TABLE) {
            let mut module = module(&home.open());
            let id = declare(&mut module, "f", 1);
            define(&mut module, id, &mut |_, body, _| {
                let cell = body.ins().iconst(types::I64, table() + 8 * index);
                body.ins()
                    .load(types::I64, MemFlagsData::trusted(), cell, 0)
            });
            module.finalize_definitions().expect("all is defined");
            assert_eq!(module.is_loaded(id), Some(round == 1));
            assert_eq!(call(&module, id, 0), expected);
        }
    }
}

/// Numbers that only look like addresses, pointers that are values, and the heap.
#[test]
fn what_cannot_be_named_is_neither_looked_for_nor_written() {
    for way in UNKEEPABLE {
        let home = Home::new();
        for _ in 0..2 {
            let cache = home.open();
            let (module, id) = run(&cache, way);
            assert_eq!(module.is_loaded(id), Some(false), "{way:?}");
            assert_eq!(module.functions_with_baked_addresses(), ["f"], "{way:?}");
            let figures = module.statistics();
            assert_eq!(figures.functions_unkeepable, 1);
            assert_eq!(figures.misses[&MissReason::Unkeepable], 1);
            drop(module);
            let all = cache.statistics();
            let written = (all.bytes_written, all.images_written);
            assert_eq!(written, (0, 0), "{way:?}");
            assert_eq!((all.baked_addresses, all.entries_loaded), (1, 0));
            assert_eq!(cache.disk_usage().bytes, 0, "{way:?}");
            // It is said once, with the constant.
            let notices = cache.notices();
            let told = notices.iter().map(ToString::to_string);
            let told: Vec<String> = told.filter(|text| text.contains("f holds 0x")).collect();
            assert_eq!(told.len(), 1, "{told:?}");
        }
    }
}

/// What can't be kept costs what it costs without a cache, and leaves the rest as it is.
#[test]
fn functions_beside_one_that_bakes_are_found() {
    let home = Home::new();
    for round in 0..2 {
        let cache = home.open();
        let mut module = module(&cache);
        for name in ["f", "g", "h"] {
            let id = declare(&mut module, name, 1);
            define(&mut module, id, &mut |module, body, params| match name {
                "g" => body_of(Use::HeapLoad, module, body, params[0]),
                _ => body_of(Use::Load, module, body, params[0]),
            });
        }
        module.finalize_definitions().expect("all is defined");
        let figures = module.statistics();
        assert_eq!(figures.functions_unkeepable, 1);
        assert_eq!(figures.functions_found, 2 * round);
        drop(module);
        assert_eq!(cache.disk_usage().entries, 2);
    }
}

/// A module's own data and functions, by the addresses that they have in this process.
#[test]
fn the_modules_own_data_and_functions_can_be_baked() {
    let home = Home::new();
    for round in 0..2 {
        // What is before it moves what the module has.
        let padding = vec![0_u8; 64 + 4096 * round];
        let mut module = module(&home.open());
        let before = module.declare_anonymous_data(true, false).expect("new");
        let mut contents = DataDescription::new();
        contents.define(padding.into());
        module.define_data(before, &contents).expect("sound");
        let data = module.declare_data("cells", Linkage::Local, true, false);
        let data = data.expect("new");
        let mut contents = DataDescription::new();
        let bytes: Vec<u8> = [21_i64, 42]
            .iter()
            .flat_map(|cell| cell.to_le_bytes())
            .collect();
        contents.define(bytes.into());
        module.define_data(data, &contents).expect("sound");
        let callee = declare(&mut module, "callee", 1);
        define(&mut module, callee, &mut |_, body, params| {
            body.ins().iadd_imm_s(params[0], 1)
        });
        module.finalize_definitions().expect("all is defined");
        let (cells, _) = module.get_finalized_data(data);
        let cells = cells.expose_provenance() as i64;
        let code = module.get_finalized_function(callee).expose_provenance() as i64;
        let id = declare(&mut module, "f", 1);
        define(&mut module, id, &mut |module, body, params| {
            let cell = body.ins().iconst(types::I64, cells + 8);
            let cell = body
                .ins()
                .load(types::I64, MemFlagsData::trusted(), cell, 0);
            let code = body.ins().iconst(types::I64, code);
            let signature = signature(module, 1);
            let signature = body.import_signature(signature);
            let call = body.ins().call_indirect(signature, code, &[params[0]]);
            let sum = body.inst_results(call)[0];
            body.ins().iadd(sum, cell)
        });
        module.finalize_definitions().expect("all is defined");
        assert_eq!(call(&module, id, 1), 44);
        assert_eq!(module.is_loaded(id), Some(round == 1), "{round}");
        assert!(module.functions_with_baked_addresses().is_empty());
    }
}

/// The embedder's function is its own again after it was found.
#[test]
fn a_function_that_is_found_stays_as_it_was_built() {
    let home = Home::new();
    drop(run(&home.open(), Use::Load));
    let mut module = module(&home.open());
    let id = declare(&mut module, "f", 1);
    let mut ctx = module.make_context();
    crate::support::build(&mut module, &mut ctx, id, &mut |module, body, params| {
        body_of(Use::Load, module, body, params[0])
    });
    let before = ctx.func.display().to_string();
    module.define_function(id, &mut ctx).expect("sound");
    assert_eq!(module.is_loaded(id), Some(true));
    assert_eq!(ctx.func.display().to_string(), before);
}

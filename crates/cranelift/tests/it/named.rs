//! The example of `docs/cranelift.md`: a pointer that gets a name.

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, types};
use cranelift_module::{Linkage, Module};
use rekindle_cranelift::{Cache, JITModule};

use crate::support::{Home, builder, call, declare, define};

static TABLE: [i64; 4] = [3, 5, 7, 11];
static OTHER: [i64; 4] = [0, 0, 70, 0];

/// `third() = table[2]`. Returns its result, and whether it came from the cache.
fn run(cache: &Cache, table: &'static [i64; 4]) -> (i64, bool) {
    let mut builder = builder(cache);
    builder.symbol("table", table.as_ptr().cast());
    let mut module = JITModule::new(builder);
    let third = declare(&mut module, "third", 1);
    define(&mut module, third, &mut |module, body, _| {
        let table = module
            .declare_data("table", Linkage::Import, false, false)
            .expect("the same each time");
        let table = module.declare_data_in_func(table, body.func);
        let table = body.ins().symbol_value(types::I64, table);
        body.ins()
            .load(types::I64, MemFlagsData::trusted(), table, 16)
    });
    module.finalize_definitions().expect("the name is known");
    let is_loaded = module.is_loaded(third).expect("it is defined");
    (call(&module, third, 0), is_loaded)
}

#[test]
fn a_named_pointer_may_change() {
    let home = Home::new();
    assert_eq!(run(&home.open(), &TABLE), (7, false));
    assert_eq!(run(&home.open(), &TABLE), (7, true));
    assert_eq!(run(&home.open(), &OTHER), (70, true));
}

#[test]
fn a_baked_pointer_is_counted_and_named() {
    let home = Home::new();
    let cache = home.open();
    let mut module = JITModule::new(builder(&cache));
    for (name, constant) in [
        ("baked", (&raw const TABLE).addr() as i64),
        ("plain", 0x7777_0000_0000_1234),
    ] {
        let id = declare(&mut module, name, 1);
        define(&mut module, id, &mut |_, body, _| {
            body.ins().iconst(types::I64, constant)
        });
    }
    assert_eq!(module.functions_with_baked_addresses(), ["baked"]);
    assert_eq!(cache.baked_addresses(), ["baked"]);
    assert_eq!(module.cache_statistics().baked_addresses, 1);
}

#[test]
fn why_says_which_part_of_a_key_differs() {
    let home = Home::new();
    for constant in [1, 2] {
        let mut module = JITModule::new(builder(&home.open()));
        let id = declare(&mut module, "constant", 1);
        define(&mut module, id, &mut |_, body, _| {
            body.ins().iconst(types::I64, constant)
        });
    }
    let why = home.open().why("constant").expect("it was kept");
    assert_eq!(why.parts, ["body"]);
    let mut module = JITModule::new(builder(&home.open()));
    let id = declare(&mut module, "constant", 2);
    define(&mut module, id, &mut |_, body, _| {
        body.ins().iconst(types::I64, 2)
    });
    drop(module);
    let why = home.open().why("constant").expect("it was kept");
    assert!(why.parts.contains(&"signature".to_owned()), "{why:?}");
}

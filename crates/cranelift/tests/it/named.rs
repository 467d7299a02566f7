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

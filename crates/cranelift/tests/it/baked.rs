//! Addresses of this process as constants: never kept under a key that doesn't say them.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use cranelift_codegen::ir::{ConstantData, InstBuilder, MemFlagsData, Value, types};
use cranelift_frontend::FunctionBuilder;
use cranelift_module::{DataDescription, FuncOrDataId, Linkage, Module, ModuleError};
use rekindle_cranelift::{Cache, JITModule, Key, KeyBuilder};

use crate::support::{Home, build, builder, call, declare, define, module};

/// What a pointer that a number holds is tagged with, as interpreters do it.
const BOX: u64 = 0xfffc << 48;

/// Ways to have an address as a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Integer,
    Tagged,
    Float,
    Vector,
}

const WAYS: [Way; 4] = [Way::Integer, Way::Tagged, Way::Float, Way::Vector];

fn address_of(cell: &'static i64) -> u64 {
    core::ptr::from_ref(cell).expose_provenance() as u64
}

/// Loads what is at `address`, a constant.
fn load_from(body: &mut FunctionBuilder<'_>, way: Way, address: u64) -> Value {
    let pointer = match way {
        Way::Integer => body.ins().iconst(types::I64, address.cast_signed()),
        Way::Tagged => {
            let boxed = body.ins().iconst(types::I64, (BOX | address).cast_signed());
            body.ins()
                .band_imm_u(boxed, ((1_u64 << 48) - 1).cast_signed())
        }
        Way::Float => {
            let float = body.ins().f64const(f64::from_bits(address));
            body.ins().bitcast(types::I64, MemFlagsData::new(), float)
        }
        Way::Vector => {
            let bytes = [[0; 8], address.to_le_bytes()].concat();
            let constant = body
                .func
                .dfg
                .constants
                .insert(ConstantData::from(&bytes[..]));
            let vector = body.ins().vconst(types::I64X2, constant);
            body.ins().extractlane(vector, 1)
        }
    };
    body.ins()
        .load(types::I64, MemFlagsData::trusted(), pointer, 0)
}

fn key() -> Key {
    KeyBuilder::new("test/baked").finish()
}

fn leak(value: i64) -> &'static i64 {
    Box::leak(Box::new(value))
}

/// `f() = *cell`, under a key that doesn't say where the cell is.
fn run_keyed(cache: &Cache, way: Way, cell: &'static i64) -> i64 {
    let mut module = module(cache);
    let id = declare(&mut module, "f", 1);
    let defined = module.define_trusting_key(&key(), id, |module, ctx| {
        build(module, ctx, id, &mut |_, body, _| {
            load_from(body, way, address_of(cell))
        });
        Ok::<_, ModuleError>(())
    });
    defined.expect("sound");
    // Under its CLIF, a small number is a number: that names it, and is never found wrongly.
    if address_of(cell) >> 32 > 0 {
        assert_eq!(
            module.functions_with_baked_addresses().is_empty(),
            module.is_loaded(id) == Some(true)
        );
    }
    module.finalize_definitions().expect("all is defined");
    call(&module, id, 0)
}

#[test]
fn a_keyed_function_that_holds_an_address_is_not_found_by_the_next_process() {
    for way in WAYS {
        let home = Home::new();
        for value in [41, 42, 43] {
            // Another address each time, as another process has.
            assert_eq!(run_keyed(&home.open(), way, leak(value)), value, "{way:?}");
        }
        // Not even with the same address: nothing was kept.
        let cell = leak(44);
        run_keyed(&home.open(), way, cell);
        let cache = home.open();
        assert_eq!(run_keyed(&cache, way, cell), 44);
        assert_eq!(cache.statistics().entries_loaded, 0, "{way:?}");
        assert_eq!(cache.disk_usage().entries, 0, "{way:?}");
    }
}

#[test]
fn memory_that_was_mapped_just_now_is_noticed_too() {
    let home = Home::new();
    for value in [41, 42, 43] {
        // Larger than what allocators keep at hand: mapped now.
        let mut large = vec![0; 1 << 20];
        large[1 << 19] = value;
        let large: &'static [i64] = large.leak();
        assert_eq!(
            run_keyed(&home.open(), Way::Integer, &large[1 << 19]),
            value
        );
    }
}

/// Memory below 4 GiB, as a heap of short pointers is.
fn map_low(value: i64) -> &'static i64 {
    let (protection, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
    );
    // SAFETY: the system chooses where, so nothing that is there already changes.
    let memory = unsafe { libc::mmap(core::ptr::null_mut(), 4096, protection, flags, -1, 0) };
    assert!(memory != libc::MAP_FAILED && memory.addr() < 1 << 32);
    // SAFETY: a page was mapped for us alone, and it is never unmapped.
    let cell = unsafe { &mut *memory.cast::<i64>() };
    *cell = value;
    cell
}

#[test]
fn an_address_below_four_gigabytes_is_an_address_too() {
    let home = Home::new();
    // What is mapped is read once, while nothing lies there.
    assert_eq!(run_keyed(&home.open(), Way::Integer, leak(40)), 40);
    for value in [41, 42, 43] {
        let cell = map_low(value);
        assert_eq!(run_keyed(&home.open(), Way::Integer, cell), value);
    }
}

/// A program of `f() = *cell`, or `*pointer` with a pointer in data.
fn run_program(cache: &Cache, way: Option<Way>, cell: &'static i64) -> (i64, bool) {
    let mut module = module(cache);
    let found = module.define_program(&key(), |module| {
        let address = address_of(cell);
        let pointer = match way {
            Some(_) => None,
            None => {
                let id = module.declare_data("pointer", Linkage::Export, false, false)?;
                let mut contents = DataDescription::new();
                // Where no compiler would put it.
                let bytes = [&[0xee; 3][..], &address.to_le_bytes()].concat();
                contents.define(bytes.into());
                module.define_data(id, &contents)?;
                Some(id)
            }
        };
        let id = declare(module, "f", 1);
        define(module, id, &mut |module, body, _| match (way, pointer) {
            (Some(way), _) => load_from(body, way, address),
            (None, Some(pointer)) => {
                let pointer = module.declare_data_in_func(pointer, body.func);
                let pointer = body.ins().symbol_value(types::I64, pointer);
                let flags = MemFlagsData::new().with_notrap();
                let cell = body.ins().load(types::I64, flags, pointer, 3);
                body.ins()
                    .load(types::I64, MemFlagsData::trusted(), cell, 0)
            }
            (None, None) => unreachable!("one of them"),
        });
        Ok::<_, ModuleError>(())
    });
    let found = found.expect("sound");
    module.finalize_definitions().expect("all is defined");
    let Some(FuncOrDataId::Func(id)) = module.get_name("f") else {
        panic!("f is a function")
    };
    (call(&module, id, 0), found)
}

fn notices(cache: &Cache) -> String {
    let notices = cache.notices();
    let texts: Vec<String> = notices.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

#[test]
fn a_program_that_holds_an_address_is_not_kept_and_says_why() {
    for way in WAYS.into_iter().map(Some).chain([None]) {
        let home = Home::new();
        let name = if way.is_some() { "f" } else { "pointer" };
        for value in [41, 42] {
            let cache = home.open();
            assert_eq!(
                run_program(&cache, way, leak(value)),
                (value, false),
                "{way:?}"
            );
            assert_eq!(cache.baked_addresses(), [name]);
            let notices = notices(&cache);
            let expected = format!("{name} holds an address of this process");
            assert!(notices.contains(&expected), "{notices}");
        }
        // Nor if its function is found, since the address is the same by chance.
        let cell = leak(43);
        run_program(&home.open(), way, cell);
        assert_eq!(run_program(&home.open(), way, cell), (43, false), "{way:?}");
        assert_eq!(
            run_program(&home.open(), way, leak(44)),
            (44, false),
            "{way:?}"
        );
    }
}

/// A keyed function of a program is found or made as ever, and the program with it.
#[test]
fn a_programs_keyed_function_is_no_way_around() {
    let home = Home::new();
    for value in [41, 42, 43] {
        let mut module = JITModule::new(builder(&home.open()));
        let cell = leak(value);
        let program = KeyBuilder::new("test/baked program").finish();
        let found = module.define_program(&program, |module| {
            let id = declare(module, "f", 1);
            module.define_trusting_key(&key(), id, |module, ctx| {
                build(module, ctx, id, &mut |_, body, _| {
                    load_from(body, Way::Integer, address_of(cell))
                });
                Ok::<_, ModuleError>(())
            })?;
            Ok::<_, ModuleError>(())
        });
        assert!(!found.expect("sound"));
        module.finalize_definitions().expect("all is defined");
        let Some(FuncOrDataId::Func(id)) = module.get_name("f") else {
            panic!("f is a function")
        };
        assert_eq!(call(&module, id, 0), value);
    }
}

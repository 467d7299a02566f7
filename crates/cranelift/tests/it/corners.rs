//! Corners: far callees, names given twice or not at all, other orders, threads.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, types};
use cranelift_module::{
    DataDescription, Linkage, Module, ModuleError, ModuleReloc, ModuleRelocTarget,
};
use rekindle_cranelift::{Cache, JITModule, KeyBuilder};

use crate::support::{Home, build, builder, call, declare, define, module, signature};

extern "C" fn host_near_the_program(value: i64) -> i64 {
    value * 7
}

static HOST_WORD: i64 = 400;

/// Code in memory of the system's choice lies further from the program than 32 bits reach.
#[test]
fn callees_and_data_may_be_anywhere() {
    let home = Home::new();
    let host = host_near_the_program as *const u8;
    for round in 0..2 {
        let mut builder = builder(&home.open());
        builder.symbol("host", host);
        builder.symbol("word", (&raw const HOST_WORD).cast());
        let mut module = JITModule::new(builder);
        let one = signature(&module, 1);
        let host_id = module.declare_function("host", Linkage::Import, &one);
        let host_id = host_id.expect("new");
        let word = module.declare_data("word", Linkage::Import, false, false);
        let word = word.expect("new");
        let bytes = declare(&mut module, "bytes", 1);
        let main = declare(&mut module, "main", 1);
        define(&mut module, main, &mut |module, body, params| {
            let mut sum = params[0];
            for callee in [host_id, bytes] {
                let callee = module.declare_func_in_func(callee, body.func);
                let call = body.ins().call(callee, &[params[0]]);
                let result = body.inst_results(call)[0];
                sum = body.ins().iadd(sum, result);
            }
            let word = module.declare_data_in_func(word, body.func);
            let word = body.ins().symbol_value(types::I64, word);
            let word = body
                .ins()
                .load(types::I64, MemFlagsData::trusted(), word, 0);
            body.ins().iadd(sum, word)
        });
        // `jmp host`, through a field of 32 bits.
        let relocs = [ModuleReloc {
            offset: 1,
            kind: Reloc::X86CallPCRel4,
            name: ModuleRelocTarget::user(0, host_id.as_u32()),
            addend: -4,
        }];
        let jump = [0xe9, 0, 0, 0, 0];
        let defined = module.define_function_bytes(bytes, 16, &jump, &relocs);
        defined.expect("sound bytes");
        module.finalize_definitions().expect("all is defined");
        let distance = module
            .get_finalized_function(main)
            .addr()
            .abs_diff(host.addr());
        assert!(distance > 1 << 31, "{distance:#x}: the test shows nothing");
        assert_eq!(call(&module, main, 2), 2 + 14 + 14 + 400);
        assert_eq!(module.is_loaded(main), Some(round > 0));
    }
}

#[test]
fn nothing_is_defined_twice_whether_it_was_found_or_not() {
    let home = Home::new();
    for _ in 0..2 {
        let mut module = module(&home.open());
        let id = declare(&mut module, "f", 1);
        define(&mut module, id, &mut |_, _, params| params[0]);
        let is_duplicate = |result: Result<(), ModuleError>, expected: &str| matches!(result, Err(ModuleError::DuplicateDefinition(name)) if name == expected);
        let mut ctx = module.make_context();
        build(&mut module, &mut ctx, id, &mut |_, _, params| params[0]);
        assert!(is_duplicate(module.define_function(id, &mut ctx), "f"));
        let key = KeyBuilder::new("test/corners").finish();
        let keyed = module.define_trusting_key(&key, id, |_, _| -> Result<(), ModuleError> {
            panic!("what is defined isn't built")
        });
        assert!(is_duplicate(keyed.map(|_| ()), "f"));
        assert!(is_duplicate(
            module.define_function_bytes(id, 1, &[0xc3], &[]),
            "f"
        ));
        let data = module.declare_data("d", Linkage::Local, false, false);
        let data = data.expect("new");
        let mut contents = DataDescription::new();
        contents.define_zeroinit(8);
        module.define_data(data, &contents).expect("sound");
        assert!(is_duplicate(module.define_data(data, &contents), "d"));
        module.finalize_definitions().expect("all is defined");
        assert_eq!(call(&module, id, 3), 3);
    }
}

/// `main(x)` calls nameless functions that add and load nameless data; `order` says in which order
/// the nameless are declared. Returns the result and how many of the three functions were found.
fn run_nameless(cache: &Cache, order: [usize; 2]) -> (i64, usize) {
    let mut module = module(cache);
    let one = signature(&module, 1);
    let main = declare(&mut module, "main", 1);
    let mut declared = [None; 2];
    for index in order {
        let function = module.declare_anonymous_function(&one).expect("new");
        let data = module
            .declare_anonymous_data(index == 0, false)
            .expect("new");
        declared[index] = Some((function, data));
    }
    let declared = declared.map(|pair| pair.expect("both are in the order"));
    for (index, (function, data)) in declared.into_iter().enumerate() {
        let mut contents = DataDescription::new();
        contents.define((100 * (index as i64 + 1)).to_le_bytes().into());
        module.define_data(data, &contents).expect("sound");
        define(&mut module, function, &mut |module, body, params| {
            let data = module.declare_data_in_func(data, body.func);
            let data = body.ins().symbol_value(types::I64, data);
            let value = body
                .ins()
                .load(types::I64, MemFlagsData::trusted(), data, 0);
            let value = body.ins().imul_imm_s(value, index as i64 + 1);
            body.ins().iadd(value, params[0])
        });
    }
    define(&mut module, main, &mut |module, body, params| {
        let mut sum = params[0];
        for (index, (function, _)) in declared.into_iter().enumerate() {
            let callee = module.declare_func_in_func(function, body.func);
            let call = body.ins().call(callee, &[params[0]]);
            let result = body.inst_results(call)[0];
            let result = body.ins().imul_imm_s(result, 1000_i64.pow(index as u32));
            sum = body.ins().iadd(sum, result);
        }
        sum
    });
    module.finalize_definitions().expect("all is defined");
    let all = declared
        .map(|(function, _)| function)
        .into_iter()
        .chain([main]);
    let found = all.filter(|id| module.is_loaded(*id) == Some(true)).count();
    (call(&module, main, 1), found)
}

#[test]
fn what_has_no_name_is_found_by_its_number() {
    let home = Home::new();
    let expected = 1 + 101 + 401_000;
    assert_eq!(run_nameless(&home.open(), [0, 1]), (expected, 0));
    assert_eq!(run_nameless(&home.open(), [0, 1]), (expected, 3));
    // Under other numbers they are others, and never the wrong ones.
    assert_eq!(run_nameless(&home.open(), [1, 0]).0, expected);
    assert_eq!(run_nameless(&home.open(), [1, 0]), (expected, 3));
    assert_eq!(run_nameless(&home.open(), [0, 1]), (expected, 3));
}

const COUNT: usize = 12;

/// A chain of functions, each of which calls the one before, defined in some order.
fn run_chain(cache: &Cache, order: impl Iterator<Item = usize>) -> (i64, u64) {
    let mut module = module(cache);
    let ids: Vec<_> = (0..COUNT)
        .map(|index| declare(&mut module, &format!("f{index}"), 1))
        .collect();
    for index in order {
        define(&mut module, ids[index], &mut |module, body, params| {
            let more = body.ins().iadd_imm_s(params[0], index as i64);
            let Some(callee) = index.checked_sub(1) else {
                return more;
            };
            let callee = module.declare_func_in_func(ids[callee], body.func);
            let call = body.ins().call(callee, &[more]);
            body.inst_results(call)[0]
        });
    }
    module.finalize_definitions().expect("all is defined");
    let loaded = ids.iter().filter(|id| module.is_loaded(**id) == Some(true));
    (call(&module, ids[COUNT - 1], 0), loaded.count() as u64)
}

#[test]
fn the_order_of_definitions_is_nothing_to_a_key() {
    let home = Home::new();
    let sum: i64 = (0..COUNT as i64).sum();
    assert_eq!(run_chain(&home.open(), 0..COUNT), (sum, 0));
    assert_eq!(
        run_chain(&home.open(), (0..COUNT).rev()),
        (sum, COUNT as u64)
    );
    let odd_first = (1..COUNT).step_by(2).chain((0..COUNT).step_by(2));
    assert_eq!(run_chain(&home.open(), odd_first), (sum, COUNT as u64));
}

#[test]
fn threads_have_modules_of_their_own_over_one_cache() {
    let home = Home::new();
    let sum: i64 = (0..COUNT as i64).sum();
    for round in 0..3 {
        let cache = home.open();
        std::thread::scope(|threads| {
            let workers: Vec<_> = (0..4)
                .map(|_| threads.spawn(|| run_chain(&cache, 0..COUNT)))
                .collect();
            for worker in workers {
                let (result, loaded) = worker.join().expect("it doesn't panic");
                assert_eq!(result, sum);
                assert!(round == 0 || loaded == COUNT as u64, "{round}: {loaded}");
            }
        });
    }
}

/// A module that one thread makes, another finalizes and calls.
#[test]
fn a_module_moves_between_threads() {
    let home = Home::new();
    for _ in 0..2 {
        let mut module = module(&home.open());
        let id = declare(&mut module, "f", 1);
        define(&mut module, id, &mut |_, body, params| {
            body.ins().iadd_imm_s(params[0], 2)
        });
        let thread = std::thread::spawn(move || {
            module.finalize_definitions().expect("all is defined");
            call(&module, id, 40)
        });
        assert_eq!(thread.join().expect("it doesn't panic"), 42);
    }
}

//! Why a function was compiled again: which instruction, constant or reference differs, or the order alone.

use cranelift_codegen::ir::InstBuilder;
use cranelift_module::{FuncId, Linkage, Module};
use rekindle_cranelift::rekindle::ItemDifference;
use rekindle_cranelift::{Cache, JITModule, Why};

use crate::support::{Home, declare, define, module, signature};

fn import(module: &mut JITModule, name: &str) -> FuncId {
    let one = signature(module, 1);
    let id = module.declare_function(name, Linkage::Import, &one);
    id.expect("the same")
}

/// Keeps `f(x) = callee(x) + summand`.
fn keep(home: &Home, callee: &str, summand: i64) -> Cache {
    let cache = home.open();
    let mut module = module(&cache);
    let callee = import(&mut module, callee);
    let id = declare(&mut module, "f", 1);
    define(&mut module, id, &mut |module, body, params| {
        let callee = module.declare_func_in_func(callee, body.func);
        let call = body.ins().call(callee, &[params[0]]);
        let result = body.inst_results(call)[0];
        body.ins().iadd_imm_s(result, summand)
    });
    cache
}

fn why(home: &Home) -> Why {
    home.open().why("f").expect("it was kept")
}

fn difference<'a>(why: &'a Why, part: &str) -> &'a ItemDifference {
    let found = why.items.iter().find(|item| item.part == part);
    found.unwrap_or_else(|| panic!("{why:?}"))
}

#[test]
fn the_constant_that_differs_is_named() {
    let home = Home::new();
    for summand in [5, 7] {
        keep(&home, "g", summand);
    }
    let why = why(&home);
    assert_eq!(why.parts, ["body"]);
    assert!(!why.is_reordered);
    let difference = difference(&why, "body");
    assert_eq!(difference.last.as_deref(), Some("iconst 7"));
    assert_eq!(difference.nearest.as_deref(), Some("iconst 5"));
    // The block, the call, the constant, the sum, the return.
    assert_eq!((difference.number, difference.last_len), (3, 5));
    assert_eq!(difference.differing, Some(1));
}

#[test]
fn the_reference_that_differs_is_named() {
    let home = Home::new();
    for callee in ["g", "h"] {
        keep(&home, callee, 5);
    }
    let why = why(&home);
    let difference = difference(&why, "references, tables and constants");
    assert_eq!(difference.last.as_deref(), Some("reference function h"));
    assert_eq!(difference.nearest.as_deref(), Some("reference function g"));
}

#[test]
fn the_instruction_that_differs_is_named() {
    let home = Home::new();
    for round in 0..2 {
        let mut module = module(&home.open());
        let id = declare(&mut module, "f", 1);
        define(&mut module, id, &mut |_, body, params| match round {
            0 => body.ins().iadd(params[0], params[0]),
            _ => body.ins().imul(params[0], params[0]),
        });
    }
    let why = why(&home);
    let difference = difference(&why, "body");
    assert_eq!(difference.last.as_deref(), Some("imul"));
    assert_eq!(difference.nearest.as_deref(), Some("iadd"));
}

/// What is kept for this is bounded, however long a function is.
#[test]
fn what_is_kept_to_explain_is_bounded() {
    let bytes = |count: i64| {
        let home = Home::new();
        let mut module = module(&home.open());
        let id = declare(&mut module, "f", 1);
        define(&mut module, id, &mut |_, body, params| {
            (0..count).fold(params[0], |sum, number| {
                let scaled = body.ins().imul(sum, params[0]);
                body.ins().iadd_imm_s(scaled, number << 40)
            })
        });
        drop(module);
        let entries = home.open().entries();
        let [entry] = &entries[..] else {
            panic!("{entries:?}")
        };
        let items = entry.key_details.iter().map(|part| &part.items);
        let lens = items.map(|items| {
            let texts: usize = items.texts.iter().map(|text| text.len() + 1).sum();
            texts + 2 * items.items.len()
        });
        lens.sum::<usize>()
    };
    let (small, large) = (bytes(50), bytes(5_000));
    assert!(small < 1 << 10, "{small} bytes for 200 instructions");
    assert!(large < 2 << 10, "{large} bytes for 20,000 instructions");
}

fn notices(cache: &Cache) -> String {
    let notices = cache.notices();
    let texts: Vec<String> = notices.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Keeps `f(x) = a(x) + b(x) + c(x) + summand`, whose callees are declared in this order.
fn keep_in_order(home: &Home, order: [usize; 3], summand: i64) -> String {
    let cache = home.open();
    let mut module = module(&cache);
    let callees = ["a", "b", "c"].map(|name| import(&mut module, name));
    let id = declare(&mut module, "f", 1);
    define(&mut module, id, &mut |module, body, params| {
        for number in order {
            module.declare_func_in_func(callees[number], body.func);
        }
        let zero = body
            .ins()
            .iconst(cranelift_codegen::ir::types::I64, summand);
        callees.iter().fold(zero, |sum, callee| {
            let callee = module.declare_func_in_func(*callee, body.func);
            let call = body.ins().call(callee, &[params[0]]);
            let result = body.inst_results(call)[0];
            body.ins().iadd(sum, result)
        })
    });
    drop(module);
    notices(&cache)
}

#[test]
fn a_front_whose_order_is_random_is_told_so() {
    let home = Home::new();
    assert_eq!(keep_in_order(&home, [0, 1, 2], 5), "");
    let told = keep_in_order(&home, [2, 0, 1], 5);
    assert!(told.starts_with("f was compiled again"), "{told}");
    assert!(told.contains("in an order that stays"), "{told}");
    assert!(why(&home).is_reordered);
    // What is found is no reason, nor is what changed.
    assert_eq!(keep_in_order(&home, [2, 0, 1], 5), "");
    assert_eq!(keep_in_order(&home, [2, 0, 1], 6), "");
}

/// Functions without names have numbers in their place.
#[test]
fn numbers_in_the_place_of_names_are_an_order() {
    let home = Home::new();
    let run = |order: [i64; 3]| {
        let cache = home.open();
        let mut module = module(&cache);
        let one = signature(&module, 1);
        for summand in order {
            let id = module.declare_anonymous_function(&one).expect("new");
            define(&mut module, id, &mut |_, body, params| {
                body.ins().iadd_imm_s(params[0], summand)
            });
        }
        drop(module);
        notices(&cache)
    };
    assert_eq!(run([5, 6, 7]), "");
    assert_eq!(run([5, 6, 7]), "");
    let told = run([7, 5, 6]);
    assert!(told.contains("in an order that stays"), "{told}");
}

#[test]
fn another_function_of_the_same_instructions_is_no_order() {
    let home = Home::new();
    let run = |names: &[&str]| {
        let cache = home.open();
        let mut module = module(&cache);
        for name in names {
            let id = declare(&mut module, name, 1);
            define(&mut module, id, &mut |_, body, params| {
                body.ins().iadd_imm_s(params[0], 5)
            });
        }
        drop(module);
        notices(&cache)
    };
    assert_eq!(run(&["f1"]), "");
    assert_eq!(run(&["f1", "f2"]), "", "f1 is used as it is");
    // Operands have an order that means something.
    for round in 0..2 {
        let cache = home.open();
        let mut module = module(&cache);
        let id = declare(&mut module, "g", 2);
        define(&mut module, id, &mut |_, body, params| match round {
            0 => body.ins().isub(params[0], params[1]),
            _ => body.ins().isub(params[1], params[0]),
        });
        drop(module);
        assert_eq!(notices(&cache), "", "{round}");
    }
}

//! Keys: whatever can change a function's code changes its key, alone.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use std::collections::HashMap;

#[cfg(not(since_0_133))]
use cranelift_codegen::ir::MemFlags as MemFlagsData;
#[cfg(since_0_133)]
use cranelift_codegen::ir::MemFlagsData;
use cranelift_codegen::ir::{AbiParam, Function, InstBuilder, Signature, types};
use cranelift_codegen::isa::CallConv;
use cranelift_module::{
    DataDescription, FuncId, FuncOrDataId, Linkage, Module, ModuleError, default_libcall_names,
};
use rekindle_cranelift::{Cache, JITBuilder, JITModule, Key, KeyBuilder};

#[cfg(not(since_0_135))]
use crate::support::Immediates;
use crate::support::{Home, build, builder, call, define, module, signature};

/// A function with something of everything.
const BASE: &str = "
function u0:0(i64, i32 sext, f64) -> i64 system_v {
    ss0 = explicit_slot 16, align = 8
    ss1 = explicit_slot 32
    gv0 = symbol u1:0
    gv1 = symbol u1:0+8
    sig0 = (i64) -> i64 system_v
    sig1 = (i64, i64) -> i64 system_v
    fn0 = u0:1 sig0
    fn1 = u0:3 sig1
    fn2 = %Memcpy sig1
    const0 = 0x000102030405060708090a0b0c0d0e0f

block0(v0: i64, v1: i32, v2: f64):
@0010   v3 = iadd v0, v0
@0011   v4 = iconst.i64 5
@0012   v5 = load.i64 notrap aligned v0+8
        store notrap v3, v0+16
        v6 = call fn0(v3)
        v7 = icmp slt v3, v6
        v20 = symbol_value.i64 gv0
        v21 = symbol_value.i64 gv1
        v22 = stack_addr.i64 ss0
        v23 = func_addr.i64 fn1
        v24 = call_indirect sig1, v23(v20, v21)
        v25 = select v7, v24, v22
        v26 = atomic_rmw.i64 add v0, v25
        brif v7, block1(v4), block2

block1(v8: i64):
        br_table v1, block3(v8), [block4, block3(v4)]

block2 cold:
        trap user1

block3(v9: i64):
        v10 = f64const 0x1.5p3
        v11 = fadd v2, v10
        v12 = fcmp lt v11, v2
        v13 = vconst.i8x16 const0
        v14 = shuffle v13, v13, [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15]
        v15 = extractlane v14, 3
        v16 = uextend.i64 v15
        v17 = rotl v9, v16
        trapnz v12, user2
        return v17

block4:
        v30 = call fn2(v0, v0)
        try_call fn0(v0), sig0, block5(ret0), [ tag1: block6(exn0), default: block6(exn1) ]

block5(v31: i64):
        return v31

block6(v32: i64):
        return v32
}
";

/// What is changed, and how: a text of the function above, and what stands there instead.
const CHANGES: &[(&str, &str, &str)] = &[
    ("a parameter's type", "v1: i32, v2: f64", "v1: i16, v2: f64"),
    (
        "a signature's type",
        "(i64, i32 sext, f64)",
        "(i64, i16 sext, f64)",
    ),
    ("an extension", "i32 sext", "i32 uext"),
    ("no extension", "i32 sext", "i32"),
    ("a purpose", "(i64, i32 sext", "(i64 vmctx, i32 sext"),
    (
        "a result's type",
        "f64) -> i64 system_v {",
        "f64) -> i32 system_v {",
    ),
    (
        "the calling convention",
        "f64) -> i64 system_v {",
        "f64) -> i64 tail {",
    ),
    ("a slot's size", "explicit_slot 16", "explicit_slot 24"),
    ("a slot's alignment", "align = 8", "align = 16"),
    (
        "a data symbol",
        "gv0 = symbol u1:0\n",
        "gv0 = symbol u1:1\n",
    ),
    ("the offset of a symbol", "u1:0+8", "u1:0+16"),
    (
        "a symbol that is near",
        "gv0 = symbol u1:0",
        "gv0 = symbol colocated u1:0",
    ),
    ("a callee's signature", "sig0 = (i64)", "sig0 = (i32)"),
    (
        "a callee's convention",
        "sig0 = (i64) -> i64 system_v",
        "sig0 = (i64) -> i64 fast",
    ),
    ("the callee", "fn0 = u0:1", "fn0 = u0:2"),
    (
        "a callee that is near",
        "fn0 = u0:1",
        "fn0 = colocated u0:1",
    ),
    (
        "a function whose address is taken",
        "fn1 = u0:3",
        "fn1 = u0:2",
    ),
    ("a routine", "%Memcpy", "%Memmove"),
    ("the bytes of a constant", "0x000102", "0x010102"),
    ("an opcode", "iadd v0, v0", "isub v0, v0"),
    ("an operand", "icmp slt v3, v6", "icmp slt v3, v5"),
    (
        "the order of operands",
        "icmp slt v3, v6",
        "icmp slt v6, v3",
    ),
    ("a number", "iconst.i64 5", "iconst.i64 6"),
    (
        "a large number",
        "iconst.i64 5",
        "iconst.i64 0x1234_5678_9abc_def0",
    ),
    ("the sign of a number", "iconst.i64 5", "iconst.i64 -5"),
    ("the type of a result", "load.i64 notrap", "load.i32 notrap"),
    ("the offset of a load", "v0+8\n", "v0+9\n"),
    ("the offset of a store", "v0+16", "v0-16"),
    (
        "whether a load may trap",
        "load.i64 notrap aligned",
        "load.i64 aligned",
    ),
    (
        "whether a load is aligned",
        "notrap aligned v0+8",
        "notrap v0+8",
    ),
    (
        "whether a load may move",
        "notrap aligned v0+8",
        "notrap aligned can_move v0+8",
    ),
    (
        "whether memory changes",
        "notrap aligned v0+8",
        "notrap aligned readonly v0+8",
    ),
    (
        "the order of bytes",
        "notrap aligned v0+8",
        "notrap aligned big v0+8",
    ),
    ("why a load traps", "store notrap v3", "store user7 v3"),
    ("a comparison", "icmp slt v3", "icmp ult v3"),
    (
        "a slot's number",
        "stack_addr.i64 ss0",
        "stack_addr.i64 ss1",
    ),
    (
        "an offset in a slot",
        "stack_addr.i64 ss0",
        "stack_addr.i64 ss0+8",
    ),
    ("an argument", "call fn0(v3)", "call fn0(v5)"),
    ("a callee by number", "call fn2(v0, v0)", "call fn1(v0, v0)"),
    (
        "an indirect call's signature",
        "call_indirect sig1",
        "call_indirect sig0",
    ),
    (
        "an atomic operation",
        "atomic_rmw.i64 add",
        "atomic_rmw.i64 sub",
    ),
    (
        "where a branch leads",
        "brif v7, block1(v4), block2",
        "brif v7, block1(v4), block4",
    ),
    (
        "what a branch passes on",
        "block1(v4), block2",
        "block1(v5), block2",
    ),
    (
        "the arms of a branch",
        "block1(v4), block2",
        "block2, block1(v4)",
    ),
    (
        "a table's default",
        "br_table v1, block3(v8)",
        "br_table v1, block3(v4)",
    ),
    (
        "a table's target",
        "[block4, block3(v4)]",
        "[block2, block3(v4)]",
    ),
    (
        "the order of a table",
        "[block4, block3(v4)]",
        "[block3(v4), block4]",
    ),
    ("the length of a table", "[block4, block3(v4)]", "[block4]"),
    ("a cold block", "block2 cold", "block2"),
    ("a trap's code", "trap user1", "trap user3"),
    (
        "a conditional trap's code",
        "trapnz v12, user2",
        "trapnz v12, user3",
    ),
    ("a float", "0x1.5p3", "0x1.6p3"),
    ("a float's sign", "0x1.5p3", "-0x1.5p3"),
    ("a comparison of floats", "fcmp lt", "fcmp le"),
    ("a lane", "extractlane v14, 3", "extractlane v14, 4"),
    ("a shuffle", "[0 1 2 3", "[1 1 2 3"),
    ("a source location", "@0011 ", "@0013 "),
    ("no source location", "@0011 ", "      "),
    ("an exception's tag", "tag1: block6", "tag2: block6"),
    (
        "an exception's handler",
        "default: block6(exn1)",
        "default: block5(exn1)",
    ),
    (
        "what a handler is passed",
        "default: block6(exn1)",
        "default: block6(exn0)",
    ),
    ("a handler", ", default: block6(exn1)", ""),
    ("where a call returns to", "block5(ret0)", "block6(ret0)"),
    ("a result", "return v17", "return v9"),
];

/// A module in which all that [`BASE`] refers to is declared, in this order.
pub(crate) fn declared() -> JITModule {
    let mut module = module(&Cache::in_memory());
    let one = signature(&module, 1);
    for name in ["own", "first", "second", "third"] {
        let linkage = Linkage::Import;
        module.declare_function(name, linkage, &one).expect("new");
    }
    for name in ["data", "more data"] {
        let declared = module.declare_data(name, Linkage::Import, false, false);
        declared.expect("new");
    }
    module
}

fn parse(text: &str) -> Function {
    let functions = cranelift_reader::parse_functions(text);
    let mut functions = functions.unwrap_or_else(|error| panic!("{error}\n{text}"));
    functions.pop().expect("one")
}

pub(crate) fn key_of(module: &mut JITModule, text: &str) -> Key {
    module.function_key(FuncId::from_u32(0), &parse(text))
}

#[test]
fn each_bit_of_clif_changes_the_key() {
    let mut module = declared();
    let base = key_of(&mut module, BASE);
    assert_eq!(key_of(&mut module, BASE), base);
    assert_eq!(key_of(&mut declared(), BASE), base);
    let mut seen = HashMap::from([(base, "nothing")]);
    for (what, from, to) in CHANGES {
        assert!(BASE.contains(from), "{what}");
        let key = key_of(&mut module, &BASE.replacen(from, to, 1));
        let same = seen.insert(key, what);
        assert_eq!(same, None, "{what} doesn't change the key");
    }
}

/// What text can't say: stack maps, tags and labels for debuggers.
#[test]
fn what_stands_beside_instructions_changes_the_key() {
    use cranelift_codegen::ir::{
        DebugTag, Opcode, RelSourceLoc, UserStackMapEntry, ValueLabel, ValueLabelAssignments,
        ValueLabelStart,
    };
    let mut module = declared();
    let mut key_with = |change: &dyn Fn(&mut Function)| {
        let mut func = parse(BASE);
        change(&mut func);
        module.function_key(FuncId::from_u32(0), &func)
    };
    let call = |func: &Function| {
        let mut insts = func
            .layout
            .blocks()
            .flat_map(|block| func.layout.block_insts(block));
        let found = insts.find(|inst| func.dfg.insts[*inst].opcode() == Opcode::Call);
        found.expect("there is a call")
    };
    let map = |ty, slot: u32, offset| {
        move |func: &mut Function| {
            let slot = cranelift_codegen::ir::StackSlot::from_u32(slot);
            let entry = UserStackMapEntry { ty, slot, offset };
            let inst = call(func);
            func.dfg.append_user_stack_map_entry(inst, entry);
        }
    };
    let tag = |tag: DebugTag| {
        move |func: &mut Function| {
            let inst = call(func);
            func.stencil.debug_tags.set(inst, [tag.clone()]);
        }
    };
    let label = |label: u32| {
        move |func: &mut Function| {
            let from = RelSourceLoc::default();
            let label = ValueLabel::from_u32(label);
            let starts = ValueLabelAssignments::Starts(vec![ValueLabelStart { from, label }]);
            let value = func.dfg.first_result(call(func));
            func.dfg.values_labels = Some([(value, starts)].into_iter().collect());
        }
    };
    let keys = [
        key_with(&|_| {}),
        key_with(&map(types::I64, 0, 0)),
        key_with(&map(types::I32, 0, 0)),
        key_with(&map(types::I64, 1, 0)),
        key_with(&map(types::I64, 0, 8)),
        key_with(&tag(DebugTag::User(1))),
        key_with(&tag(DebugTag::User(2))),
        key_with(&label(1)),
        key_with(&label(2)),
    ];
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key), "{index}");
    }
}

#[test]
fn what_text_means_the_same_has_the_same_key() {
    let mut module = declared();
    let base = key_of(&mut module, BASE);
    let commented = BASE.replace("return v17", "return v17 ; at last");
    assert_eq!(key_of(&mut module, &commented), base);
}

/// How something is declared: what it is called, and as what.
#[derive(Clone)]
struct Declaration {
    name: Option<&'static str>,
    linkage: Linkage,
}

/// The key of `own() { call callee; load data }` as these are declared.
fn key_as_declared(own: &Declaration, callee: &Declaration, data: (&Declaration, bool)) -> Key {
    let mut module = module(&Cache::in_memory());
    let one = signature(&module, 1);
    let mut declare = |declaration: &Declaration| {
        let Declaration { name, linkage } = declaration;
        let declared = match name {
            Some(name) => module.declare_function(name, *linkage, &one),
            None => module.declare_anonymous_function(&one),
        };
        declared.expect("new")
    };
    let (own, callee) = (declare(own), declare(callee));
    let (Declaration { name, linkage }, writable) = data;
    let data = match name {
        Some(name) => module.declare_data(name, *linkage, writable, false),
        None => module.declare_anonymous_data(writable, false),
    };
    let data = data.expect("new");
    let mut ctx = module.make_context();
    build(&mut module, &mut ctx, own, &mut |module, body, params| {
        let callee = module.declare_func_in_func(callee, body.func);
        let call = body.ins().call(callee, &[params[0]]);
        let data = module.declare_data_in_func(data, body.func);
        let data = body.ins().symbol_value(types::I64, data);
        let result = body.inst_results(call)[0];
        body.ins().iadd(result, data)
    });
    // Whether a name is near follows from its linkage; here, linkage alone is to differ.
    for callee in ctx.func.stencil.dfg.ext_funcs.values_mut() {
        callee.colocated = false;
    }
    module.function_key(own, &ctx.func)
}

#[test]
fn names_and_linkage_change_the_key() {
    let named = |name, linkage| Declaration {
        name: Some(name),
        linkage,
    };
    let nameless = Declaration {
        name: None,
        linkage: Linkage::Local,
    };
    let own = &named("own", Linkage::Export);
    let callee = &named("callee", Linkage::Export);
    let data = &named("data", Linkage::Export);
    let keys = [
        ("nothing", key_as_declared(own, callee, (data, false))),
        (
            "own name",
            key_as_declared(&named("other", Linkage::Export), callee, (data, false)),
        ),
        (
            "own linkage",
            key_as_declared(&named("own", Linkage::Local), callee, (data, false)),
        ),
        (
            "own hidden",
            key_as_declared(&named("own", Linkage::Hidden), callee, (data, false)),
        ),
        (
            "no own name",
            key_as_declared(&nameless, callee, (data, false)),
        ),
        (
            "callee's name",
            key_as_declared(own, &named("other", Linkage::Export), (data, false)),
        ),
        (
            "callee's linkage",
            key_as_declared(own, &named("callee", Linkage::Import), (data, false)),
        ),
        (
            "callee may be missing",
            key_as_declared(own, &named("callee", Linkage::Preemptible), (data, false)),
        ),
        (
            "callee without name",
            key_as_declared(own, &nameless, (data, false)),
        ),
        (
            "data's name",
            key_as_declared(own, callee, (&named("other", Linkage::Export), false)),
        ),
        (
            "data's linkage",
            key_as_declared(own, callee, (&named("data", Linkage::Local), false)),
        ),
        (
            "data can be written",
            key_as_declared(own, callee, (data, true)),
        ),
        (
            "data without name",
            key_as_declared(own, callee, (&nameless, false)),
        ),
    ];
    for (index, (what, key)) in keys.iter().enumerate() {
        let same = keys[..index].iter().find(|(_, other)| other == key);
        assert_eq!(same, None, "{what}");
    }
}

/// Defines `f(x) = x + 1` under one key and says whether it was found.
fn is_found(module: &mut JITModule, name: &str, linkage: Linkage, signature: &Signature) -> bool {
    let key = KeyBuilder::new("test/keys").finish();
    let id = module.declare_function(name, linkage, signature);
    let id = id.expect("new");
    let defined = module.define_trusting_key(&key, id, |module, ctx| {
        build(module, ctx, id, &mut |_, body, params| {
            body.ins().iadd_imm_s(params[0], 1)
        });
        Ok::<_, ModuleError>(())
    });
    defined.expect("sound")
}

#[test]
fn an_embedders_key_is_completed() {
    let home = Home::new();
    let one = |convention| {
        let mut signature = Signature::new(convention);
        signature.params.push(AbiParam::new(types::I64));
        signature.returns.push(AbiParam::new(types::I64));
        signature
    };
    let plain = one(CallConv::SystemV);
    let mut two = plain.clone();
    two.params.push(AbiParam::new(types::I64));
    let mut extended = plain.clone();
    extended.params[0] = extended.params[0].sext();
    let flags: &[(&str, &str)] = &[("opt_level", "speed")];
    let declarations = [
        ("f", Linkage::Export, &plain, flags, "test"),
        ("g", Linkage::Export, &plain, flags, "test"),
        ("f", Linkage::Local, &plain, flags, "test"),
        ("f", Linkage::Export, &two, flags, "test"),
        ("f", Linkage::Export, &extended, flags, "test"),
        ("f", Linkage::Export, &one(CallConv::Fast), flags, "test"),
        (
            "f",
            Linkage::Export,
            &plain,
            &[("opt_level", "none")],
            "test",
        ),
        (
            "f",
            Linkage::Export,
            &plain,
            &[("opt_level", "speed"), ("unwind_info", "false")],
            "test",
        ),
        ("f", Linkage::Export, &plain, flags, "another scope"),
    ];
    for round in 0..2 {
        for (name, linkage, signature, flags, scope) in &declarations {
            let builder = JITBuilder::with_flags(flags, default_libcall_names());
            let mut builder = builder.expect("flags");
            builder.cache(home.open()).scope(*scope);
            let mut module = JITModule::new(builder);
            let is_found = is_found(&mut module, name, *linkage, signature);
            assert_eq!(is_found, round == 1, "{name} {linkage:?} {flags:?} {scope}");
        }
    }
}

#[test]
fn functions_of_one_key_are_told_apart_by_their_names() {
    let home = Home::new();
    for (round, names) in [["f", "g"], ["g", "f"], ["f", "g"]].into_iter().enumerate() {
        let mut module = JITModule::new(builder(&home.open()));
        let one = signature(&module, 1);
        for name in names {
            let is_found = is_found(&mut module, name, Linkage::Export, &one);
            assert_eq!(is_found, round > 0, "{name}");
        }
        module.finalize_definitions().expect("all is defined");
        for name in names {
            let Some(FuncOrDataId::Func(id)) = module.get_name(name) else {
                panic!("{name} was declared")
            };
            let entry = module.get_finalized_function(id);
            let located = module.locate(entry).expect("it is code");
            assert_eq!(located.name, name);
            assert_eq!(call(&module, id, 1), 2);
        }
    }
}

/// `own(x) = callee(x) + data[0]`.
fn run_with(
    cache: &Cache,
    callee: &'static str,
    contents: i64,
    imports_first: bool,
) -> (i64, bool) {
    let mut module = JITModule::new(builder(cache));
    let one = signature(&module, 1);
    let own = module.declare_function("own", Linkage::Export, &one);
    let own = own.expect("new");
    if imports_first {
        module
            .declare_function(callee, Linkage::Import, &one)
            .expect("new");
    }
    let mut ctx = module.make_context();
    let functions = [("plus 10", 10), ("plus 20", 20)].map(|(name, summand)| {
        // With `imports_first`, code that refers to a name is made before the name is defined.
        let linkage = match imports_first {
            true => Linkage::Import,
            false => Linkage::Export,
        };
        let id = module.declare_function(name, linkage, &one);
        (id.expect("the same"), name, summand)
    });
    let data = module.declare_data("data", Linkage::Local, false, false);
    let data = data.expect("new");
    build(&mut module, &mut ctx, own, &mut |module, body, params| {
        let (id, ..) = functions
            .iter()
            .find(|(_, name, _)| *name == callee)
            .expect("one of them");
        let callee = module.declare_func_in_func(*id, body.func);
        let call = body.ins().call(callee, &[params[0]]);
        let data = module.declare_data_in_func(data, body.func);
        let data = body.ins().symbol_value(types::I64, data);
        let flags = MemFlagsData::trusted();
        let loaded = body.ins().load(types::I64, flags, data, 0);
        let result = body.inst_results(call)[0];
        body.ins().iadd(result, loaded)
    });
    module.define_function(own, &mut ctx).expect("sound");
    for (id, name, summand) in functions {
        let declared = module.declare_function(name, Linkage::Export, &one);
        assert_eq!(declared.expect("the same"), id);
        define(&mut module, id, &mut |_, body, params| {
            body.ins().iadd_imm_s(params[0], summand)
        });
    }
    let mut description = DataDescription::new();
    description.define(contents.to_le_bytes().into());
    module.define_data(data, &description).expect("sound");
    module.finalize_definitions().expect("all is defined");
    (call(&module, own, 1), module.is_loaded(own) == Some(true))
}

/// Names live outside of Cranelift's stencil, so two functions that differ in nothing else share the
/// key of its incremental cache.
#[test]
fn callers_of_different_functions_are_different() {
    let home = Home::new();
    assert_eq!(run_with(&home.open(), "plus 10", 100, false), (111, false));
    assert_eq!(run_with(&home.open(), "plus 20", 100, false), (121, false));
    assert_eq!(run_with(&home.open(), "plus 10", 100, false), (111, true));
}

/// Code reaches data through cells: other contents are no other code.
#[test]
fn other_contents_of_data_are_seen_by_cached_code() {
    let home = Home::new();
    assert_eq!(run_with(&home.open(), "plus 10", 100, false), (111, false));
    assert_eq!(run_with(&home.open(), "plus 10", 200, false), (211, true));
}

/// Whether a callee counts as near is decided when it is declared in a function: another order of
/// declarations may miss, and computes the same.
#[test]
fn the_order_of_declarations_never_hits_wrongly() {
    let home = Home::new();
    for imports_first in [false, true, false, true] {
        let (result, _) = run_with(&home.open(), "plus 20", 5, imports_first);
        assert_eq!(result, 26);
    }
    assert_eq!(run_with(&home.open(), "plus 20", 5, true), (26, true));
}

/// Equal bodies under two names are two functions.
#[test]
fn equal_bodies_have_symbols_of_their_own() {
    let home = Home::new();
    for round in 0..2 {
        let cache = home.open();
        let mut module = JITModule::new(builder(&cache));
        let ids = ["a", "b"].map(|name| {
            let one = signature(&module, 1);
            let id = module.declare_function(name, Linkage::Export, &one);
            let id = id.expect("new");
            define(&mut module, id, &mut |_, body, params| {
                body.ins().iadd_imm_s(params[0], 1)
            });
            id
        });
        module.finalize_definitions().expect("all is defined");
        let entries = ids.map(|id| module.get_finalized_function(id));
        assert_ne!(entries[0], entries[1]);
        let names = entries.map(|entry| module.locate(entry).expect("code").name);
        assert_eq!(names, ["a", "b"]);
        assert_eq!(cache.statistics().entries_loaded, 2 * round);
    }
}

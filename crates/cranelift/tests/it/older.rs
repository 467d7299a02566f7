//! Keys of what only older versions of Cranelift have.

use crate::keys::{declared, key_of};

/// A function with what was removed since.
const BASE: &str = "
function u0:0(i64) -> i64 system_v {
    ss0 = explicit_slot 16
    ss1 = explicit_slot 32
    gv0 = vmctx
    gv1 = load.i64 notrap aligned gv0+8
    gv2 = iadd_imm.i64 gv1, 16

block0(v0: i64):
        v1 = stack_load.i64 ss0
        stack_store v0, ss1+8
        v2 = iadd v0, v1
        return v2
}
";

const CHANGES: &[(&str, &str, &str)] = &[
    (
        "the type of a load",
        "stack_load.i64 ss0",
        "stack_load.i32 ss0",
    ),
    (
        "the slot of a load",
        "stack_load.i64 ss0",
        "stack_load.i64 ss1",
    ),
    (
        "the offset of a load",
        "stack_load.i64 ss0",
        "stack_load.i64 ss0+8",
    ),
    ("the slot of a store", "ss1+8", "ss0+8"),
    ("the offset of a store", "ss1+8", "ss1+16"),
    ("what is stored", "stack_store v0", "stack_store v1"),
    ("a global's offset", "gv0+8", "gv0+16"),
    (
        "a global that is constant",
        "notrap aligned gv0",
        "notrap aligned readonly gv0",
    ),
    ("a global's number", "gv1, 16", "gv1, 17"),
];

/// Instructions that hold a number themselves.
#[cfg(not(since_0_133))]
const IMMEDIATES: &str = "
function u0:0(i64) -> i64 system_v {
block0(v0: i64):
        v1 = iadd_imm v0, 5
        v2 = icmp_imm slt v1, 7
        v3 = uextend.i64 v2
        v4 = load.i64 notrap aligned v3+8
        return v4
}
";

#[cfg(not(since_0_133))]
const CHANGED_IMMEDIATES: &[(&str, &str, &str)] = &[
    ("a number", "iadd_imm v0, 5", "iadd_imm v0, 6"),
    (
        "a large number",
        "iadd_imm v0, 5",
        "iadd_imm v0, 0x1234_5678_9abc",
    ),
    ("an operation", "iadd_imm v0, 5", "imul_imm v0, 5"),
    ("an operand", "icmp_imm slt v1", "icmp_imm slt v0"),
    ("a comparison", "icmp_imm slt v1", "icmp_imm ult v1"),
    ("what is compared with", "slt v1, 7", "slt v1, 8"),
    (
        "the region of memory",
        "notrap aligned v3",
        "notrap aligned heap v3",
    ),
    (
        "another region",
        "notrap aligned v3",
        "notrap aligned vmctx v3",
    ),
    (
        "what a checker is to check",
        "notrap aligned v3",
        "notrap aligned checked v3",
    ),
    (
        "a claim",
        "block0(v0: i64)",
        "block0(v0 ! range(64, 0, 7): i64)",
    ),
    (
        "another claim",
        "block0(v0: i64)",
        "block0(v0 ! range(64, 0, 8): i64)",
    ),
];

fn check(base: &str, changes: &[(&str, &str, &str)]) {
    let mut module = declared();
    let mut seen = vec![key_of(&mut module, base)];
    for (what, from, to) in changes {
        assert!(base.contains(from), "{what}");
        let key = key_of(&mut module, &base.replacen(from, to, 1));
        assert!(!seen.contains(&key), "{what} doesn't change the key");
        seen.push(key);
    }
}

#[test]
fn what_was_removed_since_changes_the_key() {
    check(BASE, CHANGES);
}

#[cfg(not(since_0_133))]
#[test]
fn numbers_in_instructions_change_the_key() {
    check(IMMEDIATES, CHANGED_IMMEDIATES);
}

//! A few modules of the fuzzer; `cargo xtask fuzz cranelift` runs as many as one likes.

mod bytes;

use std::path::Path;

use rekindle_fuzz::compare;

#[test]
fn random_modules_compute_the_same_fresh_and_cached() {
    let program = Path::new(env!("CARGO_BIN_EXE_rekindle-fuzz"));
    let totals = compare(program, 1, 60).expect("all agree");
    // What is generated must be what Cranelift compiles, or nothing is compared.
    assert!(totals.modules >= 55, "{totals:?}");
    assert!(totals.functions > 300, "{totals:?}");
}

//! Random sequences of instructions, by QEMU and in every way of ours: a short run of what
//! `cargo xtask fuzz vm` does for long.

use std::path::PathBuf;

use rekindle_testkit::fuzz::{Batch, Machines, Way, describe, differing, shrink};

fn machines() -> Machines {
    let rekindle = PathBuf::from(env!("CARGO_BIN_EXE_rekindle"));
    Machines::new(rekindle).unwrap_or_else(|error| panic!("{error}"))
}

/// A batch of the seed, which says what kind it is.
fn agree(seed: u64) {
    let machines = machines();
    let batch = machines.judgeable(&Batch::random(seed, 200, 64));
    let outcome = machines.run(&batch, &Way::ALL, false);
    let numbers = differing(&batch, &outcome);
    if numbers.is_empty() {
        assert!(
            batch.mode.fences || outcome.regions_loaded > 200,
            "warm code was hardly run: {} regions loaded",
            outcome.regions_loaded
        );
        return;
    }
    let suspects = numbers
        .iter()
        .map(|&number| batch.sequences[number].clone());
    let small = shrink(&machines, &batch.with(suspects.collect()), &Way::ALL);
    let text = small.map(|small| describe(&machines, &small, &Way::ALL));
    panic!("seed {seed}: the ways disagree on sequences {numbers:?}: {text:?}");
}

#[test]
fn sequences_of_a_program_agree() {
    agree(20_000);
}

#[test]
fn faulting_sequences_of_a_program_agree() {
    agree(20_001);
}

#[test]
fn sequences_of_a_library_agree() {
    agree(20_002);
}

#[test]
fn faulting_sequences_of_a_library_agree() {
    agree(20_003);
}

#[test]
fn sequences_with_instruction_fences_agree() {
    agree(20_013);
}

/// What `cargo xtask fuzz vm --seed SEED --only NUMBER` once found: warm code had lost a store of what it
/// had just loaded, and with it the fault.
#[test]
fn a_sequence_that_differed_once_agrees() {
    let (seed, number) = (67, 848);
    let batch = Batch::random(seed, 1000, 72);
    let batch = batch.with(vec![batch.sequences[number].clone()]);
    let outcome = machines().run(&batch, &Way::ALL, false);
    let differing = differing(&batch, &outcome);
    assert!(differing.is_empty(), "seed {seed}, sequence {number}");
}

//! What a difference looks like to people.

use std::fmt::Write;

use super::batch::Batch;
use super::inputs::Input;
use super::mode::CODE;
use super::ways::{Machines, Made, Way};

/// The sequence of a batch of one, and where the ways first disagree.
#[must_use]
pub fn describe(machines: &Machines, batch: &Batch, ways: &[Way]) -> String {
    let mut text = String::new();
    let (_, starts) = batch.code();
    let (sequence, first) = &batch.sequences[0];
    let _ = writeln!(text, "seed {}, {:?}:", batch.seed, batch.mode);
    for line in sequence.listing(CODE + starts[0] as u64) {
        let _ = writeln!(text, "  {line}");
    }
    let outcome = machines.run(batch, ways, true);
    let Some((judge, Made::Records(expected))) = outcome.made.first() else {
        let _ = writeln!(text, "{:?}", outcome.made.first());
        return text;
    };
    let mut starts_from = None;
    for (way, made) in &outcome.made[1..] {
        let Made::Records(records) = made else {
            let _ = writeln!(text, "{way:?}: {made:?}");
            continue;
        };
        let pairs = records.iter().zip(expected);
        let Some((mine, theirs)) = pairs.clone().find(|(mine, theirs)| mine != theirs) else {
            let (mine, theirs) = (records.len(), expected.len());
            let _ = writeln!(text, "{way:?}: {mine} records, {judge:?} {theirs}");
            continue;
        };
        let round = theirs.0[1];
        let what = mine.differences(theirs).join("; ");
        let (signal, pc) = (theirs.0[2], theirs.0[5]);
        let _ = writeln!(
            text,
            "{way:?}, round {round} ({judge:?}: signal {signal} at {pc:#x}): {what}"
        );
        starts_from.get_or_insert((u64::from(*first) + round) as usize % batch.inputs.len());
    }
    if let Some(Input { x, f, fcsr, memory }) = starts_from.map(|number| &batch.inputs[number]) {
        let _ = writeln!(
            text,
            "from x {x:x?}, f {f:x?}, fcsr {fcsr:#x}, memory {memory:x?}"
        );
    }
    text
}

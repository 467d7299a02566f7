//! Making a sequence that shows a difference as short as it can be.

use super::batch::Batch;
use super::sequence::{Item, Sequence};
use super::ways::{Machines, Made, Outcome, Way};

/// The sequences (by number) on which some way and the first one disagree; all, where one failed.
#[must_use]
pub fn differing(batch: &Batch, outcome: &Outcome) -> Vec<usize> {
    let all = 0..batch.sequences.len();
    let mut lists = Vec::new();
    for (_, made) in &outcome.made {
        match made {
            Made::Hashes(hashes, _) => lists.push(hashes),
            _ => return all.collect(),
        }
    }
    let Some((first, others)) = lists.split_first() else {
        return Vec::new();
    };
    all.filter(|&number| others.iter().any(|other| other[number] != first[number]))
        .collect()
}

fn has_failed(outcome: &Outcome) -> bool {
    let failed = |(_, made): &(Way, Made)| matches!(made, Made::Failed(_));
    outcome.made.iter().any(failed)
}

/// The first sequence of `batch` on which ways disagree, alone and as short as it gets; `None` where
/// it can't be seen again.
#[must_use]
pub fn shrink(machines: &Machines, batch: &Batch, ways: &[Way]) -> Option<Batch> {
    let mut found = alone(machines, batch, ways)?;
    loop {
        let (sequence, first) = &found.sequences[0];
        let mut candidates = candidates(sequence);
        candidates.sort_by_key(|candidate| candidate.code().len());
        let all = candidates.into_iter().map(|candidate| (candidate, *first));
        let Some(smaller) = smallest(machines, &found.with(all.collect()), ways) else {
            return Some(found);
        };
        found = smaller;
    }
}

/// The first of the batch's sequences on which ways disagree, by itself.
fn alone(machines: &Machines, batch: &Batch, ways: &[Way]) -> Option<Batch> {
    for _ in 0..3 {
        if let Some(found) = smallest(machines, batch, ways) {
            return Some(found);
        }
    }
    None
}

/// The first sequence of the batch on which ways disagree also when it is alone.
fn smallest(machines: &Machines, batch: &Batch, ways: &[Way]) -> Option<Batch> {
    let outcome = machines.run(batch, ways, false);
    let numbers = differing(batch, &outcome);
    if has_failed(&outcome) && numbers.len() > 1 {
        let (low, high) = batch.sequences.split_at(numbers.len() / 2);
        return [low, high]
            .into_iter()
            .find_map(|half| smallest(machines, &batch.with(half.to_vec()), ways));
    }
    numbers.into_iter().take(8).find_map(|number| {
        let single = batch.with(vec![batch.sequences[number].clone()]);
        let outcome = machines.run(&single, ways, false);
        (!differing(&single, &outcome).is_empty()).then_some(single)
    })
}

/// Everything that is a little less than `sequence`.
fn candidates(sequence: &Sequence) -> Vec<Sequence> {
    let mut all: Vec<Sequence> = smaller(&sequence.items)
        .into_iter()
        .map(|items| Sequence {
            items,
            functions: sequence.functions.clone(),
        })
        .collect();
    for (number, (_, body)) in sequence.functions.iter().enumerate() {
        for body in smaller(body) {
            let mut sequence = sequence.clone();
            sequence.functions[number].1 = body;
            all.push(sequence);
        }
    }
    all
}

/// Everything that is a little less than a list of items: without some, with what is inside one in
/// its place, with a body that is a little less.
fn smaller(items: &[Item]) -> Vec<Vec<Item>> {
    let mut all = Vec::new();
    let mut len = items.len();
    while len > 0 {
        for start in (0..items.len()).step_by(len) {
            let end = (start + len).min(items.len());
            all.push([&items[..start], &items[end..]].concat());
        }
        len /= 2;
    }
    for (index, item) in items.iter().enumerate() {
        let with = |middle: &[Item]| [&items[..index], middle, &items[index + 1..]].concat();
        for (number, body) in item.bodies().into_iter().enumerate() {
            all.push(with(body));
            for body in smaller(body) {
                let mut item = item.clone();
                *item.bodies_mut()[number] = body;
                all.push(with(&[item]));
            }
        }
        match item {
            Item::Loop(counter, count, body) if *count > 1 => {
                all.push(with(&[Item::Loop(*counter, 1, body.clone())]));
            }
            Item::Together(insts) => {
                let parts = insts.iter().map(|inst| Item::Inst(*inst, false));
                all.extend(parts.map(|part| with(&[part])));
            }
            _ => {}
        }
    }
    all
}

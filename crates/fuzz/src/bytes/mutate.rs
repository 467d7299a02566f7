//! Changes of inputs: bits, numbers, and pieces of them.

use std::ops::Range;

use rekindle_bench::population::Random;

/// How long inputs get at most.
const MAX_LEN: usize = 1 << 17;

/// Changes an input a few times, mostly where its numbers are. Pieces may come from `other`.
pub(super) fn mutate(
    random: &mut Random,
    input: &mut Vec<u8>,
    numbers: &[Range<usize>],
    other: &[u8],
) {
    let mut changes = 1;
    while changes < 12 && random.below(3) == 0 {
        changes += 1;
    }
    for _ in 0..changes {
        if input.is_empty() {
            input.push(random.next_u64() as u8);
        }
        let at = place(random, input.len(), numbers);
        match random.below(12) {
            0 => input[at] ^= 1 << random.below(8),
            1 => input[at] = random.next_u64() as u8,
            2..=7 => change_number(random, input, at),
            8 if random.below(4) == 0 => input.truncate(at),
            9 => copy_within(random, input, at),
            10 => splice(random, input, at, other),
            11 if random.below(4) == 0 => {
                let end = (at + 1 + random.below(64)).min(input.len());
                input.drain(at..end);
            }
            _ => input[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
        }
        input.truncate(MAX_LEN);
    }
}

fn place(random: &mut Random, len: usize, numbers: &[Range<usize>]) -> usize {
    if numbers.is_empty() || random.below(4) == 0 {
        return random.below(len);
    }
    let part = &numbers[random.below(numbers.len())];
    let at = part.start + random.below(part.len().max(1));
    // Most numbers lie at multiples of four.
    let at = match random.below(4) {
        0 => at,
        _ => at & !3,
    };
    at.min(len - 1)
}

/// Changes a number of one to eight bytes: a little, or to one at which things end.
fn change_number(random: &mut Random, input: &mut [u8], at: usize) {
    let width = [1, 2, 4, 4, 4, 8][random.below(6)].min(input.len() - at);
    let mut bytes = [0; 8];
    bytes[..width].copy_from_slice(&input[at..at + width]);
    let old = u64::from_le_bytes(bytes);
    let len = input.len() as u64;
    let new = match random.below(8) {
        0 => old.wrapping_add(1 + random.below(16) as u64),
        1 => old.wrapping_sub(1 + random.below(16) as u64),
        2 => [0, 1, u64::MAX, u64::MAX >> 1, 1 << 31, u64::MAX >> 32][random.below(6)],
        3 => (u64::MAX >> (64 - 8 * width)) - random.below(9) as u64,
        4 => len.wrapping_add(random.below(17) as u64).wrapping_sub(8),
        5 => 1 << random.below(8 * width),
        6 => old.wrapping_add((1 + random.below(8) as u64) << 12),
        _ => old.wrapping_mul(2),
    };
    input[at..at + width].copy_from_slice(&new.to_le_bytes()[..width]);
}

fn copy_within(random: &mut Random, input: &mut [u8], at: usize) {
    let from = random.below(input.len());
    let most = (input.len() - from.max(at)).min(64);
    let len = 1 + random.below(most);
    input.copy_within(from..from + len, at);
}

/// Puts a piece of another input in, in the place of some bytes or between them.
fn splice(random: &mut Random, input: &mut Vec<u8>, at: usize, other: &[u8]) {
    if other.is_empty() {
        return;
    }
    let from = random.below(other.len());
    let piece = &other[from..(from + 1 + random.below(64)).min(other.len())];
    let end = match random.below(4) {
        0 => at,
        _ => (at + piece.len()).min(input.len()),
    };
    input.splice(at..end, piece.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::mutate;
    use rekindle_bench::population::Random;

    #[test]
    fn a_seed_always_makes_the_same_changes() {
        let run = |seed| {
            let random = &mut Random::new(seed);
            let mut input = vec![7; 50];
            for _ in 0..200 {
                mutate(random, &mut input, &[8..16, 40..50], b"another");
            }
            input
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}

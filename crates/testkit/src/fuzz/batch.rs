//! Many sequences that run in one process, and what the harness is told of them.

use super::elf;
use super::generate;
use super::inputs::Input;
use super::mode::{CODE, Mode};
use super::random::Random;
use super::sequence::Sequence;

/// Where the first sequence is in it: behind the headers of the library that it may be.
const FIRST: usize = 256;
/// How many states a batch's sequences start from.
const INPUTS: u64 = 24;

/// Sequences, and the states that they start from.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What it was made from.
    pub seed: u64,
    /// How they are run.
    pub mode: Mode,
    /// The sequences, and the number of each one's first input.
    pub sequences: Vec<(Sequence, u32)>,
    /// The inputs, which each sequence takes in turn.
    pub inputs: Vec<Input>,
    /// How often each sequence runs.
    pub rounds: u64,
}

impl Batch {
    /// The batch of a seed, of `count` sequences.
    #[must_use]
    pub fn random(seed: u64, count: u64, rounds: u64) -> Batch {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mode = Mode {
            faults: seed & 1 != 0,
            library: seed & 2 != 0,
            fences: seed % 16 >= 12,
        };
        let inputs = (0..INPUTS)
            .map(|_| Input::random(&mut random, mode))
            .collect();
        let sequences = (0..count)
            .map(|_| {
                let first = random.below(INPUTS) as u32;
                (generate::sequence(&mut random, mode), first)
            })
            .collect();
        Batch {
            seed,
            mode,
            sequences,
            inputs,
            rounds,
        }
    }

    /// The same, with these sequences in place of its own.
    #[must_use]
    pub fn with(&self, sequences: Vec<(Sequence, u32)>) -> Batch {
        Batch {
            sequences,
            inputs: self.inputs.clone(),
            ..*self
        }
    }

    /// The code of all sequences, and where each one's is.
    #[must_use]
    pub fn code(&self) -> (Vec<u8>, Vec<usize>) {
        let mut code = vec![0; FIRST];
        let mut starts = Vec::new();
        for (sequence, _) in &self.sequences {
            code.resize(code.len().next_multiple_of(4), 0);
            starts.push(code.len());
            code.extend(sequence.code());
        }
        code.resize(code.len().next_multiple_of(4096), 0);
        (code, starts)
    }

    /// The files to run: the program, and the library that it is given, if there is one.
    #[must_use]
    pub(super) fn files(&self, harness: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let (code, _) = self.code();
        match self.mode.library {
            true => Some((harness.to_vec(), Some(elf::library(&code)))),
            false => Some((elf::with_code(harness, &code, CODE)?, None)),
        }
    }

    /// What the harness reads. It waits for so many milliseconds once all sequences are hot, so that
    /// the rest runs what was compiled meanwhile.
    #[must_use]
    pub(super) fn standard_input(&self, verbose: bool, pause_ms: u64) -> Vec<u8> {
        let (code, starts) = self.code();
        let header = [
            0x5eed,
            self.sequences.len() as u64,
            self.rounds,
            self.inputs.len() as u64,
            u64::from(self.mode.faults),
            u64::from(verbose),
            self.rounds * 7 / 8,
            pause_ms,
            code.len() as u64,
        ];
        let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
        for ((_, first_input), start) in self.sequences.iter().zip(starts) {
            bytes.extend((start as u32).to_le_bytes());
            bytes.extend(first_input.to_le_bytes());
        }
        for input in &self.inputs {
            bytes.extend(input.words().flat_map(u64::to_le_bytes));
        }
        bytes
    }
}

//! What sequences start from: registers and memory.

use super::generate::WILD;
use super::mode::{CODE, Mode};
use super::random::Random;

/// Where the harness's data are; see `programs/sequences.c`.
const DATA: u64 = 0x10_0000_0000;
const PAGE: u64 = 4096;
/// The words of memory that sequences reach: five windows of sixteen.
pub(super) const MEMORY_WORDS: usize = 80;

/// The state in which a sequence starts.
#[derive(Clone, Debug)]
pub struct Input {
    /// Integer registers.
    pub x: [u64; 32],
    /// Floating-point registers.
    pub f: [u64; 32],
    /// Rounding mode and flags.
    pub fcsr: u64,
    /// Memory.
    pub memory: Vec<u64>,
}

impl Input {
    /// A random one.
    #[must_use]
    pub fn random(random: &mut Random, mode: Mode) -> Input {
        let mut x = [0; 32];
        x[1..].fill_with(|| random.integer());
        let mut f = [0; 32];
        f.fill_with(|| random.float());
        let small = random.below(9);
        x[8] = DATA + 2 * PAGE + random.pick(&[0, 8, 16]) - 8;
        // Into the page that can only be read, and out of all that is mapped; or not.
        [x[9], x[2]] = match mode.faults {
            true => [
                DATA + random.pick(&[2, 3, 4]) * PAGE + small - 4,
                DATA + random.pick(&[2, 4, 5]) * PAGE + small - 4,
            ],
            false => [small, random.below(9)].map(|small| DATA + 2 * PAGE + small - 4),
        };
        // Not those that the host calls not canonical: it doesn't tell of which one a fault was, so
        // QEMU says 0. Nor those from 1 << 38 on, where QEMU before 8.1 maps the stack.
        x[WILD.index()] = random.pick(&[
            0,
            8,
            0xfff8,
            DATA + 5 * PAGE - 3,
            DATA + 3 * PAGE - 2,
            DATA + 3 * PAGE,
            CODE + 128,
            CODE + 133,
            (1 << 37) + 4096,
            u64::MAX - 15,
            0x2f_ffff_fff4,
            DATA + 2 * PAGE - 2,
        ]);
        let frm = random.pick(&[0, 0, 0, 0, 1, 2, 3, 4, 5, 7]);
        Input {
            x,
            f,
            fcsr: frm << 5 | random.pick(&[0, 0, 1, 16, 31]),
            memory: (0..MEMORY_WORDS)
                .map(|_| match random.below(2) {
                    0 => random.float(),
                    _ => random.integer(),
                })
                .collect(),
        }
    }

    pub(super) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        let registers = self.x.iter().chain(&self.f).chain([&self.fcsr]);
        registers.chain(&self.memory).copied()
    }
}

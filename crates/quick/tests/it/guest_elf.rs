//! The code of guest programs.

use std::fs;
use std::path::Path;

/// Executable bytes, and where they go.
pub(crate) struct Segment {
    pub(crate) address: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The executable sections of an ELF file: its segments hold data besides.
pub(crate) fn code(path: &Path) -> Vec<Segment> {
    const BITS: u64 = 1;
    const EXECUTABLE: u64 = 4;
    const HEADER_LEN: usize = 64;
    let file = fs::read(path).expect("a program");
    let number = |at: usize, len: usize| {
        let bytes = file[at..at + len].iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    let headers = number(0x28, 8) as usize;
    (0..number(0x3c, 2) as usize)
        .map(|index| headers + HEADER_LEN * index)
        .filter(|&at| number(at + 4, 4) == BITS && number(at + 8, 8) & EXECUTABLE != 0)
        .map(|at| {
            let (offset, len) = (number(at + 24, 8) as usize, number(at + 32, 8) as usize);
            Segment {
                address: number(at + 16, 8),
                bytes: file[offset..offset + len].to_vec(),
            }
        })
        .collect()
}

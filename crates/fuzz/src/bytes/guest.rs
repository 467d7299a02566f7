//! A guest's program file, and what is kept beside its compiled code.

use std::ops::Range;

use super::subject::{Subject, mixed};

/// Executables and libraries.
pub(super) struct Elf;

impl Elf {
    pub(super) fn subject() -> Box<dyn Subject> {
        Box::new(Self)
    }
}

/// Puts numbers of two, four or eight bytes into a file.
fn put(file: &mut [u8], at: usize, len: usize, number: u64) {
    file[at..at + len].copy_from_slice(&number.to_le_bytes()[..len]);
}

/// A library with a segment of code and one of data, a dynamic loader and two functions.
fn library() -> Vec<u8> {
    let mut file = vec![0; 0x400];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    for (at, len, number) in [
        (16, 2, 3),
        (18, 2, 243),
        (24, 8, 0x1000),
        (32, 8, 64),
        (40, 8, 0x300),
        (54, 2, 56),
        (56, 2, 3),
        (58, 2, 64),
        (60, 2, 3),
    ] {
        put(&mut file, at, len, number);
    }
    let segments = [
        [3 | 4 << 32, 0x200, 0x200, 0, 8, 8, 1],
        [1 | 5 << 32, 0, 0x1000, 0, 0x200, 0x200, 0x1000],
        [1 | 6 << 32, 0x200, 0x2200, 0, 0x100, 0x300, 0x1000],
    ];
    for (number, words) in segments.iter().enumerate() {
        for (place, word) in words.iter().enumerate() {
            put(&mut file, 64 + 56 * number + 8 * place, 8, *word);
        }
    }
    file[0x200..0x208].copy_from_slice(b"/lib/ld\0");
    // Symbols of 24 bytes, their names, and the sections that say where those are.
    for (number, name) in [(0, 1), (1, 7)] {
        let at = 0x220 + 24 * number;
        put(&mut file, at, 8, name | 0x12 << 32 | 1 << 48);
        put(&mut file, at + 8, 8, 0x1000 + 16 * number as u64);
        put(&mut file, at + 16, 8, 16);
    }
    file[0x280..0x28e].copy_from_slice(b"\0first\0second\0");
    for (number, kind, offset, len, link) in [(1, 2, 0x220, 48, 2), (2, 3, 0x280, 14, 0)] {
        let at = 0x300 + 64 * number;
        put(&mut file, at + 4, 4, kind);
        put(&mut file, at + 24, 8, offset);
        put(&mut file, at + 32, 8, len);
        put(&mut file, at + 40, 4, link);
    }
    file
}

impl Subject for Elf {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let library = library();
        assert_eq!(rekindle_linux::fuzzing::program(&library), Some(2));
        assert_eq!(rekindle_linux::fuzzing::symbols(&library), 2);
        let mut program = library.clone();
        program[16] = 2;
        vec![library, program]
    }

    fn numbers(&self, input: &[u8]) -> Vec<Range<usize>> {
        let parts = [16..64, 64..232, 0x220..0x250, 0x300..0x3c0];
        parts
            .into_iter()
            .filter(|part| part.end <= input.len())
            .collect()
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        let segments = rekindle_linux::fuzzing::program(input);
        let symbols = rekindle_linux::fuzzing::symbols(input);
        mixed([
            segments.map_or(0, |count| count as u64 + 1),
            symbols.min(9) as u64,
        ])
    }
}

/// What is kept beside a region's code.
pub(super) struct Region;

impl Region {
    pub(super) fn subject() -> Box<dyn Subject> {
        Box::new(Self)
    }
}

impl Subject for Region {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let bytes = |words: &[u32], ranges: &[u32]| -> Vec<u8> {
            let words = words.iter().chain(ranges).chain(&[7; 8]);
            words.flat_map(|word| word.to_le_bytes()).collect()
        };
        let seeds = vec![
            bytes(&[2, 0, 0, 1, 0x1000, 0], &[0, 8]),
            bytes(
                &[2, 2, 3, 2, 0x1000, 0, 0, 8, u32::MAX, 4, 1 << 31],
                &[-16_i32 as u32, 8, 0, 30],
            ),
        ];
        for seed in &seeds {
            let read = rekindle_tiers::fuzzing::region_metadata(0x1000, seed);
            assert!(read.is_some(), "a seed is right");
        }
        seeds
    }

    fn numbers(&self, _: &[u8]) -> Vec<Range<usize>> {
        vec![0..24, 24..56]
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        let heads = [0x1000, 0x7f_0000_1000, u64::MAX - 5];
        let lens = heads.map(|head| rekindle_tiers::fuzzing::region_metadata(head, input));
        mixed(lens.map(|len| len.map_or(0, |len| len as u64 + 1)))
    }
}

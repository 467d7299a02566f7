//! What the unwinder is given, and notes of objects.

use rekindle_exec::fuzzing;

use super::sample::eh_frame;
use super::subject::{Subject, mixed};

/// Call frame records.
pub(super) struct Frames;

const ADDRESS: u64 = 0x7000;
const CODE: core::ops::Range<u64> = 0x5000..0x5100;

impl Frames {
    pub(super) fn subject() -> Box<dyn Subject> {
        Box::new(Self)
    }
}

impl Subject for Frames {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let list = |count: usize| {
            let mut list = Vec::new();
            for number in 0..count {
                let start = list.len() as u64;
                list.extend(eh_frame(16));
                let field = ADDRESS + start + 32;
                let distance = (CODE.start + number as u64 * 16).wrapping_sub(field) as u32;
                let at = start as usize + 32;
                list[at..at + 4].copy_from_slice(&distance.to_le_bytes());
            }
            list.extend([0; 4]);
            list
        };
        vec![list(0), list(1), list(3)]
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        let count = fuzzing::frames(input, ADDRESS, &CODE);
        if let Some(count) = count {
            assert_eq!(read_again(input), Some(count), "they are read otherwise");
        }
        mixed([
            count.map_or(0, |count| count as u64 + 1),
            input.len().min(100) as u64,
        ])
    }
}

/// What an unwinder makes of a list: record after record to the terminator; each FDE's CIE is where
/// it points, and its code lies where it may. Returns how many FDEs there are.
fn read_again(records: &[u8]) -> Option<usize> {
    let word = |at: usize| {
        let bytes = records.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let mut at = 0;
    let mut count = 0;
    loop {
        let len = word(at)? as usize;
        if len == 0 {
            return Some(count);
        }
        let pointer = word(at + 4)? as usize;
        if pointer != 0 {
            let cie = (at + 4).checked_sub(pointer)?;
            let is_cie = word(cie + 4)? == 0 && records.get(cie + 9..cie + 11)? == b"zR";
            let field = ADDRESS + at as u64 + 8;
            let first = field.wrapping_add_signed(i64::from(word(at + 8)?.cast_signed()));
            let last = first + u64::from(word(at + 12)?);
            if !is_cie || first < CODE.start || last > CODE.end {
                return None;
            }
            count += 1;
        }
        at += 4 + len;
    }
}

/// Notes in which a build id may be.
pub(super) struct Notes;

impl Notes {
    pub(super) fn subject() -> Box<dyn Subject> {
        Box::new(Self)
    }
}

impl Subject for Notes {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let note = |kind: u8| {
            let mut note = vec![4, 0, 0, 0, 8, 0, 0, 0, kind, 0, 0, 0];
            note.extend_from_slice(b"GNU\0build id");
            note
        };
        vec![note(3), [note(1), note(3)].concat()]
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        let id = fuzzing::build_id(input);
        assert!(id.is_none_or(|id| !id.is_empty()));
        mixed([id.map_or(0, |id| id.len() as u64 + 1)])
    }
}

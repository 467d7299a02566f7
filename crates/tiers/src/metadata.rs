//! What is kept beside a region's code: where its link slots lead, which guest instruction each
//! memory access belongs to, and what it was made from. PCs are kept as distances from the head, so
//! they hold wherever the module is loaded.
//!
//! Layout, little-endian: version (4 bytes, 2), number of slots (4), of accesses (4), of ranges of the
//! source (4); the head's address in the module (8); the distances, 4 bytes each, slots first; the
//! ranges, a distance and a length of 4 bytes each; the digest of their bytes (32).

use crate::source::{Source, SourceRange};
use crate::translate::Tables;

const VERSION: u32 = 2;
const HEADER_WORDS: usize = 6;
const DIGEST_LEN: usize = 32;

/// What is kept beside a region's code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) tables: Tables,
    pub(crate) source: Source,
}

/// A guest PC is further from its region's head than 32 bits say. No direct branch reaches so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pc:#x} is too far from the region's head at {head:#x}")]
pub(crate) struct TooFar {
    head: u64,
    pc: u64,
}

/// Encodes what belongs to the region at `head`.
///
/// # Errors
/// Where a distance doesn't fit.
pub(crate) fn encode(head: u64, tables: &Tables, source: &Source) -> Result<Vec<u8>, TooFar> {
    let mut bytes = Vec::new();
    let lengths = [
        tables.slots.len(),
        tables.accesses.len(),
        source.ranges.len(),
    ];
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    for len in lengths {
        bytes.extend_from_slice(&(len as u32).to_le_bytes());
    }
    bytes.extend_from_slice(&source.head.to_le_bytes());
    for pc in tables.slots.iter().chain(&tables.accesses) {
        let distance = i32::try_from(pc.wrapping_sub(head).cast_signed());
        let distance = distance.map_err(|_| TooFar { head, pc: *pc })?;
        bytes.extend_from_slice(&distance.to_le_bytes());
    }
    for SourceRange { start, len } in &source.ranges {
        bytes.extend_from_slice(&start.to_le_bytes());
        bytes.extend_from_slice(&len.to_le_bytes());
    }
    bytes.extend_from_slice(&source.digest);
    Ok(bytes)
}

/// Decodes what [`encode`] made; `None` for anything else.
pub(crate) fn decode(head: u64, bytes: &[u8]) -> Option<Metadata> {
    let (words, digest) = bytes.split_last_chunk::<DIGEST_LEN>()?;
    let (words, []) = words.as_chunks::<4>() else {
        return None;
    };
    let (header, rest) = words.split_first_chunk::<HEADER_WORDS>()?;
    let [version, slots, accesses, ranges, low, high] = header.map(u32::from_le_bytes);
    let (slots, accesses, ranges) = (slots as usize, accesses as usize, ranges as usize);
    let pcs = slots.checked_add(accesses)?;
    let words = ranges.checked_mul(2)?.checked_add(pcs)?;
    if version != VERSION || rest.len() != words {
        return None;
    }
    let pc = |bytes: &[u8; 4]| head.wrapping_add_signed(i64::from(i32::from_le_bytes(*bytes)));
    let (pcs, ranges) = rest.split_at(pcs);
    let (slots, accesses) = pcs.split_at(slots);
    let (ranges, []) = ranges.as_chunks::<2>() else {
        return None;
    };
    let source = Source {
        head: u64::from(high) << 32 | u64::from(low),
        ranges: ranges
            .iter()
            .map(|[start, len]| SourceRange {
                start: i32::from_le_bytes(*start),
                len: u32::from_le_bytes(*len),
            })
            .collect(),
        digest: *digest,
    };
    source.is_sound().then(|| Metadata {
        tables: Tables {
            slots: slots.iter().map(pc).collect(),
            accesses: accesses.iter().map(pc).collect(),
        },
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source {
            head: 0x12_0000_1000,
            ranges: vec![
                SourceRange { start: -16, len: 8 },
                SourceRange { start: 0, len: 30 },
            ],
            digest: [7; 32],
        }
    }

    #[test]
    fn tables_come_back_wherever_the_module_is_loaded() {
        let tables = Tables {
            slots: vec![0x1000, 0x2_0000, 0xf00],
            accesses: vec![0x1004],
        };
        let bytes = encode(0x1000, &tables, &source()).expect("all is near");
        let here = decode(0x1000, &bytes).expect("what was encoded");
        assert_eq!((here.tables, here.source), (tables, source()));
        let moved = decode(0x7f_0000_1000, &bytes).expect("the same bytes");
        assert_eq!(
            moved.tables.slots,
            [0x7f_0000_1000, 0x7f_0002_0000, 0x7f_0000_0f00]
        );
    }

    #[test]
    fn a_slot_that_is_too_far_away_is_an_error() {
        for pc in [0x1000 + (1 << 31), 0x1000_u64.wrapping_sub((1 << 31) + 1)] {
            let tables = Tables {
                slots: vec![pc],
                accesses: Vec::new(),
            };
            let encoded = encode(0x1000, &tables, &source());
            assert_eq!(encoded, Err(TooFar { head: 0x1000, pc }));
        }
    }

    #[test]
    fn damage_is_refused() {
        let tables = Tables {
            slots: vec![4],
            accesses: vec![8, 12],
        };
        let bytes = encode(0, &tables, &source()).expect("all is near");
        for len in 0..bytes.len() {
            assert_eq!(decode(0, &bytes[..len]), None);
        }
        for position in 0..16 {
            let mut bytes = bytes.clone();
            bytes[position] ^= 0x40;
            assert_eq!(decode(0, &bytes), None);
        }
        let ranges = bytes.len() - DIGEST_LEN - 16;
        let mut bytes = bytes.clone();
        bytes[ranges + 7] = 0x40;
        assert_eq!(decode(0, &bytes), None, "a range of a gigabyte");
    }
}

//! What is kept beside a region's code: where its link slots lead, and which guest instruction each
//! memory access belongs to. PCs are kept as distances from the head, so they hold wherever the
//! module is loaded.
//!
//! Layout, little-endian: version (4 bytes, 1), number of slots (4), number of accesses (4), then
//! the distances, 4 bytes each, slots first.

use crate::translate::Tables;

const VERSION: u32 = 1;

/// Encodes the tables of the region at `head`. Distances that don't fit 32 bits (no direct branch
/// reaches so far) become 0, which leads to the head itself and is merely slow.
pub(crate) fn encode(head: u64, tables: &Tables) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(12 + 4 * (tables.slots.len() + tables.accesses.len()));
    let lengths = [tables.slots.len(), tables.accesses.len()].map(|len| len as u32);
    for number in [VERSION, lengths[0], lengths[1]] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for pc in tables.slots.iter().chain(&tables.accesses) {
        let distance = i32::try_from(pc.wrapping_sub(head).cast_signed()).unwrap_or(0);
        bytes.extend_from_slice(&distance.to_le_bytes());
    }
    bytes
}

/// Decodes what [`encode`] made; `None` for anything else.
pub(crate) fn decode(head: u64, bytes: &[u8]) -> Option<Tables> {
    let (words, []) = bytes.as_chunks::<4>() else {
        return None;
    };
    let (&[version, slots, accesses], distances) = words.split_first_chunk::<3>()?;
    let [version, slots, accesses] = [version, slots, accesses].map(u32::from_le_bytes);
    let slots = slots as usize;
    if version != VERSION || distances.len() != slots.checked_add(accesses as usize)? {
        return None;
    }
    let pc = |bytes: &[u8; 4]| head.wrapping_add_signed(i64::from(i32::from_le_bytes(*bytes)));
    let (slots, accesses) = distances.split_at(slots);
    Some(Tables {
        slots: slots.iter().map(pc).collect(),
        accesses: accesses.iter().map(pc).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_come_back_wherever_the_module_is_loaded() {
        let tables = Tables {
            slots: vec![0x1000, 0x2_0000, 0xf00],
            accesses: vec![0x1004],
        };
        let bytes = encode(0x1000, &tables);
        assert_eq!(decode(0x1000, &bytes).as_ref(), Some(&tables));
        let moved = decode(0x7f_0000_1000, &bytes).expect("the same bytes");
        assert_eq!(
            moved.slots,
            [0x7f_0000_1000, 0x7f_0002_0000, 0x7f_0000_0f00]
        );
    }

    #[test]
    fn damage_is_refused() {
        let bytes = encode(
            0,
            &Tables {
                slots: vec![4],
                accesses: vec![8, 12],
            },
        );
        for len in 0..bytes.len() {
            assert_eq!(decode(0, &bytes[..len]), None);
        }
        for position in 0..12 {
            let mut bytes = bytes.clone();
            bytes[position] ^= 0x40;
            assert_eq!(decode(0, &bytes), None);
        }
    }
}

//! AArch64: ELF for the Arm 64-bit architecture, relocation types `R_AARCH64_*`.
//!
//! The fields lie inside instructions; what surrounds them stays. Page arithmetic uses 4 KiB pages
//! whatever the system's are, so an image's base must be a multiple of 4 KiB, which mapping gives.

use rekindle_artifact::RelocationKind as Kind;

use crate::machine::{DirectCall, Veneer};
use crate::relocation::Formula::{Absolute, PageOffset, Relative, RelativePage};
use crate::relocation::Reference::{Call, Cell, Direct};
use crate::relocation::{Field, Relaxation, Row, WORD64};

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    Row { kind: Kind::Abs64,            reference: Direct, formula: Absolute,     field: &WORD64,     relaxation: None },
    Row { kind: Kind::Arm64Call26,      reference: Call,   formula: Relative,     field: &BRANCH26,   relaxation: None },
    Row { kind: Kind::Arm64AdrGotPage,  reference: Cell,   formula: RelativePage, field: &ADR_PAGE21, relaxation: Some(CELL_PAGE_TO_PAGE) },
    Row { kind: Kind::Arm64Ld64GotLo12, reference: Cell,   formula: PageOffset,   field: &LOAD64_12,  relaxation: Some(LOAD_TO_ADD) },
    Row { kind: Kind::Arm64AdrPage,     reference: Direct, formula: RelativePage, field: &ADR_PAGE21, relaxation: None },
    Row { kind: Kind::Arm64AddLo12,     reference: Direct, formula: PageOffset,   field: &ADD12,      relaxation: None },
];

/// `adrp` of a cell becomes `adrp` of the target: the same instruction.
const CELL_PAGE_TO_PAGE: Relaxation = Relaxation {
    rewrite: |text, offset| {
        word_at(text, offset).is_some_and(|word| word & 0x9f00_0000 == 0x9000_0000)
    },
    kind: Kind::Arm64AdrPage,
};

/// `ldr x, [y, :got_lo12:target]` becomes `add x, y, :lo12:target`.
const LOAD_TO_ADD: Relaxation = Relaxation {
    rewrite: |text, offset| {
        const OPCODE: u32 = 0xffc0_0000;
        const LDR: u32 = 0xf940_0000;
        const ADD: u32 = 0x9100_0000;
        let Some(word) = word_at(text, offset) else {
            return false;
        };
        let fits = matches!(word & OPCODE, LDR | ADD);
        if fits {
            insert(&mut text[offset..offset + 4], OPCODE, ADD);
        }
        fits
    },
    kind: Kind::Arm64AddLo12,
};

fn word_at(text: &[u8], offset: usize) -> Option<u32> {
    text.get(offset..)?
        .first_chunk()
        .map(|word| u32::from_le_bytes(*word))
}

/// `b` and `bl`: bits 25:0 are words.
static BRANCH26: Field = Field {
    range: -(1 << 27)..=(1 << 27) - 4,
    multiple: 4,
    write: |bytes, value| insert(bytes, 0x03ff_ffff, (value >> 2) as u32),
};

/// `adrp`: bits 30:29 are the low two bits of the page's number, bits 23:5 the others.
static ADR_PAGE21: Field = Field {
    range: -(1 << 32)..=(1 << 32) - 0x1000,
    multiple: 0x1000,
    write: |bytes, value| {
        let pages = (value >> 12) as u32;
        insert(
            bytes,
            0x60ff_ffe0,
            ((pages & 3) << 29) | (((pages >> 2) & 0x7_ffff) << 5),
        );
    },
};

/// `ldr` of 64 bits: bits 21:10 are double words.
static LOAD64_12: Field = Field {
    range: 0..=0xff8,
    multiple: 8,
    write: |bytes, value| insert(bytes, 0x003f_fc00, ((value >> 3) as u32) << 10),
};

/// `add`: bits 21:10 are bytes.
static ADD12: Field = Field {
    range: 0..=0xfff,
    multiple: 1,
    write: |bytes, value| insert(bytes, 0x003f_fc00, (value as u32) << 10),
};

/// Replaces the bits of `mask` in the instruction.
fn insert(bytes: &mut [u8], mask: u32, bits: u32) {
    if let Ok(word) = <[u8; 4]>::try_from(&*bytes) {
        let instruction = u32::from_le_bytes(word) & !mask | bits & mask;
        bytes.copy_from_slice(&instruction.to_le_bytes());
    }
}

/// `bl` and `b`, whose distance counts from themselves.
pub(crate) static CALL: DirectCall = DirectCall {
    kind: Kind::Arm64Call26,
    addend: 0,
};

/// `adrp x16, cell; ldr x16, [x16, :lo12:cell]; br x16`. The procedure call standard leaves x16 to
/// veneers.
pub(crate) static VENEER: Veneer = Veneer {
    template: &[
        0x10, 0x00, 0x00, 0x90, // adrp x16, 0
        0x10, 0x02, 0x40, 0xf9, // ldr x16, [x16]
        0x00, 0x02, 0x1f, 0xd6, // br x16
    ],
    patch: |bytes, place, cell| {
        ROWS[2].patch(&mut bytes[0..4], place, cell)?;
        ROWS[3].patch(&mut bytes[4..8], place.plus(4), cell)
    },
    align: 4,
};

#[cfg(test)]
mod tests;

//! Where the bits of an immediate lie in an encoding. Decoder and encoder read the same lists.

/// `width` bits that start at bit `at` of the encoding and at bit `to` of the immediate.
#[derive(Clone, Copy)]
struct Piece {
    at: u8,
    width: u8,
    to: u8,
}

/// The scattering of one immediate over an encoding.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pieces: &'static [Piece],
    /// The number of bits of the immediate, with the low ones that are always zero.
    bits: u8,
    signed: bool,
}

macro_rules! layouts {
    ($($(#[$doc:meta])* $name:ident: $bits:literal $signed:ident [$(($at:literal, $width:literal, $to:literal)),* $(,)?];)*) => {$(
        $(#[$doc])*
        pub(crate) const $name: Layout = Layout {
            pieces: &[$(Piece { at: $at, width: $width, to: $to }),*],
            bits: $bits,
            signed: layouts!(@ $signed),
        };
    )*};
    (@ signed) => { true };
    (@ unsigned) => { false };
}

// Each row: name, bits of the immediate, then (bit of the encoding, width, bit of the immediate).
layouts! {
    /// Twelve bits of an `I` format.
    I: 12 signed [(20, 12, 0)];
    /// The bit number of a shift.
    SHAMT: 6 unsigned [(20, 6, 0)];
    /// The bit number of a shift of words.
    SHAMT_WORD: 5 unsigned [(20, 5, 0)];
    /// Twelve bits of an `S` format.
    S: 12 signed [(25, 7, 5), (7, 5, 0)];
    /// A branch.
    B: 13 signed [(31, 1, 12), (7, 1, 11), (25, 6, 5), (8, 4, 1)];
    /// The upper twenty bits.
    U: 32 signed [(12, 20, 12)];
    /// A jump.
    J: 21 signed [(31, 1, 20), (12, 8, 12), (20, 1, 11), (21, 10, 1)];

    /// `c.addi`, `c.li`, `c.addiw`, `c.andi`.
    C_IMM: 6 signed [(12, 1, 5), (2, 5, 0)];
    /// `c.slli`, `c.srli`, `c.srai`.
    C_SHAMT: 6 unsigned [(12, 1, 5), (2, 5, 0)];
    /// `c.lui`.
    C_LUI: 18 signed [(12, 1, 17), (2, 5, 12)];
    /// `c.addi16sp`.
    C_ADDI16SP: 10 signed [(12, 1, 9), (6, 1, 4), (5, 1, 6), (3, 2, 7), (2, 1, 5)];
    /// `c.addi4spn`.
    C_ADDI4SPN: 10 unsigned [(11, 2, 4), (7, 4, 6), (6, 1, 2), (5, 1, 3)];
    /// `c.lw`, `c.sw`.
    C_WORD: 7 unsigned [(10, 3, 3), (6, 1, 2), (5, 1, 6)];
    /// `c.ld`, `c.sd`, `c.fld`, `c.fsd`.
    C_DOUBLE: 8 unsigned [(10, 3, 3), (5, 2, 6)];
    /// `c.lwsp`.
    C_LOAD_WORD_SP: 8 unsigned [(12, 1, 5), (4, 3, 2), (2, 2, 6)];
    /// `c.ldsp`, `c.fldsp`.
    C_LOAD_DOUBLE_SP: 9 unsigned [(12, 1, 5), (5, 2, 3), (2, 3, 6)];
    /// `c.swsp`.
    C_STORE_WORD_SP: 8 unsigned [(9, 4, 2), (7, 2, 6)];
    /// `c.sdsp`, `c.fsdsp`.
    C_STORE_DOUBLE_SP: 9 unsigned [(10, 3, 3), (7, 3, 6)];
    /// `c.beqz`, `c.bnez`.
    C_BRANCH: 9 signed [(12, 1, 8), (10, 2, 3), (5, 2, 6), (3, 2, 1), (2, 1, 5)];
    /// `c.j`.
    C_JUMP: 12 signed [
        (12, 1, 11), (11, 1, 4), (9, 2, 8), (8, 1, 10), (7, 1, 6), (6, 1, 7), (3, 3, 1), (2, 1, 5),
    ];
}

impl Layout {
    /// The immediate in `encoding`. Inlined always: with a constant layout the loop unrolls to a
    /// few shifts.
    #[inline(always)]
    pub(crate) const fn extract(self, encoding: u32) -> i32 {
        let mut value = 0;
        let mut i = 0;
        while i < self.pieces.len() {
            let piece = self.pieces[i];
            value |= (encoding >> piece.at & ones(piece.width)) << piece.to;
            i += 1;
        }
        let spare = 32 - self.bits;
        if self.signed {
            (value << spare).cast_signed() >> spare
        } else {
            value.cast_signed()
        }
    }

    /// The bits of an encoding that say `immediate`, or `None` where it does not fit: out of
    /// range, or with low bits set that the encoding leaves out.
    pub(crate) const fn insert(self, immediate: i32) -> Option<u32> {
        let mut encoding = 0;
        let mut i = 0;
        while i < self.pieces.len() {
            let piece = self.pieces[i];
            encoding |= (immediate.cast_unsigned() >> piece.to & ones(piece.width)) << piece.at;
            i += 1;
        }
        if self.extract(encoding) == immediate {
            Some(encoding)
        } else {
            None
        }
    }
}

const fn ones(width: u8) -> u32 {
    (1 << width) - 1
}

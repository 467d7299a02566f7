//! x86-64: System V psABI, relocation types `R_X86_64_*`.

use rekindle_artifact::RelocationKind as Kind;

use crate::machine::{DirectCall, Veneer};
use crate::relocation::Formula::{Absolute, Relative};
use crate::relocation::Reference::{Call, Cell, Direct};
use crate::relocation::{Relaxation, Row, SIGNED32, WORD64};

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    Row { kind: Kind::Abs64,      reference: Direct, formula: Absolute, field: &WORD64,   relaxation: None },
    Row { kind: Kind::X86Pc32,    reference: Direct, formula: Relative, field: &SIGNED32, relaxation: None },
    Row { kind: Kind::X86Plt32,   reference: Call,   formula: Relative, field: &SIGNED32, relaxation: None },
    Row { kind: Kind::X86GotPc32, reference: Cell,   formula: Relative, field: &SIGNED32, relaxation: Some(LOAD_TO_LEA) },
];

/// `mov cell(%rip), %reg` becomes `lea target(%rip), %reg`: the psABI's `R_X86_64_REX_GOTPCRELX`.
const LOAD_TO_LEA: Relaxation = Relaxation {
    rewrite: |text, offset| {
        const MOV: u8 = 0x8b;
        const LEA: u8 = 0x8d;
        let instruction = offset
            .checked_sub(3)
            .and_then(|start| text.get_mut(start..offset));
        let Some([rex, opcode, mod_rm]) = instruction else {
            return false;
        };
        // REX.W, perhaps with R; `mov` or `lea`; RIP-relative.
        let fits = *rex & 0xfb == 0x48 && matches!(*opcode, MOV | LEA) && *mod_rm & 0xc7 == 0x05;
        if fits {
            *opcode = LEA;
        }
        fits
    },
    kind: Kind::X86Pc32,
};

/// `call` and `jmp`, whose distance counts from the end of its field.
pub(crate) static CALL: DirectCall = DirectCall {
    kind: Kind::X86Plt32,
    addend: -4,
};

/// `jmp *cell(%rip)`; clobbers no register.
pub(crate) static VENEER: Veneer = Veneer {
    template: &[0xff, 0x25, 0, 0, 0, 0, 0xcc, 0xcc],
    patch: |bytes, place, cell| {
        // The displacement counts from the next instruction, which starts behind its field.
        let field = place.plus(2);
        let row = &ROWS[3];
        row.patch(&mut bytes[2..6], field, cell.plus(4_u64.wrapping_neg()))
    },
    align: 8,
};

#[cfg(test)]
mod tests;

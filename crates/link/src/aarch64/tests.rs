//! Patched instructions, decoded again independently of the code that patches.

use super::{CELL_PAGE_TO_PAGE, LOAD_TO_ADD, ROWS, VENEER};
use crate::address::Address;
use crate::arch::Arch;
use crate::relocation::PatchError;
use rekindle_artifact::RelocationKind::{
    self, Arm64AddLo12, Arm64AdrGotPage, Arm64AdrPage, Arm64Call26, Arm64Ld64GotLo12,
};

const BL: u32 = 0x9400_0000;
const ADRP_X0: u32 = 0x9000_0000;
const LDR_X0_X0: u32 = 0xf940_0000;
const ADD_X0_X0: u32 = 0x9100_0000;

/// Patches `instruction` at `place` and returns it.
fn patched(
    kind: RelocationKind,
    instruction: u32,
    place: u64,
    referred: u64,
) -> Result<u32, PatchError> {
    let mut bytes = instruction.to_le_bytes();
    let row = Arch::Aarch64.row(kind).expect("there is a row");
    row.patch(&mut bytes, Address(place), Address(referred))?;
    Ok(u32::from_le_bytes(bytes))
}

/// Where the branch at `place` goes: the architecture's pseudocode, by shifts.
fn branch_target(instruction: u32, place: u64) -> u64 {
    assert_eq!(instruction >> 26, BL >> 26, "the opcode must stay");
    place.wrapping_add_signed(i64::from((instruction << 6).cast_signed() >> 6) * 4)
}

/// The page that the `adrp` at `place` computes.
fn adrp_page(instruction: u32, place: u64) -> u64 {
    assert_eq!(
        instruction & 0x9f00_001f,
        ADRP_X0,
        "opcode and register must stay"
    );
    let low = i64::from(instruction >> 29 & 3);
    let high = i64::from((instruction << 8).cast_signed() >> 13);
    (place / 4096 * 4096).wrapping_add_signed((high * 4 + low) * 4096)
}

#[test]
fn branches_arrive() {
    for (place, target) in [
        (0x1000, 0x2000),
        (0x2000, 0x1000),
        (0x800_0000, 0),
        (0, 0x7ff_fffc),
    ] {
        let instruction = patched(Arm64Call26, BL, place, target).expect("in range");
        assert_eq!(branch_target(instruction, place), target);
    }
}

#[test]
fn branches_are_checked() {
    assert!(matches!(
        patched(Arm64Call26, BL, 0, 0x800_0000),
        Err(PatchError::OutOfRange {
            value: 0x800_0000,
            ..
        })
    ));
    assert!(matches!(
        patched(Arm64Call26, BL, 0x800_0004, 0),
        Err(PatchError::OutOfRange {
            value: -0x800_0004,
            ..
        })
    ));
    assert!(matches!(
        patched(Arm64Call26, BL, 0, 6),
        Err(PatchError::Misaligned {
            value: 6,
            multiple: 4
        })
    ));
}

#[test]
fn pages_and_offsets_meet_at_the_target() {
    let cases = [
        (0x10_0ffc, 0x7f_1238),
        (0x7fff_f000, 0x1_0008),
        (0x5004, 0x5ff8),
        (0, 0xffff_f000),
    ];
    for (place, target) in cases {
        for kind in [Arm64AdrPage, Arm64AdrGotPage] {
            let adrp = patched(kind, ADRP_X0, place, target).expect("in range");
            assert_eq!(adrp_page(adrp, place), target & !0xfff);
        }
        let add = patched(Arm64AddLo12, ADD_X0_X0, place, target).expect("in range");
        assert_eq!(u64::from(add >> 10 & 0xfff), target & 0xfff);
        let load = patched(Arm64Ld64GotLo12, LDR_X0_X0, place, target).expect("in range");
        assert_eq!(u64::from(load >> 10 & 0xfff) * 8, target & 0xfff);
        assert_eq!(
            (add & !0x3f_fc00, load & !0x3f_fc00),
            (ADD_X0_X0, LDR_X0_X0)
        );
    }
}

#[test]
fn pages_and_offsets_are_checked() {
    assert!(patched(Arm64AdrPage, ADRP_X0, 0, (1 << 32) - 1).is_ok());
    assert!(matches!(
        patched(Arm64AdrPage, ADRP_X0, 0xfff, 1 << 32),
        Err(PatchError::OutOfRange {
            value: 0x1_0000_0000,
            ..
        })
    ));
    assert!(matches!(
        patched(Arm64Ld64GotLo12, LDR_X0_X0, 0, 0x1004),
        Err(PatchError::Misaligned {
            value: 4,
            multiple: 8
        })
    ));
}

#[test]
fn a_veneer_jumps_through_its_cell() {
    let mut bytes = VENEER.template.to_vec();
    (VENEER.patch)(&mut bytes, Address(0x4000), Address(0x9_1238)).expect("in range");
    let word =
        |index: usize| u32::from_le_bytes(bytes[index * 4..][..4].try_into().expect("four bytes"));
    assert_eq!(adrp_page(word(0) & !0x1f, 0x4000), 0x9_1000);
    assert_eq!(u64::from(word(1) >> 10 & 0xfff) * 8, 0x238);
    assert_eq!(word(2), 0xd61f_0200);
}

#[test]
fn the_veneers_rows_are_the_cells() {
    assert_eq!(
        (ROWS[2].kind, ROWS[3].kind),
        (Arm64AdrGotPage, Arm64Ld64GotLo12)
    );
}

#[test]
fn loads_of_cells_become_add() {
    let mut text = 0xf940_0c41u32.to_le_bytes(); // ldr x1, [x2, #24]
    for _ in 0..2 {
        assert!((LOAD_TO_ADD.rewrite)(&mut text, 0));
        assert_eq!(u32::from_le_bytes(text) & !0x3f_fc00, 0x9100_0041); // add x1, x2, …
    }
    let mut narrow = 0xb940_0041u32.to_le_bytes(); // ldr w1, [x2]
    assert!(!(LOAD_TO_ADD.rewrite)(&mut narrow, 0));
    assert!(!(LOAD_TO_ADD.rewrite)(&mut [0; 3], 0));
    assert!((CELL_PAGE_TO_PAGE.rewrite)(&mut ADRP_X0.to_le_bytes(), 0));
    assert!(!(CELL_PAGE_TO_PAGE.rewrite)(&mut BL.to_le_bytes(), 0));
}

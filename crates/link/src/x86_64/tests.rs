//! Patched fields, re-read the way a processor does.

use super::{LOAD_TO_LEA, ROWS, VENEER};
use crate::address::Address;
use crate::arch::Arch;
use crate::relocation::PatchError;
use rekindle_artifact::RelocationKind;

fn read32(bytes: &[u8]) -> i64 {
    i64::from(i32::from_le_bytes(bytes.try_into().expect("four bytes")))
}

#[test]
fn relative_fields_lead_to_the_target() {
    let row = Arch::X86_64
        .row(RelocationKind::X86Pc32)
        .expect("there is a row");
    // `call rel32` at 0x1000: the field is at 0x1001, and the addend of −4 is in `referred`.
    for target in [0x1000u64, 0x0fff, 0x2000, 0x8000_1000] {
        let mut bytes = [0xaa; 4];
        row.patch(&mut bytes, Address(0x1001), Address(target - 4))
            .expect("in range");
        assert_eq!(0x1005u64.wrapping_add_signed(read32(&bytes)), target);
    }
}

#[test]
fn ranges_are_checked_at_both_ends() {
    let row = Arch::X86_64
        .row(RelocationKind::X86Plt32)
        .expect("there is a row");
    let place = Address(0x7f00_0000_0000);
    let patch = |difference: i64| {
        row.patch(
            &mut [0; 4],
            place,
            Address(place.0.wrapping_add_signed(difference)),
        )
    };
    assert_eq!(patch(i64::from(i32::MAX)), Ok(()));
    assert_eq!(patch(i64::from(i32::MIN)), Ok(()));
    for difference in [i64::from(i32::MAX) + 1, i64::from(i32::MIN) - 1] {
        assert!(matches!(
            patch(difference),
            Err(PatchError::OutOfRange { value, .. }) if value == difference
        ));
    }
}

#[test]
fn absolute_fields_take_any_address() {
    let row = Arch::X86_64
        .row(RelocationKind::Abs64)
        .expect("there is a row");
    let mut bytes = [0; 8];
    row.patch(&mut bytes, Address(5), Address(u64::MAX))
        .expect("in range");
    assert_eq!(u64::from_le_bytes(bytes), u64::MAX);
}

#[test]
fn a_veneer_jumps_through_its_cell() {
    let mut bytes = VENEER.template.to_vec();
    (VENEER.patch)(&mut bytes, Address(0x4000), Address(0x1238)).expect("in range");
    assert_eq!(&bytes[..2], [0xff, 0x25]);
    assert_eq!(0x4006u64.wrapping_add_signed(read32(&bytes[2..6])), 0x1238);
}

#[test]
fn the_veneers_row_is_the_cells() {
    assert_eq!(ROWS[3].kind, RelocationKind::X86GotPc32);
}

#[test]
fn loads_of_cells_become_lea() {
    let rewrite = LOAD_TO_LEA.rewrite;
    for (rex, mod_rm) in [(0x48, 0x05), (0x4c, 0x3d)] {
        let mut text = [0x90, rex, 0x8b, mod_rm, 0, 0, 0, 0];
        assert!(rewrite(&mut text, 4));
        assert_eq!(text[..4], [0x90, rex, 0x8d, mod_rm]);
        assert!(rewrite(&mut text, 4), "once more");
        assert_eq!(text[2], 0x8d);
    }
    // A 32-bit load, an addition, another addressing mode, too little text.
    for before in [[0x90, 0x8b, 0x05], [0x48, 0x03, 0x05], [0x48, 0x8b, 0x45]] {
        let mut text = before;
        assert!(!rewrite(&mut text, 3));
        assert_eq!(text, before);
    }
    assert!(!rewrite(&mut [0x8b, 0x05], 2));
    assert!(!rewrite(&mut [0x8b, 0x05], 20));
}

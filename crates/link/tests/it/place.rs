//! One artifact at given addresses.

use proptest::prelude::*;
use rekindle_artifact::{Artifact, RelocationKind, SectionKind, Target, UnwindInfo};
use rekindle_link::{Address, Arch, LinkError, Placement, Plan};

use crate::judge::{call_target, judge};
use crate::support::{artifact, busy, link, relocation, symbol};

fn both() -> [Arch; 2] {
    [Arch::X86_64, Arch::Aarch64]
}

proptest! {
    #[test]
    fn every_reference_leads_where_it_should(
        base in 0x10u64..1 << 46,
        distances in [0u64..1 << 14, 0u64..1 << 14, 0u64..1 << 14, 0u64..1 << 14],
        backwards: bool,
    ) {
        // Within ±1 GiB of the text, in whichever direction, each aligned to 64.
        let text = (base + (1 << 33)) & !63;
        let [rodata, data, bss, cells] = distances.map(|distance| {
            let distance = distance << 16;
            Address(if backwards { text - distance } else { text + distance } & !63)
        });
        for arch in both() {
            let artifact = busy(arch);
            let plan = Plan::new(&artifact, arch).expect("it can be linked");
            let text = Address(text);
            let placement = Placement { text, rodata, data, bss, eh_frame: text };
            let cells: Vec<Address> =
                (0..plan.symbols().len() as u64).map(|index| cells.plus(index * 8)).collect();
            let linked = link(&plan, &placement, &cells).expect("it is close enough");
            judge(arch, &plan, &linked, &placement, &cells);
        }
    }
}

#[test]
fn calls_are_led_as_far_as_they_reach() {
    for (arch, reach) in [(Arch::X86_64, 1 << 31), (Arch::Aarch64, 1 << 27)] {
        let artifact = busy(arch);
        let plan = Plan::new(&artifact, arch).expect("it can be linked");
        let text = Address(1 << 40);
        let placement = Placement {
            text,
            rodata: text,
            data: text,
            bss: text,
            eh_frame: text,
        };
        let cells = vec![text.plus(1 << 20); plan.symbols().len()];
        let mut linked = link(&plan, &placement, &cells).expect("it is close");
        let as_linked = linked.text.clone();
        let [one] = plan.calls() else {
            panic!("{arch:?}: one name is called, once")
        };
        assert_eq!(plan.symbols()[one.symbol as usize], "called");
        let at = one.field as usize;
        let place = text.plus(one.field.into());
        let mut lead = |target: Address| {
            let field = linked.text[at..].first_chunk_mut().expect("a field");
            let leads = arch.lead_call(field, place, target);
            (leads, linked.text.clone())
        };
        for distance in [reach - 4, -reach + 4, 0, 4096] {
            let target = Address(place.0.wrapping_add_signed(distance));
            let (leads, bytes) = lead(target);
            assert!(leads, "{arch:?}: {distance:#x}");
            assert_eq!(call_target(arch, &bytes, at, text.0), target.0);
            assert_eq!(bytes[..at], as_linked[..at]);
            assert_eq!(bytes[at + 4..], as_linked[at + 4..]);
            let (leads, same) = lead(Address(place.0.wrapping_add_signed(reach + 8)));
            assert!(!leads);
            assert_eq!(same, bytes);
        }
        let (leads, bytes) = lead(text.plus(one.veneer.into()));
        assert!(leads);
        assert_eq!(bytes, as_linked, "the call leads to its veneer at first");
    }
}

#[test]
fn calls_of_something_behind_a_name_stay_as_they_are() {
    let mut code = artifact(64, 0, 0, 0);
    let call = |offset, addend| {
        let kind = RelocationKind::X86Plt32;
        relocation(SectionKind::Text, offset, kind, symbol("a"), addend)
    };
    code.relocations = vec![call(1, -4), call(8, 4)];
    let plan = Plan::new(&code, Arch::X86_64).expect("it can be linked");
    let fields: Vec<u32> = plan.calls().iter().map(|call| call.field).collect();
    assert_eq!(fields, [1]);
}

#[test]
fn too_far_is_an_error() {
    for arch in both() {
        let artifact = busy(arch);
        let plan = Plan::new(&artifact, arch).expect("it can be linked");
        let text = Address(1 << 40);
        let far = Address((1 << 40) + (1 << 33));
        let placement = Placement {
            text,
            rodata: far,
            data: text,
            bss: text,
            eh_frame: text,
        };
        let cells = vec![text; plan.symbols().len()];
        let error = link(&plan, &placement, &cells).expect_err("it is too far");
        assert!(matches!(error, LinkError::OutOfRange { .. }), "{error}");
    }
}

#[test]
fn one_name_has_one_cell_and_one_veneer() {
    let mut code = artifact(64, 0, 0, 0);
    let call = |offset, name| {
        relocation(
            SectionKind::Text,
            offset,
            RelocationKind::X86Plt32,
            symbol(name),
            -4,
        )
    };
    code.relocations = vec![call(1, "a"), call(8, "b"), call(16, "a"), call(24, "b")];
    let plan = Plan::new(&code, Arch::X86_64).expect("it can be linked");
    assert_eq!(plan.symbols(), ["a", "b"]);
    assert_eq!(plan.text_len_bytes(), 64 + 2 * 8);
}

#[test]
fn what_cannot_be_linked_is_named() {
    let refuse = |section, kind, target, arch| {
        let mut code = artifact(64, 8, 8, 8);
        code.relocations = vec![relocation(section, 0, kind, target, 0)];
        Plan::new(&code, arch).expect_err("it can't be linked")
    };
    let text = SectionKind::Text;
    let own = Target::Section(SectionKind::Data);
    use RelocationKind as Kind;
    assert!(matches!(
        refuse(text, Kind::Abs64, symbol("s"), Arch::X86_64),
        LinkError::AbsoluteInText { offset: 0, target } if target == "s"
    ));
    assert!(matches!(
        refuse(text, Kind::X86Pc32, symbol("s"), Arch::X86_64),
        LinkError::NotColocated { .. }
    ));
    assert!(matches!(
        refuse(text, Kind::X86GotPc32, own, Arch::X86_64),
        LinkError::CellOfSection {
            section: SectionKind::Data,
            ..
        }
    ));
    assert!(matches!(
        refuse(text, Kind::X86Pc32, symbol("s"), Arch::Aarch64),
        LinkError::WrongMachine {
            kind: Kind::X86Pc32
        }
    ));
    let empty = Plan::new(&Artifact::default(), Arch::X86_64).map(|_| ());
    assert!(matches!(empty, Err(LinkError::Invalid(_))));
}

#[test]
fn constants_with_addresses_are_writable() {
    let mut code = artifact(16, 16, 0, 0);
    let own = Target::Section(SectionKind::Text);
    code.relocations = vec![relocation(
        SectionKind::Rodata,
        8,
        RelocationKind::Abs64,
        own,
        0,
    )];
    assert!(
        Plan::new(&code, Arch::X86_64)
            .expect("it can be linked")
            .rodata_is_writable()
    );
    code.relocations.clear();
    assert!(
        !Plan::new(&code, Arch::X86_64)
            .expect("it can be linked")
            .rodata_is_writable()
    );
}

/// The lengths of a CIE and an FDE of 24 bytes each, and zeroes.
fn eh_frame() -> Vec<u8> {
    let mut eh_frame = vec![0; 48];
    eh_frame[0] = 20;
    eh_frame[24] = 20;
    eh_frame
}

#[test]
fn frame_rows_point_at_the_text() {
    let mut code = artifact(16, 0, 0, 0);
    code.unwind = Some(UnwindInfo {
        eh_frame: eh_frame(),
        location_field: 32,
    });
    let plan = Plan::new(&code, Arch::X86_64).expect("it can be linked");
    let placement = Placement {
        text: Address(0x1000),
        eh_frame: Address(0x3000),
        ..Placement::default()
    };
    let linked = link(&plan, &placement, &[]).expect("it is close enough");
    let field: [u8; 4] = linked.eh_frame[32..36].try_into().expect("four bytes");
    assert_eq!(
        0x3020_u64.wrapping_add_signed(i32::from_le_bytes(field).into()),
        0x1000
    );
}

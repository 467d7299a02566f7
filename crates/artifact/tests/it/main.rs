//! Properties of artifacts and their encoding.

use proptest::prelude::*;
use rekindle_artifact::{
    Artifact, InvalidArtifact, KeyItem, KeyItems, KeyPart, Relocation, RelocationKind, Section,
    SectionKind, Signature, SourceLocation, Target, Trap, UnwindInfo, ZeroSection,
};

fn section() -> impl Strategy<Value = Section> {
    (prop::collection::vec(any::<u8>(), 0..64), 0u32..13).prop_map(|(bytes, shift)| Section {
        bytes,
        align: 1 << shift,
    })
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        prop::sample::select(SectionKind::ALL.to_vec()).prop_map(Target::Section),
        "[a-z$.@]{0,12}".prop_map(Target::Symbol),
    ]
}

fn relocation() -> impl Strategy<Value = Relocation> {
    (
        prop::sample::select(SectionKind::ALL.to_vec()),
        any::<u32>(),
        prop::sample::select(RelocationKind::ALL.to_vec()),
        target(),
        any::<i64>(),
    )
        .prop_map(|(section, offset, kind, target, addend)| Relocation {
            section,
            offset,
            kind,
            target,
            addend,
        })
}

prop_compose! {
    fn key_items()(
        texts in prop::collection::vec(".{0,8}", 0..4),
        items in prop::collection::vec(any::<(u32, u8)>(), 0..8),
        stride in 0..3_u32,
    ) -> KeyItems {
        match stride {
            0 => KeyItems::default(),
            _ => KeyItems {
                texts: texts.into_iter().map(Into::into).collect(),
                items: items.into_iter().map(|(text, hash)| KeyItem { text, hash }).collect(),
                stride,
            },
        }
    }
}

prop_compose! {
    fn artifact()(
        name in ".{0,16}",
        symbol in prop::option::of(".{0,16}"),
        symbol_ends_in_name: bool,
        signature: u64,
        sections in (section(), section(), section()),
        bss in (any::<u32>(), any::<u32>()),
        relocations in prop::collection::vec(relocation(), 0..8),
        unwind in prop::option::of((prop::collection::vec(any::<u8>(), 0..48), any::<u32>())),
        traps in prop::collection::vec((any::<u32>(), any::<u16>()), 0..8),
        locations in prop::collection::vec(any::<(u32, u32, u32)>(), 0..8),
        metadata: Vec<u8>,
        compile_time_ns: u64,
        key_parts in prop::collection::vec(("[a-z]{0,8}", any::<u64>()), 0..4),
        key_items in key_items(),
    ) -> Artifact {
        let (text, rodata, data) = sections;
        let symbol = symbol.map(|symbol| match symbol_ends_in_name {
            true => symbol + &name,
            false => symbol,
        });
        Artifact {
            name,
            symbol,
            signature: Signature(signature),
            text,
            rodata,
            data,
            bss: ZeroSection { size: bss.0, align: bss.1 },
            relocations,
            unwind: unwind.map(|(eh_frame, location_field)| UnwindInfo { eh_frame, location_field }),
            traps: traps.into_iter().map(|(offset, code)| Trap { offset, code }).collect(),
            source_locations: locations
                .into_iter()
                .map(|(start, end, location)| SourceLocation { start, end, location })
                .collect(),
            metadata,
            compile_time_ns,
            key_parts: key_parts
                .into_iter()
                .map(|(name, hash)| KeyPart {
                    name: name.into(),
                    hash,
                    items: key_items.clone(),
                })
                .collect(),
        }
    }
}

proptest! {
    #[test]
    fn encoding_round_trips(artifact in artifact()) {
        prop_assert_eq!(Artifact::decode(&artifact.encode()), Ok(artifact));
    }

    #[test]
    fn mutated_bytes_never_panic(
        artifact in artifact(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = artifact.encode();
        for (place, value) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= value;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(decoded) = Artifact::decode(bytes) {
                let _ = decoded.validate();
            }
        }
    }
}

fn sound() -> Artifact {
    Artifact {
        text: Section {
            bytes: vec![0x90; 16],
            align: 16,
        },
        ..Artifact::default()
    }
}

fn relocation_at(section: SectionKind, offset: u32, kind: RelocationKind) -> Relocation {
    Relocation {
        section,
        offset,
        kind,
        target: Target::Symbol("s".to_owned()),
        addend: 0,
    }
}

#[test]
fn validation_names_the_broken_rule() {
    use RelocationKind::{Abs64, X86Pc32};
    assert_eq!(sound().validate(), Ok(()));
    assert_eq!(Artifact::default().validate(), Err(InvalidArtifact::Empty));

    let mut artifact = sound();
    artifact.text.align = 3;
    assert!(matches!(
        artifact.validate(),
        Err(InvalidArtifact::Alignment { align: 3, .. })
    ));

    let broken = |relocations: Vec<Relocation>| {
        Artifact {
            relocations,
            ..sound()
        }
        .validate()
        .expect_err("this must be refused")
    };
    let text = SectionKind::Text;
    assert_eq!(
        broken(vec![relocation_at(text, 13, X86Pc32)]),
        InvalidArtifact::RelocationOutside {
            section: text,
            offset: 13
        }
    );
    assert_eq!(
        broken(vec![relocation_at(text, u32::MAX, Abs64)]),
        InvalidArtifact::RelocationOutside {
            section: text,
            offset: u32::MAX
        }
    );
    assert_eq!(
        broken(vec![
            relocation_at(text, 4, X86Pc32),
            relocation_at(text, 2, X86Pc32)
        ]),
        InvalidArtifact::RelocationsOverlap {
            section: text,
            offset: 4
        }
    );
    let mut artifact = sound();
    artifact.rodata.bytes = vec![0; 8];
    artifact.relocations = vec![relocation_at(SectionKind::Rodata, 0, X86Pc32)];
    assert!(matches!(
        artifact.validate(),
        Err(InvalidArtifact::RelocationKind { .. })
    ));
}

#[test]
fn validation_checks_the_tables() {
    let trap = |offset| Trap { offset, code: 1 };
    let artifact = Artifact {
        traps: vec![trap(4), trap(4)],
        ..sound()
    };
    assert_eq!(artifact.validate(), Err(InvalidArtifact::Traps));
    let location = |start, end| SourceLocation {
        start,
        end,
        location: 7,
    };
    let artifact = Artifact {
        source_locations: vec![location(0, 5), location(4, 6)],
        ..sound()
    };
    assert_eq!(artifact.validate(), Err(InvalidArtifact::SourceLocations));
}

#[test]
fn unwind_information_is_one_frame() {
    let judge = |lens: [u8; 2], len: usize, location_field| {
        let mut eh_frame = vec![0; len];
        for (at, record_len) in [0, 4 + usize::from(lens[0])].into_iter().zip(lens) {
            if let Some(byte) = eh_frame.get_mut(at) {
                *byte = record_len;
            }
        }
        let unwind = Some(UnwindInfo {
            eh_frame,
            location_field,
        });
        Artifact { unwind, ..sound() }.validate()
    };
    assert_eq!(judge([20, 28], 56, 32), Ok(()));
    let others = [
        ([20, 28], 56, 31),
        ([20, 28], 64, 32),
        ([20, 28], 55, 32),
        ([20, 0], 56, 32),
        ([18, 30], 56, 30),
        ([0, 0], 0, 0),
        ([20, 4], 32, 32),
    ];
    for (lens, len, location_field) in others {
        let result = judge(lens, len, location_field);
        assert_eq!(result, Err(InvalidArtifact::Unwind), "{lens:?} {len}");
    }
}

//! Images as bytes: whatever happens to them, nothing panics, and what verifies is what was written.

mod folders;

use proptest::prelude::*;
use rekindle_artifact::{
    Artifact, KeyPart, Section, Signature, SourceLocation, Trap, UnwindInfo, ZeroSection,
};
use rekindle_store::image::{
    Area, DirectCallsDraft, DraftEntry, DraftSymbol, HEADER_OFFSET, Identity, ImageDraft,
    ImageHeader, ImageView, PREFIX_LEN, ProgramPartDraft, Refusal, StoredBinding, StoredBindings,
    StoredCall, StoredCell, StoredValue,
};
use rekindle_store::{Digest, Key, KeyBuilder, ScopeId, Secret};

const PAGE: u64 = 4096;
const ENTRIES: u64 = 5;

fn secret() -> Secret {
    Secret::new(&[42; 32])
}

fn identity() -> Identity {
    Identity {
        environment: Digest([1; 32]),
        scope: ScopeId::from_name("s").digest(),
        machine: 62,
    }
}

fn key(number: u64) -> Key {
    KeyBuilder::new("test").u64(number).finish()
}

fn artifact(number: u64) -> Artifact {
    let section = |len: u64, fill| Section {
        bytes: vec![fill; len as usize],
        align: 16,
    };
    Artifact {
        name: format!("entry{number}"),
        symbol: [
            None,
            Some(format!(":entry{number}")),
            Some("other".to_owned()),
        ][number as usize % 3]
            .clone(),
        signature: Signature(number),
        text: section(100 + number, 0x90 + number as u8),
        rodata: section(10 * number, 3),
        data: section(8 * number, 5),
        bss: ZeroSection {
            size: 16,
            align: 16,
        },
        traps: vec![Trap { offset: 3, code: 9 }],
        source_locations: vec![SourceLocation {
            start: 1,
            end: 50,
            location: 7,
        }],
        unwind: Some(UnwindInfo {
            eh_frame: eh_frame(number),
            location_field: 32,
        }),
        metadata: vec![number as u8; 20],
        compile_time_ns: 1000 + number,
        key_parts: vec![KeyPart {
            name: "body".into(),
            hash: number,
            ..KeyPart::default()
        }],
        ..Artifact::default()
    }
}

/// Two records of 24 bytes; what is in them is of no interest here.
fn eh_frame(number: u64) -> Vec<u8> {
    let mut eh_frame = vec![number as u8; 48];
    for len in [0, 24] {
        eh_frame[len..len + 4].copy_from_slice(&20_u32.to_le_bytes());
    }
    eh_frame
}

fn bindings(number: u64) -> StoredBindings<'static> {
    StoredBindings {
        cells: vec![StoredCell {
            index: 0,
            name: "cell",
        }],
        fields: vec![StoredBinding {
            address: 0x100 + number as u32 * 64,
            value: StoredValue::Local(-5),
        }],
    }
}

/// Calls of the one cell's name, which the second entry is taken to define.
fn direct_calls() -> DirectCallsDraft {
    let call = |entry: u32| StoredCall {
        cell: 0,
        field: 2 * PAGE as u32 + entry * 256 + 1,
        veneer: 2 * PAGE as u32 + entry * 256 + 96,
    };
    DirectCallsDraft {
        targets: vec![Some(2 * PAGE as u32 + 256)],
        calls: [0, 2, 3].map(call).to_vec(),
    }
}

/// An image of a few entries, laid out with room between them.
fn image() -> Vec<u8> {
    image_with(None)
}

/// The same, as a program.
fn program_image() -> Vec<u8> {
    image_with(Some(ProgramPartDraft {
        symbols: vec![
            DraftSymbol {
                name: Some("first"),
                address: Some(2 * PAGE),
                len: 100,
            },
            DraftSymbol {
                name: None,
                address: None,
                len: 0,
            },
        ],
        bindings: bindings(1),
        front: b"declarations",
    }))
}

fn image_with(program: Option<ProgramPartDraft<'_>>) -> Vec<u8> {
    let artifacts: Vec<Artifact> = (0..ENTRIES).map(artifact).collect();
    let at = |base: u64, index: usize| base + index as u64 * 256;
    let area = |address, len: usize| Area {
        address,
        len: len as u64,
    };
    let mut front = vec![0; (3 * PAGE + ENTRIES * 48) as usize];
    let mut initial = vec![0; 0x700];
    let mut put = |address: u64, bytes: &[u8]| {
        let (memory, start) = match address.checked_sub(PAGE) {
            Some(offset) => (&mut front, offset as usize),
            None => (&mut initial, address as usize),
        };
        memory[start..start + bytes.len()].copy_from_slice(bytes);
        area(address, bytes.len())
    };
    put(2 * PAGE, &[0xcc; 0x600]);
    let entries: Vec<_> = artifacts
        .iter()
        .enumerate()
        .map(|(index, artifact)| {
            put(4 * PAGE + index as u64 * 48, &eh_frame(index as u64));
            DraftEntry {
                key: key(index as u64),
                artifact,
                text: put(at(2 * PAGE, index), &artifact.text.bytes),
                rodata: put(at(3 * PAGE, index), &artifact.rodata.bytes),
                data: put(at(0x100, index), &artifact.data.bytes),
                bss_address: 0x800,
                bindings: bindings(index as u64),
            }
        })
        .collect();
    let draft = ImageDraft {
        identity: identity(),
        scope: &ScopeId::from_name("s"),
        page_len: PAGE,
        file_base: PAGE,
        cells: &["cell".to_owned()],
        data: area(0x100, 0x600),
        bss: area(0x800, 0x100),
        text: area(2 * PAGE, 0x600),
        rodata: area(3 * PAGE, 0x600),
        eh_frame: area(4 * PAGE, ENTRIES as usize * 48),
        front,
        initial,
        entries,
        direct_calls: direct_calls(),
        program,
    };
    draft.build(&secret()).expect("the layout is possible")
}

fn header(image: &[u8]) -> Result<ImageHeader, Refusal> {
    let prefix = &image[..image.len().min(PREFIX_LEN)];
    ImageHeader::read(prefix, image.len() as u64, &secret(), Some(&identity()))
}

/// Asks an image for everything. What verifies must be what was written.
fn judge(image: &[u8]) -> Result<usize, TestCaseError> {
    let Ok(header) = header(image) else {
        return Ok(0);
    };
    let secret = secret();
    let Ok(view) = ImageView::new(&header, image, &secret) else {
        return Ok(0);
    };
    let mut found = 0;
    for number in 0..ENTRIES {
        let Some(entry) = view.find(&key(number)) else {
            continue;
        };
        prop_assert_eq!(entry.key(), key(number));
        let Ok(record) = entry.verify() else { continue };
        found += 1;
        prop_assert_eq!(view.bindings(&record), Ok(bindings(number)));
        prop_assert_eq!(view.metadata(&record), &artifact(number).metadata);
        let tables = view.tables(&record).expect("verified");
        prop_assert_eq!(tables.traps, artifact(number).traps);
        if let Ok(read) = view.artifact(&record) {
            prop_assert_eq!(read, artifact(number));
        }
        for (range, _) in record.copies(header.writable_len()) {
            prop_assert!(image.get(range).is_some());
        }
    }
    for entry in view.entries() {
        let _ = entry.verify();
    }
    if let Ok(frames) = view.frames() {
        let expected = (0..ENTRIES).flat_map(eh_frame).chain([0; 4]);
        prop_assert_eq!(&image[frames], expected.collect::<Vec<u8>>());
    }
    if let Ok(calls) = view.direct_calls() {
        let DirectCallsDraft {
            targets,
            calls: expected,
        } = direct_calls();
        prop_assert_eq!(calls.target(0), targets[0]);
        prop_assert_eq!(calls.of_cell(0).collect::<Vec<_>>(), expected);
        prop_assert_eq!(calls.of_cell(1).count(), 0);
    }
    prop_assert!(
        view.find(&key(ENTRIES))
            .is_none_or(|entry| entry.verify().is_err())
    );
    Ok(found)
}

#[test]
fn a_sound_image_gives_everything() {
    let image = image();
    assert_eq!(judge(&image).expect("equal"), ENTRIES as usize);
    let header = header(&image).expect("it is sound");
    assert_eq!(
        (
            header.label().as_str(),
            header.entry_count(),
            header.cell_count()
        ),
        ("s", 5, 1)
    );
    assert_eq!(header.compile_time_ns(), 5 * 1000 + 10);
}

/// Images of older formats, which differ in their digests, in what is authenticated, and in their keys.
#[test]
fn images_of_older_versions_are_refused() {
    for version in [1, 2, 3, 4, 5, 6] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        let image = std::fs::read(format!("{folder}/version{version}.image"));
        let image = image.expect("the fixture is there");
        let refusal = header(&image).map(|_| ()).expect_err("it is refused");
        assert_eq!(refusal, Refusal::FormatVersion(version));
    }
}

/// An image that an earlier build wrote. Images of an old format must load or miss, never be
/// misread; so a change that this test notices needs a new format version, and a fixture of its
/// own beside this one. `REKINDLE_BLESS=1` writes it.
#[test]
fn an_image_of_version_7_loads() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/version7.image");
    if std::env::var_os("REKINDLE_BLESS").is_some() {
        std::fs::write(path, image()).expect("the folder is there");
    }
    let image = std::fs::read(path).expect("the fixture is there");
    assert_eq!(judge(&image).expect("equal"), ENTRIES as usize);
}

/// Where the program part ends, by the header.
fn program_end(image: &[u8]) -> usize {
    let word = |at: usize| {
        let bytes = image[HEADER_OFFSET + at..].first_chunk().expect("a header");
        u32::from_le_bytes(*bytes) as usize
    };
    word(264) + word(268)
}

/// Asks an image for its program. Returns whether it was given, and then it is what was written.
fn judge_program(image: &[u8]) -> Result<bool, TestCaseError> {
    let Ok(header) = header(image) else {
        return Ok(false);
    };
    let secret = secret();
    let Ok(view) = ImageView::new(&header, image, &secret) else {
        return Ok(false);
    };
    let Ok(Some(places)) = view.program() else {
        return Ok(false);
    };
    let program = places.view(image);
    prop_assert_eq!(program.symbol_count(), 2);
    prop_assert_eq!(places.find(image, "first"), Some(0));
    prop_assert_eq!(
        program.symbol(0).expect("a symbol").address,
        Some(2 * PAGE as u32)
    );
    prop_assert_eq!(program.bindings(), Ok(bindings(1)));
    prop_assert_eq!(program.front(), b"declarations");
    prop_assert_eq!(program.initial().len(), 0x700);
    Ok(true)
}

#[test]
fn a_program_is_found_where_one_was_written() {
    assert!(judge_program(&program_image()).expect("equal"));
    assert!(!judge_program(&image()).expect("equal"));
    assert_eq!(judge(&program_image()).expect("equal"), ENTRIES as usize);
}

#[test]
fn direct_calls_that_were_changed_are_damaged() {
    let mut image = image();
    let header = header(&image).expect("it is sound");
    assert_eq!(header.calls().len(), 4 + 3 * 12);
    let secret = secret();
    let calls_of = |image: &[u8]| {
        let view = ImageView::new(&header, image, &secret).expect("as long as it was");
        (view.direct_calls().is_ok(), view.check_all().is_ok())
    };
    assert_eq!(calls_of(&image), (true, true));
    for place in header.calls() {
        image[place] ^= 2;
        assert_eq!(calls_of(&image), (false, false), "{place}");
        image[place] ^= 2;
    }
}

#[test]
fn call_frames_that_were_changed_are_damaged() {
    let mut image = image();
    let header = header(&image).expect("it is sound");
    assert_eq!(header.frames().len() as u64, ENTRIES * 48 + 4);
    for place in header.frames().step_by(5) {
        image[place] ^= 2;
        let secret = secret();
        let view = ImageView::new(&header, &image, &secret).expect("as long as it was");
        assert!(view.frames().is_err());
        image[place] ^= 2;
    }
}

#[test]
fn images_differ_even_with_the_same_contents() {
    assert_ne!(image(), image());
}

#[test]
fn refusals_say_why() {
    let image = image();
    let read = |image: &[u8]| header(image).map(|_| ()).expect_err("it is refused");
    assert_eq!(read(&image[..100]), Refusal::TooShort);
    let mut other = image.clone();
    other[HEADER_OFFSET] ^= 1;
    assert_eq!(read(&other), Refusal::NotAnImage);
    let mut other = image.clone();
    other[HEADER_OFFSET + 8] = 9;
    assert_eq!(read(&other), Refusal::FormatVersion(9));
    let mut other = image.clone();
    other[HEADER_OFFSET + 200] ^= 1;
    assert_eq!(read(&other), Refusal::Digest);
    assert!(matches!(
        read(&image[..image.len() - 1]),
        Refusal::Length { .. }
    ));
    let foreign = Identity {
        machine: 183,
        ..identity()
    };
    let result = ImageHeader::read(
        &image[..PREFIX_LEN],
        image.len() as u64,
        &secret(),
        Some(&foreign),
    );
    assert!(matches!(result, Err(Refusal::Foreign)));
    let others = Secret::new(&[43; 32]);
    let result = ImageHeader::read(&image[..PREFIX_LEN], image.len() as u64, &others, None);
    assert!(matches!(result, Err(Refusal::Digest)));
}

#[test]
fn entries_of_one_image_mean_nothing_in_another() {
    // The same key, layout and secret; only the images' random numbers differ.
    let (first, mut second) = (image(), image());
    let start = PREFIX_LEN;
    second[start..].copy_from_slice(&first[start..]);
    assert_eq!(judge(&second).expect("equal"), 0);
}

proptest! {
    #[test]
    fn mutated_images_never_lie(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..40),
        spare_header: bool,
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut image = image();
        for (place, change) in changes {
            let place = place.index(image.len());
            let in_header = (HEADER_OFFSET..PREFIX_LEN).contains(&place);
            if !(spare_header && in_header) {
                image[place] ^= change;
            }
        }
        if let Some(cut) = cut {
            image.truncate(cut.index(image.len()));
        }
        judge(&image)?;
    }

    #[test]
    fn a_mutated_program_is_none(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..10),
    ) {
        let mut image = program_image();
        let (start, end) = (2 * PAGE as usize - PAGE as usize, image.len());
        let mut is_covered = false;
        let covered = program_end(&image);
        for (place, change) in changes {
            let place = start + place.index(end - start);
            image[place] ^= change;
            is_covered |= place < covered;
        }
        // Changes may cancel each other, and what lies behind isn't the program's.
        let found = judge_program(&image)?;
        prop_assert!(found || is_covered);
    }

    #[test]
    fn rubbish_behind_a_sound_header_never_panics(rubbish in any::<u8>(), step in 1usize..9) {
        let mut image = image();
        for byte in image[PREFIX_LEN..].iter_mut().step_by(step) {
            *byte = rubbish;
        }
        judge(&image)?;
    }
}

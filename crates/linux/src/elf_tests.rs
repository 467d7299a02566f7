//! Tests of the ELF reader: well-formed programs, and every way of damaging one.

use proptest::prelude::*;

use super::*;

/// A minimal well-formed program: one text segment that holds the whole file.
pub(crate) fn minimal() -> Vec<u8> {
    let mut file = vec![0_u8; 0x100];
    file[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\x00");
    let mut put =
        |offset: usize, bytes: &[u8]| file[offset..offset + bytes.len()].copy_from_slice(bytes);
    put(16, &2_u16.to_le_bytes());
    put(18, &243_u16.to_le_bytes());
    put(20, &1_u32.to_le_bytes());
    put(24, &0x1_0078_u64.to_le_bytes());
    put(32, &64_u64.to_le_bytes());
    put(52, &64_u16.to_le_bytes());
    put(54, &56_u16.to_le_bytes());
    put(56, &1_u16.to_le_bytes());
    put(64, &1_u32.to_le_bytes());
    put(68, &5_u32.to_le_bytes());
    put(72, &0_u64.to_le_bytes());
    put(80, &0x1_0000_u64.to_le_bytes());
    put(96, &0x100_u64.to_le_bytes());
    put(104, &0x100_u64.to_le_bytes());
    put(112, &0x1000_u64.to_le_bytes());
    file
}

fn parse(file: &[u8]) -> Result<ElfProgram, ElfFault> {
    ElfProgram::parse(file, file.len() as u64)
}

fn patched(offset: usize, bytes: &[u8]) -> Result<ElfProgram, ElfFault> {
    let mut file = minimal();
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
    parse(&file)
}

#[test]
fn minimal_program_parses() {
    let program = parse(&minimal()).unwrap();
    assert!(!program.position_independent);
    assert_eq!(program.entry, 0x1_0078);
    assert_eq!(program.program_headers, 0x1_0040);
    assert_eq!(program.span(), 0x1_0000..0x1_0100);
    assert!(program.segments[0].is_text());
}

#[test]
fn faults_are_named() {
    assert_eq!(parse(b""), Err(ElfFault::NotElf));
    assert_eq!(parse(b"#!/bin/sh\n"), Err(ElfFault::NotElf));
    assert!(matches!(
        parse(b"\x7fELF\x02"),
        Err(ElfFault::Truncated { .. })
    ));
    assert_eq!(patched(4, &[1]), Err(ElfFault::Not64Bit));
    assert_eq!(patched(5, &[2]), Err(ElfFault::NotLittleEndian));
    assert_eq!(patched(18, &[62, 0]), Err(ElfFault::WrongMachine(62)));
    assert_eq!(patched(16, &[1, 0]), Err(ElfFault::NotExecutable(1)));
    assert_eq!(patched(48, &[8, 0]), Err(ElfFault::UnsupportedFlags(8)));
    assert_eq!(patched(56, &[0, 0]), Err(ElfFault::ProgramHeaders));
    assert!(matches!(
        patched(56, &[9, 0]),
        Err(ElfFault::Truncated { .. })
    ));
    assert_eq!(patched(64, &[0]), Err(ElfFault::NothingToLoad));
    assert_eq!(
        patched(64, &[3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1]),
        Err(ElfFault::Interpreter)
    );
    for bytes in [&b""[..], b"\0", b"a\0b\0", b"/lib/ld.so"] {
        assert_eq!(interpreter_path(bytes), Err(ElfFault::Interpreter));
    }
    assert_eq!(
        interpreter_path(b"/lib/ld.so\0"),
        Ok(b"/lib/ld.so".to_vec())
    );
    assert!(matches!(
        patched(96, &[0, 2]),
        Err(ElfFault::Segment { .. })
    ));
    assert!(matches!(
        patched(87, &[0xff]),
        Err(ElfFault::Segment { .. })
    ));
    assert!(matches!(patched(72, &[1]), Err(ElfFault::Segment { .. })));
    assert_eq!(patched(24, &[0x79]), Err(ElfFault::EntryPoint(0x1_0079)));
    assert_eq!(patched(26, &[9]), Err(ElfFault::EntryPoint(0x9_0078)));
}

proptest! {
    #[test]
    fn mutations_never_panic(
        edits in prop::collection::vec((0_usize..0x100, any::<u8>()), 0..12),
        len in 0_usize..=0x100,
    ) {
        let mut file = minimal();
        for (offset, byte) in edits {
            file[offset] = byte;
        }
        file.truncate(len);
        if let Ok(program) = parse(&file) {
            prop_assert!(program.span().end <= rekindle_hart::guest_memory::GUEST_END);
        }
        function_symbols(&file);
    }
}

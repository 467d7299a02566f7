//! The code of every guest program, translated from end to end.

use std::collections::BTreeSet;
use std::path::PathBuf;

use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use rekindle_quick::x86_64::Emitter;
use rekindle_quick::{Host, Piece, Request, Translator};
use rekindle_testkit::{PROGRAMS, build, program};
use rv_isa::Inst;

use crate::guest_elf::{Segment, code};
use crate::listing::Listing;

/// Where host code is said to be.
const HOST: u64 = 0x1234_5670;

/// Translates a segment as a program would that goes through all of it; `see` gets each piece, its
/// guest code and the host.
fn translate<H: Host>(
    translator: &mut Translator<H>,
    segment: &Segment,
    mut see: impl FnMut(&Piece, &[u8], &H),
) {
    let mut offset = 0;
    while offset + 1 < segment.bytes.len() {
        let pc = segment.address + offset as u64;
        let request = Request {
            pc,
            bytes: &segment.bytes[offset..],
            host_address: HOST,
            floats: offset % 4 == 0,
            looks_up: offset % 8 == 0,
        };
        translator.translate(&request, &|_| false);
        let piece = translator.piece();
        see(piece, &segment.bytes[offset..], translator.host());
        // Data and what isn't an instruction are stepped over.
        offset += ((piece.end - piece.start) as usize).max(2);
    }
}

/// Each built program once.
fn programs() -> BTreeSet<PathBuf> {
    let paths = PROGRAMS
        .iter()
        .map(|program| build(program).expect("it builds"));
    paths.collect()
}

/// A host that isn't one takes everything that the translator says, so nothing of a host's is above it.
#[test]
fn a_host_of_text_takes_every_program() {
    let mut instructions = 0;
    for path in programs() {
        let mut translator = Translator::new(Listing::default());
        for segment in code(&path) {
            translate(&mut translator, &segment, |piece, _, host| {
                instructions += u64::from(piece.instructions);
                assert!(host.position() >= piece.body_len);
                host.check();
            });
        }
    }
    assert!(instructions > 1_000_000, "{instructions}");
}

/// Every instruction is an entry, but for the second half of a call through `auipc` and `jalr`.
fn check_entries(piece: &Piece, bytes: &[u8], host_len: usize) {
    let at = |pc: u64| {
        let rest = &bytes[(pc - piece.start) as usize..];
        let half = |at: usize| {
            rest.get(at..at + 2)
                .map_or(0, |half| half[0] as u32 | (half[1] as u32) << 8)
        };
        rv_isa::decode(half(2) << 16 | half(0))
    };
    let mut pc = piece.start;
    let mut previous: Option<Inst> = None;
    while pc < piece.end {
        let decoded = at(pc).expect("what was translated decodes");
        match (previous, decoded.inst) {
            (Some(Inst::Auipc { rd, .. }), Inst::Jalr { rs1, .. })
                if rd == rs1 && piece.entry(pc).is_none() => {}
            _ => {
                let host = piece.entry(pc).expect("an entry");
                assert!(host <= piece.body_len);
                // One that is nothing to the host shares its place with the next.
                let found = piece.guest_pc_at(host).expect("an instruction");
                assert!(found == pc || found > pc && piece.entry(found) == Some(host));
            }
        }
        previous = Some(decoded.inst);
        pc += u64::from(decoded.len);
    }
    assert_eq!(pc, piece.end);
    assert!(
        piece
            .entries
            .is_sorted_by(|a, b| a.pc < b.pc && a.host <= b.host)
    );
    assert_eq!(piece.guest_pc_at(piece.body_len), None);
    assert!(piece.body_len as usize <= host_len);
}

/// What is written is x86 code to a decoder that others wrote; entries are where instructions begin, and
/// a jump's field that may be linked is changed by one store.
fn check_host_code(piece: &Piece, code: &[u8]) {
    let mut decoder = Decoder::with_ip(64, code, HOST, DecoderOptions::NONE);
    let mut starts = BTreeSet::new();
    let mut branch_ends = BTreeSet::new();
    while decoder.can_decode() {
        starts.insert((decoder.ip() - HOST) as u32);
        let instruction = decoder.decode();
        assert_ne!(instruction.mnemonic(), Mnemonic::INVALID, "{code:x?}");
        let target = instruction.near_branch_target();
        if target != 0 {
            branch_ends.insert((instruction.next_ip() - HOST) as u32);
            assert!(
                target.wrapping_sub(HOST) < code.len() as u64,
                "out of the piece"
            );
        }
    }
    for entry in &piece.entries {
        assert!(
            starts.contains(&entry.host),
            "an entry within an instruction"
        );
    }
    for exit in &piece.exits {
        assert!(branch_ends.contains(&(exit.field + 4)), "no jump's field");
        assert!((HOST + u64::from(exit.field)) % 8 <= 4, "two stores");
    }
    for address in &piece.addresses {
        assert!(*address as usize + 8 <= code.len());
    }
}

#[test]
fn tables_cover_all_code_of_programs_and_agree_with_another_decoder() {
    for name in ["exit0", "printf", "bits", "atomics", "libm", "pie"] {
        let path = build(program(name)).expect("it builds");
        let mut translator = Translator::new(Emitter::new());
        for segment in code(&path) {
            translate(&mut translator, &segment, |piece, bytes, host| {
                check_entries(piece, bytes, host.code().len());
                check_host_code(piece, host.code());
            });
        }
    }
}

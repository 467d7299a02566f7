//! What can be relied on without running anything, and when code leaves.

use rekindle_hart::attention;
use rekindle_quick::x86_64::Emitter;
use rekindle_quick::{ExitKind, Host, MAX_INSTRUCTIONS, Piece, Request, Translator};
use rv_isa::{AluImmOp, BranchOp, Inst, XReg};

use crate::bench::Bench;
use crate::run::Left;

const NOP: Inst = Inst::AluImm {
    op: AluImmOp::Addi,
    rd: XReg::A0,
    rs1: XReg::A0,
    imm: 1,
};

fn bytes(program: &[Inst]) -> Vec<u8> {
    let word = |inst| rv_isa::encode(inst).expect("it encodes").to_le_bytes();
    program.iter().flat_map(word).collect()
}

fn translate(request: &Request<'_>, is_known: &dyn Fn(u64) -> bool) -> (Piece, Vec<u8>) {
    let mut translator = Translator::new(Emitter::new());
    let piece = translator.translate(request, is_known).clone();
    (piece, translator.host().code().to_vec())
}

const REQUEST: Request<'static> = Request {
    pc: 0x10_0000,
    bytes: &[],
    host_address: 0x20_0000,
    floats: false,
    looks_up: false,
};

#[test]
fn a_piece_ends_where_code_is_known_or_it_is_long_enough() {
    let guest = bytes(&[NOP; 100]);
    let request = Request {
        bytes: &guest,
        ..REQUEST
    };
    let known = request.pc + 40;
    let (piece, _) = translate(&request, &|pc| pc == known);
    assert_eq!((piece.end, piece.exits[0].target), (known, known));
    let (piece, _) = translate(&request, &|pc| pc == request.pc);
    assert_eq!(piece.instructions, MAX_INSTRUCTIONS);
    assert_eq!(piece.exits[0].target, piece.end);
    let guest = &guest[..22];
    let (piece, _) = translate(
        &Request {
            bytes: guest,
            ..request
        },
        &|_| false,
    );
    assert_eq!(
        (piece.instructions, piece.end),
        (5, request.pc + 20),
        "half of one is none"
    );
    let (piece, _) = translate(&REQUEST, &|_| false);
    assert_eq!(
        (piece.instructions, piece.end),
        (1, piece.start),
        "nothing is interpreted"
    );
}

/// An image is mapped where its module is: the same code then works, or its addresses are all that must
/// change.
#[test]
fn code_that_floats_depends_on_the_distance_alone() {
    let call = [
        NOP,
        Inst::Auipc {
            rd: XReg::A0,
            imm: 0x5000,
        },
        Inst::Jal {
            rd: XReg::RA,
            offset: 0x800,
        },
        Inst::Jalr {
            rd: XReg::new(28),
            rs1: XReg::A0,
            offset: 3,
        },
        Inst::Ecall,
    ];
    let guest = bytes(&call);
    for distance in [0x10_0000_u64, 0x20_0000_0000] {
        let is_far = distance > u64::from(u32::MAX);
        let [first, second] = [0x10_0000, 0x7654_3000].map(|pc| {
            let request = Request {
                pc,
                bytes: &guest,
                host_address: pc + distance,
                floats: true,
                looks_up: false,
            };
            translate(&request, &|_| false)
        });
        let (piece, code) = first;
        let (moved, mut moved_code) = second;
        assert_eq!(piece.addresses, moved.addresses);
        assert_eq!(piece.addresses.is_empty(), !is_far);
        assert_eq!(code == moved_code, !is_far);
        for at in &piece.addresses {
            let place = *at as usize..*at as usize + 8;
            let read = |code: &[u8]| u64::from_le_bytes(code[place.clone()].try_into().expect("8"));
            let address = read(&moved_code) - moved.start + piece.start;
            assert_eq!(address, read(&code));
            moved_code[place].copy_from_slice(&address.to_le_bytes());
        }
        assert!(code == moved_code);
    }
}

/// All that could go on for ever leaves where attention is asked for, before its instruction.
#[test]
fn every_kind_of_loop_hears_who_asks_for_attention() {
    let (t0, zero) = (XReg::T0, XReg::ZERO);
    let back = Inst::Jalr {
        rd: zero,
        rs1: t0,
        offset: 0,
    };
    let auipc = Inst::Auipc { rd: t0, imm: 0 };
    let loops: [&[Inst]; 5] = [
        &[Inst::Jal {
            rd: zero,
            offset: 0,
        }],
        &[
            NOP,
            Inst::Branch {
                op: BranchOp::Eq,
                rs1: zero,
                rs2: zero,
                offset: -4,
            },
        ],
        // Not what the piece takes for a call: something is between.
        &[auipc, NOP, back],
        &[auipc, back],
        &[
            Inst::Auipc {
                rd: XReg::RA,
                imm: 0,
            },
            NOP,
            Inst::Jalr {
                rd: zero,
                rs1: XReg::RA,
                offset: 0,
            },
        ],
    ];
    for program in loops {
        let mut bench = Bench::new();
        bench.load(program, || false);
        let mut state = bench.start(&[0; 32], &[0; 32], 0);
        // Once round, so that indirect jumps find code.
        let word = std::sync::Arc::clone(state.attention());
        let mut left = Left::Exit(ExitKind::Direct);
        for _ in 0..3 {
            word.store(1, std::sync::atomic::Ordering::Relaxed);
            left = bench.run_piece(&mut state);
        }
        assert_eq!(left, Left::Exit(ExitKind::Attention), "{program:?}");
        let end = bench.code + 4 * program.len() as u64;
        assert!((bench.code..end).contains(&state.pc), "{program:?}");
        assert!(attention::take(&word));
    }
}

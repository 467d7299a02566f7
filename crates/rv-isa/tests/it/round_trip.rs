//! Decoder and encoder are each other's inverse, and neither panics.

use proptest::prelude::*;
use rv_isa::{
    AluImmOp, BranchOp, Csr, CsrOp, CsrSource, Decoded, EncodeError, FReg, FpFormat, Inst, LoadOp,
    XReg, decode, disassemble, encode, encode_compressed, instruction_len,
};

use crate::random::any_inst;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_is_encoded_decodes_to_itself(inst in any_inst()) {
        let word = encode(&inst).expect("operands are in range");
        prop_assert_eq!(decode(word), Some(Decoded { inst, len: 4 }), "{:#010x}", word);
    }

    #[test]
    fn what_is_compressed_decodes_to_itself(inst in any_inst(), above: u16) {
        if let Some(half) = encode_compressed(&inst) {
            prop_assert_eq!(instruction_len(half), 2);
            let word = u32::from(half) | u32::from(above) << 16;
            prop_assert_eq!(decode(word), Some(Decoded { inst, len: 2 }), "{:#06x}", half);
        }
    }
}

/// Whatever decodes prints, and encodes to a word that decodes the same.
fn check_word(word: u32) -> bool {
    let Some(decoded) = decode(word) else {
        return false;
    };
    assert_eq!(decoded.len, instruction_len(word as u16), "{word:#010x}");
    assert!(!disassemble(decoded, 0x1_0000).to_string().is_empty());
    let again = encode(&decoded.inst).unwrap_or_else(|error| {
        panic!(
            "{word:#010x} decodes to {:?}, which does not encode: {error}",
            decoded.inst
        )
    });
    assert_eq!(
        decode(again).map(|decoded| decoded.inst),
        Some(decoded.inst),
        "{word:#010x} and {again:#010x}"
    );
    true
}

#[test]
fn words_that_decode_encode_again() {
    // A linear congruential walk with an odd multiplier and increment visits words evenly.
    let mut word = 0x9e37_79b9_u32;
    let mut decoded = 0;
    for _ in 0..1_000_000 {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        decoded += u32::from(check_word(word | 3));
        check_word(word);
    }
    // About half of the major opcodes are of the set; some have few words that are.
    assert!(decoded > 250_000, "only {decoded} words decode");
}

#[test]
fn words_of_each_opcode_and_function_encode_again() {
    for selector in 0..1_u32 << 20 {
        // The major opcode, `funct3` and the upper twelve bits in turn; registers stay put.
        let word = (selector & 31) << 2 | 3 | (selector >> 5 & 7) << 12 | (selector >> 8) << 20;
        check_word(word);
        check_word(word | 0x000a_8a80);
    }
}

#[test]
fn every_half_word_encodes_again() {
    let mut decoded_count = 0;
    for half in 0..=u16::MAX {
        if instruction_len(half) != 2 {
            continue;
        }
        let Some(decoded) = decode(u32::from(half)) else {
            continue;
        };
        decoded_count += 1;
        assert!(check_word(u32::from(half)));
        assert_eq!(
            decode(u32::from(half) | 0xffff_0000),
            Some(decoded),
            "{half:#06x}"
        );
        let again = encode_compressed(&decoded.inst)
            .unwrap_or_else(|| panic!("{half:#06x}, {:?}, has no encoding", decoded.inst));
        assert_eq!(
            decode(u32::from(again)),
            Some(decoded),
            "{half:#06x} and {again:#06x}"
        );
    }
    let reserved = [
        8,      // c.addi4spn with no immediate
        2048,   // quadrant 0, funct3 100
        64,     // c.addiw to x0
        32,     // c.lui and c.addi16sp with no immediate
        2 * 64, // beside c.subw and c.addw
        64,     // c.lwsp to x0
        64,     // c.ldsp to x0
        1,      // c.jr to x0
    ];
    let reserved: u32 = reserved.iter().sum();
    assert_eq!(decoded_count, 49_152 - reserved);
}

#[test]
fn reserved_encodings_do_not_decode() {
    let words = [
        (0x0000_0000, "all zeroes"),
        (0xffff_ffff, "all ones"),
        (0x0000_0004, "c.addi4spn with no immediate"),
        (0x0000_2001, "c.addiw to x0"),
        (0x0000_4002, "c.lwsp to x0"),
        (0x0000_6002, "c.ldsp to x0"),
        (0x0000_6081, "c.lui with no immediate"),
        (0x0000_6101, "c.addi16sp with no immediate"),
        (0x0000_8002, "c.jr to x0"),
        (0x0000_8000, "quadrant 0, funct3 100"),
        (0x0000_9c41, "beside c.subw"),
        (0x0000_9c61, "beside c.addw"),
        (0x00c5_d553, "fadd.s in rounding mode 5"),
        (0x00c5_e553, "fadd.s in rounding mode 6"),
        (0x04c5_f553, "fadd.h"),
        (0x06c5_f553, "fadd.q"),
        (0x4005_f553, "fcvt.s.s"),
        (0x4215_f553, "fcvt.d.d"),
        (0x1015_a52f, "lr.w with a second source"),
        (0x1005_952f, "lr.h"),
        (0x0205_951b, "slliw by 32"),
        (0x0405_9513, "slli by 64"),
        (0x0000_1067, "jalr with funct3 1"),
        (0x0000_7003, "load with funct3 7"),
        (0x0000_4023, "store with funct3 4"),
        (0x0000_2063, "branch with funct3 2"),
        (0x1050_0073, "wfi"),
        (0x3020_0073, "mret"),
        (0x0000_4073, "system with funct3 4"),
    ];
    for (word, what) in words {
        assert_eq!(decode(word), None, "{what}");
    }
}

#[test]
fn fences_with_reserved_registers_are_fences() {
    let fence = Inst::Fence {
        fm: 0,
        pred: 15,
        succ: 15,
    };
    assert_eq!(
        decode(0x0ff0_000f),
        Some(Decoded {
            inst: fence,
            len: 4
        })
    );
    assert_eq!(
        decode(0x0ff0_808f),
        Some(Decoded {
            inst: fence,
            len: 4
        })
    );
    assert_eq!(
        decode(0xfff0_908f),
        Some(Decoded {
            inst: Inst::FenceI,
            len: 4
        })
    );
}

#[test]
fn immediates_out_of_range_do_not_encode() {
    let (rd, rs1) = (XReg::A0, XReg::SP);
    let alu_imm = |op, imm| Inst::AluImm { op, rd, rs1, imm };
    let immediates = [
        alu_imm(AluImmOp::Addi, 2048),
        alu_imm(AluImmOp::Addi, -2049),
        alu_imm(AluImmOp::Bclri, 64),
        alu_imm(AluImmOp::Slli, -1),
        alu_imm(AluImmOp::Slliw, 32),
        alu_imm(AluImmOp::Roriw, 32),
        alu_imm(AluImmOp::SlliUw, 64),
        Inst::Lui { rd, imm: 1 },
        Inst::Jal { rd, offset: 1 },
        Inst::Jal {
            rd,
            offset: 1 << 20,
        },
        Inst::Jalr {
            rd,
            rs1,
            offset: 2048,
        },
        Inst::Branch {
            op: BranchOp::Eq,
            rs1,
            rs2: rd,
            offset: 4096,
        },
        Inst::Branch {
            op: BranchOp::Eq,
            rs1,
            rs2: rd,
            offset: 3,
        },
        Inst::Load {
            op: LoadOp::Lb,
            rd,
            rs1,
            offset: -2049,
        },
        Inst::FpLoad {
            format: FpFormat::Single,
            rd: FReg::new(0),
            rs1,
            offset: 2048,
        },
    ];
    for inst in immediates {
        assert!(
            matches!(encode(&inst), Err(EncodeError::Immediate(_))),
            "{inst:?}"
        );
        assert_eq!(encode_compressed(&inst), None, "{inst:?}");
    }
}

#[test]
fn fields_out_of_range_do_not_encode() {
    let (rd, rs1) = (XReg::A0, XReg::SP);
    let csr = |csr, source| Inst::Csr {
        op: CsrOp::Set,
        rd,
        csr: Csr(csr),
        source,
    };
    let fence = Inst::Fence {
        fm: 0,
        pred: 16,
        succ: 0,
    };
    assert_eq!(encode(&fence), Err(EncodeError::Fence(16)));
    assert_eq!(
        encode(&csr(0x1000, CsrSource::Reg(rs1))),
        Err(EncodeError::Csr(0x1000))
    );
    assert_eq!(
        encode(&csr(1, CsrSource::Imm(32))),
        Err(EncodeError::CsrImmediate(32))
    );
}

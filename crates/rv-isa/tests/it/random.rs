//! Random instructions: every variant, every operation, every operand in its range.

use proptest::prelude::*;
use proptest::sample::select;
use rv_isa::{
    AluImmOp, AluOp, AluUnaryOp, AmoOp, AmoOrdering, AmoWidth, BranchOp, Csr, CsrOp, CsrSource,
    FReg, FpBinaryOp, FpCompareOp, FpFormat, FpFusedOp, FpMinMaxOp, FpSignInjectOp, Inst,
    IntFormat, LoadOp, RoundingMode, StoreOp, XReg,
};

/// Any instruction that has a 4-byte encoding.
pub(crate) fn any_inst() -> impl Strategy<Value = Inst> {
    prop_oneof![2 => integer(), 1 => control(), 1 => atomic(), 2 => float()]
}

fn x() -> impl Strategy<Value = XReg> {
    // The registers that compressed encodings favour come often.
    prop_oneof![0_u8..32, 8_u8..16, 0_u8..3].prop_map(XReg::new)
}

fn f() -> impl Strategy<Value = FReg> {
    prop_oneof![0_u8..32, 8_u8..16].prop_map(FReg::new)
}

/// Twelve bits signed, small and aligned values often.
fn imm12() -> impl Strategy<Value = i32> {
    prop_oneof![
        -2048..=2047,
        -40..=40,
        (0..64).prop_map(|n| n * 8),
        Just(-2048),
        Just(2047)
    ]
}

/// The upper twenty bits.
fn imm20() -> impl Strategy<Value = i32> {
    prop_oneof![any::<i32>(), -0x2_0000..0x2_0000].prop_map(|imm| imm & !0xfff)
}

/// An even offset that a signed field of `bits` bits holds.
fn offset(bits: u32) -> impl Strategy<Value = i32> {
    let half = 1 << (bits - 2);
    prop_oneof![-half..half, -100..100, Just(-half), Just(half - 1)].prop_map(|n| n * 2)
}

fn immediate(op: AluImmOp) -> BoxedStrategy<i32> {
    use AluImmOp::*;
    match op {
        Addi | Slti | Sltiu | Xori | Ori | Andi | Addiw => imm12().boxed(),
        Slliw | Srliw | Sraiw | Roriw => (0..32).boxed(),
        Slli | Srli | Srai | SlliUw | Rori | Bclri | Bexti | Binvi | Bseti => (0..64).boxed(),
    }
}

fn integer() -> impl Strategy<Value = Inst> {
    let alu_imm =
        (select(AluImmOp::ALL), x(), x(), any::<bool>()).prop_flat_map(|(op, rd, other, same)| {
            let rs1 = if same { rd } else { other };
            immediate(op).prop_map(move |imm| Inst::AluImm { op, rd, rs1, imm })
        });
    prop_oneof![
        1 => (x(), imm20()).prop_map(|(rd, imm)| Inst::Lui { rd, imm }),
        1 => (x(), imm20()).prop_map(|(rd, imm)| Inst::Auipc { rd, imm }),
        1 => (select(LoadOp::ALL), x(), x(), imm12())
            .prop_map(|(op, rd, rs1, offset)| Inst::Load { op, rd, rs1, offset }),
        1 => (select(StoreOp::ALL), x(), x(), imm12())
            .prop_map(|(op, rs1, rs2, offset)| Inst::Store { op, rs1, rs2, offset }),
        3 => alu_imm,
        3 => (select(AluOp::ALL), x(), x(), x(), any::<bool>()).prop_map(
            |(op, rd, other, rs2, same)| {
                let rs1 = if same { rd } else { other };
                Inst::Alu { op, rd, rs1, rs2 }
            }
        ),
        1 => (select(AluUnaryOp::ALL), x(), x())
            .prop_map(|(op, rd, rs1)| Inst::AluUnary { op, rd, rs1 }),
    ]
}

fn control() -> impl Strategy<Value = Inst> {
    let source = prop_oneof![
        x().prop_map(CsrSource::Reg),
        (0_u8..32).prop_map(CsrSource::Imm)
    ];
    let number = prop_oneof![0_u16..4, 0xc00_u16..0xc20, 0_u16..0x1000];
    prop_oneof![
        1 => (x(), offset(21)).prop_map(|(rd, offset)| Inst::Jal { rd, offset }),
        1 => (x(), x(), imm12()).prop_map(|(rd, rs1, offset)| Inst::Jalr { rd, rs1, offset }),
        1 => (x(), x()).prop_map(|(rd, rs1)| Inst::Jalr { rd, rs1, offset: 0 }),
        3 => (select(BranchOp::ALL), x(), x(), offset(13))
            .prop_map(|(op, rs1, rs2, offset)| Inst::Branch { op, rs1, rs2, offset }),
        1 => (0_u8..16, 0_u8..16, 0_u8..16)
            .prop_map(|(fm, pred, succ)| Inst::Fence { fm, pred, succ }),
        1 => (0_u8..16, 0_u8..16).prop_map(|(pred, succ)| Inst::Fence { fm: 0, pred, succ }),
        1 => Just(Inst::Fence { fm: 8, pred: 3, succ: 3 }),
        1 => Just(Inst::FenceI),
        1 => Just(Inst::Ecall),
        1 => Just(Inst::Ebreak),
        2 => (select(CsrOp::ALL), x(), number, source)
            .prop_map(|(op, rd, csr, source)| Inst::Csr { op, rd, csr: Csr(csr), source }),
    ]
}

fn atomic() -> impl Strategy<Value = Inst> {
    let ordering = || {
        (any::<bool>(), any::<bool>())
            .prop_map(|(acquire, release)| AmoOrdering { acquire, release })
    };
    let width = || select(AmoWidth::ALL);
    prop_oneof![
        1 => (width(), ordering(), x(), x())
            .prop_map(|(width, ordering, rd, rs1)| Inst::LoadReserved { width, ordering, rd, rs1 }),
        1 => (width(), ordering(), x(), x(), x()).prop_map(|(width, ordering, rd, rs1, rs2)| {
            Inst::StoreConditional { width, ordering, rd, rs1, rs2 }
        }),
        4 => (select(AmoOp::ALL), width(), ordering(), x(), x(), x()).prop_map(
            |(op, width, ordering, rd, rs1, rs2)| Inst::Amo { op, width, ordering, rd, rs1, rs2 }
        ),
    ]
}

fn float() -> impl Strategy<Value = Inst> {
    let format = || select(FpFormat::ALL);
    prop_oneof![
        4 => rounded_float(),
        1 => (format(), f(), x(), imm12())
            .prop_map(|(format, rd, rs1, offset)| Inst::FpLoad { format, rd, rs1, offset }),
        1 => (format(), x(), f(), imm12())
            .prop_map(|(format, rs1, rs2, offset)| Inst::FpStore { format, rs1, rs2, offset }),
        1 => (select(FpSignInjectOp::ALL), format(), f(), f(), f()).prop_map(
            |(op, format, rd, rs1, rs2)| Inst::FpSignInject { op, format, rd, rs1, rs2 }
        ),
        1 => (select(FpMinMaxOp::ALL), format(), f(), f(), f())
            .prop_map(|(op, format, rd, rs1, rs2)| Inst::FpMinMax { op, format, rd, rs1, rs2 }),
        1 => (select(FpCompareOp::ALL), format(), x(), f(), f())
            .prop_map(|(op, format, rd, rs1, rs2)| Inst::FpCompare { op, format, rd, rs1, rs2 }),
        1 => (format(), x(), f()).prop_map(|(format, rd, rs1)| Inst::FpClass { format, rd, rs1 }),
        1 => (format(), x(), f())
            .prop_map(|(format, rd, rs1)| Inst::FpMoveToInt { format, rd, rs1 }),
        1 => (format(), f(), x())
            .prop_map(|(format, rd, rs1)| Inst::FpMoveFromInt { format, rd, rs1 }),
    ]
}

fn rounded_float() -> impl Strategy<Value = Inst> {
    let format = || select(FpFormat::ALL);
    let rm = || select(RoundingMode::ALL);
    let int = || select(IntFormat::ALL);
    prop_oneof![
        (select(FpBinaryOp::ALL), format(), rm(), f(), f(), f()).prop_map(
            |(op, format, rm, rd, rs1, rs2)| Inst::FpBinary {
                op,
                format,
                rm,
                rd,
                rs1,
                rs2
            }
        ),
        (format(), rm(), f(), f()).prop_map(|(format, rm, rd, rs1)| Inst::FpSqrt {
            format,
            rm,
            rd,
            rs1
        }),
        (select(FpFusedOp::ALL), format(), rm(), f(), f(), f(), f()).prop_map(
            |(op, format, rm, rd, rs1, rs2, rs3)| {
                Inst::FpFused {
                    op,
                    format,
                    rm,
                    rd,
                    rs1,
                    rs2,
                    rs3,
                }
            }
        ),
        (int(), format(), rm(), x(), f()).prop_map(|(int, format, rm, rd, rs1)| Inst::FpToInt {
            int,
            format,
            rm,
            rd,
            rs1
        }),
        (format(), int(), rm(), f(), x()).prop_map(|(format, int, rm, rd, rs1)| Inst::IntToFp {
            format,
            int,
            rm,
            rd,
            rs1
        }),
        (format(), rm(), f(), f()).prop_map(|(to, rm, rd, rs1)| Inst::FpConvert {
            to,
            rm,
            rd,
            rs1
        }),
    ]
}

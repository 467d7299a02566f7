//! The 4-byte encodings as rows: an operation, the bits that it has, and which bits must agree.
//!
//! The numbers are those of the RISC-V unprivileged specification, chapter "RV32/64G Instruction
//! Set Listings", and of the bit-manipulation extension. Decoder and encoder share the rows; the
//! decoder finds them through indices that are worked out from the rows at compile time.

use crate::inst::{
    AluImmOp, AluOp, AluUnaryOp, AmoOp, BranchOp, CsrOp, FpBinaryOp, FpCompareOp, FpFusedOp,
    FpMinMaxOp, FpSignInjectOp, IntFormat, LoadOp, StoreOp,
};
use crate::layout::{self, Layout};

/// One encoding: a word `w` is `op` where `w & mask == bits`.
#[derive(Clone, Copy)]
pub(crate) struct Row<T> {
    pub(crate) op: T,
    pub(crate) mask: u32,
    pub(crate) bits: u32,
}

/// The bits that select the instruction: the major opcode alone…
const OPCODE: u32 = 0x0000_007f;
/// …with `funct3`…
const F3: u32 = 0x0000_707f;
/// …with `funct7`, as register-register operations and shifts of words have it…
const F7: u32 = 0xfe00_707f;
/// …with the upper six bits, as shifts by up to 63 have it…
const F6: u32 = 0xfc00_707f;
/// …with `funct7` and the second source, as operations on one register have it…
const F12: u32 = 0xfff0_707f;
/// …with `funct5`, as atomics have it (width, acquire and release are operands).
const F5: u32 = 0xf800_007f;
/// Floating point: `funct5` and the rounding mode's place (the format is an operand).
const F5_F3: u32 = 0xf800_707f;
/// Floating point: `funct5` and the second source.
const F5_RS2: u32 = 0xf9f0_007f;
/// Floating point: `funct5`, the second source and the rounding mode's place.
const F5_RS2_F3: u32 = 0xf9f0_707f;

/// The major opcodes: the low seven bits of a word.
pub(crate) mod opcode {
    pub(crate) const LOAD: u32 = 0x03;
    pub(crate) const LOAD_FP: u32 = 0x07;
    pub(crate) const MISC_MEM: u32 = 0x0f;
    pub(crate) const OP_IMM: u32 = 0x13;
    pub(crate) const AUIPC: u32 = 0x17;
    pub(crate) const OP_IMM_32: u32 = 0x1b;
    pub(crate) const STORE: u32 = 0x23;
    pub(crate) const STORE_FP: u32 = 0x27;
    pub(crate) const AMO: u32 = 0x2f;
    pub(crate) const OP: u32 = 0x33;
    pub(crate) const LUI: u32 = 0x37;
    pub(crate) const OP_32: u32 = 0x3b;
    pub(crate) const MADD: u32 = 0x43;
    pub(crate) const MSUB: u32 = 0x47;
    pub(crate) const NMSUB: u32 = 0x4b;
    pub(crate) const NMADD: u32 = 0x4f;
    pub(crate) const OP_FP: u32 = 0x53;
    pub(crate) const BRANCH: u32 = 0x63;
    pub(crate) const JALR: u32 = 0x67;
    pub(crate) const JAL: u32 = 0x6f;
    pub(crate) const SYSTEM: u32 = 0x73;
}

/// `fence`, whose other fields are operands or ignored.
pub(crate) const FENCE: u32 = 0x0000_000f;
/// `fence.i`, whose other fields are ignored.
pub(crate) const FENCE_I: u32 = 0x0000_100f;
/// `ecall`, all its bits.
pub(crate) const ECALL: u32 = 0x0000_0073;
/// `ebreak`, all its bits.
pub(crate) const EBREAK: u32 = 0x0010_0073;
/// The bit of `funct3` that makes the source of a CSR instruction an immediate.
pub(crate) const CSR_IMMEDIATE: u32 = 0x0000_4000;

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident: $ty:ident { $($op:expr, $mask:ident, $bits:literal;)* })*) => {$(
        $(#[$doc])*
        pub(crate) const $name: &[Row<$ty>] = {
            use $ty::*;
            &[$(Row { op: $op, mask: $mask, bits: $bits }),*]
        };
    )*};
}

rows! {
    /// Branches.
    BRANCHES: BranchOp {
        Eq,  F3, 0x0000_0063;
        Ne,  F3, 0x0000_1063;
        Lt,  F3, 0x0000_4063;
        Ge,  F3, 0x0000_5063;
        Ltu, F3, 0x0000_6063;
        Geu, F3, 0x0000_7063;
    }

    /// Integer loads.
    LOADS: LoadOp {
        Lb,  F3, 0x0000_0003;
        Lh,  F3, 0x0000_1003;
        Lw,  F3, 0x0000_2003;
        Ld,  F3, 0x0000_3003;
        Lbu, F3, 0x0000_4003;
        Lhu, F3, 0x0000_5003;
        Lwu, F3, 0x0000_6003;
    }

    /// Integer stores.
    STORES: StoreOp {
        Sb, F3, 0x0000_0023;
        Sh, F3, 0x0000_1023;
        Sw, F3, 0x0000_2023;
        Sd, F3, 0x0000_3023;
    }

    /// Operations with an immediate. A row's mask says which: twelve bits, or a bit number.
    ALU_IMM: AluImmOp {
        Addi,   F3, 0x0000_0013;
        Slti,   F3, 0x0000_2013;
        Sltiu,  F3, 0x0000_3013;
        Xori,   F3, 0x0000_4013;
        Ori,    F3, 0x0000_6013;
        Andi,   F3, 0x0000_7013;
        Slli,   F6, 0x0000_1013;
        Srli,   F6, 0x0000_5013;
        Srai,   F6, 0x4000_5013;
        Rori,   F6, 0x6000_5013;
        Bclri,  F6, 0x4800_1013;
        Bexti,  F6, 0x4800_5013;
        Binvi,  F6, 0x6800_1013;
        Bseti,  F6, 0x2800_1013;
        Addiw,  F3, 0x0000_001b;
        Slliw,  F7, 0x0000_101b;
        Srliw,  F7, 0x0000_501b;
        Sraiw,  F7, 0x4000_501b;
        Roriw,  F7, 0x6000_501b;
        SlliUw, F6, 0x0800_101b;
    }

    /// Operations on two registers.
    ALU: AluOp {
        Add,      F7, 0x0000_0033;
        Sub,      F7, 0x4000_0033;
        Sll,      F7, 0x0000_1033;
        Slt,      F7, 0x0000_2033;
        Sltu,     F7, 0x0000_3033;
        Xor,      F7, 0x0000_4033;
        Srl,      F7, 0x0000_5033;
        Sra,      F7, 0x4000_5033;
        Or,       F7, 0x0000_6033;
        And,      F7, 0x0000_7033;
        Mul,      F7, 0x0200_0033;
        Mulh,     F7, 0x0200_1033;
        Mulhsu,   F7, 0x0200_2033;
        Mulhu,    F7, 0x0200_3033;
        Div,      F7, 0x0200_4033;
        Divu,     F7, 0x0200_5033;
        Rem,      F7, 0x0200_6033;
        Remu,     F7, 0x0200_7033;
        Sh1add,   F7, 0x2000_2033;
        Sh2add,   F7, 0x2000_4033;
        Sh3add,   F7, 0x2000_6033;
        Xnor,     F7, 0x4000_4033;
        Orn,      F7, 0x4000_6033;
        Andn,     F7, 0x4000_7033;
        Min,      F7, 0x0a00_4033;
        Minu,     F7, 0x0a00_5033;
        Max,      F7, 0x0a00_6033;
        Maxu,     F7, 0x0a00_7033;
        Rol,      F7, 0x6000_1033;
        Ror,      F7, 0x6000_5033;
        Bclr,     F7, 0x4800_1033;
        Bext,     F7, 0x4800_5033;
        Binv,     F7, 0x6800_1033;
        Bset,     F7, 0x2800_1033;
        Addw,     F7, 0x0000_003b;
        Subw,     F7, 0x4000_003b;
        Sllw,     F7, 0x0000_103b;
        Srlw,     F7, 0x0000_503b;
        Sraw,     F7, 0x4000_503b;
        Mulw,     F7, 0x0200_003b;
        Divw,     F7, 0x0200_403b;
        Divuw,    F7, 0x0200_503b;
        Remw,     F7, 0x0200_603b;
        Remuw,    F7, 0x0200_703b;
        AddUw,    F7, 0x0800_003b;
        Sh1addUw, F7, 0x2000_203b;
        Sh2addUw, F7, 0x2000_403b;
        Sh3addUw, F7, 0x2000_603b;
        Rolw,     F7, 0x6000_103b;
        Rorw,     F7, 0x6000_503b;
    }

    /// Operations on one register.
    ALU_UNARY: AluUnaryOp {
        SextB, F12, 0x6040_1013;
        SextH, F12, 0x6050_1013;
        ZextH, F12, 0x0800_403b;
        Clz,   F12, 0x6000_1013;
        Ctz,   F12, 0x6010_1013;
        Cpop,  F12, 0x6020_1013;
        Clzw,  F12, 0x6000_101b;
        Ctzw,  F12, 0x6010_101b;
        Cpopw, F12, 0x6020_101b;
        OrcB,  F12, 0x2870_5013;
        Rev8,  F12, 0x6b80_5013;
    }

    /// Accesses to CSRs from a register; with [`CSR_IMMEDIATE`] from an immediate.
    CSRS: CsrOp {
        Write, F3, 0x0000_1073;
        Set,   F3, 0x0000_2073;
        Clear, F3, 0x0000_3073;
    }

    /// Atomics.
    ATOMICS: Atomic {
        LoadReserved,         F5, 0x1000_002f;
        StoreConditional,     F5, 0x1800_002f;
        Modify(AmoOp::Swap),  F5, 0x0800_002f;
        Modify(AmoOp::Add),   F5, 0x0000_002f;
        Modify(AmoOp::Xor),   F5, 0x2000_002f;
        Modify(AmoOp::And),   F5, 0x6000_002f;
        Modify(AmoOp::Or),    F5, 0x4000_002f;
        Modify(AmoOp::Min),   F5, 0x8000_002f;
        Modify(AmoOp::Max),   F5, 0xa000_002f;
        Modify(AmoOp::Minu),  F5, 0xc000_002f;
        Modify(AmoOp::Maxu),  F5, 0xe000_002f;
    }

    /// Fused multiply-adds: all else is operands.
    FUSED: FpFusedOp {
        Madd,  OPCODE, 0x0000_0043;
        Msub,  OPCODE, 0x0000_0047;
        Nmsub, OPCODE, 0x0000_004b;
        Nmadd, OPCODE, 0x0000_004f;
    }

    /// Floating-point computation.
    FLOATS: Float {
        Binary(FpBinaryOp::Add),            F5,        0x0000_0053;
        Binary(FpBinaryOp::Sub),            F5,        0x0800_0053;
        Binary(FpBinaryOp::Mul),            F5,        0x1000_0053;
        Binary(FpBinaryOp::Div),            F5,        0x1800_0053;
        Sqrt,                               F5_RS2,    0x5800_0053;
        SignInject(FpSignInjectOp::Copy),   F5_F3,     0x2000_0053;
        SignInject(FpSignInjectOp::Negate), F5_F3,     0x2000_1053;
        SignInject(FpSignInjectOp::Xor),    F5_F3,     0x2000_2053;
        MinMax(FpMinMaxOp::Min),            F5_F3,     0x2800_0053;
        MinMax(FpMinMaxOp::Max),            F5_F3,     0x2800_1053;
        Convert,                            F5,        0x4000_0053;
        Compare(FpCompareOp::Le),           F5_F3,     0xa000_0053;
        Compare(FpCompareOp::Lt),           F5_F3,     0xa000_1053;
        Compare(FpCompareOp::Eq),           F5_F3,     0xa000_2053;
        ToInt(IntFormat::Word),             F5_RS2,    0xc000_0053;
        ToInt(IntFormat::WordUnsigned),     F5_RS2,    0xc010_0053;
        ToInt(IntFormat::Long),             F5_RS2,    0xc020_0053;
        ToInt(IntFormat::LongUnsigned),     F5_RS2,    0xc030_0053;
        FromInt(IntFormat::Word),           F5_RS2,    0xd000_0053;
        FromInt(IntFormat::WordUnsigned),   F5_RS2,    0xd010_0053;
        FromInt(IntFormat::Long),           F5_RS2,    0xd020_0053;
        FromInt(IntFormat::LongUnsigned),   F5_RS2,    0xd030_0053;
        MoveToInt,                          F5_RS2_F3, 0xe000_0053;
        Class,                              F5_RS2_F3, 0xe000_1053;
        MoveFromInt,                        F5_RS2_F3, 0xf000_0053;
    }
}

/// What a word of the major opcode `AMO` does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Atomic {
    LoadReserved,
    StoreConditional,
    Modify(AmoOp),
}

/// What a word of the major opcode `OP-FP` does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    Binary(FpBinaryOp),
    Sqrt,
    SignInject(FpSignInjectOp),
    MinMax(FpMinMaxOp),
    /// Between formats: the second source is the format that is read.
    Convert,
    Compare(FpCompareOp),
    ToInt(IntFormat),
    FromInt(IntFormat),
    MoveToInt,
    Class,
    MoveFromInt,
}

impl<T> Row<T> {
    /// Whether `word` is this row's operation.
    pub(crate) const fn matches(&self, word: u32) -> bool {
        word & self.mask == self.bits
    }

    /// Where the immediate of a row of [`ALU_IMM`] lies: all that its mask leaves.
    pub(crate) const fn immediate(&self) -> Layout {
        match self.mask {
            F7 => layout::SHAMT_WORD,
            F6 => layout::SHAMT,
            _ => layout::I,
        }
    }
}

/// The operation of the first row that `word` matches.
pub(crate) fn find<T: Copy>(rows: &[Row<T>], word: u32) -> Option<T> {
    rows.iter().find(|row| row.matches(word)).map(|row| row.op)
}

/// The row of `op`.
///
/// # Panics
///
/// Where the rows lack an operation that exists, which the tests of this crate would show.
pub(crate) fn row_of<T: PartialEq>(rows: &'static [Row<T>], op: T) -> &'static Row<T> {
    rows.iter()
        .find(|row| row.op == op)
        .expect("each operation has a row")
}

/// The operations of one major opcode by `funct3`.
pub(crate) const fn by_funct3<T: Copy>(rows: &[Row<T>], opcode: u32) -> [Option<T>; 8] {
    let mut index = [None; 8];
    let mut i = 0;
    while i < 8 {
        index[i as usize] = const_find(rows, i << 12 | opcode);
        i += 1;
    }
    index
}

/// The operations of one major opcode by `funct7` and `funct3`; see [`funct10`].
pub(crate) const fn by_funct10<T: Copy>(rows: &[Row<T>], opcode: u32) -> [Option<T>; 1024] {
    let mut index = [None; 1024];
    let mut i = 0;
    while i < 1024 {
        index[i as usize] = const_find(rows, (i >> 3) << 25 | (i & 7) << 12 | opcode);
        i += 1;
    }
    index
}

/// The operations of one major opcode by `funct5`.
pub(crate) const fn by_funct5<T: Copy>(rows: &[Row<T>], opcode: u32) -> [Option<T>; 32] {
    let mut index = [None; 32];
    let mut i = 0;
    while i < 32 {
        index[i as usize] = const_find(rows, i << 27 | opcode);
        i += 1;
    }
    index
}

/// `funct7` and `funct3` of a word side by side, below 1024.
pub(crate) const fn funct10(word: u32) -> usize {
    (word >> 25 << 3 | word >> 12 & 7) as usize
}

const fn const_find<T: Copy>(rows: &[Row<T>], word: u32) -> Option<T> {
    let mut i = 0;
    while i < rows.len() {
        if rows[i].matches(word) {
            return Some(rows[i].op);
        }
        i += 1;
    }
    None
}

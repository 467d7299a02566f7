//! From an instruction to its 4-byte encoding, and to the 2-byte one where it has one.

use core::fmt;

use crate::compressed::{self, Form};
use crate::inst::{
    AluImmOp, AluOp, AmoOrdering, AmoWidth, CsrSource, FpFormat, Inst, RoundingMode,
};
use crate::layout::{self, Layout};
use crate::table::{self, Atomic, Float, opcode, row_of};
use crate::{FReg, XReg};

/// Why an instruction has no encoding. Each holds the operand that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// An immediate or offset is out of range, or odd where the encoding has no lowest bit. The
    /// caller must reach further by other instructions.
    Immediate(i32),
    /// A mode or set of a `fence` has more than four bits.
    Fence(u8),
    /// The number of a CSR has more than twelve bits.
    Csr(u16),
    /// The immediate of a CSR instruction has more than five bits.
    CsrImmediate(u8),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Immediate(value) => write!(f, "the immediate {value} does not fit"),
            Self::Fence(value) => write!(f, "a fence cannot hold {value:#x}: four bits at most"),
            Self::Csr(number) => write!(f, "there is no CSR {number:#x}: twelve bits at most"),
            Self::CsrImmediate(value) => {
                write!(
                    f,
                    "a CSR instruction cannot hold {value:#x}: five bits at most"
                )
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// The 4-byte encoding of `inst`.
///
/// # Errors
///
/// [`EncodeError`] where an operand does not fit into its field.
pub fn encode(inst: &Inst) -> Result<u32, EncodeError> {
    Ok(match *inst {
        Inst::Lui { rd, imm } => opcode::LUI | x(rd, RD) | fit(layout::U, imm)?,
        Inst::Auipc { rd, imm } => opcode::AUIPC | x(rd, RD) | fit(layout::U, imm)?,
        Inst::Jal { rd, offset } => opcode::JAL | x(rd, RD) | fit(layout::J, offset)?,
        Inst::Jalr { rd, rs1, offset } => {
            opcode::JALR | x(rd, RD) | x(rs1, RS1) | fit(layout::I, offset)?
        }
        Inst::Branch {
            op,
            rs1,
            rs2,
            offset,
        } => row_of(table::BRANCHES, op).bits | x(rs1, RS1) | x(rs2, RS2) | fit(layout::B, offset)?,
        Inst::Load {
            op,
            rd,
            rs1,
            offset,
        } => row_of(table::LOADS, op).bits | x(rd, RD) | x(rs1, RS1) | fit(layout::I, offset)?,
        Inst::Store {
            op,
            rs1,
            rs2,
            offset,
        } => row_of(table::STORES, op).bits | x(rs1, RS1) | x(rs2, RS2) | fit(layout::S, offset)?,
        Inst::AluImm { op, rd, rs1, imm } => {
            let row = row_of(table::ALU_IMM, op);
            row.bits | x(rd, RD) | x(rs1, RS1) | fit(row.immediate(), imm)?
        }
        Inst::Alu { op, rd, rs1, rs2 } => {
            row_of(table::ALU, op).bits | x(rd, RD) | x(rs1, RS1) | x(rs2, RS2)
        }
        Inst::AluUnary { op, rd, rs1 } => {
            row_of(table::ALU_UNARY, op).bits | x(rd, RD) | x(rs1, RS1)
        }
        Inst::Fence { fm, pred, succ } => {
            table::FENCE | nibble(fm)? << 28 | nibble(pred)? << 24 | nibble(succ)? << 20
        }
        Inst::FenceI => table::FENCE_I,
        Inst::Ecall => table::ECALL,
        Inst::Ebreak => table::EBREAK,
        Inst::Csr {
            op,
            rd,
            csr,
            source,
        } => {
            if csr.0 > 0xfff {
                return Err(EncodeError::Csr(csr.0));
            }
            let source = match source {
                CsrSource::Reg(rs1) => x(rs1, RS1),
                CsrSource::Imm(imm) if imm > 31 => return Err(EncodeError::CsrImmediate(imm)),
                CsrSource::Imm(imm) => table::CSR_IMMEDIATE | u32::from(imm) << RS1,
            };
            row_of(table::CSRS, op).bits | x(rd, RD) | source | u32::from(csr.0) << 20
        }
        Inst::LoadReserved {
            width,
            ordering,
            rd,
            rs1,
        } => atomic(Atomic::LoadReserved, width, ordering) | x(rd, RD) | x(rs1, RS1),
        Inst::StoreConditional {
            width,
            ordering,
            rd,
            rs1,
            rs2,
        } => {
            atomic(Atomic::StoreConditional, width, ordering)
                | x(rd, RD)
                | x(rs1, RS1)
                | x(rs2, RS2)
        }
        Inst::Amo {
            op,
            width,
            ordering,
            rd,
            rs1,
            rs2,
        } => atomic(Atomic::Modify(op), width, ordering) | x(rd, RD) | x(rs1, RS1) | x(rs2, RS2),
        _ => return encode_float(inst),
    })
}

fn encode_float(inst: &Inst) -> Result<u32, EncodeError> {
    Ok(match *inst {
        Inst::FpLoad {
            format,
            rd,
            rs1,
            offset,
        } => {
            opcode::LOAD_FP
                | access_width(format)
                | f(rd, RD)
                | x(rs1, RS1)
                | fit(layout::I, offset)?
        }
        Inst::FpStore {
            format,
            rs1,
            rs2,
            offset,
        } => {
            opcode::STORE_FP
                | access_width(format)
                | x(rs1, RS1)
                | f(rs2, RS2)
                | fit(layout::S, offset)?
        }
        Inst::FpFused {
            op,
            format,
            rm,
            rd,
            rs1,
            rs2,
            rs3,
        } => {
            row_of(table::FUSED, op).bits
                | fmt_field(format)
                | rounding(rm)
                | f(rd, RD)
                | f(rs1, RS1)
                | f(rs2, RS2)
                | f(rs3, RS3)
        }
        Inst::FpBinary {
            op,
            format,
            rm,
            rd,
            rs1,
            rs2,
        } => {
            float(Float::Binary(op), format) | rounding(rm) | f(rd, RD) | f(rs1, RS1) | f(rs2, RS2)
        }
        Inst::FpSqrt {
            format,
            rm,
            rd,
            rs1,
        } => float(Float::Sqrt, format) | rounding(rm) | f(rd, RD) | f(rs1, RS1),
        Inst::FpSignInject {
            op,
            format,
            rd,
            rs1,
            rs2,
        } => float(Float::SignInject(op), format) | f(rd, RD) | f(rs1, RS1) | f(rs2, RS2),
        Inst::FpMinMax {
            op,
            format,
            rd,
            rs1,
            rs2,
        } => float(Float::MinMax(op), format) | f(rd, RD) | f(rs1, RS1) | f(rs2, RS2),
        Inst::FpCompare {
            op,
            format,
            rd,
            rs1,
            rs2,
        } => float(Float::Compare(op), format) | x(rd, RD) | f(rs1, RS1) | f(rs2, RS2),
        Inst::FpClass { format, rd, rs1 } => float(Float::Class, format) | x(rd, RD) | f(rs1, RS1),
        Inst::FpToInt {
            int,
            format,
            rm,
            rd,
            rs1,
        } => float(Float::ToInt(int), format) | rounding(rm) | x(rd, RD) | f(rs1, RS1),
        Inst::IntToFp {
            format,
            int,
            rm,
            rd,
            rs1,
        } => float(Float::FromInt(int), format) | rounding(rm) | f(rd, RD) | x(rs1, RS1),
        Inst::FpConvert { to, rm, rd, rs1 } => {
            let from = format_number(other(to)) << RS2;
            float(Float::Convert, to) | from | rounding(rm) | f(rd, RD) | f(rs1, RS1)
        }
        Inst::FpMoveToInt { format, rd, rs1 } => {
            float(Float::MoveToInt, format) | x(rd, RD) | f(rs1, RS1)
        }
        Inst::FpMoveFromInt { format, rd, rs1 } => {
            float(Float::MoveFromInt, format) | f(rd, RD) | x(rs1, RS1)
        }
        _ => unreachable!("`encode` takes all that is not floating point"),
    })
}

/// The 2-byte encoding of `inst`, where it has one.
///
/// Where it has two (`addi sp, sp, 16`, and some hints) this is the one that GNU `as` chooses.
pub fn encode_compressed(inst: &Inst) -> Option<u16> {
    compressed_row(inst).map(|(_, half)| half)
}

/// The first row that can say `inst`, and how it says it.
pub(crate) fn compressed_row(inst: &Inst) -> Option<(&'static compressed::Row, u16)> {
    compressed::ROWS.iter().find_map(|row| {
        let half = row.bits | compress(row.form, inst)? as u16;
        // The operands may make it another row, or reserved: `c.addi16sp` shares with `c.lui`.
        (compressed::expand(half).as_ref() == Some(inst)).then_some((row, half))
    })
}

/// The operands of `inst` as `form` has them.
fn compress(form: Form, inst: &Inst) -> Option<u32> {
    match (form, *inst) {
        (
            Form::Addi4spn,
            Inst::AluImm {
                op: AluImmOp::Addi,
                rd,
                rs1: XReg::SP,
                imm,
            },
        ) => Some(near(rd, 2)? | layout::C_ADDI4SPN.insert(imm)?),
        (
            Form::Load(op),
            Inst::Load {
                op: is,
                rd,
                rs1,
                offset,
            },
        ) if op == is => {
            Some(near(rd, 2)? | near(rs1, 7)? | compressed::near_load(op).insert(offset)?)
        }
        (
            Form::Store(op),
            Inst::Store {
                op: is,
                rs1,
                rs2,
                offset,
            },
        ) if op == is => {
            Some(near(rs2, 2)? | near(rs1, 7)? | compressed::near_store(op).insert(offset)?)
        }
        (
            Form::FpLoad,
            Inst::FpLoad {
                format: FpFormat::Double,
                rd,
                rs1,
                offset,
            },
        ) => Some(near_float(rd, 2)? | near(rs1, 7)? | layout::C_DOUBLE.insert(offset)?),
        (
            Form::FpStore,
            Inst::FpStore {
                format: FpFormat::Double,
                rs1,
                rs2,
                offset,
            },
        ) => Some(near_float(rs2, 2)? | near(rs1, 7)? | layout::C_DOUBLE.insert(offset)?),
        (
            Form::Imm(op),
            Inst::AluImm {
                op: is,
                rd,
                rs1,
                imm,
            },
        ) if op == is && rd == rs1 => Some(x(rd, 7) | compressed::operand(op).insert(imm)?),
        (
            Form::Li,
            Inst::AluImm {
                op: AluImmOp::Addi,
                rd,
                rs1: XReg::ZERO,
                imm,
            },
        ) => Some(x(rd, 7) | layout::C_IMM.insert(imm)?),
        (
            Form::Addi16sp,
            Inst::AluImm {
                op: AluImmOp::Addi,
                rd: XReg::SP,
                rs1: XReg::SP,
                imm,
            },
        ) => layout::C_ADDI16SP.insert(imm),
        (Form::Lui, Inst::Lui { rd, imm }) => Some(x(rd, 7) | layout::C_LUI.insert(imm)?),
        (
            Form::NearImm(op),
            Inst::AluImm {
                op: is,
                rd,
                rs1,
                imm,
            },
        ) if op == is && rd == rs1 => Some(near(rd, 7)? | compressed::operand(op).insert(imm)?),
        (
            Form::NearAlu(op),
            Inst::Alu {
                op: is,
                rd,
                rs1,
                rs2,
            },
        ) if op == is && rd == rs1 => Some(near(rd, 7)? | near(rs2, 2)?),
        (
            Form::Jump,
            Inst::Jal {
                rd: XReg::ZERO,
                offset,
            },
        ) => layout::C_JUMP.insert(offset),
        (
            Form::BranchZero(op),
            Inst::Branch {
                op: is,
                rs1,
                rs2: XReg::ZERO,
                offset,
            },
        ) if op == is => Some(near(rs1, 7)? | layout::C_BRANCH.insert(offset)?),
        (
            Form::LoadSp(op),
            Inst::Load {
                op: is,
                rd,
                rs1: XReg::SP,
                offset,
            },
        ) if op == is => Some(x(rd, 7) | compressed::load_sp(op).insert(offset)?),
        (
            Form::StoreSp(op),
            Inst::Store {
                op: is,
                rs1: XReg::SP,
                rs2,
                offset,
            },
        ) if op == is => Some(x(rs2, 2) | compressed::store_sp(op).insert(offset)?),
        (
            Form::FpLoadSp,
            Inst::FpLoad {
                format: FpFormat::Double,
                rd,
                rs1: XReg::SP,
                offset,
            },
        ) => Some(f(rd, 7) | layout::C_LOAD_DOUBLE_SP.insert(offset)?),
        (
            Form::FpStoreSp,
            Inst::FpStore {
                format: FpFormat::Double,
                rs1: XReg::SP,
                rs2,
                offset,
            },
        ) => Some(f(rs2, 2) | layout::C_STORE_DOUBLE_SP.insert(offset)?),
        (Form::JumpReg(link), Inst::Jalr { rd, rs1, offset: 0 }) if rd == link => Some(x(rs1, 7)),
        (
            Form::Move,
            Inst::Alu {
                op: AluOp::Add,
                rd,
                rs1: XReg::ZERO,
                rs2,
            },
        ) => Some(x(rd, 7) | x(rs2, 2)),
        (
            Form::Add,
            Inst::Alu {
                op: AluOp::Add,
                rd,
                rs1,
                rs2,
            },
        ) if rd == rs1 => Some(x(rd, 7) | x(rs2, 2)),
        (Form::Ebreak, Inst::Ebreak) => Some(0),
        _ => None,
    }
}

/// The places of registers in a word.
const RD: u32 = 7;
const RS1: u32 = 15;
const RS2: u32 = 20;
const RS3: u32 = 27;

const fn x(register: XReg, at: u32) -> u32 {
    register.field() << at
}

const fn f(register: FReg, at: u32) -> u32 {
    register.field() << at
}

/// A three-bit register field of a half-word, for `x8` to `x15`.
fn near(register: XReg, at: u32) -> Option<u32> {
    near_number(register.field(), at)
}

/// A three-bit register field of a half-word, for `f8` to `f15`.
fn near_float(register: FReg, at: u32) -> Option<u32> {
    near_number(register.field(), at)
}

fn near_number(number: u32, at: u32) -> Option<u32> {
    (8..16).contains(&number).then_some((number & 7) << at)
}

fn fit(layout: Layout, immediate: i32) -> Result<u32, EncodeError> {
    layout
        .insert(immediate)
        .ok_or(EncodeError::Immediate(immediate))
}

fn nibble(value: u8) -> Result<u32, EncodeError> {
    if value < 16 {
        Ok(u32::from(value))
    } else {
        Err(EncodeError::Fence(value))
    }
}

fn atomic(atomic: Atomic, width: AmoWidth, ordering: AmoOrdering) -> u32 {
    let width = match width {
        AmoWidth::Word => 2,
        AmoWidth::Double => 3,
    };
    row_of(table::ATOMICS, atomic).bits
        | width << 12
        | u32::from(ordering.acquire) << 26
        | u32::from(ordering.release) << 25
}

fn float(float: Float, format: FpFormat) -> u32 {
    row_of(table::FLOATS, float).bits | fmt_field(format)
}

const fn format_number(format: FpFormat) -> u32 {
    match format {
        FpFormat::Single => 0,
        FpFormat::Double => 1,
    }
}

const fn fmt_field(format: FpFormat) -> u32 {
    format_number(format) << 25
}

/// The width of a floating-point load or store.
const fn access_width(format: FpFormat) -> u32 {
    match format {
        FpFormat::Single => 2 << 12,
        FpFormat::Double => 3 << 12,
    }
}

/// The format that a conversion to `format` reads.
const fn other(format: FpFormat) -> FpFormat {
    match format {
        FpFormat::Single => FpFormat::Double,
        FpFormat::Double => FpFormat::Single,
    }
}

const fn rounding(rm: RoundingMode) -> u32 {
    let number = match rm {
        RoundingMode::Rne => 0,
        RoundingMode::Rtz => 1,
        RoundingMode::Rdn => 2,
        RoundingMode::Rup => 3,
        RoundingMode::Rmm => 4,
        RoundingMode::Dyn => 7,
    };
    number << 12
}

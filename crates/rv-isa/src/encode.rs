//! From an instruction to its 4-byte encoding.

use core::fmt;

use crate::inst::{AmoOrdering, AmoWidth, Csr, CsrSource, FpFormat, Inst, RoundingMode};
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
    match *inst {
        Inst::Lui { rd, imm } => upper(opcode::LUI, rd, layout::U, imm),
        Inst::Auipc { rd, imm } => upper(opcode::AUIPC, rd, layout::U, imm),
        Inst::Jal { rd, offset } => upper(opcode::JAL, rd, layout::J, offset),
        Inst::Jalr { rd, rs1, offset } => immediate(opcode::JALR, rd, rs1, layout::I, offset),
        Inst::Branch {
            op,
            rs1,
            rs2,
            offset,
        } => sources(bits(table::BRANCHES, op), rs1, rs2, layout::B, offset),
        Inst::Load {
            op,
            rd,
            rs1,
            offset,
        } => immediate(bits(table::LOADS, op), rd, rs1, layout::I, offset),
        Inst::Store {
            op,
            rs1,
            rs2,
            offset,
        } => sources(bits(table::STORES, op), rs1, rs2, layout::S, offset),
        Inst::AluImm { op, rd, rs1, imm } => {
            let row = row_of(table::ALU_IMM, op);
            immediate(row.bits, rd, rs1, row.immediate(), imm)
        }
        Inst::Alu { op, rd, rs1, rs2 } => Ok(binary(bits(table::ALU, op), rd, rs1, rs2)),
        Inst::AluUnary { op, rd, rs1 } => Ok(unary(bits(table::ALU_UNARY, op), rd, rs1)),
        Inst::FpLoad {
            format,
            rd,
            rs1,
            offset,
        } => immediate(
            opcode::LOAD_FP | access_width(format),
            rd,
            rs1,
            layout::I,
            offset,
        ),
        Inst::FpStore {
            format,
            rs1,
            rs2,
            offset,
        } => sources(
            opcode::STORE_FP | access_width(format),
            rs1,
            rs2,
            layout::S,
            offset,
        ),
        _ => encode_system(inst),
    }
}

/// Fences, system instructions and atomics.
fn encode_system(inst: &Inst) -> Result<u32, EncodeError> {
    match *inst {
        Inst::Fence { fm, pred, succ } => {
            Ok(table::FENCE | nibble(fm)? << 28 | nibble(pred)? << 24 | nibble(succ)? << 20)
        }
        Inst::FenceI => Ok(table::FENCE_I),
        Inst::Ecall => Ok(table::ECALL),
        Inst::Ebreak => Ok(table::EBREAK),
        Inst::Csr {
            op,
            rd,
            csr,
            source,
        } => Ok(bits(table::CSRS, op) | at(rd, RD) | csr_field(csr)? | source_field(source)?),
        Inst::LoadReserved {
            width,
            ordering,
            rd,
            rs1,
        } => Ok(unary(
            atomic(Atomic::LoadReserved, width, ordering),
            rd,
            rs1,
        )),
        Inst::StoreConditional {
            width,
            ordering,
            rd,
            rs1,
            rs2,
        } => Ok(binary(
            atomic(Atomic::StoreConditional, width, ordering),
            rd,
            rs1,
            rs2,
        )),
        Inst::Amo {
            op,
            width,
            ordering,
            rd,
            rs1,
            rs2,
        } => Ok(binary(
            atomic(Atomic::Modify(op), width, ordering),
            rd,
            rs1,
            rs2,
        )),
        _ => Ok(encode_float(inst)),
    }
}

/// Floating-point computation, all of which has an encoding.
fn encode_float(inst: &Inst) -> u32 {
    match *inst {
        Inst::FpFused {
            op,
            format,
            rm,
            rd,
            rs1,
            rs2,
            rs3,
        } => {
            let op = bits(table::FUSED, op) | fmt_field(format) | rounding(rm);
            binary(op, rd, rs1, rs2) | at(rs3, RS3)
        }
        Inst::FpBinary {
            op,
            format,
            rm,
            rd,
            rs1,
            rs2,
        } => binary(
            float(Float::Binary(op), format) | rounding(rm),
            rd,
            rs1,
            rs2,
        ),
        Inst::FpSqrt {
            format,
            rm,
            rd,
            rs1,
        } => unary(float(Float::Sqrt, format) | rounding(rm), rd, rs1),
        Inst::FpToInt {
            int,
            format,
            rm,
            rd,
            rs1,
        } => unary(float(Float::ToInt(int), format) | rounding(rm), rd, rs1),
        Inst::IntToFp {
            format,
            int,
            rm,
            rd,
            rs1,
        } => unary(float(Float::FromInt(int), format) | rounding(rm), rd, rs1),
        Inst::FpConvert { to, rm, rd, rs1 } => {
            let from = format_number(other(to)) << RS2;
            unary(float(Float::Convert, to) | from | rounding(rm), rd, rs1)
        }
        _ => encode_exact_float(inst),
    }
}

/// Floating-point computation that has no rounding mode.
fn encode_exact_float(inst: &Inst) -> u32 {
    match *inst {
        Inst::FpSignInject {
            op,
            format,
            rd,
            rs1,
            rs2,
        } => binary(float(Float::SignInject(op), format), rd, rs1, rs2),
        Inst::FpMinMax {
            op,
            format,
            rd,
            rs1,
            rs2,
        } => binary(float(Float::MinMax(op), format), rd, rs1, rs2),
        Inst::FpCompare {
            op,
            format,
            rd,
            rs1,
            rs2,
        } => binary(float(Float::Compare(op), format), rd, rs1, rs2),
        Inst::FpClass { format, rd, rs1 } => unary(float(Float::Class, format), rd, rs1),
        Inst::FpMoveToInt { format, rd, rs1 } => unary(float(Float::MoveToInt, format), rd, rs1),
        Inst::FpMoveFromInt { format, rd, rs1 } => {
            unary(float(Float::MoveFromInt, format), rd, rs1)
        }
        _ => unreachable!("the callers take all else"),
    }
}

/// A register of either file: their fields are alike.
trait Register {
    fn number(self) -> u32;
}

impl Register for XReg {
    fn number(self) -> u32 {
        self.field()
    }
}

impl Register for FReg {
    fn number(self) -> u32 {
        self.field()
    }
}

/// The places of registers in a word.
const RD: u32 = 7;
const RS1: u32 = 15;
const RS2: u32 = 20;
const RS3: u32 = 27;

fn at(register: impl Register, place: u32) -> u32 {
    register.number() << place
}

/// A destination and an immediate.
fn upper(bits: u32, rd: XReg, layout: Layout, imm: i32) -> Result<u32, EncodeError> {
    Ok(bits | at(rd, RD) | fit(layout, imm)?)
}

/// A destination, a source and an immediate.
fn immediate(
    bits: u32,
    rd: impl Register,
    rs1: XReg,
    layout: Layout,
    imm: i32,
) -> Result<u32, EncodeError> {
    Ok(unary(bits, rd, rs1) | fit(layout, imm)?)
}

/// Two sources and an immediate.
fn sources(
    bits: u32,
    rs1: XReg,
    rs2: impl Register,
    layout: Layout,
    imm: i32,
) -> Result<u32, EncodeError> {
    Ok(bits | at(rs1, RS1) | at(rs2, RS2) | fit(layout, imm)?)
}

/// A destination and a source.
fn unary(bits: u32, rd: impl Register, rs1: impl Register) -> u32 {
    bits | at(rd, RD) | at(rs1, RS1)
}

/// A destination and two sources.
fn binary(bits: u32, rd: impl Register, rs1: impl Register, rs2: impl Register) -> u32 {
    unary(bits, rd, rs1) | at(rs2, RS2)
}

fn bits<T: PartialEq>(rows: &'static [table::Row<T>], op: T) -> u32 {
    row_of(rows, op).bits
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

fn csr_field(csr: Csr) -> Result<u32, EncodeError> {
    if csr.0 < 1 << 12 {
        Ok(u32::from(csr.0) << 20)
    } else {
        Err(EncodeError::Csr(csr.0))
    }
}

fn source_field(source: CsrSource) -> Result<u32, EncodeError> {
    match source {
        CsrSource::Reg(rs1) => Ok(at(rs1, RS1)),
        CsrSource::Imm(imm) if imm < 1 << 5 => Ok(table::CSR_IMMEDIATE | u32::from(imm) << RS1),
        CsrSource::Imm(imm) => Err(EncodeError::CsrImmediate(imm)),
    }
}

fn atomic(atomic: Atomic, width: AmoWidth, ordering: AmoOrdering) -> u32 {
    let width = match width {
        AmoWidth::Word => 2,
        AmoWidth::Double => 3,
    };
    bits(table::ATOMICS, atomic)
        | width << 12
        | u32::from(ordering.acquire) << 26
        | u32::from(ordering.release) << 25
}

fn float(float: Float, format: FpFormat) -> u32 {
    bits(table::FLOATS, float) | fmt_field(format)
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

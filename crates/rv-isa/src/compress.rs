//! From an instruction to its 2-byte encoding, where it has one.

use crate::compressed::{self, Form, Row};
use crate::inst::{AluImmOp, AluOp, FpFormat, Inst};
use crate::layout::{self, Layout};
use crate::{FReg, XReg};

/// The 2-byte encoding of `inst`, where it has one.
///
/// Where it has two (`addi sp, sp, 16`, and some hints) this is the one that GNU `as` chooses.
pub fn encode_compressed(inst: &Inst) -> Option<u16> {
    row_of(inst).map(|(_, half)| half)
}

/// The first row that can say `inst`, and how it says it.
pub(crate) fn row_of(inst: &Inst) -> Option<(&'static Row, u16)> {
    compressed::ROWS.iter().find_map(|row| {
        let half = row.bits | fields(row.form, inst)? as u16;
        // The operands may make it another row, or reserved: `c.addi16sp` shares with `c.lui`.
        (compressed::expand(half).as_ref() == Some(inst)).then_some((row, half))
    })
}

/// The operands of `inst` as `form` has them.
fn fields(form: Form, inst: &Inst) -> Option<u32> {
    match *inst {
        Inst::AluImm { op, rd, rs1, imm } => alu_imm(form, op, rd, rs1, imm),
        Inst::Alu { op, rd, rs1, rs2 } => alu(form, op, rd, rs1, rs2),
        Inst::Load { .. } | Inst::Store { .. } => memory(form, inst),
        Inst::FpLoad {
            format: FpFormat::Double,
            rd,
            rs1,
            offset,
        } => match form {
            Form::FpLoad => near_memory(near_float(rd)?, rs1, layout::C_DOUBLE, offset),
            Form::FpLoadSp if rs1 == XReg::SP => {
                Some(rd.field() << RD | layout::C_LOAD_DOUBLE_SP.insert(offset)?)
            }
            _ => None,
        },
        Inst::FpStore {
            format: FpFormat::Double,
            rs1,
            rs2,
            offset,
        } => match form {
            Form::FpStore => near_memory(near_float(rs2)?, rs1, layout::C_DOUBLE, offset),
            Form::FpStoreSp if rs1 == XReg::SP => {
                Some(rs2.field() << RS2 | layout::C_STORE_DOUBLE_SP.insert(offset)?)
            }
            _ => None,
        },
        Inst::Lui { rd, imm } if form == Form::Lui => {
            Some(rd.field() << RD | layout::C_LUI.insert(imm)?)
        }
        Inst::Jal { rd, offset } if form == Form::Jump && rd.is_zero() => {
            layout::C_JUMP.insert(offset)
        }
        Inst::Jalr { rd, rs1, offset: 0 } if form == Form::JumpReg(rd) => Some(rs1.field() << RD),
        Inst::Branch {
            op,
            rs1,
            rs2,
            offset,
        } if form == Form::BranchZero(op) && rs2.is_zero() => {
            Some(near(rs1)? << NEAR_RS1 | layout::C_BRANCH.insert(offset)?)
        }
        Inst::Ebreak if form == Form::Ebreak => Some(0),
        _ => None,
    }
}

fn alu_imm(form: Form, op: AluImmOp, rd: XReg, rs1: XReg, imm: i32) -> Option<u32> {
    match form {
        Form::Imm(is) if is == op && rd == rs1 => {
            Some(rd.field() << RD | compressed::operand(op).insert(imm)?)
        }
        Form::NearImm(is) if is == op && rd == rs1 => {
            Some(near(rd)? << NEAR_RS1 | compressed::operand(op).insert(imm)?)
        }
        _ if op != AluImmOp::Addi => None,
        Form::Li if rs1.is_zero() => Some(rd.field() << RD | layout::C_IMM.insert(imm)?),
        Form::Addi16sp if rd == XReg::SP && rs1 == XReg::SP => layout::C_ADDI16SP.insert(imm),
        Form::Addi4spn if rs1 == XReg::SP => {
            Some(near(rd)? << NEAR_RS2 | layout::C_ADDI4SPN.insert(imm)?)
        }
        _ => None,
    }
}

fn alu(form: Form, op: AluOp, rd: XReg, rs1: XReg, rs2: XReg) -> Option<u32> {
    match form {
        Form::NearAlu(is) if is == op && rd == rs1 => {
            Some(near(rd)? << NEAR_RS1 | near(rs2)? << NEAR_RS2)
        }
        Form::Move if op == AluOp::Add && rs1.is_zero() => {
            Some(rd.field() << RD | rs2.field() << RS2)
        }
        Form::Add if op == AluOp::Add && rd == rs1 => Some(rd.field() << RD | rs2.field() << RS2),
        _ => None,
    }
}

fn memory(form: Form, inst: &Inst) -> Option<u32> {
    match (form, *inst) {
        (
            Form::Load(is),
            Inst::Load {
                op,
                rd,
                rs1,
                offset,
            },
        ) if is == op => near_memory(near(rd)?, rs1, compressed::near_load(op), offset),
        (
            Form::LoadSp(is),
            Inst::Load {
                op,
                rd,
                rs1: XReg::SP,
                offset,
            },
        ) if is == op => Some(rd.field() << RD | compressed::load_sp(op).insert(offset)?),
        (
            Form::Store(is),
            Inst::Store {
                op,
                rs1,
                rs2,
                offset,
            },
        ) if is == op => near_memory(near(rs2)?, rs1, compressed::near_store(op), offset),
        (
            Form::StoreSp(is),
            Inst::Store {
                op,
                rs1: XReg::SP,
                rs2,
                offset,
            },
        ) if is == op => Some(rs2.field() << RS2 | compressed::store_sp(op).insert(offset)?),
        _ => None,
    }
}

/// An access relative to a near register; `data` is the field of the register that it moves.
fn near_memory(data: u32, rs1: XReg, layout: Layout, offset: i32) -> Option<u32> {
    Some(data << NEAR_RS2 | near(rs1)? << NEAR_RS1 | layout.insert(offset)?)
}

/// The places of registers in a half-word. A destination stands where the first source does.
const RD: u32 = 7;
const RS2: u32 = 2;
const NEAR_RS1: u32 = 7;
const NEAR_RS2: u32 = 2;

/// The three-bit field for `x8` to `x15`.
fn near(register: XReg) -> Option<u32> {
    register.field().checked_sub(8).filter(|number| *number < 8)
}

/// The three-bit field for `f8` to `f15`.
fn near_float(register: FReg) -> Option<u32> {
    register.field().checked_sub(8).filter(|number| *number < 8)
}

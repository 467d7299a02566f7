//! Instructions as text: the spelling of GNU `objdump -d -M no-aliases`, version 2.40.

use core::fmt;

use crate::compress;
use crate::compressed::Form;
use crate::encode::encode;
use crate::inst::{AluImmOp, Csr, CsrSource, Decoded, FpFormat, Inst, IntFormat, RoundingMode};

/// The text of `decoded` at guest address `pc`: mnemonic, a tab, operands. Targets of branches and
/// jumps are absolute, in hexadecimal without a prefix.
///
/// An instruction of two bytes has its compressed spelling. Where two compressed encodings mean the
/// same (`addi sp, sp, 16`, and some hints) it is the spelling of the one that GNU `as` chooses.
pub fn disassemble(decoded: Decoded, pc: u64) -> Disassembly {
    Disassembly { decoded, pc }
}

/// An instruction that prints as text; see [`disassemble`].
#[derive(Clone, Copy, Debug)]
pub struct Disassembly {
    decoded: Decoded,
    pc: u64,
}

impl fmt::Display for Disassembly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inst = &self.decoded.inst;
        if self.decoded.len == 2
            && let Some((row, _)) = compress::row_of(inst)
        {
            f.write_str(row.mnemonic)?;
            return self.write_compressed_operands(f, row.form);
        }
        write_mnemonic(f, inst)?;
        self.write_operands(f)
    }
}

impl Disassembly {
    fn target(&self, offset: i32) -> u64 {
        self.pc.wrapping_add_signed(i64::from(offset))
    }

    fn write_compressed_operands(&self, f: &mut fmt::Formatter<'_>, form: Form) -> fmt::Result {
        match (form, self.decoded.inst) {
            (Form::Jump, Inst::Jal { offset, .. }) => write!(f, "\t{:x}", self.target(offset)),
            (Form::BranchZero(_), Inst::Branch { rs1, offset, .. }) => {
                write!(f, "\t{rs1},{:x}", self.target(offset))
            }
            (Form::JumpReg(_), Inst::Jalr { rs1, .. }) => write!(f, "\t{rs1}"),
            (Form::NearAlu(_) | Form::Move | Form::Add, Inst::Alu { rd, rs2, .. }) => {
                write!(f, "\t{rd},{rs2}")
            }
            // A shift by nothing is a hint, and has a name of its own.
            (Form::Imm(op) | Form::NearImm(op), Inst::AluImm { rd, imm, .. }) if is_shift(op) => {
                if imm == 0 {
                    write!(f, "64\t{rd}")
                } else {
                    write!(f, "\t{rd},{imm:#x}")
                }
            }
            (
                Form::Imm(_) | Form::NearImm(_) | Form::Li | Form::Addi16sp,
                Inst::AluImm { rd, imm, .. },
            ) => write!(f, "\t{rd},{imm}"),
            // Loads, stores, `c.lui`, `c.addi4spn` and `c.ebreak` name all operands.
            _ => self.write_operands(f),
        }
    }

    fn write_operands(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decoded.inst {
            Inst::Lui { rd, imm } | Inst::Auipc { rd, imm } => {
                write!(f, "\t{rd},{:#x}", imm.cast_unsigned() >> 12)
            }
            Inst::Jal { rd, offset } => write!(f, "\t{rd},{:x}", self.target(offset)),
            Inst::Branch {
                rs1, rs2, offset, ..
            } => {
                write!(f, "\t{rs1},{rs2},{:x}", self.target(offset))
            }
            Inst::Jalr { rd, rs1, offset }
            | Inst::Load {
                rd, rs1, offset, ..
            } => {
                write!(f, "\t{rd},{offset}({rs1})")
            }
            Inst::Store {
                rs1, rs2, offset, ..
            } => write!(f, "\t{rs2},{offset}({rs1})"),
            Inst::AluImm { op, rd, rs1, imm } if is_shift(op) => {
                write!(f, "\t{rd},{rs1},{imm:#x}")
            }
            Inst::AluImm { rd, rs1, imm, .. } => write!(f, "\t{rd},{rs1},{imm}"),
            Inst::Alu { rd, rs1, rs2, .. } => write!(f, "\t{rd},{rs1},{rs2}"),
            Inst::AluUnary { rd, rs1, .. } => write!(f, "\t{rd},{rs1}"),
            Inst::Fence { .. } => self.write_fence_operands(f),
            Inst::FenceI | Inst::Ecall | Inst::Ebreak => Ok(()),
            Inst::Csr {
                rd, csr, source, ..
            } => match source {
                CsrSource::Reg(rs1) => write!(f, "\t{rd},{csr},{rs1}"),
                CsrSource::Imm(imm) => write!(f, "\t{rd},{csr},{imm}"),
            },
            Inst::LoadReserved { rd, rs1, .. } => write!(f, "\t{rd},({rs1})"),
            Inst::StoreConditional { rd, rs1, rs2, .. } | Inst::Amo { rd, rs1, rs2, .. } => {
                write!(f, "\t{rd},{rs2},({rs1})")
            }
            _ => self.write_float_operands(f),
        }
    }

    fn write_float_operands(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decoded.inst {
            Inst::FpLoad {
                rd, rs1, offset, ..
            } => write!(f, "\t{rd},{offset}({rs1})"),
            Inst::FpStore {
                rs1, rs2, offset, ..
            } => write!(f, "\t{rs2},{offset}({rs1})"),
            Inst::FpFused {
                rm,
                rd,
                rs1,
                rs2,
                rs3,
                ..
            } => {
                write!(f, "\t{rd},{rs1},{rs2},{rs3}{}", Rounding::inexact(rm))
            }
            Inst::FpBinary {
                rm, rd, rs1, rs2, ..
            } => {
                write!(f, "\t{rd},{rs1},{rs2}{}", Rounding::inexact(rm))
            }
            Inst::FpSignInject { rd, rs1, rs2, .. } | Inst::FpMinMax { rd, rs1, rs2, .. } => {
                write!(f, "\t{rd},{rs1},{rs2}")
            }
            Inst::FpCompare { rd, rs1, rs2, .. } => write!(f, "\t{rd},{rs1},{rs2}"),
            Inst::FpSqrt { rm, rd, rs1, .. } => write!(f, "\t{rd},{rs1}{}", Rounding::inexact(rm)),
            Inst::FpToInt { rm, rd, rs1, .. } => write!(f, "\t{rd},{rs1}{}", Rounding::inexact(rm)),
            Inst::IntToFp {
                format,
                int,
                rm,
                rd,
                rs1,
            } => {
                let exact = is_exact(format, int);
                write!(
                    f,
                    "\t{rd},{rs1}{}",
                    if exact {
                        Rounding::exact(rm)
                    } else {
                        Rounding::inexact(rm)
                    }
                )
            }
            Inst::FpConvert {
                to: FpFormat::Single,
                rm,
                rd,
                rs1,
            } => {
                write!(f, "\t{rd},{rs1}{}", Rounding::inexact(rm))
            }
            Inst::FpConvert {
                to: FpFormat::Double,
                rm,
                rd,
                rs1,
            } => {
                write!(f, "\t{rd},{rs1}{}", Rounding::exact(rm))
            }
            Inst::FpClass { rd, rs1, .. } | Inst::FpMoveToInt { rd, rs1, .. } => {
                write!(f, "\t{rd},{rs1}")
            }
            Inst::FpMoveFromInt { rd, rs1, .. } => write!(f, "\t{rd},{rs1}"),
            _ => Ok(()),
        }
    }

    /// The sets of a fence, for those that have any: [`write_mnemonic`] knows the others.
    fn write_fence_operands(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inst = &self.decoded.inst;
        match *inst {
            PAUSE | FENCE_TSO => Ok(()),
            Inst::Fence { fm: 0, pred, succ } => {
                write!(f, "\t{},{}", FenceSet(pred), FenceSet(succ))
            }
            // No assembler can spell a fence of a mode that does not exist yet.
            _ => encode(inst).map_or(Ok(()), |word| write!(f, "\t{word:#x}")),
        }
    }
}

/// `fence w, 0`, the hint of Zihintpause.
const PAUSE: Inst = Inst::Fence {
    fm: 0,
    pred: 1,
    succ: 0,
};
/// The fence of the weaker, total-store-order kind.
const FENCE_TSO: Inst = Inst::Fence {
    fm: 8,
    pred: 3,
    succ: 3,
};

fn write_mnemonic(f: &mut fmt::Formatter<'_>, inst: &Inst) -> fmt::Result {
    match *inst {
        Inst::Lui { .. } => f.write_str("lui"),
        Inst::Auipc { .. } => f.write_str("auipc"),
        Inst::Jal { .. } => f.write_str("jal"),
        Inst::Jalr { .. } => f.write_str("jalr"),
        Inst::Branch { op, .. } => f.write_str(op.mnemonic()),
        Inst::Load { op, .. } => f.write_str(op.mnemonic()),
        Inst::Store { op, .. } => f.write_str(op.mnemonic()),
        Inst::AluImm { op, .. } => f.write_str(op.mnemonic()),
        Inst::Alu { op, .. } => f.write_str(op.mnemonic()),
        Inst::AluUnary { op, .. } => f.write_str(op.mnemonic()),
        PAUSE => f.write_str("pause"),
        FENCE_TSO => f.write_str("fence.tso"),
        Inst::Fence { fm: 0, .. } => f.write_str("fence"),
        Inst::Fence { .. } => f.write_str(".4byte"),
        Inst::FenceI => f.write_str("fence.i"),
        Inst::Ecall => f.write_str("ecall"),
        Inst::Ebreak => f.write_str("ebreak"),
        Inst::Csr { op, source, .. } => {
            f.write_str(op.mnemonic())?;
            f.write_str(if matches!(source, CsrSource::Imm(_)) {
                "i"
            } else {
                ""
            })
        }
        Inst::LoadReserved {
            width, ordering, ..
        } => {
            write!(f, "lr.{}{}", width.mnemonic(), ordering.suffix())
        }
        Inst::StoreConditional {
            width, ordering, ..
        } => {
            write!(f, "sc.{}{}", width.mnemonic(), ordering.suffix())
        }
        Inst::Amo {
            op,
            width,
            ordering,
            ..
        } => {
            write!(
                f,
                "{}.{}{}",
                op.mnemonic(),
                width.mnemonic(),
                ordering.suffix()
            )
        }
        _ => write_float_mnemonic(f, inst),
    }
}

fn write_float_mnemonic(f: &mut fmt::Formatter<'_>, inst: &Inst) -> fmt::Result {
    match *inst {
        Inst::FpLoad {
            format: FpFormat::Single,
            ..
        } => f.write_str("flw"),
        Inst::FpLoad {
            format: FpFormat::Double,
            ..
        } => f.write_str("fld"),
        Inst::FpStore {
            format: FpFormat::Single,
            ..
        } => f.write_str("fsw"),
        Inst::FpStore {
            format: FpFormat::Double,
            ..
        } => f.write_str("fsd"),
        Inst::FpBinary { op, format, .. } => dotted(f, op.mnemonic(), format),
        Inst::FpFused { op, format, .. } => dotted(f, op.mnemonic(), format),
        Inst::FpSignInject { op, format, .. } => dotted(f, op.mnemonic(), format),
        Inst::FpMinMax { op, format, .. } => dotted(f, op.mnemonic(), format),
        Inst::FpCompare { op, format, .. } => dotted(f, op.mnemonic(), format),
        Inst::FpSqrt { format, .. } => dotted(f, "fsqrt", format),
        Inst::FpClass { format, .. } => dotted(f, "fclass", format),
        Inst::FpToInt { int, format, .. } => {
            write!(f, "fcvt.{}.{}", int.mnemonic(), format.mnemonic())
        }
        Inst::IntToFp { format, int, .. } => {
            write!(f, "fcvt.{}.{}", format.mnemonic(), int.mnemonic())
        }
        Inst::FpConvert {
            to: FpFormat::Single,
            ..
        } => f.write_str("fcvt.s.d"),
        Inst::FpConvert {
            to: FpFormat::Double,
            ..
        } => f.write_str("fcvt.d.s"),
        Inst::FpMoveToInt { format, .. } => write!(f, "fmv.x.{}", bits_name(format)),
        Inst::FpMoveFromInt { format, .. } => write!(f, "fmv.{}.x", bits_name(format)),
        _ => Ok(()),
    }
}

fn dotted(f: &mut fmt::Formatter<'_>, mnemonic: &str, format: FpFormat) -> fmt::Result {
    write!(f, "{mnemonic}.{}", format.mnemonic())
}

/// A rounding mode with the comma before it; nothing for the one that the assembler takes where
/// none stands.
struct Rounding {
    rm: RoundingMode,
    default: RoundingMode,
}

impl Rounding {
    const fn inexact(rm: RoundingMode) -> Self {
        Self {
            rm,
            default: RoundingMode::Dyn,
        }
    }

    /// Of conversions that give the same in every mode.
    const fn exact(rm: RoundingMode) -> Self {
        Self {
            rm,
            default: RoundingMode::Rne,
        }
    }
}

impl fmt::Display for Rounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rm == self.default {
            return Ok(());
        }
        write!(f, ",{}", self.rm.mnemonic())
    }
}

/// Whether every integer of a format has a value of the other.
const fn is_exact(format: FpFormat, int: IntFormat) -> bool {
    matches!(format, FpFormat::Double) && matches!(int, IntFormat::Word | IntFormat::WordUnsigned)
}

/// How a move of bits names the width.
const fn bits_name(format: FpFormat) -> &'static str {
    match format {
        FpFormat::Single => "w",
        FpFormat::Double => "d",
    }
}

/// Operations whose immediate is a bit number, which is written in hexadecimal.
const fn is_shift(op: AluImmOp) -> bool {
    !matches!(
        op,
        AluImmOp::Addi
            | AluImmOp::Addiw
            | AluImmOp::Slti
            | AluImmOp::Sltiu
            | AluImmOp::Xori
            | AluImmOp::Ori
            | AluImmOp::Andi
    )
}

/// A set of accesses that a fence orders.
struct FenceSet(u8);

impl fmt::Display for FenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("unknown");
        }
        for (bit, letter) in [(8, "i"), (4, "o"), (2, "r"), (1, "w")] {
            if self.0 & bit != 0 {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Csr {
    /// The name of a register that a user program has, and the number of any other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::FFLAGS => f.write_str("fflags"),
            Self::FRM => f.write_str("frm"),
            Self::FCSR => f.write_str("fcsr"),
            Self::CYCLE => f.write_str("cycle"),
            Self::TIME => f.write_str("time"),
            Self::INSTRET => f.write_str("instret"),
            Self(number @ 0xc03..=0xc1f) => write!(f, "hpmcounter{}", number - 0xc00),
            Self(number) => write!(f, "{number:#x}"),
        }
    }
}

impl crate::AmoOrdering {
    /// The end of the mnemonic.
    const fn suffix(self) -> &'static str {
        match (self.acquire, self.release) {
            (false, false) => "",
            (true, false) => ".aq",
            (false, true) => ".rl",
            (true, true) => ".aqrl",
        }
    }
}

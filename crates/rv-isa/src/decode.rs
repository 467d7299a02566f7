//! From a 4-byte word to an instruction: the major opcode chooses the shape, an index the operation.

use crate::inst::{
    AluImmOp, AluOp, AmoOrdering, AmoWidth, BranchOp, Csr, CsrSource, Decoded, FpFormat, Inst,
    LoadOp, RoundingMode, StoreOp,
};
use crate::layout::{self, Layout};
use crate::table::{self, Atomic, Float, funct10, opcode};
use crate::{FReg, XReg, compressed};

static BRANCHES: [Option<BranchOp>; 8] = table::by_funct3(table::BRANCHES, opcode::BRANCH);
static LOADS: [Option<LoadOp>; 8] = table::by_funct3(table::LOADS, opcode::LOAD);
static STORES: [Option<StoreOp>; 8] = table::by_funct3(table::STORES, opcode::STORE);
static OP: [Option<AluOp>; 1024] = table::by_funct10(table::ALU, opcode::OP);
static OP_32: [Option<AluOp>; 1024] = table::by_funct10(table::ALU, opcode::OP_32);
static OP_IMM: [Option<AluImmOp>; 1024] = table::by_funct10(table::ALU_IMM, opcode::OP_IMM);
static OP_IMM_32: [Option<AluImmOp>; 1024] = table::by_funct10(table::ALU_IMM, opcode::OP_IMM_32);
static ATOMICS: [Option<Atomic>; 32] = table::by_funct5(table::ATOMICS, opcode::AMO);

/// Decodes the instruction that starts with the low bits of `word`.
///
/// `word` holds the next four bytes of the instruction stream, little-endian; where only two are
/// left, the upper half may be zero, and a 4-byte instruction then decodes wrongly: callers check
/// [`instruction_len`](crate::instruction_len) against what they have. Returns `None` for a
/// reserved or unknown encoding.
///
/// Hints decode as the instruction whose encoding space they use, and a `fence` or `fence.i` with
/// reserved fields as a plain one, since a program that runs on any machine may hold them.
#[inline]
pub fn decode(word: u32) -> Option<Decoded> {
    let (inst, len) = if word & 3 == 3 {
        (decode_word(word)?, 4)
    } else {
        (compressed::expand(word as u16)?, 2)
    };
    Some(Decoded { inst, len })
}

#[inline(never)]
fn decode_word(word: u32) -> Option<Inst> {
    let f = Fields(word);
    Some(match word & 0x7f {
        opcode::LUI => Inst::Lui {
            rd: f.rd(),
            imm: f.imm(layout::U),
        },
        opcode::AUIPC => Inst::Auipc {
            rd: f.rd(),
            imm: f.imm(layout::U),
        },
        opcode::JAL => Inst::Jal {
            rd: f.rd(),
            offset: f.imm(layout::J),
        },
        opcode::JALR if f.funct3() == 0 => Inst::Jalr {
            rd: f.rd(),
            rs1: f.rs1(),
            offset: f.imm(layout::I),
        },
        opcode::BRANCH => Inst::Branch {
            op: BRANCHES[f.funct3()]?,
            rs1: f.rs1(),
            rs2: f.rs2(),
            offset: f.imm(layout::B),
        },
        opcode::LOAD => Inst::Load {
            op: LOADS[f.funct3()]?,
            rd: f.rd(),
            rs1: f.rs1(),
            offset: f.imm(layout::I),
        },
        opcode::STORE => Inst::Store {
            op: STORES[f.funct3()]?,
            rs1: f.rs1(),
            rs2: f.rs2(),
            offset: f.imm(layout::S),
        },
        opcode::OP_IMM => return alu_imm(f, &OP_IMM),
        opcode::OP_IMM_32 => return alu_imm(f, &OP_IMM_32),
        opcode::OP => return alu(f, &OP),
        opcode::OP_32 => return alu(f, &OP_32),
        opcode::LOAD_FP => Inst::FpLoad {
            format: f.access_format()?,
            rd: f.fd(),
            rs1: f.rs1(),
            offset: f.imm(layout::I),
        },
        opcode::STORE_FP => Inst::FpStore {
            format: f.access_format()?,
            rs1: f.rs1(),
            rs2: f.fs2(),
            offset: f.imm(layout::S),
        },
        opcode::MISC_MEM => return misc_mem(f),
        opcode::SYSTEM => return system(f),
        opcode::AMO => return atomic(f),
        opcode::OP_FP => return float(f),
        opcode::MADD | opcode::MSUB | opcode::NMSUB | opcode::NMADD => Inst::FpFused {
            op: table::find(table::FUSED, word)?,
            format: f.format()?,
            rm: f.rm()?,
            rd: f.fd(),
            rs1: f.fs1(),
            rs2: f.fs2(),
            rs3: f.fs3(),
        },
        _ => return None,
    })
}

#[inline]
fn alu_imm(f: Fields, index: &[Option<AluImmOp>; 1024]) -> Option<Inst> {
    let (rd, rs1) = (f.rd(), f.rs1());
    let Some(op) = index[funct10(f.0)] else {
        let op = table::find(table::ALU_UNARY, f.0)?;
        return Some(Inst::AluUnary { op, rd, rs1 });
    };
    // Shifts and single-bit operations have these two values of `funct3` to themselves. Those on
    // words have bit 25 clear, by their rows.
    let is_shift = matches!(f.funct3(), 1 | 5);
    let imm = if is_shift {
        f.imm(layout::SHAMT)
    } else {
        f.imm(layout::I)
    };
    Some(Inst::AluImm { op, rd, rs1, imm })
}

#[inline]
fn alu(f: Fields, index: &[Option<AluOp>; 1024]) -> Option<Inst> {
    let (rd, rs1) = (f.rd(), f.rs1());
    let Some(op) = index[funct10(f.0)] else {
        let op = table::find(table::ALU_UNARY, f.0)?;
        return Some(Inst::AluUnary { op, rd, rs1 });
    };
    Some(Inst::Alu {
        op,
        rd,
        rs1,
        rs2: f.rs2(),
    })
}

fn misc_mem(f: Fields) -> Option<Inst> {
    match f.0 & 0x707f {
        table::FENCE => Some(Inst::Fence {
            fm: f.nibble(28),
            pred: f.nibble(24),
            succ: f.nibble(20),
        }),
        table::FENCE_I => Some(Inst::FenceI),
        _ => None,
    }
}

fn system(f: Fields) -> Option<Inst> {
    match f.0 {
        table::ECALL => return Some(Inst::Ecall),
        table::EBREAK => return Some(Inst::Ebreak),
        _ => {}
    }
    let op = table::find(table::CSRS, f.0 & !table::CSR_IMMEDIATE)?;
    let source = if f.0 & table::CSR_IMMEDIATE == 0 {
        CsrSource::Reg(f.rs1())
    } else {
        CsrSource::Imm(f.register(15))
    };
    Some(Inst::Csr {
        op,
        rd: f.rd(),
        csr: Csr((f.0 >> 20) as u16),
        source,
    })
}

fn atomic(f: Fields) -> Option<Inst> {
    let width = match f.funct3() {
        2 => AmoWidth::Word,
        3 => AmoWidth::Double,
        _ => return None,
    };
    let ordering = AmoOrdering {
        acquire: f.0 & 1 << 26 != 0,
        release: f.0 & 1 << 25 != 0,
    };
    let (rd, rs1, rs2) = (f.rd(), f.rs1(), f.rs2());
    match ATOMICS[f.funct5()]? {
        Atomic::LoadReserved if !rs2.is_zero() => None,
        Atomic::LoadReserved => Some(Inst::LoadReserved {
            width,
            ordering,
            rd,
            rs1,
        }),
        Atomic::StoreConditional => Some(Inst::StoreConditional {
            width,
            ordering,
            rd,
            rs1,
            rs2,
        }),
        Atomic::Modify(op) => Some(Inst::Amo {
            op,
            width,
            ordering,
            rd,
            rs1,
            rs2,
        }),
    }
}

fn float(f: Fields) -> Option<Inst> {
    let format = f.format()?;
    let (rd, rs1, rs2) = (f.fd(), f.fs1(), f.fs2());
    Some(match table::find(table::FLOATS, f.0)? {
        Float::SignInject(op) => Inst::FpSignInject {
            op,
            format,
            rd,
            rs1,
            rs2,
        },
        Float::MinMax(op) => Inst::FpMinMax {
            op,
            format,
            rd,
            rs1,
            rs2,
        },
        Float::Compare(op) => Inst::FpCompare {
            op,
            format,
            rd: f.rd(),
            rs1,
            rs2,
        },
        Float::MoveToInt => Inst::FpMoveToInt {
            format,
            rd: f.rd(),
            rs1,
        },
        Float::Class => Inst::FpClass {
            format,
            rd: f.rd(),
            rs1,
        },
        Float::MoveFromInt => Inst::FpMoveFromInt {
            format,
            rd,
            rs1: f.rs1(),
        },
        rounded => return rounded_float(rounded, f),
    })
}

/// The operations that have a rounding mode, which may be reserved.
fn rounded_float(op: Float, f: Fields) -> Option<Inst> {
    let (format, rm) = (f.format()?, f.rm()?);
    let (rd, rs1, rs2) = (f.fd(), f.fs1(), f.fs2());
    Some(match op {
        Float::Binary(op) => Inst::FpBinary {
            op,
            format,
            rm,
            rd,
            rs1,
            rs2,
        },
        Float::Sqrt => Inst::FpSqrt {
            format,
            rm,
            rd,
            rs1,
        },
        Float::ToInt(int) => Inst::FpToInt {
            int,
            format,
            rm,
            rd: f.rd(),
            rs1,
        },
        Float::FromInt(int) => Inst::IntToFp {
            format,
            int,
            rm,
            rd,
            rs1: f.rs1(),
        },
        Float::Convert if format_of(rs2.field())? != format => Inst::FpConvert {
            to: format,
            rm,
            rd,
            rs1,
        },
        _ => return None,
    })
}

/// A floating-point format as the two-bit field `fmt` has it, of which half and quad are no part
/// of the decoded set.
const fn format_of(field: u32) -> Option<FpFormat> {
    match field {
        0 => Some(FpFormat::Single),
        1 => Some(FpFormat::Double),
        _ => None,
    }
}

/// The fields of a word at the places where every format has them.
#[derive(Clone, Copy)]
struct Fields(u32);

impl Fields {
    #[inline(always)]
    const fn imm(self, layout: Layout) -> i32 {
        layout.extract(self.0)
    }

    const fn register(self, at: u32) -> u8 {
        (self.0 >> at & 31) as u8
    }

    const fn nibble(self, at: u32) -> u8 {
        (self.0 >> at & 15) as u8
    }

    const fn rd(self) -> XReg {
        XReg::new(self.register(7))
    }

    const fn rs1(self) -> XReg {
        XReg::new(self.register(15))
    }

    const fn rs2(self) -> XReg {
        XReg::new(self.register(20))
    }

    const fn fd(self) -> FReg {
        FReg::new(self.register(7))
    }

    const fn fs1(self) -> FReg {
        FReg::new(self.register(15))
    }

    const fn fs2(self) -> FReg {
        FReg::new(self.register(20))
    }

    const fn fs3(self) -> FReg {
        FReg::new(self.register(27))
    }

    const fn funct3(self) -> usize {
        (self.0 >> 12 & 7) as usize
    }

    const fn funct5(self) -> usize {
        (self.0 >> 27) as usize
    }

    const fn format(self) -> Option<FpFormat> {
        format_of(self.0 >> 25 & 3)
    }

    /// The format of a floating-point load or store.
    const fn access_format(self) -> Option<FpFormat> {
        match self.funct3() {
            2 => Some(FpFormat::Single),
            3 => Some(FpFormat::Double),
            _ => None,
        }
    }

    const fn rm(self) -> Option<RoundingMode> {
        match self.funct3() {
            0 => Some(RoundingMode::Rne),
            1 => Some(RoundingMode::Rtz),
            2 => Some(RoundingMode::Rdn),
            3 => Some(RoundingMode::Rup),
            4 => Some(RoundingMode::Rmm),
            7 => Some(RoundingMode::Dyn),
            _ => None,
        }
    }
}

//! The 2-byte encodings: rows for each, and what they abbreviate.

use crate::inst::{AluImmOp, AluOp, BranchOp, FpFormat, Inst, LoadOp, StoreOp};
use crate::layout::{self, Layout};
use crate::{FReg, XReg};

/// One encoding: a half-word `h` is `form` where `h & mask == bits` and `h & nonzero != 0`.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) mnemonic: &'static str,
    pub(crate) form: Form,
    pub(crate) mask: u16,
    pub(crate) bits: u16,
    /// Which bits may not all be zero: with them zero the encoding is reserved, or another one.
    pub(crate) nonzero: u16,
}

/// How the fields of a half-word make an instruction. "Near" registers are `x8` to `x15` and `f8`
/// to `f15`, in three-bit fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `addi near, sp, imm`.
    Addi4spn,
    /// A load between near registers.
    Load(LoadOp),
    /// A store between near registers.
    Store(StoreOp),
    /// `fld` between near registers.
    FpLoad,
    /// `fsd` between near registers.
    FpStore,
    /// `op rd, rd, imm`.
    Imm(AluImmOp),
    /// `addi rd, x0, imm`.
    Li,
    /// `addi sp, sp, imm`.
    Addi16sp,
    /// `lui rd, imm`.
    Lui,
    /// `op near, near, imm`.
    NearImm(AluImmOp),
    /// `op near, near, near`.
    NearAlu(AluOp),
    /// `jal x0, offset`.
    Jump,
    /// A branch that compares a near register with `x0`.
    BranchZero(BranchOp),
    /// A load relative to `sp`.
    LoadSp(LoadOp),
    /// A store relative to `sp`.
    StoreSp(StoreOp),
    /// `fld` relative to `sp`.
    FpLoadSp,
    /// `fsd` relative to `sp`.
    FpStoreSp,
    /// `jalr link, 0(rs1)`, where `link` is `x0` or `ra`.
    JumpReg(XReg),
    /// `add rd, x0, rs2`.
    Move,
    /// `add rd, rd, rs2`.
    Add,
    /// `ebreak`.
    Ebreak,
}

macro_rules! rows {
    ($($mnemonic:literal, $form:expr, $mask:literal, $bits:literal, $nonzero:ident;)*) => {
        &[$(Row {
            mnemonic: $mnemonic,
            form: $form,
            mask: $mask,
            bits: $bits,
            nonzero: $nonzero,
        }),*]
    };
}

/// No demand: every half-word that has a row is other than zero.
const ANY: u16 = 0xffff;
/// The destination, in bits 7 to 11.
const RD: u16 = 0x0f80;
/// The second source, in bits 2 to 6.
const RS2: u16 = 0x007c;
/// The immediate of `c.lui` and `c.addi16sp`.
const IMM6: u16 = 0x107c;
/// The immediate of `c.addi4spn`.
const IMM8: u16 = 0x1fe0;

/// All 2-byte encodings, by quadrant (the low two bits) and `funct3` (the high three).
pub(crate) const ROWS: &[Row] = rows! {
    "c.addi4spn", Form::Addi4spn,                 0xe003, 0x0000, IMM8;
    "c.fld",      Form::FpLoad,                   0xe003, 0x2000, ANY;
    "c.lw",       Form::Load(LoadOp::Lw),         0xe003, 0x4000, ANY;
    "c.ld",       Form::Load(LoadOp::Ld),         0xe003, 0x6000, ANY;
    "c.fsd",      Form::FpStore,                  0xe003, 0xa000, ANY;
    "c.sw",       Form::Store(StoreOp::Sw),       0xe003, 0xc000, ANY;
    "c.sd",       Form::Store(StoreOp::Sd),       0xe003, 0xe000, ANY;
    "c.addi",     Form::Imm(AluImmOp::Addi),      0xe003, 0x0001, ANY;
    "c.addiw",    Form::Imm(AluImmOp::Addiw),     0xe003, 0x2001, RD;
    "c.li",       Form::Li,                       0xe003, 0x4001, ANY;
    "c.addi16sp", Form::Addi16sp,                 0xef83, 0x6101, IMM6;
    "c.lui",      Form::Lui,                      0xe003, 0x6001, IMM6;
    "c.srli",     Form::NearImm(AluImmOp::Srli),  0xec03, 0x8001, ANY;
    "c.srai",     Form::NearImm(AluImmOp::Srai),  0xec03, 0x8401, ANY;
    "c.andi",     Form::NearImm(AluImmOp::Andi),  0xec03, 0x8801, ANY;
    "c.sub",      Form::NearAlu(AluOp::Sub),      0xfc63, 0x8c01, ANY;
    "c.xor",      Form::NearAlu(AluOp::Xor),      0xfc63, 0x8c21, ANY;
    "c.or",       Form::NearAlu(AluOp::Or),       0xfc63, 0x8c41, ANY;
    "c.and",      Form::NearAlu(AluOp::And),      0xfc63, 0x8c61, ANY;
    "c.subw",     Form::NearAlu(AluOp::Subw),     0xfc63, 0x9c01, ANY;
    "c.addw",     Form::NearAlu(AluOp::Addw),     0xfc63, 0x9c21, ANY;
    "c.j",        Form::Jump,                     0xe003, 0xa001, ANY;
    "c.beqz",     Form::BranchZero(BranchOp::Eq), 0xe003, 0xc001, ANY;
    "c.bnez",     Form::BranchZero(BranchOp::Ne), 0xe003, 0xe001, ANY;
    "c.slli",     Form::Imm(AluImmOp::Slli),      0xe003, 0x0002, ANY;
    "c.fldsp",    Form::FpLoadSp,                 0xe003, 0x2002, ANY;
    "c.lwsp",     Form::LoadSp(LoadOp::Lw),       0xe003, 0x4002, RD;
    "c.ldsp",     Form::LoadSp(LoadOp::Ld),       0xe003, 0x6002, RD;
    "c.mv",       Form::Move,                     0xf003, 0x8002, RS2;
    "c.jr",       Form::JumpReg(XReg::ZERO),      0xf07f, 0x8002, RD;
    "c.add",      Form::Add,                      0xf003, 0x9002, RS2;
    "c.jalr",     Form::JumpReg(XReg::RA),        0xf07f, 0x9002, RD;
    "c.ebreak",   Form::Ebreak,                   0xffff, 0x9002, ANY;
    "c.fsdsp",    Form::FpStoreSp,                0xe003, 0xa002, ANY;
    "c.swsp",     Form::StoreSp(StoreOp::Sw),     0xe003, 0xc002, ANY;
    "c.sdsp",     Form::StoreSp(StoreOp::Sd),     0xe003, 0xe002, ANY;
};

/// Where to start in [`ROWS`] for each value of [`selector_of`]: the first row that a half-word
/// with those bits can match, or past the last one.
static STARTS: [u8; 1024] = starts();

const fn starts() -> [u8; 1024] {
    let selecting = 0xfc63;
    let mut starts = [ROWS.len() as u8; 1024];
    let mut i = ROWS.len();
    while i > 0 {
        i -= 1;
        let mut selector = 0;
        while selector < 1024 {
            let half = (selector & 0x3f) << 10 | (selector >> 6 & 3) << 5 | selector >> 8;
            if (half ^ ROWS[i].bits) & ROWS[i].mask & selecting == 0 {
                starts[selector as usize] = i as u8;
            }
            selector += 1;
        }
    }
    starts
}

/// The bits of a half-word that tell nearly all rows apart: the quadrant in bits 0 and 1, then
/// bits 5 and 6, and 10 to 15.
const fn selector_of(half: u16) -> usize {
    (half >> 10 | (half >> 5 & 3) << 6 | (half & 3) << 8) as usize
}

/// The row of a half-word.
#[inline]
pub(crate) fn row_of(half: u16) -> Option<&'static Row> {
    let start = usize::from(STARTS[selector_of(half)]);
    ROWS.get(start..)?.iter().find(|row| row.matches(half))
}

/// The instruction that a half-word abbreviates.
#[inline(never)]
pub(crate) fn expand(half: u16) -> Option<Inst> {
    let f = Fields(half);
    Some(match row_of(half)?.form {
        Form::Addi4spn => addi(f.near_rd(), XReg::SP, f.imm(layout::C_ADDI4SPN)),
        Form::Imm(op) => Inst::AluImm {
            op,
            rd: f.rd(),
            rs1: f.rd(),
            imm: f.imm(operand(op)),
        },
        Form::Li => addi(f.rd(), XReg::ZERO, f.imm(layout::C_IMM)),
        Form::Addi16sp => addi(XReg::SP, XReg::SP, f.imm(layout::C_ADDI16SP)),
        Form::Lui => Inst::Lui {
            rd: f.rd(),
            imm: f.imm(layout::C_LUI),
        },
        Form::NearImm(op) => Inst::AluImm {
            op,
            rd: f.near_rs1(),
            rs1: f.near_rs1(),
            imm: f.imm(operand(op)),
        },
        Form::NearAlu(op) => Inst::Alu {
            op,
            rd: f.near_rs1(),
            rs1: f.near_rs1(),
            rs2: f.near_rd(),
        },
        Form::Jump => Inst::Jal {
            rd: XReg::ZERO,
            offset: f.imm(layout::C_JUMP),
        },
        Form::BranchZero(op) => Inst::Branch {
            op,
            rs1: f.near_rs1(),
            rs2: XReg::ZERO,
            offset: f.imm(layout::C_BRANCH),
        },
        Form::JumpReg(link) => Inst::Jalr {
            rd: link,
            rs1: f.rd(),
            offset: 0,
        },
        Form::Move => Inst::Alu {
            op: AluOp::Add,
            rd: f.rd(),
            rs1: XReg::ZERO,
            rs2: f.rs2(),
        },
        Form::Add => Inst::Alu {
            op: AluOp::Add,
            rd: f.rd(),
            rs1: f.rd(),
            rs2: f.rs2(),
        },
        Form::Ebreak => Inst::Ebreak,
        form => return expand_memory(form, f),
    })
}

#[inline(always)]
fn expand_memory(form: Form, f: Fields) -> Option<Inst> {
    Some(match form {
        Form::Load(op) => Inst::Load {
            op,
            rd: f.near_rd(),
            rs1: f.near_rs1(),
            offset: f.imm(near_load(op)),
        },
        Form::Store(op) => Inst::Store {
            op,
            rs1: f.near_rs1(),
            rs2: f.near_rd(),
            offset: f.imm(near_store(op)),
        },
        Form::FpLoad => Inst::FpLoad {
            format: FpFormat::Double,
            rd: f.near_fd(),
            rs1: f.near_rs1(),
            offset: f.imm(layout::C_DOUBLE),
        },
        Form::FpStore => Inst::FpStore {
            format: FpFormat::Double,
            rs1: f.near_rs1(),
            rs2: f.near_fd(),
            offset: f.imm(layout::C_DOUBLE),
        },
        Form::LoadSp(op) => Inst::Load {
            op,
            rd: f.rd(),
            rs1: XReg::SP,
            offset: f.imm(load_sp(op)),
        },
        Form::StoreSp(op) => Inst::Store {
            op,
            rs1: XReg::SP,
            rs2: f.rs2(),
            offset: f.imm(store_sp(op)),
        },
        Form::FpLoadSp => Inst::FpLoad {
            format: FpFormat::Double,
            rd: f.fd(),
            rs1: XReg::SP,
            offset: f.imm(layout::C_LOAD_DOUBLE_SP),
        },
        Form::FpStoreSp => Inst::FpStore {
            format: FpFormat::Double,
            rs1: XReg::SP,
            rs2: f.fs2(),
            offset: f.imm(layout::C_STORE_DOUBLE_SP),
        },
        _ => return None,
    })
}

#[inline(always)]
const fn addi(rd: XReg, rs1: XReg, imm: i32) -> Inst {
    Inst::AluImm {
        op: AluImmOp::Addi,
        rd,
        rs1,
        imm,
    }
}

/// The immediate of an operation on one register and an immediate.
#[inline(always)]
pub(crate) const fn operand(op: AluImmOp) -> Layout {
    match op {
        AluImmOp::Slli | AluImmOp::Srli | AluImmOp::Srai => layout::C_SHAMT,
        _ => layout::C_IMM,
    }
}

#[inline(always)]
pub(crate) const fn near_load(op: LoadOp) -> Layout {
    if matches!(op, LoadOp::Lw) {
        layout::C_WORD
    } else {
        layout::C_DOUBLE
    }
}

#[inline(always)]
pub(crate) const fn near_store(op: StoreOp) -> Layout {
    if matches!(op, StoreOp::Sw) {
        layout::C_WORD
    } else {
        layout::C_DOUBLE
    }
}

#[inline(always)]
pub(crate) const fn load_sp(op: LoadOp) -> Layout {
    if matches!(op, LoadOp::Lw) {
        layout::C_LOAD_WORD_SP
    } else {
        layout::C_LOAD_DOUBLE_SP
    }
}

#[inline(always)]
pub(crate) const fn store_sp(op: StoreOp) -> Layout {
    if matches!(op, StoreOp::Sw) {
        layout::C_STORE_WORD_SP
    } else {
        layout::C_STORE_DOUBLE_SP
    }
}

impl Row {
    /// Whether `half` is this row's encoding.
    pub(crate) const fn matches(&self, half: u16) -> bool {
        half & self.mask == self.bits && half & self.nonzero != 0
    }
}

/// The fields of a half-word at the places where the formats have them.
#[derive(Clone, Copy)]
struct Fields(u16);

impl Fields {
    #[inline(always)]
    const fn imm(self, layout: Layout) -> i32 {
        layout.extract(self.0 as u32)
    }

    const fn register(self, at: u16) -> u8 {
        (self.0 >> at & 31) as u8
    }

    const fn near(self, at: u16) -> u8 {
        (self.0 >> at & 7) as u8 + 8
    }

    const fn rd(self) -> XReg {
        XReg::new(self.register(7))
    }

    const fn rs2(self) -> XReg {
        XReg::new(self.register(2))
    }

    const fn fd(self) -> FReg {
        FReg::new(self.register(7))
    }

    const fn fs2(self) -> FReg {
        FReg::new(self.register(2))
    }

    const fn near_rd(self) -> XReg {
        XReg::new(self.near(2))
    }

    const fn near_rs1(self) -> XReg {
        XReg::new(self.near(7))
    }

    const fn near_fd(self) -> FReg {
        FReg::new(self.near(2))
    }
}

//! Typed instructions: what the decoder yields, and what interpreter and translator consume.
//!
//! Instructions are grouped by shape: one variant of [`Inst`] for all that share their operands, and
//! a small `…Op` enum that tells them apart. Immediates are sign-extended and scaled already, so
//! an offset is in bytes and the `imm` of `lui` has its low twelve bits clear. Compressed
//! instructions decode to the instruction that they abbreviate; only [`Decoded::len`] differs.

use crate::{FReg, XReg};

/// An instruction, and how many bytes it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The instruction.
    pub inst: Inst,
    /// Its length in bytes: 2 or 4.
    pub len: u8,
}

/// One instruction of RV64GC, Zba, Zbb or Zbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "operands carry the names that the specification gives them"
)]
pub enum Inst {
    /// `rd = imm`, where `imm` has its low twelve bits clear.
    Lui { rd: XReg, imm: i32 },
    /// `rd = pc + imm`, where `imm` has its low twelve bits clear.
    Auipc { rd: XReg, imm: i32 },
    /// `rd = pc + len; pc += offset`.
    Jal { rd: XReg, offset: i32 },
    /// `t = pc + len; pc = (rs1 + offset) & !1; rd = t`.
    Jalr { rd: XReg, rs1: XReg, offset: i32 },
    /// `if rs1 op rs2 { pc += offset }`.
    Branch {
        op: BranchOp,
        rs1: XReg,
        rs2: XReg,
        offset: i32,
    },
    /// `rd = memory[rs1 + offset]`.
    Load {
        op: LoadOp,
        rd: XReg,
        rs1: XReg,
        offset: i32,
    },
    /// `memory[rs1 + offset] = rs2`.
    Store {
        op: StoreOp,
        rs1: XReg,
        rs2: XReg,
        offset: i32,
    },
    /// `rd = rs1 op imm`; for shifts and single-bit operations `imm` is the bit number.
    AluImm {
        op: AluImmOp,
        rd: XReg,
        rs1: XReg,
        imm: i32,
    },
    /// `rd = rs1 op rs2`.
    Alu {
        op: AluOp,
        rd: XReg,
        rs1: XReg,
        rs2: XReg,
    },
    /// `rd = op rs1`.
    AluUnary { op: AluUnaryOp, rd: XReg, rs1: XReg },
    /// Orders memory accesses; `pred` and `succ` are the four-bit sets `iorw`, `fm` the mode.
    Fence { fm: u8, pred: u8, succ: u8 },
    /// Makes earlier stores visible to instruction fetch.
    FenceI,
    /// A system call.
    Ecall,
    /// A breakpoint.
    Ebreak,
    /// `rd = csr; csr = csr op source`.
    Csr {
        op: CsrOp,
        rd: XReg,
        csr: Csr,
        source: CsrSource,
    },
    /// Load reserved.
    LoadReserved {
        width: AmoWidth,
        ordering: AmoOrdering,
        rd: XReg,
        rs1: XReg,
    },
    /// Store conditional: `rd` is 0 where the store took place.
    StoreConditional {
        width: AmoWidth,
        ordering: AmoOrdering,
        rd: XReg,
        rs1: XReg,
        rs2: XReg,
    },
    /// `rd = memory[rs1]; memory[rs1] = rd op rs2`, atomically.
    Amo {
        op: AmoOp,
        width: AmoWidth,
        ordering: AmoOrdering,
        rd: XReg,
        rs1: XReg,
        rs2: XReg,
    },
    /// `rd = memory[rs1 + offset]`, NaN-boxed where narrower than the register.
    FpLoad {
        format: FpFormat,
        rd: FReg,
        rs1: XReg,
        offset: i32,
    },
    /// `memory[rs1 + offset] = rs2`.
    FpStore {
        format: FpFormat,
        rs1: XReg,
        rs2: FReg,
        offset: i32,
    },
    /// `rd = rs1 op rs2`, rounded.
    FpBinary {
        op: FpBinaryOp,
        format: FpFormat,
        rm: RoundingMode,
        rd: FReg,
        rs1: FReg,
        rs2: FReg,
    },
    /// `rd = √rs1`.
    FpSqrt {
        format: FpFormat,
        rm: RoundingMode,
        rd: FReg,
        rs1: FReg,
    },
    /// `rd = ±(rs1 × rs2) ± rs3`, rounded once.
    FpFused {
        op: FpFusedOp,
        format: FpFormat,
        rm: RoundingMode,
        rd: FReg,
        rs1: FReg,
        rs2: FReg,
        rs3: FReg,
    },
    /// `rd` = the magnitude of `rs1` with a sign made from both.
    FpSignInject {
        op: FpSignInjectOp,
        format: FpFormat,
        rd: FReg,
        rs1: FReg,
        rs2: FReg,
    },
    /// IEEE 754-2019 `minimumNumber` and `maximumNumber`.
    FpMinMax {
        op: FpMinMaxOp,
        format: FpFormat,
        rd: FReg,
        rs1: FReg,
        rs2: FReg,
    },
    /// `rd = rs1 op rs2`, 0 or 1.
    FpCompare {
        op: FpCompareOp,
        format: FpFormat,
        rd: XReg,
        rs1: FReg,
        rs2: FReg,
    },
    /// `rd` = a ten-bit one-hot mask of the class of `rs1`.
    FpClass {
        format: FpFormat,
        rd: XReg,
        rs1: FReg,
    },
    /// `fcvt.{int}.{format}`: floating point to integer, saturating.
    FpToInt {
        int: IntFormat,
        format: FpFormat,
        rm: RoundingMode,
        rd: XReg,
        rs1: FReg,
    },
    /// `fcvt.{format}.{int}`: integer to floating point.
    IntToFp {
        format: FpFormat,
        int: IntFormat,
        rm: RoundingMode,
        rd: FReg,
        rs1: XReg,
    },
    /// `fcvt.{to}.{other}`: between single and double.
    FpConvert {
        to: FpFormat,
        rm: RoundingMode,
        rd: FReg,
        rs1: FReg,
    },
    /// `fmv.x.w`, `fmv.x.d`: the register's bits, a word sign-extended.
    FpMoveToInt {
        format: FpFormat,
        rd: XReg,
        rs1: FReg,
    },
    /// `fmv.w.x`, `fmv.d.x`: the register's bits, a word NaN-boxed.
    FpMoveFromInt {
        format: FpFormat,
        rd: FReg,
        rs1: XReg,
    },
}

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $mnemonic:literal),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each variant is the mnemonic that `mnemonic` returns")]
        pub enum $name { $($variant),* }

        impl $name {
            /// Every member, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The assembler's spelling.
            pub const fn mnemonic(self) -> &'static str {
                match self { $(Self::$variant => $mnemonic),* }
            }
        }
    )*};
}

ops! {
    /// Conditions of branches.
    BranchOp {
        Eq = "beq", Ne = "bne", Lt = "blt", Ge = "bge", Ltu = "bltu", Geu = "bgeu",
    }
    /// Integer loads.
    LoadOp {
        Lb = "lb", Lh = "lh", Lw = "lw", Ld = "ld", Lbu = "lbu", Lhu = "lhu", Lwu = "lwu",
    }
    /// Integer stores.
    StoreOp { Sb = "sb", Sh = "sh", Sw = "sw", Sd = "sd" }
    /// Operations on a register and an immediate.
    AluImmOp {
        Addi = "addi", Slti = "slti", Sltiu = "sltiu", Xori = "xori", Ori = "ori", Andi = "andi",
        Slli = "slli", Srli = "srli", Srai = "srai",
        Addiw = "addiw", Slliw = "slliw", Srliw = "srliw", Sraiw = "sraiw",
        SlliUw = "slli.uw", Rori = "rori", Roriw = "roriw",
        Bclri = "bclri", Bexti = "bexti", Binvi = "binvi", Bseti = "bseti",
    }
    /// Operations on two registers.
    AluOp {
        Add = "add", Sub = "sub", Sll = "sll", Slt = "slt", Sltu = "sltu", Xor = "xor",
        Srl = "srl", Sra = "sra", Or = "or", And = "and",
        Addw = "addw", Subw = "subw", Sllw = "sllw", Srlw = "srlw", Sraw = "sraw",
        Mul = "mul", Mulh = "mulh", Mulhsu = "mulhsu", Mulhu = "mulhu",
        Div = "div", Divu = "divu", Rem = "rem", Remu = "remu",
        Mulw = "mulw", Divw = "divw", Divuw = "divuw", Remw = "remw", Remuw = "remuw",
        AddUw = "add.uw", Sh1add = "sh1add", Sh2add = "sh2add", Sh3add = "sh3add",
        Sh1addUw = "sh1add.uw", Sh2addUw = "sh2add.uw", Sh3addUw = "sh3add.uw",
        Andn = "andn", Orn = "orn", Xnor = "xnor",
        Max = "max", Maxu = "maxu", Min = "min", Minu = "minu",
        Rol = "rol", Ror = "ror", Rolw = "rolw", Rorw = "rorw",
        Bclr = "bclr", Bext = "bext", Binv = "binv", Bset = "bset",
    }
    /// Operations on one register.
    AluUnaryOp {
        Clz = "clz", Ctz = "ctz", Cpop = "cpop", Clzw = "clzw", Ctzw = "ctzw", Cpopw = "cpopw",
        SextB = "sext.b", SextH = "sext.h", ZextH = "zext.h", OrcB = "orc.b", Rev8 = "rev8",
    }
    /// What an access to a CSR writes back.
    CsrOp { Write = "csrrw", Set = "csrrs", Clear = "csrrc" }
    /// Atomic read-modify-write operations.
    AmoOp {
        Swap = "amoswap", Add = "amoadd", Xor = "amoxor", And = "amoand", Or = "amoor",
        Min = "amomin", Max = "amomax", Minu = "amominu", Maxu = "amomaxu",
    }
    /// The width of an atomic access.
    AmoWidth { Word = "w", Double = "d" }
    /// A floating-point format.
    FpFormat { Single = "s", Double = "d" }
    /// An integer format of a conversion.
    IntFormat { Word = "w", WordUnsigned = "wu", Long = "l", LongUnsigned = "lu" }
    /// Two-operand arithmetic.
    FpBinaryOp { Add = "fadd", Sub = "fsub", Mul = "fmul", Div = "fdiv" }
    /// Fused multiply-add: `rs1×rs2+rs3`, `rs1×rs2−rs3`, `−(rs1×rs2)+rs3`, `−(rs1×rs2)−rs3`.
    FpFusedOp { Madd = "fmadd", Msub = "fmsub", Nmsub = "fnmsub", Nmadd = "fnmadd" }
    /// How the sign is made: from `rs2`, its opposite, or the exclusive or of both.
    FpSignInjectOp { Copy = "fsgnj", Negate = "fsgnjn", Xor = "fsgnjx" }
    /// Minimum and maximum.
    FpMinMaxOp { Min = "fmin", Max = "fmax" }
    /// Comparisons: `Eq` is quiet, the others signal on any NaN.
    FpCompareOp { Eq = "feq", Lt = "flt", Le = "fle" }
    /// A rounding mode as encoded in an instruction; `Dyn` takes it from `frm`.
    RoundingMode { Rne = "rne", Rtz = "rtz", Rdn = "rdn", Rup = "rup", Rmm = "rmm", Dyn = "dyn" }
}

/// The number of a control and status register, twelve bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Csr(pub u16);

impl Csr {
    /// Accrued floating-point exceptions.
    pub const FFLAGS: Self = Self(0x001);
    /// The dynamic rounding mode.
    pub const FRM: Self = Self(0x002);
    /// Rounding mode and accrued exceptions.
    pub const FCSR: Self = Self(0x003);
    /// The cycle counter.
    pub const CYCLE: Self = Self(0xc00);
    /// The wall clock.
    pub const TIME: Self = Self(0xc01);
    /// Retired instructions.
    pub const INSTRET: Self = Self(0xc02);
}

/// The second operand of a CSR instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CsrSource {
    /// A register.
    Reg(XReg),
    /// A five-bit unsigned immediate.
    Imm(u8),
}

/// The acquire and release bits of an atomic instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AmoOrdering {
    /// No later access of this hart comes before this one.
    pub acquire: bool,
    /// No earlier access of this hart comes after this one.
    pub release: bool,
}

impl FpFormat {
    /// The size of a value in bytes: 4 or 8.
    pub const fn size_bytes(self) -> u32 {
        match self {
            Self::Single => 4,
            Self::Double => 8,
        }
    }
}

impl Inst {
    /// Whether control never falls through to the next instruction by itself: jumps, branches,
    /// system calls, breakpoints and `fence.i` end a basic block.
    pub const fn ends_block(&self) -> bool {
        matches!(
            self,
            Self::Jal { .. }
                | Self::Jalr { .. }
                | Self::Branch { .. }
                | Self::Ecall
                | Self::Ebreak
                | Self::FenceI
        )
    }
}

//! Random instructions of every kind that a machine for RV64GC, Zba, Zbb and Zbs runs.

use rv_isa::{
    AluImmOp, AluOp, AluUnaryOp, AmoOp, AmoOrdering, AmoWidth, Csr, CsrOp, CsrSource, FReg,
    FpBinaryOp, FpCompareOp, FpFormat, FpFusedOp, FpMinMaxOp, FpSignInjectOp, Inst, IntFormat,
    LoadOp, RoundingMode, StoreOp, XReg,
};

use super::random::Random;

/// The registers that random instructions use: few, so that instructions depend on one another.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Integer registers that may be written.
    pub targets: Vec<XReg>,
    /// Integer registers that may be read.
    pub sources: Vec<XReg>,
    /// Floating-point registers.
    pub floats: Vec<FReg>,
    /// Registers that hold addresses of data.
    pub bases: Vec<XReg>,
    /// The one whose address atomic operations use.
    pub atomic_base: XReg,
    /// How far from a base's address accesses are at most, in bytes.
    pub reach: i32,
}

impl Random {
    fn offset(&mut self, pool: &Pool) -> i32 {
        self.below(2 * pool.reach as u64) as i32 - pool.reach
    }

    /// Integer arithmetic.
    pub fn integer_instruction(&mut self, pool: &Pool) -> Inst {
        let (rd, rs1, rs2) = (
            self.pick(&pool.targets),
            self.pick(&pool.sources),
            self.pick(&pool.sources),
        );
        match self.below(8) {
            0 => Inst::Lui {
                rd,
                imm: (self.number() as i32) & !0xfff,
            },
            1 => Inst::Auipc {
                rd,
                imm: (self.number() as i32 >> 8) & !0xfff,
            },
            2 | 3 => {
                let op = self.pick(AluImmOp::ALL);
                Inst::AluImm {
                    op,
                    rd,
                    rs1,
                    imm: self.immediate(op),
                }
            }
            4 => Inst::AluUnary {
                op: self.pick(AluUnaryOp::ALL),
                rd,
                rs1,
            },
            _ => Inst::Alu {
                op: self.pick(AluOp::ALL),
                rd,
                rs1,
                rs2,
            },
        }
    }

    fn immediate(&mut self, op: AluImmOp) -> i32 {
        match op {
            AluImmOp::Addi
            | AluImmOp::Slti
            | AluImmOp::Sltiu
            | AluImmOp::Xori
            | AluImmOp::Ori
            | AluImmOp::Andi
            | AluImmOp::Addiw => self.pick(&[0, 1, -1, 2047, -2048, 42]),
            AluImmOp::Slliw | AluImmOp::Srliw | AluImmOp::Sraiw | AluImmOp::Roriw => {
                self.below(32) as i32
            }
            _ => self.below(64) as i32,
        }
    }

    /// An access to memory: a load, a store, an atomic operation.
    pub fn memory_instruction(&mut self, pool: &Pool) -> Inst {
        let (rd, rs2, offset) = (
            self.pick(&pool.targets),
            self.pick(&pool.sources),
            self.offset(pool),
        );
        let base = self.pick(&pool.bases);
        let ordering = AmoOrdering {
            acquire: self.below(4) == 0,
            release: self.below(4) == 0,
        };
        let width = self.pick(AmoWidth::ALL);
        match self.below(8) {
            0..3 => Inst::Load {
                op: self.pick(LoadOp::ALL),
                rd,
                rs1: base,
                offset,
            },
            3..6 => Inst::Store {
                op: self.pick(StoreOp::ALL),
                rs1: base,
                rs2,
                offset,
            },
            6 => {
                let op = self.pick(AmoOp::ALL);
                Inst::Amo {
                    op,
                    width,
                    ordering,
                    rd,
                    rs1: pool.atomic_base,
                    rs2,
                }
            }
            _ if self.below(2) == 0 => Inst::LoadReserved {
                width,
                ordering,
                rd,
                rs1: pool.atomic_base,
            },
            _ => Inst::StoreConditional {
                width,
                ordering,
                rd,
                rs1: pool.atomic_base,
                rs2,
            },
        }
    }

    /// Floating point: arithmetic, conversions, moves, accesses to memory.
    #[expect(
        clippy::too_many_lines,
        reason = "a table: one arm for each shape of instruction"
    )]
    pub fn float_instruction(&mut self, pool: &Pool) -> Inst {
        let format = self.pick(FpFormat::ALL);
        let rm = match self.below(4) {
            0 => self.pick(RoundingMode::ALL),
            _ => RoundingMode::Dyn,
        };
        let (rd, rs1, rs2, rs3) = (
            self.pick(&pool.floats),
            self.pick(&pool.floats),
            self.pick(&pool.floats),
            self.pick(&pool.floats),
        );
        let (xd, xs) = (self.pick(&pool.targets), self.pick(&pool.sources));
        let (base, offset) = (self.pick(&pool.bases), self.offset(pool));
        match self.below(20) {
            0..5 => Inst::FpBinary {
                op: self.pick(FpBinaryOp::ALL),
                format,
                rm,
                rd,
                rs1,
                rs2,
            },
            5 => Inst::FpSqrt {
                format,
                rm,
                rd,
                rs1,
            },
            6 | 7 => {
                let op = self.pick(FpFusedOp::ALL);
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
            8 => Inst::FpSignInject {
                op: self.pick(FpSignInjectOp::ALL),
                format,
                rd,
                rs1,
                rs2,
            },
            9 => Inst::FpSignInject {
                op: self.pick(FpSignInjectOp::ALL),
                format,
                rd,
                rs1,
                rs2: rs1,
            },
            10 => Inst::FpMinMax {
                op: self.pick(FpMinMaxOp::ALL),
                format,
                rd,
                rs1,
                rs2,
            },
            11 => Inst::FpCompare {
                op: self.pick(FpCompareOp::ALL),
                format,
                rd: xd,
                rs1,
                rs2,
            },
            12 => Inst::FpClass {
                format,
                rd: xd,
                rs1,
            },
            13 => {
                let rm = self.pick(&[RoundingMode::Rtz, rm]);
                Inst::FpToInt {
                    int: self.pick(IntFormat::ALL),
                    format,
                    rm,
                    rd: xd,
                    rs1,
                }
            }
            14 => Inst::IntToFp {
                format,
                int: self.pick(IntFormat::ALL),
                rm,
                rd,
                rs1: xs,
            },
            15 => Inst::FpConvert {
                to: format,
                rm,
                rd,
                rs1,
            },
            16 => Inst::FpMoveToInt {
                format,
                rd: xd,
                rs1,
            },
            17 => Inst::FpMoveFromInt {
                format,
                rd,
                rs1: xs,
            },
            18 => Inst::FpLoad {
                format,
                rd,
                rs1: base,
                offset,
            },
            _ => Inst::FpStore {
                format,
                rs1: base,
                rs2,
                offset,
            },
        }
    }

    /// An access to `fflags`, `frm` or `fcsr`.
    pub fn environment_instruction(&mut self, pool: &Pool) -> Inst {
        let csr = self.pick(&[Csr::FFLAGS, Csr::FRM, Csr::FCSR]);
        let source = match self.below(2) {
            0 => CsrSource::Imm(self.pick(&[0, 1, 2, 3, 4, 16, 31])),
            _ => CsrSource::Reg(self.pick(&pool.sources)),
        };
        Inst::Csr {
            op: self.pick(CsrOp::ALL),
            rd: self.pick(&pool.targets),
            csr,
            source,
        }
    }
}

//! Random instructions and values, with the awkward ones more often than chance has them.

use rv_isa::{
    AluImmOp, AluOp, AluUnaryOp, AmoOp, AmoOrdering, AmoWidth, Csr, CsrOp, CsrSource, FReg,
    FpBinaryOp, FpCompareOp, FpFormat, FpFusedOp, FpMinMaxOp, FpSignInjectOp, Inst, IntFormat,
    LoadOp, RoundingMode, StoreOp, XReg,
};

/// The register that holds the address of the data.
pub(super) const DATA: XReg = XReg::new(5);

/// A small generator; its sequence is fixed by its seed.
pub(super) struct Random(pub u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// An integer: often small, at an edge, or a word.
    pub(super) fn integer(&mut self) -> u64 {
        let edges = [
            0,
            1,
            u64::MAX,
            1 << 63,
            (1 << 63) - 1,
            1 << 31,
            (1 << 31) - 1,
            0xffff_ffff,
        ];
        match self.below(4) {
            0 => self.pick(&edges),
            1 => self.next() % 64,
            2 => self.next() as i32 as u64,
            _ => self.next(),
        }
    }

    /// The contents of a floating-point register.
    pub(super) fn float(&mut self) -> u64 {
        let singles = [
            0,
            0x8000_0000,
            0x3f80_0000,
            0xbf80_0000,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_0000,
            0xffc0_1234,
            0x7f80_0001,
            0x0000_0001,
            0x8040_0000,
            0x7f7f_ffff,
            0x4f00_0000,
            0xcf00_0000,
            0x4f80_0000,
            0xbf00_0000,
            0x4efc_0001,
            0x5f00_0000,
        ];
        let doubles = [
            0,
            1 << 63,
            0x3ff0_0000_0000_0000,
            0xbff0_0000_0000_0000,
            0x7ff0_0000_0000_0000,
            0xfff0_0000_0000_0000,
            0x7ff8_0000_0000_0000,
            0xfff8_0000_0000_0001,
            0x7ff0_0000_0000_0001,
            1,
            0x800f_ffff_ffff_ffff,
            0x7fef_ffff_ffff_ffff,
            0x41e0_0000_0000_0000,
            0xc1e0_0000_0020_0000,
            0x41ef_ffff_fff0_0000,
            0x43e0_0000_0000_0000,
            0xbfe0_0000_0000_0000,
            0x41df_ffff_ffe0_0000,
        ];
        let near_one = |random: &mut Self, shift: u32, one: u64| {
            one.wrapping_add((random.next() as i64 >> shift) as u64)
        };
        const BOX: u64 = 0xffff_ffff_0000_0000;
        match self.below(8) {
            0 | 1 => BOX | self.pick(&singles),
            2 => BOX | near_one(self, 35, 0x3f80_0000) & 0xffff_ffff,
            3 => BOX | self.next() & 0xffff_ffff,
            4 => self.pick(&doubles),
            5 => near_one(self, 6, 0x3ff0_0000_0000_0000),
            _ => self.next(),
        }
    }

    /// A register that may be written: not the one with the data's address.
    fn target(&mut self) -> XReg {
        XReg::new(self.pick(&[0, 1, 2, 6, 8, 10, 11, 12, 15, 28]))
    }

    fn source(&mut self) -> XReg {
        XReg::new(self.pick(&[0, 1, 2, 5, 6, 8, 10, 11, 12, 15, 28]))
    }

    fn f(&mut self) -> FReg {
        FReg::new(self.below(6) as u8)
    }

    fn offset(&mut self) -> i32 {
        self.below(2000) as i32 - 1000
    }

    pub(super) fn integer_instruction(&mut self) -> Inst {
        let (rd, rs1, rs2) = (self.target(), self.source(), self.source());
        match self.below(8) {
            0 => Inst::Lui {
                rd,
                imm: (self.next() as i32) & !0xfff,
            },
            1 => Inst::Auipc {
                rd,
                imm: (self.next() as i32 >> 8) & !0xfff,
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

    /// The same, but never writing `spared`.
    pub(super) fn integer_instruction_sparing(&mut self, spared: XReg) -> Inst {
        loop {
            let inst = self.integer_instruction();
            if !super::super::operands::operands(&inst)
                .x_writes
                .contains(spared.index())
            {
                return inst;
            }
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

    pub(super) fn memory_instruction(&mut self) -> Inst {
        let (rd, rs2, offset) = (self.target(), self.source(), self.offset());
        let ordering = AmoOrdering {
            acquire: false,
            release: false,
        };
        let width = self.pick(AmoWidth::ALL);
        match self.below(8) {
            0..3 => Inst::Load {
                op: self.pick(LoadOp::ALL),
                rd,
                rs1: DATA,
                offset,
            },
            3..6 => Inst::Store {
                op: self.pick(StoreOp::ALL),
                rs1: DATA,
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
                    rs1: DATA,
                    rs2,
                }
            }
            _ if self.below(2) == 0 => Inst::LoadReserved {
                width,
                ordering,
                rd,
                rs1: DATA,
            },
            _ => Inst::StoreConditional {
                width,
                ordering,
                rd,
                rs1: DATA,
                rs2,
            },
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "a table: one arm for each shape of instruction"
    )]
    pub(super) fn float_instruction(&mut self) -> Inst {
        let format = self.pick(FpFormat::ALL);
        let rm = match self.below(4) {
            0 => self.pick(RoundingMode::ALL),
            _ => RoundingMode::Dyn,
        };
        let (rd, rs1, rs2, rs3) = (self.f(), self.f(), self.f(), self.f());
        let (xd, xs) = (self.target(), self.source());
        let offset = self.offset();
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
                rs1: DATA,
                offset,
            },
            _ => Inst::FpStore {
                format,
                rs1: DATA,
                rs2,
                offset,
            },
        }
    }

    pub(super) fn environment_instruction(&mut self) -> Inst {
        let csr = self.pick(&[Csr::FFLAGS, Csr::FRM, Csr::FCSR]);
        let source = match self.below(2) {
            0 => CsrSource::Imm(self.pick(&[0, 1, 2, 3, 16, 31])),
            _ => CsrSource::Reg(self.source()),
        };
        Inst::Csr {
            op: self.pick(CsrOp::ALL),
            rd: self.target(),
            csr,
            source,
        }
    }
}

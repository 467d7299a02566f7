//! Random sequences.

use rv_isa::{AmoOp, AmoOrdering, AmoWidth, BranchOp, FReg, FpFormat, Inst, LoadOp, StoreOp, XReg};

use super::instructions::Pool;
use super::mode::Mode;
use super::random::Random;
use super::sequence::{Item, Sequence, add};

/// Registers with addresses of data, which no sequence writes.
const BASES: [XReg; 3] = [XReg::new(8), XReg::new(9), XReg::new(2)];
/// The one that is aligned.
const ALIGNED: XReg = XReg::new(8);
/// Counters of loops, by depth.
const COUNTERS: [XReg; 2] = [XReg::new(28), XReg::new(29)];
/// A register that holds an address at which something is wrong.
pub(super) const WILD: XReg = XReg::new(30);
/// All that a sequence may write.
const TARGETS: [u8; 21] = [
    10, 11, 12, 13, 14, 15, 1, 3, 4, 5, 6, 7, 16, 18, 19, 20, 21, 24, 25, 27, 26,
];

/// Bits that are no instruction in any extension that the machine or its judge has.
const ILLEGAL: [u32; 11] = [
    0x0000,
    0xffff_ffff,
    0xc000_1073, // csrw cycle: it can only be read
    0x3000_2573, // csrr mstatus: not for user mode
    0x1020_0073, // sret
    0x0020_d053, // fadd.s with the reserved rounding mode 5
    0x0020_6053, // and 6
    0x0000_7003, // a load of no width
    0x0000_7023, // a store of no width
    0x0000_2063, // a branch on no condition
    0x4002,      // c.lwsp to x0
];

/// A random sequence. Instructions that don't exist are among the others in every mode.
#[must_use]
pub fn sequence(random: &mut Random, mode: Mode) -> Sequence {
    let mut generator = Generator {
        pool: pool(random),
        kind: random.below(6),
        width: random.pick(AmoWidth::ALL),
        random,
        mode,
        functions: Vec::new(),
        depth: 0,
    };
    let len = 3 + generator.random.below(14);
    let mut items = Vec::new();
    if generator.random.below(2) == 0 {
        // Where the sequence starts, by 2 more than a multiple of 4.
        items.push(Item::Inst(add(XReg::ZERO, XReg::ZERO, 0), true));
    }
    items.extend(generator.items(len));
    Sequence {
        items,
        functions: generator.functions,
    }
}

fn pool(random: &mut Random) -> Pool {
    let count = 3 + random.below(6) as usize;
    let all = if random.below(2) == 0 {
        6
    } else {
        TARGETS.len()
    };
    let mut targets: Vec<XReg> = (0..count)
        .map(|_| XReg::new(random.pick(&TARGETS[..all])))
        .collect();
    let mut sources = targets.clone();
    sources.push(XReg::ZERO);
    if random.below(3) == 0 {
        sources.extend(BASES);
    }
    if random.below(3) == 0 {
        targets.push(XReg::ZERO);
    }
    let floats = 2 + random.below(5);
    Pool {
        targets,
        sources,
        floats: (0..floats)
            .map(|_| FReg::new(random.below(32) as u8))
            .collect(),
        bases: BASES.to_vec(),
        atomic_base: ALIGNED,
        reach: 96,
    }
}

struct Generator<'a> {
    random: &'a mut Random,
    pool: Pool,
    mode: Mode,
    /// What there is most of.
    kind: u64,
    /// The width of reservations: what a store makes of another width's is anyone's to choose.
    width: AmoWidth,
    functions: Vec<(XReg, Vec<Item>)>,
    depth: usize,
}

impl Generator<'_> {
    fn items(&mut self, len: u64) -> Vec<Item> {
        (0..len).map(|_| self.item()).collect()
    }

    fn body(&mut self) -> Vec<Item> {
        let len = 1 + self.random.below(4);
        self.items(len)
    }

    fn item(&mut self) -> Item {
        let choice = self.random.below(100);
        match choice {
            0..8 => self.control(),
            8..10 => self.rare(),
            10..14 if self.mode.faults => self.wild(),
            _ => self.plain(),
        }
    }

    fn plain(&mut self) -> Item {
        let kind = match self.random.below(3) {
            0 => self.random.below(6),
            _ => self.kind,
        };
        let short = self.random.below(3) > 0;
        let inst = match kind {
            0 | 1 => self.random.integer_instruction(&self.pool),
            2 => self.random.memory_instruction(&self.pool),
            3 | 4 => self.random.float_instruction(&self.pool),
            _ => match self.random.below(8) {
                0 => self.random.environment_instruction(&self.pool),
                1 => return self.pointer(),
                2 => return self.reservation(),
                3 | 4 => self.random.memory_instruction(&self.pool),
                5 => Inst::Fence {
                    fm: 0,
                    pred: self.random.below(16) as u8,
                    succ: self.random.below(16) as u8,
                },
                _ => self.random.float_instruction(&self.pool),
            },
        };
        match inst {
            Inst::LoadReserved { .. } | Inst::StoreConditional { .. } => self.reservation(),
            // Atomic operations at addresses that aren't aligned fault.
            Inst::Amo {
                op,
                width,
                ordering,
                rd,
                rs2,
                ..
            } if self.mode.faults && self.random.below(4) == 0 => {
                let rs1 = XReg::new(9);
                let amo = Inst::Amo {
                    op,
                    width,
                    ordering,
                    rd,
                    rs1,
                    rs2,
                };
                Item::Inst(amo, false)
            }
            inst => Item::Inst(inst, short),
        }
    }

    /// An access through a pointer that was just computed, and that the access may overwrite.
    fn pointer(&mut self) -> Item {
        let base = self.random.pick(&self.pool.bases);
        let rd = self.target();
        let offset = self.random.below(64) as i32 - 32;
        let value = self.random.pick(&self.pool.sources);
        let access = match self.random.below(2) {
            0 => Inst::Load {
                op: self.random.pick(LoadOp::ALL),
                rd,
                rs1: rd,
                offset,
            },
            _ => Inst::Store {
                op: self.random.pick(StoreOp::ALL),
                rs1: rd,
                rs2: value,
                offset,
            },
        };
        let imm = self.random.below(64) as i32 - 32;
        Item::Together(vec![add(rd, base, imm), access])
    }

    /// A reservation, and a store that keeps to it or not.
    fn reservation(&mut self) -> Item {
        let (width, rd, other) = (self.width, self.target(), self.target());
        let ordering = AmoOrdering {
            acquire: self.random.below(2) == 0,
            release: false,
        };
        let (rs1, rs2) = (ALIGNED, self.random.pick(&self.pool.sources));
        let load = Inst::LoadReserved {
            width,
            ordering,
            rd,
            rs1,
        };
        let store = Inst::StoreConditional {
            width,
            ordering,
            rd: other,
            rs1,
            rs2,
        };
        let between = self.random.integer_instruction(&self.pool);
        Item::Together(match self.random.below(4) {
            0 => vec![store],
            1 => vec![load],
            2 => vec![load, store],
            _ => vec![load, between, store],
        })
    }

    fn target(&mut self) -> XReg {
        loop {
            let register = self.random.pick(&self.pool.targets);
            if !register.is_zero() {
                return register;
            }
        }
    }

    fn condition(&mut self) -> (BranchOp, XReg, XReg) {
        (
            self.random.pick(BranchOp::ALL),
            self.random.pick(&self.pool.sources),
            self.random.pick(&self.pool.sources),
        )
    }

    fn control(&mut self) -> Item {
        let (op, rs1, rs2) = self.condition();
        match self.random.below(8) {
            0 | 1 => {
                let Some(counter) = COUNTERS.get(self.depth).copied() else {
                    return Item::Break(op, rs1, rs2);
                };
                self.depth += 1;
                let count = 1 + self.random.below(6) as i32;
                let body = self.body();
                self.depth -= 1;
                Item::Loop(counter, count, body)
            }
            2 if self.depth > 0 => Item::Break(op, rs1, rs2),
            3 => Item::Indirect {
                through: self.target(),
                link: self.random.pick(&self.pool.targets),
                odd: self.random.below(4) == 0,
                over: self.body(),
            },
            4 => {
                let (t, u) = (self.target(), self.target());
                if t == u {
                    return Item::Unless(op, rs1, rs2, self.body());
                }
                Item::Computed {
                    by: rs1,
                    scratch: [t, u],
                    bodies: [self.body(), self.body()],
                }
            }
            5 => self.call(),
            _ => Item::Unless(op, rs1, rs2, self.body()),
        }
    }

    /// A call of a function that is there already, or of a new one. Functions call nothing, and
    /// leave the register that they return by alone.
    fn call(&mut self) -> Item {
        if !self.functions.is_empty() && self.random.below(2) == 0 {
            return Item::Call(self.random.below(self.functions.len() as u64) as usize);
        }
        if self.functions.len() >= 3 {
            return self.plain();
        }
        let link = self.random.pick(&[XReg::RA, XReg::RA, XReg::new(5)]);
        let targets = self.pool.targets.clone();
        self.pool.targets.retain(|register| *register != link);
        if self.pool.targets.iter().all(|register| register.is_zero()) {
            self.pool.targets.push(XReg::new(10));
        }
        let len = 1 + self.random.below(6);
        let body = (0..len).map(|_| self.plain()).collect();
        self.pool.targets = targets;
        self.functions.push((link, body));
        Item::Call(self.functions.len() - 1)
    }

    /// What seldom occurs: no instruction at all, breakpoints, system calls, `fence.i`.
    fn rare(&mut self) -> Item {
        match self.random.below(12) {
            0 => Item::Word(self.random.pick(&ILLEGAL)),
            1 => Item::Inst(Inst::Ebreak, self.random.below(2) == 0),
            2..5 if self.mode.fences => Item::Inst(Inst::FenceI, false),
            // No call has this number.
            5..8 => Item::Together(vec![add(XReg::new(17), XReg::ZERO, 2047), Inst::Ecall]),
            _ => Item::Inst(self.random.environment_instruction(&self.pool), false),
        }
    }

    /// An access, or a jump, by a register at whose address something is wrong.
    fn wild(&mut self) -> Item {
        let (rs1, offset) = (WILD, self.random.pick(&[0, 0, 8, -8, 1]));
        let (rd, rs2) = (
            self.random.pick(&self.pool.targets),
            self.random.pick(&self.pool.sources),
        );
        let (frd, format) = (
            self.random.pick(&self.pool.floats),
            self.random.pick(FpFormat::ALL),
        );
        let inst = match self.random.below(16) {
            0..5 => Inst::Load {
                op: self.random.pick(LoadOp::ALL),
                rd,
                rs1,
                offset,
            },
            5..9 => Inst::Store {
                op: self.random.pick(StoreOp::ALL),
                rs1,
                rs2,
                offset,
            },
            9 | 10 => Inst::FpLoad {
                format,
                rd: frd,
                rs1,
                offset,
            },
            11 | 12 => Inst::FpStore {
                format,
                rs1,
                rs2: frd,
                offset,
            },
            13 | 14 => Inst::Amo {
                op: self.random.pick(AmoOp::ALL),
                width: self.random.pick(AmoWidth::ALL),
                ordering: AmoOrdering {
                    acquire: true,
                    release: true,
                },
                rd,
                rs1,
                rs2,
            },
            _ => Inst::Jalr { rd, rs1, offset },
        };
        Item::Inst(inst, self.random.below(2) == 0)
    }
}

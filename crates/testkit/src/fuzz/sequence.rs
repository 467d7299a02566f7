//! A sequence of instructions as a tree, so that parts can be taken out, and its machine code.

use rv_isa::{AluImmOp, AluOp, BranchOp, Inst, LoadOp, StoreOp, XReg};

/// The register that holds the address of the harness's context; no sequence writes it.
pub const CONTEXT: XReg = XReg::new(31);
/// Where the context keeps `ra`, and where it says how to leave.
const SAVED_RA: i32 = 8;
const EXIT: i32 = 520;

/// A piece of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// One instruction, in its short form if it has one and that is wanted.
    Inst(Inst, bool),
    /// Bits that are no instruction; 2 bytes if they look like it.
    Word(u32),
    /// Instructions that belong together.
    Together(Vec<Inst>),
    /// The body is passed over where the condition holds.
    Unless(BranchOp, XReg, XReg, Vec<Item>),
    /// The body, this often, counted in the register.
    Loop(XReg, i32, Vec<Item>),
    /// Leaves the innermost loop where the condition holds.
    Break(BranchOp, XReg, XReg),
    /// A jump over the body by way of a register, which `odd` says to make odd first.
    Indirect {
        /// The register.
        through: XReg,
        /// The one that is linked.
        link: XReg,
        /// Whether the target's lowest bit, which is ignored, is set.
        odd: bool,
        /// What is passed over.
        over: Vec<Item>,
    },
    /// One of two bodies, chosen by the lowest bit of `by` through a table of jumps.
    Computed {
        /// What chooses.
        by: XReg,
        /// Two registers to compute with.
        scratch: [XReg; 2],
        /// The bodies.
        bodies: [Vec<Item>; 2],
    },
    /// A call of the function with this number, if there is one.
    Call(usize),
}

/// A sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// What it does.
    pub items: Vec<Item>,
    /// Functions that it calls: the register that they return by, and what they do.
    pub functions: Vec<(XReg, Vec<Item>)>,
}

impl Item {
    /// The bodies inside.
    pub fn bodies(&self) -> Vec<&Vec<Item>> {
        match self {
            Item::Unless(_, _, _, body) | Item::Loop(_, _, body) => vec![body],
            Item::Indirect { over, .. } => vec![over],
            Item::Computed { bodies, .. } => bodies.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The same, to change them.
    pub fn bodies_mut(&mut self) -> Vec<&mut Vec<Item>> {
        match self {
            Item::Unless(_, _, _, body) | Item::Loop(_, _, body) => vec![body],
            Item::Indirect { over, .. } => vec![over],
            Item::Computed { bodies, .. } => bodies.iter_mut().collect(),
            _ => Vec::new(),
        }
    }
}

impl Sequence {
    /// Whether one of its instructions is such.
    #[must_use]
    pub fn any(&self, is_such: &dyn Fn(&Inst) -> bool) -> bool {
        fn any_of(items: &[Item], is_such: &dyn Fn(&Inst) -> bool) -> bool {
            items.iter().any(|item| match item {
                Item::Inst(inst, _) => is_such(inst),
                Item::Together(insts) => insts.iter().any(is_such),
                item => item.bodies().iter().any(|body| any_of(body, is_such)),
            })
        }
        let mut functions = self.functions.iter();
        any_of(&self.items, is_such) || functions.any(|(_, body)| any_of(body, is_such))
    }

    /// Its machine code, from an even address on, which ends by leaving through the context.
    #[must_use]
    pub fn code(&self) -> Vec<u8> {
        let mut code = Code {
            functions: &self.functions,
            ..Code::default()
        };
        code.items(&self.items);
        code.inst(&Inst::Store {
            op: StoreOp::Sd,
            rs1: CONTEXT,
            rs2: XReg::RA,
            offset: SAVED_RA,
        });
        code.inst(&Inst::Load {
            op: LoadOp::Ld,
            rd: XReg::RA,
            rs1: CONTEXT,
            offset: EXIT,
        });
        code.inst(&jump_to(XReg::ZERO, XReg::RA));
        let mut starts = Vec::new();
        for (link, body) in &self.functions {
            starts.push(code.bytes.len());
            code.items(body);
            code.inst(&jump_to(XReg::ZERO, *link));
        }
        for (at, function) in std::mem::take(&mut code.calls) {
            let (link, target) = (self.functions[function].0, starts[function]);
            code.put(at, &jump(link, at, target));
        }
        code.bytes
    }

    /// Its instructions as a disassembler shows them, `address` being the first one's.
    #[must_use]
    pub fn listing(&self, address: u64) -> Vec<String> {
        let code = self.code();
        let mut lines = Vec::new();
        let mut at = 0;
        while at + 1 < code.len() {
            let low = u16::from_le_bytes([code[at], code[at + 1]]);
            let len = usize::from(rv_isa::instruction_len(low));
            let high = code
                .get(at + 2..at + 4)
                .map_or(0, |half| u16::from_le_bytes([half[0], half[1]]));
            let word = u32::from(high) << 16 | u32::from(low);
            let pc = address + at as u64;
            let text = match rv_isa::decode(word) {
                Some(decoded) => rv_isa::disassemble(decoded, pc).to_string(),
                None if len == 2 => format!(".half {low:#06x}"),
                None => format!(".word {word:#010x}"),
            };
            lines.push(format!("{pc:#x}: {text}"));
            at += len;
        }
        lines
    }
}

fn jump_to(rd: XReg, rs1: XReg) -> Inst {
    let offset = 0;
    Inst::Jalr { rd, rs1, offset }
}

fn jump(rd: XReg, at: usize, target: usize) -> Inst {
    let offset = target as i32 - at as i32;
    Inst::Jal { rd, offset }
}

/// What a branch compares.
type Condition = (BranchOp, XReg, XReg);

/// Code that is being laid out.
#[derive(Default)]
struct Code<'a> {
    bytes: Vec<u8>,
    functions: &'a [(XReg, Vec<Item>)],
    /// Where functions are called.
    calls: Vec<(usize, usize)>,
    /// Branches out of the loops that are open: where they are, and what they are.
    breaks: Vec<Vec<(usize, Condition)>>,
}

impl Code<'_> {
    fn items(&mut self, items: &[Item]) {
        items.iter().for_each(|item| self.item(item));
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Inst(inst, short) => match rv_isa::encode_compressed(inst) {
                Some(half) if *short => self.bytes.extend(half.to_le_bytes()),
                _ => self.inst(inst),
            },
            Item::Word(word) => {
                let len = usize::from(rv_isa::instruction_len(*word as u16));
                self.bytes.extend(&word.to_le_bytes()[..len]);
            }
            Item::Together(insts) => insts.iter().for_each(|inst| self.inst(inst)),
            Item::Unless(op, rs1, rs2, body) => {
                let at = self.reserve();
                self.items(body);
                self.branch(at, (*op, *rs1, *rs2), self.bytes.len());
            }
            Item::Loop(counter, count, body) => self.repeat(*counter, *count, body),
            Item::Break(op, rs1, rs2) => {
                if self.breaks.is_empty() {
                    return;
                }
                let at = self.reserve();
                if let Some(breaks) = self.breaks.last_mut() {
                    breaks.push((at, (*op, *rs1, *rs2)));
                }
            }
            Item::Indirect {
                through,
                link,
                odd,
                over,
            } => self.indirect(*through, *link, *odd, over),
            Item::Computed {
                by,
                scratch,
                bodies,
            } => self.computed(*by, *scratch, bodies),
            Item::Call(function) => {
                if *function < self.functions.len() {
                    let at = self.reserve();
                    self.calls.push((at, *function));
                }
            }
        }
    }

    fn repeat(&mut self, counter: XReg, count: i32, body: &[Item]) {
        self.inst(&add(counter, XReg::ZERO, count));
        let start = self.bytes.len();
        self.breaks.push(Vec::new());
        self.items(body);
        self.inst(&add(counter, counter, -1));
        let at = self.reserve();
        self.branch(at, (BranchOp::Ne, counter, XReg::ZERO), start);
        let end = self.bytes.len();
        for (at, condition) in self.breaks.pop().unwrap_or_default() {
            self.branch(at, condition, end);
        }
    }

    fn indirect(&mut self, through: XReg, link: XReg, odd: bool, over: &[Item]) {
        let at = self.bytes.len();
        let (rd, imm) = (through, 0);
        self.inst(&Inst::Auipc { rd, imm });
        let jump_at = self.reserve();
        self.items(over);
        let offset = (self.bytes.len() - at) as i32 + i32::from(odd);
        let (rd, rs1) = (link, through);
        self.put(jump_at, &Inst::Jalr { rd, rs1, offset });
    }

    fn computed(&mut self, by: XReg, [t, u]: [XReg; 2], bodies: &[Vec<Item>; 2]) {
        let with = |op, rd, rs1, imm| Inst::AluImm { op, rd, rs1, imm };
        self.inst(&with(AluImmOp::Andi, t, by, 1));
        self.inst(&with(AluImmOp::Slli, t, t, 3));
        self.inst(&Inst::Auipc { rd: u, imm: 0 });
        let (rd, op) = (u, AluOp::Add);
        let (rs1, rs2) = (u, t);
        self.inst(&Inst::Alu { op, rd, rs1, rs2 });
        let offset = 12;
        let (rd, rs1) = (XReg::ZERO, u);
        self.inst(&Inst::Jalr { rd, rs1, offset });
        let table = self.reserve();
        self.inst(&add(XReg::ZERO, XReg::ZERO, 0));
        let second = self.reserve();
        let start = self.bytes.len();
        self.put(table, &jump(XReg::ZERO, table, start));
        self.items(&bodies[0]);
        let over = self.reserve();
        let other = self.bytes.len();
        self.put(second, &jump(XReg::ZERO, second, other));
        self.items(&bodies[1]);
        let end = self.bytes.len();
        self.put(over, &jump(XReg::ZERO, over, end));
    }

    /// Room for an instruction that is known later.
    fn reserve(&mut self) -> usize {
        self.bytes.extend([0; 4]);
        self.bytes.len() - 4
    }

    fn branch(&mut self, at: usize, (op, rs1, rs2): Condition, target: usize) {
        let offset = target as i32 - at as i32;
        let branch = Inst::Branch {
            op,
            rs1,
            rs2,
            offset,
        };
        self.put(at, &branch);
    }

    fn inst(&mut self, inst: &Inst) {
        let at = self.reserve();
        self.put(at, inst);
    }

    fn put(&mut self, at: usize, inst: &Inst) {
        let word = rv_isa::encode(inst).unwrap_or_else(|error| panic!("{inst:?}: {error}"));
        self.bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
}

/// `rd = rs1 + imm`.
#[must_use]
pub fn add(rd: XReg, rs1: XReg, imm: i32) -> Inst {
    let op = AluImmOp::Addi;
    Inst::AluImm { op, rd, rs1, imm }
}

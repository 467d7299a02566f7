//! Regions: the control flow reachable from a hot head by direct branches.
//!
//! Discovery reads guest code through a closure and yields plain data, so that it can run on the
//! guest's thread while compilation happens elsewhere. A region follows fall-through, both sides of
//! branches, and `jal` with or without a link where the callee is small enough to be repeated
//! here; a repeated callee has its own *context*, so that its return leads back by a comparison
//! instead of the jump cache. Everything else ends it: other calls and indirect jumps, system
//! calls, instructions that only the interpreter knows.

use std::collections::{BTreeMap, VecDeque};

use rv_isa::{Decoded, Inst, XReg};

use crate::operands::{changes_rounding, touches_environment};

/// The most guest instructions in one region.
pub(crate) const REGION_INSTRUCTIONS_MAX: usize = 200;
/// The most instructions of a callee that is repeated inside its caller's region.
const INLINE_INSTRUCTIONS_MAX: usize = 40;
/// How deep repeated callees nest.
const INLINE_DEPTH_MAX: usize = 3;

/// A unit of translation.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    /// The guest PC at which the region is entered.
    pub head: u64,
    /// The blocks; the first one starts at the head.
    pub blocks: Vec<Block>,
}

/// A straight line of instructions, entered at its start alone.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The guest PC of the first instruction.
    pub start: u64,
    /// The instructions, without the one that the end replaces.
    pub instructions: Vec<Instruction>,
    /// Where control goes then.
    pub end: End,
}

/// An instruction and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instruction {
    /// Its guest PC.
    pub pc: u64,
    /// What it is.
    pub inst: Inst,
    /// The PC after it.
    pub next: u64,
}

/// How a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Control goes on there.
    Jump(Edge),
    /// A conditional branch, the block's last instruction.
    Branch { taken: Edge, not_taken: Edge },
    /// An indirect jump, the block's last instruction.
    Indirect,
    /// An indirect jump, the block's last instruction, that is expected to return to `pc`, where
    /// the block `inside` starts.
    Return { pc: u64, inside: usize },
    /// The region ends before an instruction that someone else executes.
    Leave { pc: u64, reason: Leave },
}

/// Who executes an instruction that ends a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// The interpreter.
    Interpret,
    /// The system call door.
    Syscall,
}

/// Where an edge of the control flow leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// To the block with this index.
    Inside(usize),
    /// Out of the region, to this guest PC.
    Outside(u64),
}

impl Region {
    /// All instructions, block by block.
    pub(crate) fn instructions(&self) -> impl Iterator<Item = &Instruction> {
        self.blocks.iter().flat_map(|block| &block.instructions)
    }
}

impl End {
    /// The blocks of the region to which control can go.
    pub(crate) fn successors(&self) -> impl Iterator<Item = usize> {
        let inside = |edge: &Edge| match edge {
            Edge::Inside(block) => Some(*block),
            Edge::Outside(_) => None,
        };
        let pair = match self {
            Self::Jump(edge) => [inside(edge), None],
            Self::Branch { taken, not_taken } => [inside(taken), inside(not_taken)],
            Self::Return { inside, .. } => [Some(*inside), None],
            Self::Indirect | Self::Leave { .. } => [None, None],
        };
        pair.into_iter().flatten()
    }

    /// Whether control can leave the region here.
    pub(crate) fn leaves(&self) -> bool {
        let outside = |edge: &Edge| matches!(edge, Edge::Outside(_));
        match self {
            Self::Jump(edge) => outside(edge),
            Self::Branch { taken, not_taken } => outside(taken) || outside(not_taken),
            Self::Indirect | Self::Return { .. } | Self::Leave { .. } => true,
        }
    }
}

/// Reads guest code: the decoded instruction at a PC, or `None` where there is none that may
/// become part of the region (outside the module's range, or unknown).
pub(crate) type Fetch<'a> = dyn Fn(u64) -> Option<Decoded> + 'a;

/// Finds the region of `head`. `None` where not even the first instruction can be compiled.
pub(crate) fn discover(head: u64, fetch: &Fetch<'_>) -> Option<Region> {
    let mut discovery = Discovery {
        fetch,
        head,
        steps: BTreeMap::new(),
        contexts: vec![Context {
            return_pc: 0,
            callee: head,
            parent: 0,
            depth: 0,
        }],
        queue: VecDeque::new(),
    };
    discovery.explore();
    discovery.into_region()
}

/// A place in the region: a guest PC in a context.
type Node = (usize, u64);

/// A callee that is repeated inside the region. Context 0 is the region itself.
struct Context {
    return_pc: u64,
    callee: u64,
    parent: usize,
    depth: usize,
}

struct Discovery<'a> {
    fetch: &'a Fetch<'a>,
    head: u64,
    steps: BTreeMap<Node, Step>,
    contexts: Vec<Context>,
    queue: VecDeque<Node>,
}

/// One instruction that was reached, and what follows it.
#[derive(Clone, Copy)]
struct Step {
    instruction: Instruction,
    follow: Follow,
    /// Whether a block starts here: control comes from elsewhere than the instruction before.
    leads: bool,
}

#[derive(Clone, Copy)]
enum Follow {
    /// The next instruction; control can't go elsewhere.
    Next(Node),
    /// Another place, without a choice.
    Jump(Node),
    Branch {
        taken: Node,
        not_taken: Node,
    },
    Indirect,
    Return(Node),
    /// This instruction isn't part of the region.
    Leave(Leave),
}

impl Discovery<'_> {
    fn explore(&mut self) {
        self.queue.push_back((0, self.head));
        while let Some(start) = self.queue.pop_front() {
            let mut place = Some(start);
            let mut leads = true;
            while let Some(node) = place {
                if let Some(step) = self.steps.get_mut(&node) {
                    step.leads |= leads;
                    break;
                }
                if self.steps.len() >= REGION_INSTRUCTIONS_MAX {
                    break;
                }
                let Some(decoded) = (self.fetch)(node.1) else {
                    break;
                };
                let next = node.1.wrapping_add(u64::from(decoded.len));
                let instruction = Instruction {
                    pc: node.1,
                    inst: decoded.inst,
                    next,
                };
                let follow = self.follow(node.0, &instruction);
                self.steps.insert(
                    node,
                    Step {
                        instruction,
                        follow,
                        leads,
                    },
                );
                (place, leads) = self.go_on(node, follow);
            }
        }
    }

    /// Queues what follows, and says where to go on at once. Backward branches go first: they
    /// close loops.
    fn go_on(&mut self, from: Node, follow: Follow) -> (Option<Node>, bool) {
        match follow {
            Follow::Next(node) => (Some(node), false),
            Follow::Jump((OUTSIDE, _)) => (None, false),
            Follow::Jump(node) | Follow::Return(node) => (Some(node), true),
            Follow::Branch { taken, not_taken } => {
                if taken.1 <= from.1 {
                    self.queue.push_front(taken);
                } else {
                    self.queue.push_back(taken);
                }
                (Some(not_taken), true)
            }
            Follow::Indirect | Follow::Leave(_) => (None, false),
        }
    }

    fn follow(&mut self, context: usize, instruction: &Instruction) -> Follow {
        let Instruction { pc, next, .. } = *instruction;
        let at = |offset: i32| pc.wrapping_add(i64::from(offset) as u64);
        match instruction.inst {
            Inst::Jal { rd, offset } if rd.is_zero() => Follow::Jump((context, at(offset))),
            Inst::Jal { rd, offset } => self.follow_call(context, rd, at(offset), next),
            Inst::Branch { offset, .. } => Follow::Branch {
                taken: (context, at(offset)),
                not_taken: (context, next),
            },
            Inst::Jalr { rd, rs1, offset: 0 }
                if rd.is_zero() && rs1 == XReg::RA && context != 0 =>
            {
                let inlined = &self.contexts[context];
                Follow::Return((inlined.parent, inlined.return_pc))
            }
            Inst::Jalr { .. } => Follow::Indirect,
            Inst::Ecall => Follow::Leave(Leave::Syscall),
            Inst::Ebreak | Inst::FenceI => Follow::Leave(Leave::Interpret),
            // Exception flags and rounding mode are exact where a region begins, so these begin
            // one, and a new mode takes effect where the next one begins.
            inst if touches_environment(&inst) => {
                let begins = pc == self.head && context == 0 && self.steps.is_empty();
                match (begins, changes_rounding(&inst)) {
                    (true, false) => Follow::Next((context, next)),
                    (true, true) => Follow::Jump((OUTSIDE, next)),
                    (false, _) => Follow::Jump((OUTSIDE, pc)),
                }
            }
            Inst::Csr { .. } => Follow::Leave(Leave::Interpret),
            _ => Follow::Next((context, next)),
        }
    }

    fn follow_call(&mut self, context: usize, rd: XReg, callee: u64, return_pc: u64) -> Follow {
        let depth = self.contexts[context].depth;
        let left = REGION_INSTRUCTIONS_MAX.saturating_sub(self.steps.len());
        let fits = |len: usize| len <= INLINE_INSTRUCTIONS_MAX && len * 2 <= left;
        if rd != XReg::RA
            || depth >= INLINE_DEPTH_MAX
            || self.is_active(context, callee)
            || !measure(callee, self.fetch).is_some_and(fits)
        {
            return Follow::Jump((OUTSIDE, callee));
        }
        self.contexts.push(Context {
            return_pc,
            callee,
            parent: context,
            depth: depth + 1,
        });
        Follow::Jump((self.contexts.len() - 1, callee))
    }

    /// Whether `callee` is being repeated already around `context`, or is the region itself.
    fn is_active(&self, mut context: usize, callee: u64) -> bool {
        loop {
            if self.contexts[context].callee == callee {
                return true;
            }
            if context == 0 {
                return false;
            }
            context = self.contexts[context].parent;
        }
    }

    fn into_region(self) -> Option<Region> {
        let leaders: Vec<Node> = self
            .steps
            .iter()
            .filter(|(_, step)| step.leads)
            .map(|(node, _)| *node)
            .collect();
        let head = leaders.iter().position(|node| *node == (0, self.head))?;
        // The head comes first; the others follow in the order of addresses.
        let mut order = vec![leaders[head]];
        order.extend(
            leaders
                .iter()
                .enumerate()
                .filter(|(i, _)| *i != head)
                .map(|(_, n)| *n),
        );
        let index: BTreeMap<Node, usize> = order
            .iter()
            .enumerate()
            .map(|(index, node)| (*node, index))
            .collect();
        let blocks: Vec<Block> = order.iter().map(|node| self.block(*node, &index)).collect();
        let first = &blocks[0];
        if first.instructions.is_empty() && matches!(first.end, End::Leave { .. }) {
            return None;
        }
        Some(Region {
            head: self.head,
            blocks,
        })
    }

    fn block(&self, start: Node, index: &BTreeMap<Node, usize>) -> Block {
        let edge = |node: &Node| match index.get(node) {
            Some(block) => Edge::Inside(*block),
            None => Edge::Outside(node.1),
        };
        let mut instructions = Vec::new();
        let mut node = start;
        let end = loop {
            let Some(step) = self.steps.get(&node) else {
                break End::Jump(edge(&node));
            };
            if node != start && step.leads {
                break End::Jump(edge(&node));
            }
            match step.follow {
                Follow::Leave(reason) => break End::Leave { pc: node.1, reason },
                Follow::Jump(target) if target == (OUTSIDE, node.1) => {
                    break End::Jump(Edge::Outside(node.1));
                }
                _ => {}
            }
            instructions.push(step.instruction);
            match &step.follow {
                Follow::Next(next) => node = *next,
                Follow::Jump(target) => break End::Jump(edge(target)),
                Follow::Branch { taken, not_taken } => {
                    break End::Branch {
                        taken: edge(taken),
                        not_taken: edge(not_taken),
                    };
                }
                Follow::Return(target) => match index.get(target) {
                    Some(inside) => {
                        break End::Return {
                            pc: target.1,
                            inside: *inside,
                        };
                    }
                    None => break End::Indirect,
                },
                Follow::Indirect | Follow::Leave(_) => break End::Indirect,
            }
        };
        Block {
            start: start.1,
            instructions,
            end,
        }
    }
}

/// A context to which no instruction belongs: what lies outside the region.
const OUTSIDE: usize = usize::MAX;

/// How many instructions a callee has, if it is small and simple enough to be repeated: it
/// returns, and makes no other indirect jumps, calls or system calls.
fn measure(callee: u64, fetch: &Fetch<'_>) -> Option<usize> {
    let mut seen = std::collections::BTreeSet::new();
    let mut open = vec![callee];
    while let Some(mut pc) = open.pop() {
        while seen.insert(pc) {
            if seen.len() > INLINE_INSTRUCTIONS_MAX {
                return None;
            }
            let decoded = fetch(pc)?;
            let next = pc.wrapping_add(u64::from(decoded.len));
            let at = |offset: i32| pc.wrapping_add(i64::from(offset) as u64);
            match decoded.inst {
                Inst::Jal { rd, offset } if rd.is_zero() => pc = at(offset),
                Inst::Jal { rd: XReg::RA, .. } => pc = next,
                Inst::Branch { offset, .. } => {
                    open.push(at(offset));
                    pc = next;
                }
                Inst::Jalr {
                    rd,
                    rs1: XReg::RA,
                    offset: 0,
                } if rd.is_zero() => break,
                Inst::Jal { .. }
                | Inst::Jalr { .. }
                | Inst::Ecall
                | Inst::Ebreak
                | Inst::FenceI
                | Inst::Csr { .. } => return None,
                _ => pc = next,
            }
        }
    }
    Some(seen.len())
}

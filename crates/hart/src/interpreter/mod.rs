//! Tier 0: runs guest instructions one by one from a cache of decoded basic blocks.
//!
//! The interpreter is complete for what `rv-isa` decodes, and so the judge of compiled code. It
//! knows nothing of system calls or compilation: it stops with an [`Exit`] and says which blocks
//! became hot.

mod alu;
mod atomic;
mod csr;
mod decode_cache;
mod execute;
mod fp;

use std::ops::Range;
use std::time::Instant;

use rustc_hash::FxHashSet;
use rv_isa::Decoded;

pub use self::csr::TIMER_HZ;
use self::decode_cache::{Block, BlockId, DecodeCache};
use self::execute::{Step, execute};
use crate::exit::{Exit, FaultKind, GuestFault};
use crate::fetch::fetch;
use crate::guest_memory::load16;
use crate::state::GuestState;
use crate::{attention, faults};

/// Memory that the guest may execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRange {
    /// Where it is.
    pub range: Range<u64>,
    /// Whether its bytes change only where mappings do, so that no fence need be minded.
    pub is_fixed: bool,
}

/// Gives the mapping that holds an address, if the guest may execute it.
pub type Executable<'a> = &'a dyn Fn(u64) -> Option<CodeRange>;

/// How often a block is entered before it is reported as hot.
const HOT_ENTRIES: u32 = 50;

/// The interpreter of one hart.
#[derive(Debug)]
pub struct Interpreter {
    cache: DecodeCache,
    hot: Vec<u64>,
    decoded: Option<u64>,
    reports_heat: bool,
    instructions: u64,
    /// Where a debugger wants to stop.
    stops: FxHashSet<u64>,
    started: Instant,
}

/// The fault of an access to `address` that just failed.
#[cold]
fn fault_at(address: u64) -> Exit {
    let (signal, reported) = faults::take_access_fault();
    Exit::Fault(GuestFault {
        address: faulting_part(address, reported),
        kind: FaultKind::from_signal(signal),
    })
}

/// The address of the part of an access at `address` that faulted, of which the host says that it is
/// `reported`: the start of the second page where the access crosses into one. The host says nothing
/// of addresses that aren't canonical, and isn't asked about those that are the engine's: that is 0.
pub fn faulting_part(address: u64, reported: u64) -> u64 {
    let is_inside = reported != 0 && reported.wrapping_sub(address) < 8;
    if is_inside { reported } else { address }
}

impl Interpreter {
    /// An interpreter that reports hot blocks if `reports_heat`.
    pub fn new(reports_heat: bool) -> Self {
        Self {
            cache: DecodeCache::new(),
            hot: Vec::new(),
            decoded: None,
            reports_heat,
            instructions: 0,
            stops: FxHashSet::default(),
            started: Instant::now(),
        }
    }

    /// How many instructions were executed.
    pub fn instructions(&self) -> u64 {
        self.instructions
    }

    /// The guest PCs of the blocks that became hot since the last call, in that order.
    pub fn take_hot(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.hot)
    }

    /// The guest PC of the block before which the last run stopped because it was new.
    pub fn take_decoded(&mut self) -> Option<u64> {
        self.decoded.take()
    }

    /// The guest PCs of all instructions in decoded blocks.
    pub fn decoded_instructions(&self) -> FxHashSet<u64> {
        self.cache.instruction_pcs()
    }

    /// Starts counting the entries of the block at `pc` again.
    pub fn cool(&mut self, pc: u64) {
        if let Some(id) = self.cache.find(pc)
            && let Some(block) = self.cache.block_mut(id)
        {
            block.heat = 0;
        }
    }

    /// Notes whether compiled code is installed for `pc`, where a block is decoded: the interpreter
    /// stops before such a block. One whose code is gone is counted from the start, so that it is
    /// reported once more. Of a block that is decoded later, whoever installs code is asked then:
    /// [`Self::take_decoded`].
    pub fn set_compiled(&mut self, pc: u64, is_compiled: bool) {
        if let Some(id) = self.cache.find(pc)
            && let Some(block) = self.cache.block_mut(id)
        {
            block.is_compiled = is_compiled;
            if !is_compiled {
                block.heat = 0;
            }
        }
    }

    /// Nothing is installed any more, as far as is known here.
    pub fn forget_compiled(&mut self) {
        let stops = &self.stops;
        for block in self.cache.blocks_mut() {
            block.is_compiled = stops.contains(&block.pc);
            block.heat = 0;
        }
    }

    /// From now on, [`Self::run`] stops before instructions at these guest PCs.
    pub fn set_stops(&mut self, stops: FxHashSet<u64>) {
        self.stops = stops;
        self.cache.clear();
    }

    /// Whether it stops there.
    pub fn is_stop(&self, pc: u64) -> bool {
        self.stops.contains(&pc)
    }

    /// Executes the instruction at the guest PC, and nothing else.
    pub fn step(&mut self, state: &mut GuestState, executable: Executable<'_>) -> Exit {
        let mut code = CodeReader::new(executable);
        let pc = state.pc;
        let decoded = match code.instruction(pc) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => return Exit::IllegalInstruction,
            Err(exit) => return exit,
        };
        state.pc = match execute(state, decoded.inst, pc, decoded.len, self.started) {
            Step::Next => pc.wrapping_add(u64::from(decoded.len)),
            Step::Jump(target) => target,
            Step::Exit(exit) => return exit,
        };
        self.instructions += 1;
        Exit::Dispatch
    }

    /// Forgets decoded instructions if there are any in `range`.
    pub fn invalidate(&mut self, range: &Range<u64>) {
        if self.cache.touches(range) {
            self.cache.clear();
        }
    }

    /// The guest says that it may have changed code: forgets what was decoded of memory that isn't
    /// fixed.
    pub fn fence(&mut self) {
        self.cache.forget_changeable();
    }

    /// Runs from the guest PC until something happens that is not the interpreter's to do, or a
    /// block becomes hot or was decoded just now, or the next block is compiled or a stop; with
    /// `insists`, the first block is run though it be compiled.
    pub fn run(
        &mut self,
        state: &mut GuestState,
        executable: Executable<'_>,
        mut insists: bool,
    ) -> Exit {
        let mut id = BlockId::NONE;
        let mut link = None;
        loop {
            let pc = state.pc;
            if self.cache.block_mut(id).is_none_or(|block| block.pc != pc) {
                id = match self.find_or_decode(pc, executable) {
                    Ok(id) => id,
                    Err(exit) => return exit,
                };
                self.set_link(link, id);
                if self.decoded.is_some() {
                    return Exit::Dispatch;
                }
            }
            let Some(block) = self.cache.block_mut(id) else {
                return Exit::Dispatch;
            };
            // Nothing that depends on time may come between an entry and its being counted.
            if block.is_compiled && !insists || attention::is_raised(state.attention()) {
                return Exit::Dispatch;
            }
            block.heat = block.heat.saturating_add(1);
            if block.heat == HOT_ENTRIES && self.reports_heat {
                self.hot.push(pc);
                return Exit::Dispatch;
            }
            let block = *block;
            if block.len == 0 {
                return Exit::IllegalInstruction;
            }
            insists = false;
            link = match self.run_block(state, &block) {
                Ok(jumped) => Some((id, jumped)),
                Err(exit) => return exit,
            };
            id = if link == Some((id, true)) {
                block.target
            } else {
                block.after
            };
        }
    }

    /// Runs a block; returns whether it ended with a jump.
    #[inline(always)]
    fn run_block(&mut self, state: &mut GuestState, block: &Block) -> Result<bool, Exit> {
        let mut pc = block.pc;
        for (index, decoded) in self.cache.instructions(block).iter().enumerate() {
            match execute(state, decoded.inst, pc, decoded.len, self.started) {
                Step::Next => pc = pc.wrapping_add(u64::from(decoded.len)),
                Step::Jump(target) => {
                    state.pc = target;
                    self.instructions += index as u64 + 1;
                    return Ok(true);
                }
                Step::Exit(exit) => {
                    state.pc = pc;
                    let completes = matches!(exit, Exit::Syscall | Exit::FenceI);
                    self.instructions += index as u64 + u64::from(completes);
                    return Err(exit);
                }
            }
        }
        state.pc = pc;
        self.instructions += u64::from(block.len);
        Ok(false)
    }

    /// Remembers that block `to` follows the block and edge `from`. A wrong link does no harm: the
    /// block's PC is compared before it is run.
    fn set_link(&mut self, from: Option<(BlockId, bool)>, to: BlockId) {
        if let Some((id, jumped)) = from
            && let Some(block) = self.cache.block_mut(id)
        {
            *(if jumped {
                &mut block.target
            } else {
                &mut block.after
            }) = to;
        }
    }

    /// The block at `pc`, decoded now if it wasn't.
    fn find_or_decode(&mut self, pc: u64, executable: Executable<'_>) -> Result<BlockId, Exit> {
        if let Some(id) = self.cache.find(pc) {
            return Ok(id);
        }
        let mut code = CodeReader::new(executable);
        let first = code.instruction(pc)?;
        let stops = &self.stops;
        let id = self.cache.add(pc, |at| {
            if at == pc {
                first
            } else if stops.contains(&at) {
                None
            } else {
                code.instruction(at).ok().flatten()
            }
        });
        if !code.all_fixed {
            self.cache.note_changeable(id);
        }
        if self.stops.contains(&pc)
            && let Some(block) = self.cache.block_mut(id)
        {
            block.is_compiled = true;
        }
        self.decoded = self.reports_heat.then_some(pc);
        Ok(id)
    }
}

/// Reads instructions from executable guest memory.
struct CodeReader<'a> {
    executable: Executable<'a>,
    checked: Range<u64>,
    /// Whether all that was read is fixed.
    all_fixed: bool,
}

impl<'a> CodeReader<'a> {
    fn new(executable: Executable<'a>) -> Self {
        Self {
            executable,
            checked: 0..0,
            all_fixed: true,
        }
    }

    /// The instruction at `pc`, `None` where it doesn't exist, or the fault of fetching it.
    fn instruction(&mut self, pc: u64) -> Result<Option<Decoded>, Exit> {
        fetch(pc, |address| self.half(address))
    }

    /// The half-word at `address`.
    fn half(&mut self, address: u64) -> Result<u16, Exit> {
        if !self.checked.contains(&address) {
            self.checked = match (self.executable)(address) {
                Some(CodeRange { range, is_fixed }) => {
                    self.all_fixed &= is_fixed;
                    range
                }
                None => {
                    let kind = FaultKind::Segmentation;
                    return Err(Exit::Fault(GuestFault { address, kind }));
                }
            };
        }
        load16(address).map_err(|_| fault_at(address))
    }
}

#[cfg(test)]
mod tests {
    use rv_isa::{AluImmOp, Inst, XReg};

    use super::*;
    use crate::guest_memory::{Pages, store32};

    /// Where code is installed is known in one place, and the interpreter keeps no list of its own that
    /// could say something else: it asks when it decodes, and marks blocks that it has.
    #[test]
    fn a_block_is_asked_about_when_it_is_decoded_and_believes_the_latest_answer() {
        faults::install_for_tests();
        let code = Pages::map(4096).expect("memory");
        let start = code.range().start;
        let (op, rd, rs1, imm) = (AluImmOp::Addi, XReg::A0, XReg::A0, 1);
        for (pc, inst) in [
            (start, Inst::AluImm { op, rd, rs1, imm }),
            (start + 4, Inst::Ecall),
        ] {
            let word = rv_isa::encode(&inst).expect("it encodes");
            store32(pc, word).expect("it is mapped");
        }
        let executable = |_| {
            let range = code.range();
            Some(CodeRange {
                range,
                is_fixed: true,
            })
        };
        let mut state = GuestState::new();
        let mut interpreter = Interpreter::new(true);
        let mut run = |interpreter: &mut Interpreter| {
            state.pc = start;
            let exit = interpreter.run(&mut state, &executable, false);
            (exit, state.x[10], interpreter.take_decoded())
        };

        interpreter.set_compiled(start, true);
        let asks = (Exit::Dispatch, 0, Some(start));
        assert_eq!(run(&mut interpreter), asks, "nothing was decoded yet");
        interpreter.set_compiled(start, true);
        assert_eq!(run(&mut interpreter), (Exit::Dispatch, 0, None));
        interpreter.set_compiled(start, false);
        assert_eq!(run(&mut interpreter), (Exit::Syscall, 1, None));
        interpreter.set_compiled(start, true);
        interpreter.invalidate(&code.range());
        let asks = (Exit::Dispatch, 1, Some(start));
        assert_eq!(run(&mut interpreter), asks, "the block is another");
    }
}

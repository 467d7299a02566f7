//! Regions to CLIF.
//!
//! One region becomes one function of the `tail` calling convention. Host register `r15` (Cranelift's
//! pinned register) holds the address of the guest state throughout; the registers of
//! [`CARRIED`](crate::abi::CARRIED) come in as parameters and go on as arguments, since nearly
//! every region uses them; a sixth argument is a word for whoever is jumped to: the address of the
//! link slot, or a guest PC. The other guest registers are loaded on entry where the flow analysis
//! says so, live in SSA variables, and are written back where control leaves.
//!
//! The translator is split by family of instructions; each file is one `impl` of [`RegionTranslator`].

mod atomic;
mod control;
mod convert;
mod float;
mod float_registers;
mod integer;
mod memory;
mod state;
mod symbols;

use cranelift_codegen::ir::{self, AliasRegion, AliasRegionData, InstBuilder, Value, types};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use rv_isa::Inst;

use self::symbols::Imports;
pub(super) use self::symbols::Symbol;
use crate::abi::CARRIED;
use crate::dump;
use crate::flow::{Flow, mattering_after};
use crate::kinds::{atomic_inst, conversion_inst, float_inst};
use crate::reg_set::RegSet;
use crate::region::{Instruction, Region};

/// What the translator must know about the region's module and the host.
#[derive(Clone, Copy)]
pub(crate) struct Host {
    /// Where the module is loaded if code must not depend on it; `None` where guest PCs are
    /// constants, because the module is loaded at the addresses in its file.
    pub floating_base: Option<u64>,
    /// Whether the host multiplies and adds with one rounding.
    pub has_fma: bool,
    /// Whether the state must be exact at every access that may fault.
    pub exact_faults: bool,
    /// Whether code says which instruction it is of.
    pub marks_instructions: bool,
    /// Whether the optimiser will run over the code.
    pub optimised: bool,
    /// Configuration of Cranelift's front end for the host.
    pub frontend: TargetFrontendConfig,
}

/// What the translator found beside the code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    /// The guest PC to which each link slot leads, in the order of slots.
    pub slots: Vec<u64>,
    /// The guest PC of each memory access, by trap code less one.
    pub accesses: Vec<u64>,
}

/// A value that is known when the region is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// This number.
    Number(i64),
    /// A guest address in the module, as it is now; code adds the base when it runs.
    Address(u64),
}

/// What is known about registers at one point inside a block.
#[derive(Clone, Default)]
struct Locals {
    /// Current values of integer registers, where they have been needed.
    x: [Option<Value>; 32],
    /// Their low halves as 32-bit values.
    x_low: [Option<Value>; 32],
    /// Registers that equal their sign-extended low half.
    x_extended: RegSet,
    x_known: [Option<Known>; 32],
    /// Current values of floating-point registers: the 64 bits as `f64`.
    f_raw: [Option<Value>; 32],
    /// Current values as singles.
    f_single: [Option<Value>; 32],
    /// Registers whose variable holds a single.
    f_is_single: RegSet,
    /// Registers that may hold a NaN that isn't canonical.
    f_loose: RegSet,
    /// Registers that were stored for the sake of faults, and hold what the state says.
    x_stored: RegSet,
    f_stored: RegSet,
}

struct RegionTranslator<'a, 'b> {
    builder: FunctionBuilder<'b>,
    region: &'a Region,
    flow: &'a Flow,
    target: Host,
    x: [Variable; 32],
    f_raw: [Variable; 32],
    f_single: [Variable; 32],
    /// The CLIF block of each block of the region, and how many of its predecessors are still to
    /// come.
    blocks: Vec<(ir::Block, usize)>,
    /// How many instructions stand before each block of the region.
    first_numbers: Vec<usize>,
    locals: Locals,
    /// Registers that may differ from the state at this point.
    x_dirty: RegSet,
    f_dirty: RegSet,
    /// Registers whose values after the current instruction matter, where that is asked.
    mattering_after: (RegSet, RegSet),
    imports: Imports,
    state_region: AliasRegion,
    tables: Tables,
    /// The first instruction that nobody translates.
    refused: Option<Inst>,
    /// The instruction that is being translated.
    current: Option<Inst>,
}

/// Nobody translates an instruction. A mistake of ours: the region stays interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody translates {inst:?}")]
pub(crate) struct Untranslated {
    inst: Inst,
}

/// Translates `region` into `function`, which must be empty.
///
/// # Errors
/// Where an instruction isn't translated.
pub(crate) fn translate(
    region: &Region,
    flow: &Flow,
    target: Host,
    function: &mut ir::Function,
    context: &mut FunctionBuilderContext,
) -> Result<Tables, Untranslated> {
    function.signature = symbols::region_signature();
    let state_region = function.dfg.alias_regions.insert(AliasRegionData {
        user_id: 0,
        description: "guest state".into(),
    });
    let mut builder = FunctionBuilder::new(function, context);
    let x = std::array::from_fn(|_| builder.declare_var(types::I64));
    let f_raw = std::array::from_fn(|_| builder.declare_var(types::F64));
    let f_single = std::array::from_fn(|_| builder.declare_var(types::F32));
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    let blocks = flow.blocks.iter().enumerate().map(|(index, block)| {
        let from_entry = usize::from(index == 0);
        (builder.create_block(), block.predecessors + from_entry)
    });
    let blocks = blocks.collect();
    let mut translator = RegionTranslator {
        builder,
        region,
        flow,
        target,
        x,
        f_raw,
        f_single,
        blocks,
        first_numbers: first_numbers(region),
        locals: Locals::default(),
        x_dirty: RegSet::EMPTY,
        f_dirty: RegSet::EMPTY,
        mattering_after: (RegSet::ALL, RegSet::ALL),
        imports: Imports::default(),
        state_region,
        tables: Tables::default(),
        refused: None,
        current: None,
    };
    translator.entry(entry);
    for index in &flow.order {
        translator.block(*index);
    }
    let RegionTranslator {
        builder,
        tables,
        target,
        refused,
        ..
    } = translator;
    builder.finalize(target.frontend);
    match refused {
        None => Ok(tables),
        Some(inst) => Err(Untranslated { inst }),
    }
}

/// How many instructions stand before each block.
fn first_numbers(region: &Region) -> Vec<usize> {
    let mut sum = 0;
    let before = region.blocks.iter().map(|block| {
        let before = sum;
        sum += block.instructions.len();
        before
    });
    before.collect()
}

impl RegionTranslator<'_, '_> {
    /// The entry: parameters, loads, and the checks on which the region relies.
    fn entry(&mut self, entry: ir::Block) {
        self.builder.switch_to_block(entry);
        self.builder.seal_block(entry);
        for (position, register) in CARRIED.into_iter().enumerate() {
            let value = self.builder.block_params(entry)[position];
            self.builder.def_var(self.x[register], value);
        }
        if !self.flow.blocks[0].is_loop_header {
            self.poll(self.region.head, RegSet::EMPTY, RegSet::EMPTY);
        }
        self.check_environment();
        let state = self.state();
        for register in self.flow.x_needed.iter() {
            let value = self.load_at(state, types::I64, state::x_offset(register));
            self.builder.def_var(self.x[register], value);
        }
        self.load_float_registers(state);
        self.locals.f_is_single = self.flow.f_needed_single;
        self.jump_inside(0);
    }

    fn block(&mut self, index: usize) {
        let region = self.region;
        let block = &region.blocks[index];
        let flow = &self.flow.blocks[index];
        self.builder.switch_to_block(self.blocks[index].0);
        self.mark(self.first_numbers[index]);
        self.locals = Locals {
            f_is_single: flow.f_single,
            f_loose: flow.f_loose,
            ..Locals::default()
        };
        self.x_dirty = flow.x_dirty;
        self.f_dirty = flow.f_dirty;
        if flow.is_loop_header {
            self.poll(block.start, flow.x_live, flow.f_live);
        }
        let mattering = match self.flow.has_arithmetic {
            true => mattering_after(self.flow, block),
            false => Vec::new(),
        };
        let first = self.first_numbers[index];
        for (index, instruction) in block.instructions.iter().enumerate() {
            if let Some(after) = mattering.get(index) {
                self.mattering_after = *after;
            }
            self.mark(first + index);
            self.instruction(instruction);
        }
        self.end(block);
    }

    /// Says that what follows is code of the region's instruction with this number, where that is
    /// asked.
    fn mark(&mut self, number: usize) {
        if self.target.marks_instructions {
            self.builder.set_srcloc(dump::location(number));
        }
    }

    fn instruction(&mut self, instruction: &Instruction) {
        let Instruction { pc, inst, next } = *instruction;
        self.current = Some(inst);
        match inst {
            Inst::Lui { rd, imm } => self.set_known(rd, Known::Number(i64::from(imm))),
            Inst::Auipc { rd, imm } => {
                let address = pc.wrapping_add(i64::from(imm) as u64);
                self.set_known(rd, Known::Address(address));
            }
            Inst::Jal { rd, .. } => self.set_known(rd, Known::Address(next)),
            // The block's end does these.
            Inst::Jalr { .. } | Inst::Branch { .. } => {}
            Inst::AluImm { op, rd, rs1, imm } => self.alu_imm(op, rd, rs1, imm),
            Inst::Alu { op, rd, rs1, rs2 } => self.alu(op, rd, rs1, rs2),
            Inst::AluUnary { op, rd, rs1 } => self.alu_unary(op, rd, rs1),
            Inst::Load {
                op,
                rd,
                rs1,
                offset,
            } => self.load(pc, op, rd, rs1, offset),
            Inst::Store {
                op,
                rs1,
                rs2,
                offset,
            } => self.store(pc, op, rs1, rs2, offset),
            Inst::Fence { pred, succ, .. } => self.fence(pred, succ),
            atomic_inst!() => self.atomic(pc, inst),
            Inst::Csr {
                op,
                rd,
                csr,
                source,
            } => self.csr(op, rd, csr, source),
            // These end a region before they are reached.
            Inst::FenceI | Inst::Ecall | Inst::Ebreak => self.refuse(),
            float_inst!() => self.float(pc, inst),
            conversion_inst!() => self.convert(inst),
        }
    }

    /// Nobody translates the current instruction, so that the region can't be compiled.
    fn refuse(&mut self) {
        self.refused = self.refused.or(self.current);
    }

    /// Runs `build` in a new block that is laid out of the way, entered where `condition` isn't 0
    /// and never left forward; then goes on where it is 0. What `build` learns is forgotten.
    fn unlikely(&mut self, condition: Value, build: impl FnOnce(&mut Self)) {
        let out = self.builder.create_block();
        let on = self.builder.create_block();
        self.builder.ins().brif(condition, out, &[], on, &[]);
        self.builder.set_cold_block(out);
        self.builder.seal_block(out);
        self.builder.seal_block(on);
        self.builder.switch_to_block(out);
        let locals = self.locals.clone();
        build(self);
        self.locals = locals;
        self.builder.switch_to_block(on);
    }

    /// The value of `usual`, or where `condition` isn't 0, what `rare` makes, out of the way.
    fn choose_rarely(
        &mut self,
        condition: Value,
        ty: ir::Type,
        usual: impl FnOnce(&mut Self) -> Value,
        rare: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let out = self.builder.create_block();
        let on = self.builder.create_block();
        let join = self.builder.create_block();
        let result = self.builder.append_block_param(join, ty);
        self.builder.ins().brif(condition, out, &[], on, &[]);
        self.builder.set_cold_block(out);
        self.builder.seal_block(out);
        self.builder.seal_block(on);
        let locals = self.locals.clone();
        self.builder.switch_to_block(out);
        let value = rare(self);
        self.builder.ins().jump(join, &[value.into()]);
        self.locals = locals.clone();
        self.builder.switch_to_block(on);
        let value = usual(self);
        self.builder.ins().jump(join, &[value.into()]);
        self.locals = locals;
        self.builder.seal_block(join);
        self.builder.switch_to_block(join);
        result
    }
}

/// The signature of helpers: what the host's C functions use.
const HELPER_CONVENTION: CallConv = CallConv::SystemV;

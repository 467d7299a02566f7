//! A hash of what a function does that knows of no order and no number: of two functions that a front built
//! from the same in another order it is the same. Nothing but a notice depends on it.
//!
//! A value is what it is computed from. Blocks are told apart by how they are reached from the entry,
//! instructions of a block aren't ordered, and what is referred to is its name.

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{
    Block, ExternalName, Function, GlobalValueData, Inst, InstructionData, Value,
};

use super::tables::write_signature;
use super::writer::mixed;
use super::{Names, Writer};

/// The hash of a function.
pub(super) fn hash_without_order(func: &Function, names: &dyn Names, scratch: &mut Writer) -> u64 {
    write_signature(&func.signature, scratch);
    let signature = scratch.finish_small();
    let mut walk = Unordered {
        func,
        names,
        scratch,
        blocks: SecondaryMap::new(),
        values: SecondaryMap::new(),
    };
    let order = walk.number_blocks();
    let mut sum = mixed(signature);
    for block in order {
        for &param in func.dfg.block_params(block) {
            walk.values[param] = walk.param(block, param);
        }
        for inst in func.layout.block_insts(block) {
            sum = sum.wrapping_add(walk.inst(block, inst));
        }
    }
    mixed(sum)
}

struct Unordered<'a> {
    func: &'a Function,
    names: &'a dyn Names,
    scratch: &'a mut Writer,
    /// From one, in the order in which they are reached; zero if they aren't.
    blocks: SecondaryMap<Block, u32>,
    values: SecondaryMap<Value, u64>,
}

impl Unordered<'_> {
    /// Numbers blocks as they are reached, each before those that it dominates.
    fn number_blocks(&mut self) -> Vec<Block> {
        let mut order = Vec::new();
        let mut waiting: Vec<Block> = self.func.layout.entry_block().into_iter().collect();
        while let Some(block) = waiting.pop() {
            if self.blocks[block] != 0 {
                continue;
            }
            order.push(block);
            self.blocks[block] = order.len() as u32;
            waiting.extend(self.func.block_successors(block).rev());
        }
        order
    }

    /// A block's parameter. The first block's are the function's, in an order that means something.
    fn param(&self, block: Block, param: Value) -> u64 {
        let number = u64::from(self.blocks[block]);
        let params = self.func.dfg.block_params(block).iter();
        let place = match number {
            1 => params.take_while(|other| **other != param).count() as u64,
            _ => 0,
        };
        let ty = super::writer::type_number(self.func.dfg.value_type(param));
        mixed(mixed(number << 32 | place) ^ u64::from(ty))
    }

    fn inst(&mut self, block: Block, inst: Inst) -> u64 {
        let func = self.func;
        let data = &func.dfg.insts[inst];
        let location = func.stencil.srclocs[inst].expand(func.params.base_srcloc());
        self.scratch.put([data.opcode() as u32, location.bits()]);
        self.write_detail(data);
        let is_terminator = data.opcode().is_terminator();
        if is_terminator {
            self.scratch.number(self.blocks[block]);
            for to in func.block_successors(block) {
                self.scratch.number(self.blocks[to]);
            }
        }
        let mut hash = mixed(self.scratch.finish_small());
        let mut passed = 0_u64;
        for value in func.dfg.inst_values(inst) {
            let value = self.values[func.dfg.resolve_aliases(value)];
            match is_terminator && data.opcode().is_branch() {
                // Parameters of blocks have the order in which variables were found to need them.
                true => passed = passed.wrapping_add(mixed(value)),
                false => hash = mixed(hash ^ value),
            }
        }
        hash = mixed(hash ^ passed);
        for (number, result) in (1..).zip(func.dfg.inst_results(inst)) {
            let ty = super::writer::type_number(func.dfg.value_type(*result));
            self.values[*result] = mixed(hash.wrapping_add(number << 16 | u64::from(ty)));
        }
        let last = func.dfg.inst_results(inst).last();
        last.map_or(hash, |result| self.values[*result])
    }

    /// What an instruction says beside its operands, as far as it isn't a number of something.
    fn write_detail(&mut self, data: &InstructionData) {
        use InstructionData as I;
        let func = self.func;
        match *data {
            I::UnaryImm { imm, .. } => self.scratch.u64(imm.bits().cast_unsigned()),
            I::UnaryIeee32 { imm, .. } => self.scratch.u32(imm.bits()),
            I::UnaryIeee64 { imm, .. } => self.scratch.u64(imm.bits()),
            #[cfg(not(since_0_133))]
            I::BinaryImm64 { imm, .. } | I::IntCompareImm { imm, .. } => {
                self.scratch.u64(imm.bits().cast_unsigned());
            }
            I::IntCompare { cond, .. } => self.scratch.display(&cond),
            I::FloatCompare { cond, .. } => self.scratch.display(&cond),
            I::Load { offset, .. } | I::Store { offset, .. } => {
                self.scratch.u32(i32::from(offset).cast_unsigned());
            }
            #[cfg(since_0_135)]
            I::StackAddr {
                stack_slot, offset, ..
            } => {
                self.scratch.u32(i32::from(offset).cast_unsigned());
                self.scratch.number(func.sized_stack_slots[stack_slot].size);
            }
            #[cfg(not(since_0_135))]
            I::StackLoad {
                stack_slot, offset, ..
            }
            | I::StackStore {
                stack_slot, offset, ..
            } => {
                self.scratch.u32(i32::from(offset).cast_unsigned());
                self.scratch.number(func.sized_stack_slots[stack_slot].size);
            }
            I::BinaryImm8 { imm, .. } | I::TernaryImm8 { imm, .. } => {
                self.scratch.number(imm.into());
            }
            I::Trap { code, .. } | I::CondTrap { code, .. } => {
                self.scratch.number(code.as_raw().get().into());
            }
            I::UnaryConst {
                constant_handle, ..
            } => {
                let bytes = func.dfg.constants.get(constant_handle);
                self.scratch.bytes(bytes.as_slice());
            }
            I::Call { func_ref, .. }
            | I::FuncAddr { func_ref, .. }
            | I::TryCall { func_ref, .. } => {
                let callee = &func.dfg.ext_funcs[func_ref];
                self.write_name(&callee.name);
                write_signature(&func.dfg.signatures[callee.signature], self.scratch);
            }
            I::UnaryGlobalValue { global_value, .. } => {
                if let GlobalValueData::Symbol { name, offset, .. } =
                    &func.global_values[global_value]
                {
                    self.write_name(name);
                    self.scratch.u64(offset.bits().cast_unsigned());
                }
            }
            _ => {}
        }
    }

    fn write_name(&mut self, name: &ExternalName) {
        match name {
            ExternalName::User(reference) => {
                let name = &self.func.params.user_named_funcs()[*reference];
                self.names.write_name_without_number(name, self.scratch);
            }
            other => self.scratch.display(&other.display(None)),
        }
    }
}

//! How blocks end: branches, jumps inside the region, and the ways out of it.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use rekindle_hart::offsets;
use rv_isa::{BranchOp, Inst, XReg};

use super::{Known, Locals, RegionTranslator, Symbol, state};
use crate::abi::CARRIED;
use crate::flow::CARRIED_SET;
use crate::reg_set::RegSet;
use crate::region::{Block, Edge, End, Leave};

impl RegionTranslator<'_, '_> {
    pub(super) fn end(&mut self, block: &Block) {
        match block.end {
            End::Jump(edge) => self.follow(edge),
            End::Branch { taken, not_taken } => self.branch(block, taken, not_taken),
            End::Indirect => self.indirect(block, None),
            End::Return { pc, inside } => self.indirect(block, Some((pc, inside))),
            End::Leave { pc, reason } => {
                let symbol = match reason {
                    Leave::Interpret => Symbol::ExitInterpret,
                    Leave::Syscall => Symbol::ExitSyscall,
                };
                let pc = self.guest_address(pc);
                self.leave_through(symbol, pc);
            }
        }
    }

    fn follow(&mut self, edge: Edge) {
        match edge {
            Edge::Inside(block) => self.jump_inside(block),
            Edge::Outside(pc) => self.leave_linked(pc),
        }
    }

    /// Jumps to a block of the region.
    pub(super) fn jump_inside(&mut self, block: usize) {
        self.settle_for(block);
        let target = self.blocks[block].0;
        self.builder.ins().jump(target, &[]);
        self.arrived(block);
    }

    /// Counts one predecessor of a block as done.
    fn arrived(&mut self, block: usize) {
        let (target, left) = &mut self.blocks[block];
        *left -= 1;
        if *left == 0 {
            self.builder.seal_block(*target);
        }
    }

    fn branch(&mut self, block: &Block, taken: Edge, not_taken: Edge) {
        let Some(Inst::Branch { op, rs1, rs2, .. }) = block.instructions.last().map(|i| i.inst)
        else {
            return self.follow(not_taken);
        };
        if taken == not_taken {
            if let Edge::Inside(inside) = taken {
                self.arrived(inside);
            }
            return self.follow(taken);
        }
        let cc = match op {
            BranchOp::Eq => IntCC::Equal,
            BranchOp::Ne => IntCC::NotEqual,
            BranchOp::Lt => IntCC::SignedLessThan,
            BranchOp::Ge => IntCC::SignedGreaterThanOrEqual,
            BranchOp::Ltu => IntCC::UnsignedLessThan,
            BranchOp::Geu => IntCC::UnsignedGreaterThanOrEqual,
        };
        let condition = self.compare(cc, rs1, rs2);
        for edge in [taken, not_taken] {
            if let Edge::Inside(inside) = edge {
                self.settle_for(inside);
            }
        }
        let [then, otherwise] = [taken, not_taken].map(|edge| match edge {
            Edge::Inside(inside) => self.blocks[inside].0,
            Edge::Outside(_) => self.builder.create_block(),
        });
        self.builder
            .ins()
            .brif(condition, then, &[], otherwise, &[]);
        for (edge, target) in [(taken, then), (not_taken, otherwise)] {
            match edge {
                Edge::Inside(inside) => self.arrived(inside),
                Edge::Outside(pc) => {
                    self.builder.seal_block(target);
                    self.builder.switch_to_block(target);
                    self.apart(|this| this.leave_linked(pc));
                }
            }
        }
    }

    /// Builds a way out of the region; what it learns about registers holds only there.
    fn apart(&mut self, build: impl FnOnce(&mut Self)) {
        let locals: Locals = self.locals.clone();
        build(self);
        self.locals = locals;
    }

    /// An indirect jump: inside, where it returns to a call that was followed; directly, where the
    /// target is known; else through the jump cache.
    fn indirect(&mut self, block: &Block, expected: Option<(u64, usize)>) {
        let Some(Inst::Jalr { rd, rs1, offset }) = block.instructions.last().map(|i| i.inst) else {
            return;
        };
        let next = block.instructions.last().map_or(0, |i| i.next);
        if let Some((pc, inside)) = expected {
            if self.known(rs1) == Some(Known::Address(pc)) {
                return self.jump_inside(inside);
            }
            return self.guarded_return(rs1, pc, inside);
        }
        if let Some(target) = self.known_target(rs1, offset) {
            self.set_known(rd, Known::Address(next));
            return self.leave_linked(target);
        }
        let target = self.jump_target(rs1, offset);
        self.set_known(rd, Known::Address(next));
        self.leave_indirect(target);
    }

    /// Where an indirect jump leads, if that is known and near enough for the region's tables.
    fn known_target(&self, rs1: XReg, offset: i32) -> Option<u64> {
        let base = match self.known(rs1)? {
            Known::Address(address) => address,
            Known::Number(number) if self.target.floating_base.is_none() => number as u64,
            Known::Number(_) => return None,
        };
        let target = base.wrapping_add(i64::from(offset) as u64) & !1;
        let distance = target.wrapping_sub(self.region.head).cast_signed();
        i32::try_from(distance).is_ok().then_some(target)
    }

    fn jump_target(&mut self, rs1: XReg, offset: i32) -> Value {
        let base = self.x(rs1);
        let sum = match offset {
            0 => base,
            _ => self.builder.ins().iadd_imm_s(base, i64::from(offset)),
        };
        self.builder.ins().band_imm_s(sum, -2)
    }

    fn guarded_return(&mut self, rs1: XReg, pc: u64, inside: usize) {
        let target = self.jump_target(rs1, 0);
        let expected = self.guest_address(pc);
        let differs = self.builder.ins().icmp(IntCC::NotEqual, target, expected);
        self.unlikely(differs, |this| this.leave_indirect(target));
        self.jump_inside(inside);
    }

    /// Leaves at `pc`, where a block of the region starts, if the engine asks for attention. Every
    /// region and every loop begins with this, so no guest code runs for long without.
    ///
    /// Registers that aren't live are not written back: whoever goes on from here writes them
    /// before anybody reads them, since leaving the region counts as reading.
    pub(super) fn poll(&mut self, pc: u64, x_live: RegSet, f_live: RegSet) {
        // Another hart or a signal handler writes both this and what the guest's loop may be waiting
        // for: nothing that was loaded before is known to be the same, or carried round the loop.
        self.builder.ins().sequence_point();
        let word = self.load_state(types::I64, offsets::ATTENTION_ADDRESS as i32);
        let flags = MemFlagsData::trusted();
        let raised = self.builder.ins().load(types::I32, flags, word, 0);
        let raised = self.builder.ins().icmp_imm_s(IntCC::NotEqual, raised, 0);
        self.unlikely(raised, |this| {
            this.write_back(
                this.x_dirty.intersection(x_live),
                this.f_dirty.intersection(f_live),
            );
            let pc = this.guest_address(pc);
            let code = this.symbol(Symbol::ExitIndirect);
            this.jump_out(code, pc);
        });
    }

    /// Leaves to a guest PC through a link slot, which holds the code of the target or, as long as
    /// there is none, of the exit that asks for it.
    fn leave_linked(&mut self, pc: u64) {
        self.write_back(self.x_dirty, self.f_dirty);
        let slot = match self.tables.slots.iter().position(|slot| *slot == pc) {
            Some(slot) => slot,
            None => {
                self.tables.slots.push(pc);
                self.tables.slots.len() - 1
            }
        };
        let address = self.symbol(Symbol::Slot(slot as u32));
        let flags = MemFlagsData::trusted();
        let code = self.builder.ins().load(types::I64, flags, address, 0);
        self.jump_out(code, address);
    }

    /// Leaves to the guest PC `target` through the jump cache.
    fn leave_indirect(&mut self, target: Value) {
        self.write_back(self.x_dirty, self.f_dirty);
        // Entries are 16 bytes and instructions at least 2, so bits 1 and up select.
        const { assert!(offsets::JUMP_CACHE_ENTRY_LEN == 16) };
        let scaled = self.builder.ins().ishl_imm_u(target, 3);
        let index = self
            .builder
            .ins()
            .band_imm_s(scaled, 16 * (offsets::JUMP_CACHE_LEN as i64 - 1));
        let state = self.state();
        let entry = self.builder.ins().iadd(state, index);
        let cache = offsets::JUMP_CACHE as i32;
        let flags = MemFlagsData::trusted();
        let tag_offset = cache + offsets::JUMP_GUEST_PC as i32;
        let tag = self
            .builder
            .ins()
            .load(types::I64, flags, entry, tag_offset);
        let code_offset = cache + offsets::JUMP_CODE as i32;
        let code = self
            .builder
            .ins()
            .load(types::I64, flags, entry, code_offset);
        let hit = self.builder.ins().icmp(IntCC::Equal, tag, target);
        let miss = self.symbol(Symbol::ExitIndirect);
        let code = self.builder.ins().select(hit, code, miss);
        self.jump_out(code, target);
    }

    /// Leaves to one of the engine's exits, with the guest PC `pc`.
    pub(super) fn leave_through(&mut self, exit: Symbol, pc: Value) {
        self.write_back(self.x_dirty, self.f_dirty);
        let code = self.symbol(exit);
        self.jump_out(code, pc);
    }

    /// Writes registers back, but for the carried ones.
    fn write_back(&mut self, x: RegSet, f: RegSet) {
        let x = x.minus(CARRIED_SET);
        if x.union(f).is_empty() {
            return;
        }
        let state = self.state();
        for register in x.iter() {
            let value = self.x(XReg::new(register as u8));
            self.store_at(state, value, state::x_offset(register));
        }
        self.write_back_floats(state, f);
    }

    fn jump_out(&mut self, code: Value, word: Value) {
        let signature = self.region_signature();
        let mut arguments = Vec::with_capacity(CARRIED.len() + 1);
        for register in CARRIED {
            arguments.push(self.x(XReg::new(register as u8)));
        }
        arguments.push(word);
        self.builder
            .ins()
            .return_call_indirect(signature, code, &arguments);
    }
}

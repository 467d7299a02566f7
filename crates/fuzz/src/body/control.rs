//! Branches, loops, jump tables, calls.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    BlockArg, BlockCall, ExceptionTableData, ExceptionTableItem, InstBuilder, JumpTableData,
    MemFlagsData, TrapCode, Value, types,
};
use cranelift_codegen::isa::CallConv;

use super::Body;
use crate::plan::{HOSTS, SCALARS, Shape};

/// Deeper, nothing but straight lines.
const MAX_DEPTH: usize = 3;

impl Body<'_> {
    pub(super) fn control(&mut self) {
        if self.depth == MAX_DEPTH {
            return self.integer();
        }
        self.depth += 1;
        match self.random.below(9) {
            0 => self.branch(),
            1 => self.count(),
            2 => self.jump_table(),
            3 => self.trap_never(),
            4 => self.call_host(),
            5 => self.call_through_table(),
            6 => self.call_through_address(),
            _ => self.call(),
        }
        self.depth -= 1;
    }

    /// Some steps whose values nobody sees later, and one value that they lead to.
    fn arm(&mut self, ty: cranelift_codegen::ir::Type) -> Value {
        let mark = self.mark();
        let steps = self.random.below(6);
        self.steps(steps);
        let value = self.pick(ty);
        self.forget_since(mark);
        value
    }

    fn branch(&mut self) {
        let ty = SCALARS[self.random.below(6)];
        let [then, other, join] = [(); 3].map(|()| self.builder.create_block());
        let joined = self.builder.append_block_param(join, ty);
        if self.random.below(3) == 0 {
            self.builder.set_cold_block(other);
        }
        let condition = self.condition();
        self.builder.ins().brif(condition, then, &[], other, &[]);
        for block in [then, other] {
            self.builder.switch_to_block(block);
            let value = self.arm(ty);
            self.builder.ins().jump(join, &[value.into()]);
        }
        self.builder.switch_to_block(join);
        self.keep(joined);
    }

    /// A loop of a few rounds.
    fn count(&mut self) {
        let ty = SCALARS[self.random.below(6)];
        let rounds = 1 + self.random.below(5) as i64;
        let [head, exit] = [(); 2].map(|()| self.builder.create_block());
        let counter = self.builder.append_block_param(head, types::I64);
        let carried = self.builder.append_block_param(head, ty);
        let left = self.builder.append_block_param(exit, ty);
        let first = self.pick(ty);
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.builder.ins().jump(head, &[zero.into(), first.into()]);
        self.builder.switch_to_block(head);
        let mark = self.mark();
        self.keep(counter);
        self.keep(carried);
        let value = self.arm(ty);
        let next = self.builder.ins().iadd_imm_s(counter, 1);
        let more = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::SignedLessThan, next, rounds);
        self.builder.ins().brif(
            more,
            head,
            &[next.into(), value.into()],
            exit,
            &[value.into()],
        );
        self.forget_since(mark);
        self.builder.switch_to_block(exit);
        self.keep(left);
    }

    fn jump_table(&mut self) {
        let ty = SCALARS[self.random.below(6)];
        let targets = 1 + self.random.below(6);
        let join = self.builder.create_block();
        let joined = self.builder.append_block_param(join, ty);
        let blocks: Vec<_> = (0..=targets).map(|_| self.builder.create_block()).collect();
        let lists = &mut self.builder.func.dfg.value_lists;
        let calls: Vec<BlockCall> = blocks
            .iter()
            .map(|block| BlockCall::new(*block, [], lists))
            .collect();
        let table = JumpTableData::new(calls[0], &calls[1..]);
        let table = self.builder.create_jump_table(table);
        let index = self.pick(types::I32);
        let index = self.builder.ins().band_imm_u(index, 7);
        self.builder.ins().br_table(index, table);
        for block in blocks {
            self.builder.switch_to_block(block);
            let value = self.arm(ty);
            self.builder.ins().jump(join, &[value.into()]);
        }
        self.builder.switch_to_block(join);
        self.keep(joined);
    }

    /// A trap on what is never true.
    fn trap_never(&mut self) {
        let value = self.pick(types::I64);
        let value = self.builder.ins().band_imm_u(value, 1);
        let never = self.builder.ins().icmp_imm_s(IntCC::Equal, value, 2);
        let code = TrapCode::user(1 + self.random.below(100) as u8).expect("not reserved");
        self.builder.ins().trapnz(never, code);
    }

    fn call_host(&mut self) {
        let choice = self.random.below(HOSTS.len());
        let (_, params, _) = HOSTS[choice];
        let arguments: Vec<Value> = params.iter().map(|ty| self.pick(*ty)).collect();
        let call = self.builder.ins().call(self.hosts[choice], &arguments);
        let result = self.builder.inst_results(call)[0];
        self.keep(result);
    }

    fn call(&mut self) {
        if self.callees.is_empty() {
            return self.call_host();
        }
        let (callee, shape) = self.callees[self.random.below(self.callees.len())].clone();
        let arguments = self.arguments(&shape);
        if shape.convention != CallConv::Fast && self.random.below(4) == 0 {
            return self.try_call(callee, &shape, &arguments);
        }
        let call = self.builder.ins().call(callee, &arguments);
        for result in self.builder.inst_results(call).to_vec() {
            self.keep(result);
        }
    }

    /// With handlers that nothing ever reaches.
    fn try_call(
        &mut self,
        callee: cranelift_codegen::ir::FuncRef,
        shape: &Shape,
        arguments: &[Value],
    ) {
        let [normal, caught] = [(); 2].map(|()| self.builder.create_block());
        let results: Vec<Value> = shape
            .returns
            .iter()
            .map(|ty| self.builder.append_block_param(normal, *ty))
            .collect();
        for _ in 0..2 {
            self.builder.append_block_param(caught, types::I64);
        }
        let signature = self.builder.func.dfg.ext_funcs[callee].signature;
        let lists = &mut self.builder.func.dfg.value_lists;
        let returned = (0..results.len() as u32).map(BlockArg::TryCallRet);
        let returned = BlockCall::new(normal, returned, lists);
        let thrown = [BlockArg::TryCallExn(0), BlockArg::TryCallExn(1)];
        let thrown = BlockCall::new(caught, thrown, lists);
        let table =
            ExceptionTableData::new(signature, returned, [ExceptionTableItem::Default(thrown)]);
        let table = self.builder.func.dfg.exception_tables.push(table);
        self.builder.ins().try_call(callee, arguments, table);
        self.builder.switch_to_block(caught);
        self.builder
            .ins()
            .trap(TrapCode::user(101).expect("not reserved"));
        self.builder.switch_to_block(normal);
        for result in results {
            self.keep(result);
        }
    }

    /// Through an address in data.
    fn call_through_table(&mut self) {
        if self.tables.is_empty() {
            return self.call_host();
        }
        let (table, count) = self.tables[self.random.below(self.tables.len())];
        let place = 8 + 8 * self.random.below(count) as i32;
        let table = self.builder.ins().symbol_value(types::I64, table);
        let flags = MemFlagsData::trusted();
        let callee = self.builder.ins().load(types::I64, flags, table, place);
        self.call_indirectly(callee, &Shape::common(None));
    }

    /// Through the address of a function.
    fn call_through_address(&mut self) {
        if self.callees.is_empty() {
            return self.call_host();
        }
        let (callee, shape) = self.callees[self.random.below(self.callees.len())].clone();
        let callee = self.builder.ins().func_addr(types::I64, callee);
        self.call_indirectly(callee, &shape);
    }

    fn call_indirectly(&mut self, callee: Value, shape: &Shape) {
        let arguments = self.arguments(shape);
        let signature = self.builder.import_signature(shape.signature());
        let call = self
            .builder
            .ins()
            .call_indirect(signature, callee, &arguments);
        for result in self.builder.inst_results(call).to_vec() {
            self.keep(result);
        }
    }
}

//! The body of a random function: straight lines of instructions over values of all types, with
//! branches, loops, jump tables, calls and memory between them.
//!
//! Nothing that is computed depends on where code or data lies, and nothing traps.

mod control;
mod float;
mod integer;
mod memory;
mod vector;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    ConstantData, FuncRef, Function, GlobalValue, InstBuilder, MemFlagsData, StackSlot,
    StackSlotData, StackSlotKind, Type, Value, types,
};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::Module;
use rekindle_bench::population::Random;

use crate::plan::{Declared, Plan, SCALARS, Shape, VECTORS};

/// Types of which there are values.
const TYPES: usize = 13;

/// Bytes of the stack slot.
const SLOT_LEN: usize = 64;

/// One function while it is built.
pub(crate) struct Body<'a> {
    builder: FunctionBuilder<'a>,
    random: Random,
    /// Values that may be used, by the number of their type.
    values: [Vec<Value>; TYPES],
    slot: StackSlot,
    fuel: GlobalValue,
    host_table: GlobalValue,
    objects: Vec<(GlobalValue, bool)>,
    /// Objects that hold addresses of functions, and how many.
    tables: Vec<(GlobalValue, usize)>,
    /// Objects whose first word points to another.
    pointing: Vec<GlobalValue>,
    callees: Vec<(FuncRef, Shape)>,
    hosts: Vec<FuncRef>,
    config: TargetFrontendConfig,
    /// Whether vectors lie at multiples of their size.
    aligns_vectors: bool,
    /// How many branches and loops there are around.
    depth: usize,
}

fn number_of(ty: Type) -> usize {
    let all = SCALARS.iter().chain(&VECTORS).chain(&[types::I128]);
    let found = all.into_iter().position(|other| *other == ty);
    found.expect("no other type has values")
}

/// Builds the body of a function.
pub(crate) fn build(
    plan: &Plan,
    module: &mut dyn Module,
    declared: &Declared,
    index: usize,
    func: &mut Function,
    context: &mut FunctionBuilderContext,
) {
    let mut random = plan.random_of(index);
    let shape = &plan.functions[index];
    func.signature = shape.signature();
    let config = module.target_config();
    let mut refer = |id| module.declare_func_in_func(id, func);
    // Calls go to earlier functions, and to itself.
    let count = random.below(4);
    let mut callees: Vec<usize> = (0..count).map(|_| random.below(index + 1)).collect();
    callees.sort_unstable();
    callees.dedup();
    let callees = callees
        .into_iter()
        .map(|callee| {
            (
                refer(declared.functions[callee]),
                plan.functions[callee].clone(),
            )
        })
        .collect();
    let hosts = declared.hosts.iter().map(|id| refer(*id)).collect();
    let mut data = |id| module.declare_data_in_func(id, func);
    let (mut objects, mut tables, mut pointing) = (Vec::new(), Vec::new(), Vec::new());
    for (object, id) in plan.objects.iter().zip(&declared.objects) {
        let value = data(*id);
        match object.functions.len() {
            0 if object.points_to.is_none() => objects.push((value, object.is_writable)),
            0 => {}
            count => tables.push((value, count)),
        }
        if object.points_to.is_some() {
            pointing.push(value);
        }
    }
    let (fuel, host_table) = (data(declared.fuel), data(declared.host_table));
    let mut builder = FunctionBuilder::new(func, context);
    let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, SLOT_LEN as u32, 4);
    let slot = builder.create_sized_stack_slot(slot);
    Body {
        builder,
        random,
        values: Default::default(),
        slot,
        fuel,
        host_table,
        objects,
        tables,
        pointing,
        callees,
        hosts,
        config,
        aligns_vectors: !plan.uses_extensions,
        depth: 0,
    }
    .finish(shape);
}

impl Body<'_> {
    fn finish(mut self, shape: &Shape) {
        let entry = self.builder.create_block();
        self.builder.append_block_params_for_function_params(entry);
        self.builder.switch_to_block(entry);
        for param in self.builder.block_params(entry).to_vec() {
            self.keep(param);
        }
        self.burn_fuel(shape);
        self.fill_slot();
        let steps = 5 + self.random.below(60);
        self.steps(steps);
        self.leave(shape);
        self.builder.seal_all_blocks();
        self.builder.finalize(self.config);
    }

    /// Returns at once where there were too many calls.
    fn burn_fuel(&mut self, shape: &Shape) {
        let [empty, more] = [(); 2].map(|()| self.builder.create_block());
        let flags = MemFlagsData::trusted();
        let address = self.builder.ins().symbol_value(types::I64, self.fuel);
        let fuel = self.builder.ins().load(types::I64, flags, address, 0);
        let less = self.builder.ins().iadd_imm_s(fuel, -1);
        self.builder.ins().store(flags, less, address, 0);
        let is_empty = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::SignedLessThan, less, 0);
        self.builder.ins().brif(is_empty, empty, &[], more, &[]);
        self.builder.switch_to_block(empty);
        let results: Vec<Value> = shape.returns.iter().map(|ty| self.constant(*ty)).collect();
        self.builder.ins().return_(&results);
        self.builder.switch_to_block(more);
    }

    /// What a function computes must not depend on what the stack held before.
    fn fill_slot(&mut self) {
        for offset in (0..SLOT_LEN as i32).step_by(8) {
            let value = self.pick(types::I64);
            self.builder
                .ins()
                .stack_store(types::I64, value, self.slot, offset);
        }
    }

    fn steps(&mut self, count: usize) {
        for _ in 0..count {
            match self.random.below(24) {
                0..8 => self.integer(),
                8..11 => self.float(),
                11..15 => self.vector(),
                15..20 => self.memory(),
                _ => self.control(),
            }
        }
    }

    fn leave(&mut self, shape: &Shape) {
        let tail_callee = self.callees.iter().position(|(_, callee)| {
            use cranelift_codegen::isa::CallConv::Tail;
            (callee.convention, shape.convention) == (Tail, Tail) && callee.returns == shape.returns
        });
        if let Some(callee) = tail_callee.filter(|_| self.random.below(3) > 0) {
            let (callee, shape) = self.callees[callee].clone();
            let arguments = self.arguments(&shape);
            self.builder.ins().return_call(callee, &arguments);
            return;
        }
        let results: Vec<Value> = shape.returns.iter().map(|ty| self.pick(*ty)).collect();
        self.builder.ins().return_(&results);
    }

    fn keep(&mut self, value: Value) {
        let ty = self.builder.func.dfg.value_type(value);
        self.values[number_of(ty)].push(value);
    }

    /// A value of a type, one of the latest or a constant.
    fn pick(&mut self, ty: Type) -> Value {
        let count = self.values[number_of(ty)].len();
        if count == 0 || self.random.below(10) == 0 {
            return self.constant(ty);
        }
        let back = self.random.below(count.min(12));
        self.values[number_of(ty)][count - 1 - back]
    }

    fn bits(&mut self) -> u64 {
        let any = self.random.next_u64();
        match self.random.below(8) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => 0x8080_8080_8080_8080,
            4 => any >> 56,
            5 => (f64::from(any as i32) / 16.0).to_bits(),
            _ => any,
        }
    }

    fn constant(&mut self, ty: Type) -> Value {
        let bits = self.bits();
        if ty.is_vector() {
            let more = self.bits();
            let bytes = [bits.to_le_bytes(), more.to_le_bytes()].concat();
            let constant = ConstantData::from(&bytes[..]);
            let constant = self.builder.func.dfg.constants.insert(constant);
            return self.builder.ins().vconst(ty, constant);
        }
        let ins = self.builder.ins();
        match ty {
            types::F32 => ins.f32const(f32::from_bits(bits as u32)),
            types::F64 => ins.f64const(f64::from_bits(bits)),
            types::I128 => {
                let (low, high) = (self.pick(types::I64), self.pick(types::I64));
                self.builder.ins().iconcat(low, high)
            }
            _ => {
                let mask = u64::MAX >> (64 - ty.bits());
                ins.iconst(ty, (bits & mask).cast_signed())
            }
        }
    }

    /// A boolean: any small integer.
    fn condition(&mut self) -> Value {
        self.pick(types::I8)
    }

    /// Arguments for a call.
    fn arguments(&mut self, shape: &Shape) -> Vec<Value> {
        shape.params.iter().map(|ty| self.pick(*ty)).collect()
    }

    /// What values there are, to forget others later.
    fn mark(&self) -> [usize; TYPES] {
        self.values.each_ref().map(Vec::len)
    }

    fn forget_since(&mut self, mark: [usize; TYPES]) {
        for (values, len) in self.values.iter_mut().zip(mark) {
            values.truncate(len);
        }
    }
}

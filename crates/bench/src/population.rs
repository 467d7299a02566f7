//! A population of Cranelift functions to compile, load and call: the same for every peer.
//!
//! The functions are made from a seed, so that each process of a comparison builds the same ones.
//! They do what compiled programs do: integer and floating-point arithmetic over a few live values,
//! loads and stores in a stack slot and in a module's data object, branches that join again,
//! bounded loops, calls to earlier functions of the module and to imported host functions.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, Block, Function, InstBuilder, MemFlagsData, Signature, StackSlotData, StackSlotKind,
    Value, types,
};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{DataDescription, DataId, FuncId, Linkage, Module, ModuleResult};

/// The shape of a population.
#[derive(Clone, Copy, Debug)]
pub struct Population {
    /// How many functions there are.
    pub functions: usize,
    /// Least and greatest number of CLIF instructions that a function aims for.
    pub instructions: (usize, usize),
    /// Where the pseudo-random choices start.
    pub seed: u64,
}

impl Population {
    /// The population that comparisons use: 2,000 functions of 25 to 450 instructions.
    pub const STANDARD: Self = Self {
        functions: 2_000,
        instructions: (25, 450),
        seed: 0x5eed,
    };
}

/// What a module holds of a population before any function is defined.
#[derive(Debug)]
pub struct Declared {
    /// The population's functions, in order.
    pub functions: Vec<FuncId>,
    /// Host functions, in the order of [`IMPORTS`].
    pub imports: Vec<FuncId>,
    /// One writable data object of [`DATA_LEN_BYTES`] bytes.
    pub data: DataId,
}

/// The host functions that the population calls: names and addresses.
pub const IMPORTS: [(&str, extern "C" fn(i64, i64) -> i64); 2] =
    [("host_mix", host_mix), ("host_fold", host_fold)];

/// Size of the population's data object.
pub const DATA_LEN_BYTES: usize = 4096;

/// Multiplies and rotates, as a hash does.
pub extern "C" fn host_mix(a: i64, b: i64) -> i64 {
    (a ^ b.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed())
}

/// Adds with a shift.
pub extern "C" fn host_fold(a: i64, b: i64) -> i64 {
    a.wrapping_add(b >> 3)
}

/// The name of function `index`.
pub fn function_name(index: usize) -> String {
    format!("fn_{index}")
}

/// `fn(a, b, fuel) -> i64`: calls to other functions happen while `fuel` is positive, so a call of
/// any function ends after few others.
pub fn signature(module: &dyn Module) -> Signature {
    let mut signature = module.make_signature();
    signature.params.extend([AbiParam::new(types::I64); 3]);
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

impl Population {
    /// Declares everything, and defines the data object.
    ///
    /// # Errors
    ///
    /// What the module returns.
    pub fn declare(&self, module: &mut dyn Module) -> ModuleResult<Declared> {
        let own = signature(module);
        let mut host = module.make_signature();
        host.params.extend([AbiParam::new(types::I64); 2]);
        host.returns.push(AbiParam::new(types::I64));
        let imports = IMPORTS
            .iter()
            .map(|(name, _)| module.declare_function(name, Linkage::Import, &host))
            .collect::<ModuleResult<_>>()?;
        let functions = (0..self.functions)
            .map(|index| module.declare_function(&function_name(index), Linkage::Export, &own))
            .collect::<ModuleResult<_>>()?;
        let data = module.declare_data("table", Linkage::Local, true, false)?;
        let mut contents = DataDescription::new();
        contents.define((0..DATA_LEN_BYTES).map(|i| (i * 31) as u8).collect());
        module.define_data(data, &contents)?;
        Ok(Declared {
            functions,
            imports,
            data,
        })
    }

    /// Builds the CLIF of function `index` into `func`, which is empty but for its signature.
    pub fn build(
        &self,
        module: &mut dyn Module,
        declared: &Declared,
        index: usize,
        func: &mut Function,
        context: &mut FunctionBuilderContext,
    ) {
        let mut random = Random::new(self.seed.wrapping_add(index as u64));
        let (least, most) = self.instructions;
        let target = least + random.below(most - least + 1);
        let mut callees = Vec::new();
        for _ in 0..3.min(index) {
            callees.push(declared.functions[random.below(index)]);
        }
        callees.dedup();
        let own = callees
            .iter()
            .map(|&id| module.declare_func_in_func(id, func))
            .collect();
        let host = declared
            .imports
            .iter()
            .map(|&id| module.declare_func_in_func(id, func));
        let host = host.collect();
        let table = module.declare_data_in_func(declared.data, func);
        let config = module.target_config();
        let builder = FunctionBuilder::new(func, context);
        Body {
            builder,
            random,
            live: Vec::new(),
            own,
            host,
            table,
        }
        .build(target, config);
    }
}

/// A small generator (xorshift64*), enough to make choices with.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next_u64() >> 16) as usize % limit
    }
}

/// One function while it is built.
struct Body<'a> {
    builder: FunctionBuilder<'a>,
    random: Random,
    /// Values that later instructions may use.
    live: Vec<Value>,
    own: Vec<cranelift_codegen::ir::FuncRef>,
    host: Vec<cranelift_codegen::ir::FuncRef>,
    table: cranelift_codegen::ir::GlobalValue,
}

impl Body<'_> {
    fn build(mut self, target: usize, config: TargetFrontendConfig) {
        let entry = self.builder.create_block();
        self.builder.append_block_params_for_function_params(entry);
        self.builder.switch_to_block(entry);
        self.live = self.builder.block_params(entry).to_vec();
        let fuel = self.live[2];
        let slot = self.builder.create_sized_stack_slot(StackSlotData::new(
            StackSlotKind::ExplicitSlot,
            64,
            3,
        ));
        let slot = self.builder.ins().stack_addr(types::I64, slot, 0);
        // What a function returns must not depend on what the stack held before.
        for offset in (0..64).step_by(8) {
            let flags = MemFlagsData::trusted();
            self.builder.ins().store(flags, fuel, slot, offset);
        }
        let table = self.builder.ins().symbol_value(types::I64, self.table);
        while self.builder.func.dfg.num_insts() < target {
            match self.random.below(16) {
                0 => self.branch(),
                1 => self.bounded_loop(),
                2 => self.call(fuel),
                3 | 4 => self.memory(slot, 64),
                5 => self.memory(table, DATA_LEN_BYTES),
                6 => self.float(),
                _ => self.integer(),
            }
        }
        let result = self.pick();
        self.builder.ins().return_(&[result]);
        self.builder.seal_all_blocks();
        self.builder.finalize(config);
    }

    fn pick(&mut self) -> Value {
        let index = self.random.below(self.live.len());
        self.live[index]
    }

    /// Keeps a dozen values alive, as a register-rich program would.
    fn keep(&mut self, value: Value) {
        if self.live.len() < 12 {
            self.live.push(value);
        } else {
            let index = self.random.below(12);
            self.live[index] = value;
        }
    }

    fn integer(&mut self) {
        let (a, b) = (self.pick(), self.pick());
        let imm = (self.random.next_u64() as i32) as i64;
        let choice = self.random.below(9);
        let b = if choice == 8 {
            self.builder.ins().iconst(types::I64, imm)
        } else {
            b
        };
        let ins = self.builder.ins();
        let value = match choice {
            0 | 8 => ins.iadd(a, b),
            1 => ins.isub(a, b),
            2 => ins.imul(a, b),
            3 => ins.bxor(a, b),
            4 => ins.band(a, b),
            5 => ins.ishl(a, b),
            6 => ins.sshr(a, b),
            _ => ins.rotl(a, b),
        };
        self.keep(value);
    }

    fn float(&mut self) {
        let (a, b) = (self.pick(), self.pick());
        let a = self.builder.ins().fcvt_from_sint(types::F64, a);
        let b = self.builder.ins().fcvt_from_sint(types::F64, b);
        let sum = match self.random.below(3) {
            0 => self.builder.ins().fadd(a, b),
            1 => self.builder.ins().fmul(a, b),
            _ => self.builder.ins().fsub(a, b),
        };
        let value = self.builder.ins().fcvt_to_sint_sat(types::I64, sum);
        self.keep(value);
    }

    fn memory(&mut self, base: Value, len_bytes: usize) {
        let offset = (self.random.below(len_bytes / 8) * 8) as i32;
        let flags = MemFlagsData::trusted();
        let stored = self.pick();
        self.builder.ins().store(flags, stored, base, offset);
        let offset = (self.random.below(len_bytes / 8) * 8) as i32;
        let value = self.builder.ins().load(types::I64, flags, base, offset);
        self.keep(value);
    }

    fn block_with_param(&mut self) -> (Block, Value) {
        let block = self.builder.create_block();
        let param = self.builder.append_block_param(block, types::I64);
        (block, param)
    }

    fn branch(&mut self) {
        let (a, b) = (self.pick(), self.pick());
        let then = self.builder.create_block();
        let (join, joined) = self.block_with_param();
        let condition = self.builder.ins().icmp(IntCC::SignedLessThan, a, b);
        self.builder
            .ins()
            .brif(condition, then, &[], join, &[a.into()]);
        self.builder.switch_to_block(then);
        let value = self.builder.ins().imul(a, b);
        let value = self.builder.ins().bxor(value, b);
        self.builder.ins().jump(join, &[value.into()]);
        self.builder.switch_to_block(join);
        self.keep(joined);
    }

    fn bounded_loop(&mut self) {
        let start = self.pick();
        let step = self.pick();
        let trips = 2 + self.random.below(6) as i64;
        let (head, counter) = self.block_with_param();
        let sum = self.builder.append_block_param(head, types::I64);
        let exit = self.builder.create_block();
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.builder.ins().jump(head, &[zero.into(), start.into()]);
        self.builder.switch_to_block(head);
        let next_sum = self.builder.ins().iadd(sum, step);
        let next_sum = self.builder.ins().rotl_imm_u(next_sum, 7);
        let next = self.builder.ins().iadd_imm_s(counter, 1);
        let more = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::SignedLessThan, next, trips);
        self.builder
            .ins()
            .brif(more, head, &[next.into(), next_sum.into()], exit, &[]);
        self.builder.switch_to_block(exit);
        self.keep(next_sum);
    }

    fn call(&mut self, fuel: Value) {
        let (a, b) = (self.pick(), self.pick());
        if self.own.is_empty() || self.random.below(2) == 0 {
            let callee = self.host[self.random.below(self.host.len())];
            let call = self.builder.ins().call(callee, &[a, b]);
            let value = self.builder.inst_results(call)[0];
            self.keep(value);
            return;
        }
        let callee = self.own[self.random.below(self.own.len())];
        let then = self.builder.create_block();
        let (join, joined) = self.block_with_param();
        let left = self.builder.ins().iadd_imm_s(fuel, -1);
        let enough = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::SignedGreaterThanOrEqual, left, 0);
        self.builder
            .ins()
            .brif(enough, then, &[], join, &[a.into()]);
        self.builder.switch_to_block(then);
        let call = self.builder.ins().call(callee, &[a, b, left]);
        let value = self.builder.inst_results(call)[0];
        self.builder.ins().jump(join, &[value.into()]);
        self.builder.switch_to_block(join);
        self.keep(joined);
    }
}

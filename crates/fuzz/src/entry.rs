//! What the host calls: takes a function's arguments from memory, and makes one number of all that it
//! returned and stored.

use cranelift_codegen::ir::{Endianness, Function, InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::Module;

use crate::plan::{Declared, OBJECT_LEN, Plan, entry_signature};

/// Bytes that an argument takes in memory.
const ARGUMENT_LEN: usize = 16;

/// Arguments that any function has at most.
const MAX_ARGUMENTS: usize = 8;

/// The memory that an entry reads its function's arguments from.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub(crate) struct Input(pub(crate) [u8; ARGUMENT_LEN * MAX_ARGUMENTS]);

pub(crate) fn build(
    plan: &Plan,
    module: &mut dyn Module,
    declared: &Declared,
    index: usize,
    func: &mut Function,
    context: &mut FunctionBuilderContext,
) {
    func.signature = entry_signature();
    let config = module.target_config();
    let callee = module.declare_func_in_func(declared.functions[index], func);
    let fuel = module.declare_data_in_func(declared.fuel, func);
    let stored: Vec<_> = plan
        .objects
        .iter()
        .zip(&declared.objects)
        .filter(|(object, _)| object.is_writable)
        .map(|(_, id)| module.declare_data_in_func(*id, func))
        .collect();
    let mut builder = FunctionBuilder::new(func, context);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    let (input, limit) = (
        builder.block_params(block)[0],
        builder.block_params(block)[1],
    );
    let flags = MemFlagsData::trusted();
    let fuel = builder.ins().symbol_value(types::I64, fuel);
    builder.ins().store(flags, limit, fuel, 0);
    let shape = &plan.functions[index];
    let arguments: Vec<Value> = (0..)
        .zip(&shape.params)
        .map(|(place, ty)| {
            builder
                .ins()
                .load(*ty, flags, input, place * ARGUMENT_LEN as i32)
        })
        .collect();
    let call = builder.ins().call(callee, &arguments);
    let mut hash = builder.ins().load(types::I64, flags, fuel, 0);
    for result in builder.inst_results(call).to_vec() {
        for word in words(&mut builder, result) {
            hash = mix(&mut builder, hash, word);
        }
    }
    for object in stored {
        let object = builder.ins().symbol_value(types::I64, object);
        for offset in (0..OBJECT_LEN as i32).step_by(8) {
            let word = builder.ins().load(types::I64, flags, object, offset);
            hash = mix(&mut builder, hash, word);
        }
    }
    builder.ins().return_(&[hash]);
    builder.seal_all_blocks();
    builder.finalize(config);
}

fn mix(builder: &mut FunctionBuilder<'_>, hash: Value, word: Value) -> Value {
    let hash = builder.ins().bxor(hash, word);
    let hash = builder.ins().imul_imm_s(hash, 0x2545_f491_4f6c_dd1d);
    builder.ins().rotl_imm_u(hash, 23)
}

/// A value as words of 64 bits.
fn words(builder: &mut FunctionBuilder<'_>, value: Value) -> Vec<Value> {
    let ty: Type = builder.func.dfg.value_type(value);
    let little = MemFlagsData::new().with_endianness(Endianness::Little);
    if ty.is_vector() {
        let pair = match ty {
            types::I64X2 => value,
            _ => builder.ins().bitcast(types::I64X2, little, value),
        };
        return vec![
            builder.ins().extractlane(pair, 0),
            builder.ins().extractlane(pair, 1),
        ];
    }
    let value = match ty {
        types::F32 => builder
            .ins()
            .bitcast(types::I32, MemFlagsData::new(), value),
        types::F64 => builder
            .ins()
            .bitcast(types::I64, MemFlagsData::new(), value),
        _ => value,
    };
    vec![match builder.func.dfg.value_type(value) {
        types::I64 => value,
        _ => builder.ins().uextend(types::I64, value),
    }]
}

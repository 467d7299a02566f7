//! The operands of one instruction.

use cranelift_codegen::ir::{BlockCall, Function, InstructionData, Value, ValueList};

use super::Writer;

/// Writes all of `data` but its opcode, the fields of each format in the order in which Cranelift declares them.
#[expect(clippy::too_many_lines, reason = "a table: one arm per instruction format")]
pub(super) fn write_data(func: &Function, data: &InstructionData, out: &mut Writer) {
    use InstructionData as I;
    match *data {
        I::AtomicCas { opcode: _, args, flags } => {
            values(func, &args, out);
            out.u32(flags.as_u32());
        }
        I::AtomicRmw { opcode: _, args, flags, op } => {
            values(func, &args, out);
            out.u32(flags.as_u32());
            out.u32(op as u32);
        }
        I::Binary { opcode: _, args } => values(func, &args, out),
        I::BinaryImm8 { opcode: _, arg, imm } => {
            value(func, arg, out);
            out.u32(u32::from(imm));
        }
        I::BranchTable { opcode: _, arg, table } => {
            value(func, arg, out);
            out.u32(table.as_u32());
        }
        I::Brif { opcode: _, arg, blocks } => {
            value(func, arg, out);
            for call in &blocks {
                block_call(func, call, out);
            }
        }
        I::Call { opcode: _, args, func_ref } => {
            list(func, args, out);
            out.u32(func_ref.as_u32());
        }
        I::CallIndirect { opcode: _, args, sig_ref } => {
            list(func, args, out);
            out.u32(sig_ref.as_u32());
        }
        I::CondTrap { opcode: _, arg, code } => {
            value(func, arg, out);
            out.u32(u32::from(code.as_raw().get()));
        }
        I::DynamicStackAddr { opcode: _, dynamic_stack_slot } => {
            out.u32(dynamic_stack_slot.as_u32());
        }
        I::ExceptionHandlerAddress { opcode: _, block, imm } => {
            out.u32(block.as_u32());
            out.u64(imm.bits().cast_unsigned());
        }
        I::FloatCompare { opcode: _, args, cond } => {
            values(func, &args, out);
            out.u32(cond as u32);
        }
        I::FuncAddr { opcode: _, func_ref } => out.u32(func_ref.as_u32()),
        I::IntAddTrap { opcode: _, args, code } => {
            values(func, &args, out);
            out.u32(u32::from(code.as_raw().get()));
        }
        I::IntCompare { opcode: _, args, cond } => {
            values(func, &args, out);
            out.u32(cond as u32);
        }
        I::Jump { opcode: _, destination } => block_call(func, &destination, out),
        I::Load { opcode: _, arg, flags, offset } => {
            value(func, arg, out);
            out.u32(flags.as_u32());
            out.u64(i64::from(offset).cast_unsigned());
        }
        I::LoadNoOffset { opcode: _, arg, flags } => {
            value(func, arg, out);
            out.u32(flags.as_u32());
        }
        I::MultiAry { opcode: _, args } => list(func, args, out),
        I::NullAry { opcode: _ } => {}
        I::Shuffle { opcode: _, args, imm } => {
            values(func, &args, out);
            out.u32(imm.as_u32());
        }
        I::StackAddr { opcode: _, stack_slot, offset } => {
            out.u32(stack_slot.as_u32());
            out.u64(i64::from(offset).cast_unsigned());
        }
        I::Store { opcode: _, args, flags, offset } => {
            values(func, &args, out);
            out.u32(flags.as_u32());
            out.u64(i64::from(offset).cast_unsigned());
        }
        I::StoreNoOffset { opcode: _, args, flags } => {
            values(func, &args, out);
            out.u32(flags.as_u32());
        }
        I::Ternary { opcode: _, args } => values(func, &args, out),
        I::TernaryImm8 { opcode: _, args, imm } => {
            values(func, &args, out);
            out.u32(u32::from(imm));
        }
        I::Trap { opcode: _, code } => out.u32(u32::from(code.as_raw().get())),
        I::TryCall { opcode: _, args, func_ref, exception } => {
            list(func, args, out);
            out.u32(func_ref.as_u32());
            out.u32(exception.as_u32());
        }
        I::TryCallIndirect { opcode: _, args, exception } => {
            list(func, args, out);
            out.u32(exception.as_u32());
        }
        I::Unary { opcode: _, arg } => value(func, arg, out),
        I::UnaryConst { opcode: _, constant_handle } => out.u32(constant_handle.as_u32()),
        I::UnaryGlobalValue { opcode: _, global_value } => out.u32(global_value.as_u32()),
        I::UnaryIeee16 { opcode: _, imm } => out.u32(u32::from(imm.bits())),
        I::UnaryIeee32 { opcode: _, imm } => out.u32(imm.bits()),
        I::UnaryIeee64 { opcode: _, imm } => out.u64(imm.bits()),
        I::UnaryImm { opcode: _, imm } => out.u64(imm.bits().cast_unsigned()),
    }
}

/// A used value; an alias counts as what it stands for.
#[inline]
pub(super) fn value(func: &Function, value: Value, out: &mut Writer) {
    out.u32(func.dfg.resolve_aliases(value).as_u32());
}

#[inline]
fn values(func: &Function, args: &[Value], out: &mut Writer) {
    for &arg in args {
        value(func, arg, out);
    }
}

#[inline]
fn list(func: &Function, args: ValueList, out: &mut Writer) {
    let args = args.as_slice(&func.dfg.value_lists);
    out.count(args.len());
    values(func, args, out);
}

/// A branch target with its arguments, each of which says what kind it is.
pub(super) fn block_call(func: &Function, call: &BlockCall, out: &mut Writer) {
    use cranelift_codegen::ir::BlockArg;
    out.u32(call.block(&func.dfg.value_lists).as_u32());
    out.count(call.len(&func.dfg.value_lists));
    for arg in call.args(&func.dfg.value_lists) {
        match arg {
            BlockArg::Value(argument) => {
                out.u32(0);
                value(func, argument, out);
            }
            BlockArg::TryCallRet(index) => {
                out.u32(1);
                out.u32(index);
            }
            BlockArg::TryCallExn(index) => {
                out.u32(2);
                out.u32(index);
            }
        }
    }
}

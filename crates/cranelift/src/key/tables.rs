//! The tables of a function that its instructions refer to by number.

use cranelift_codegen::ir::function::{FunctionParameters, FunctionStencil};
use cranelift_codegen::ir::{
    AbiParam, ArgumentPurpose, DataFlowGraph, DebugTag, DynamicStackSlotData, DynamicTypeData,
    ExceptionTableData, ExceptionTableItem, ExtFuncData, ExternalName, Function, GlobalValueData,
    JumpTableData, Signature, StackSlotData, UserStackMapEntry,
};

#[cfg(not(since_0_133))]
use super::facts;
use super::instruction::block_call;
use super::memory_flags::{self, flags_number};
use super::{Names, Writer};

/// Writes everything but blocks and instructions.
pub(super) fn write_tables(func: &Function, names: &dyn Names, out: &mut Writer) {
    let FunctionStencil {
        version_marker: _, // hashes to nothing; the environment holds Cranelift's version
        signature,
        sized_stack_slots,
        dynamic_stack_slots,
        global_values,
        #[cfg(not(since_0_133))]
        global_value_facts,
        #[cfg(not(since_0_133))]
        memory_types,
        dfg: _,        // below and with the instructions
        layout: _,     // with the blocks
        srclocs: _,    // with the instructions
        debug_tags: _, // with the instructions
        stack_limit,
    } = &func.stencil;
    out.part("signature");
    write_signature(signature, out);
    out.part("stack slots and global values");
    out.count(sized_stack_slots.len());
    for slot in sized_stack_slots.values() {
        write_stack_slot(slot, out);
    }
    out.count(dynamic_stack_slots.len());
    for DynamicStackSlotData { kind, dyn_ty } in dynamic_stack_slots.values() {
        out.number(*kind as u32);
        out.number(dyn_ty.as_u32());
    }
    out.count(global_values.len());
    for data in global_values.values() {
        write_global_value(data, &func.params, names, out);
    }
    out.number(stack_limit.map_or(u32::MAX, |limit| limit.as_u32()));
    #[cfg(not(since_0_133))]
    facts::write(global_value_facts, memory_types, &func.dfg, out);
    write_graph_tables(func, names, out);
}

fn write_graph_tables(func: &Function, names: &dyn Names, out: &mut Writer) {
    let dfg: &DataFlowGraph = &func.dfg;
    out.part("references, tables and constants");
    out.count(dfg.signatures.len());
    for signature in dfg.signatures.values() {
        write_signature(signature, out);
    }
    out.count(dfg.ext_funcs.len());
    for ExtFuncData {
        name,
        signature,
        colocated,
        #[cfg(since_0_129)]
        patchable,
    } in dfg.ext_funcs.values()
    {
        write_external_name(name, &func.params, names, out);
        out.number(signature.as_u32());
        #[cfg(not(since_0_129))]
        let patchable = &false;
        out.number(u32::from(*colocated) | u32::from(*patchable) << 1);
    }
    out.count(dfg.dynamic_types.len());
    for DynamicTypeData {
        base_vector_ty,
        dynamic_scale,
    } in dfg.dynamic_types.values()
    {
        out.ty(*base_vector_ty);
        out.number(dynamic_scale.as_u32());
    }
    write_pools(dfg, out);
    out.count(dfg.jump_tables.len());
    for table in dfg.jump_tables.values() {
        write_jump_table(func, table, out);
    }
    out.count(dfg.exception_tables.len());
    for table in dfg.exception_tables.values() {
        write_exception_table(func, table, out);
    }
    match &dfg.values_labels {
        None => out.number(0),
        Some(labels) => {
            // Debug information of values: as rare as it is large, so its text will do.
            out.number(1);
            out.str(&format!("{labels:?}"));
        }
    }
}

/// Constants, wide immediates, memory flags and alias regions.
fn write_pools(dfg: &DataFlowGraph, out: &mut Writer) {
    out.count(dfg.constants.len());
    for (constant, data) in dfg.constants.iter() {
        out.number(constant.as_u32());
        out.bytes(data.as_slice());
    }
    out.count(dfg.immediates.len());
    for data in dfg.immediates.values() {
        out.bytes(data.as_slice());
    }
    memory_flags::write_pool(dfg, out);
}

pub(crate) fn write_signature(signature: &Signature, out: &mut Writer) {
    let Signature {
        params,
        returns,
        call_conv,
    } = signature;
    out.number(*call_conv as u32);
    for list in [params, returns] {
        out.count(list.len());
        for AbiParam {
            value_type,
            purpose,
            extension,
        } in list
        {
            out.ty(*value_type);
            out.number(*extension as u32);
            match purpose {
                ArgumentPurpose::Normal => out.number(0),
                ArgumentPurpose::StructArgument(size) => {
                    out.number(1);
                    out.number(*size);
                }
                ArgumentPurpose::StructReturn => out.number(2),
                ArgumentPurpose::VMContext => out.number(3),
            }
        }
    }
}

pub(super) fn write_stack_slot(slot: &StackSlotData, out: &mut Writer) {
    let StackSlotData {
        kind,
        size,
        align_shift,
        key,
    } = slot;
    out.number(*kind as u32);
    out.number(*size);
    out.number(u32::from(*align_shift));
    match key {
        None => out.number(0),
        Some(key) => {
            out.number(1);
            out.u64(key.bits());
        }
    }
}

pub(super) fn write_global_value(
    data: &GlobalValueData,
    params: &FunctionParameters,
    names: &dyn Names,
    out: &mut Writer,
) {
    match data {
        GlobalValueData::VMContext => out.number(0),
        GlobalValueData::Load {
            base,
            offset,
            global_type,
            flags,
        } => {
            out.number(1);
            out.number(base.as_u32());
            out.u64(i64::from(*offset).cast_unsigned());
            out.ty(*global_type);
            out.number(flags_number(*flags));
        }
        GlobalValueData::IAddImm {
            base,
            offset,
            global_type,
        } => {
            out.number(2);
            out.number(base.as_u32());
            out.u64(offset.bits().cast_unsigned());
            out.ty(*global_type);
        }
        GlobalValueData::Symbol {
            name,
            offset,
            colocated,
            tls,
        } => {
            out.number(3);
            write_external_name(name, params, names, out);
            out.u64(offset.bits().cast_unsigned());
            out.number(u32::from(*colocated) | u32::from(*tls) << 1);
        }
        GlobalValueData::DynScaleTargetConst { vector_type } => {
            out.number(4);
            out.ty(*vector_type);
        }
    }
}

pub(super) fn write_external_name(
    name: &ExternalName,
    params: &FunctionParameters,
    names: &dyn Names,
    out: &mut Writer,
) {
    match name {
        ExternalName::User(reference) => {
            out.number(0);
            names.write_name(&params.user_named_funcs()[*reference], out);
        }
        ExternalName::TestCase(name) => {
            out.number(1);
            out.display(name);
        }
        ExternalName::LibCall(libcall) => {
            out.number(2);
            out.display(libcall);
        }
        ExternalName::KnownSymbol(symbol) => {
            out.number(3);
            out.display(symbol);
        }
    }
}

fn write_jump_table(func: &Function, table: &JumpTableData, out: &mut Writer) {
    out.count(table.all_branches().len());
    for call in table.all_branches() {
        block_call(func, call, out);
    }
}

fn write_exception_table(func: &Function, table: &ExceptionTableData, out: &mut Writer) {
    out.number(table.signature().as_u32());
    block_call(func, table.normal_return(), out);
    for item in table.items() {
        match item {
            ExceptionTableItem::Tag(tag, call) => {
                out.number(1);
                out.number(tag.as_u32());
                block_call(func, &call, out);
            }
            ExceptionTableItem::Default(call) => {
                out.number(2);
                block_call(func, &call, out);
            }
            ExceptionTableItem::Context(context) => {
                out.number(3);
                out.number(context.as_u32());
            }
        }
    }
    out.number(0);
}

pub(super) fn write_stack_map(entries: &[UserStackMapEntry], out: &mut Writer) {
    out.count(entries.len());
    for UserStackMapEntry { ty, slot, offset } in entries {
        out.ty(*ty);
        out.number(slot.as_u32());
        out.number(*offset);
    }
}

pub(super) fn write_debug_tags(tags: &[DebugTag], out: &mut Writer) {
    out.count(tags.len());
    for tag in tags {
        match tag {
            DebugTag::User(number) => {
                out.number(0);
                out.number(*number);
            }
            DebugTag::StackSlot(slot) => {
                out.number(1);
                out.number(slot.as_u32());
            }
        }
    }
}

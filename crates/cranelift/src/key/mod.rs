//! What a function's compiled code depends on, as words to hash.
//!
//! [`write_function`] walks a [`Function`] and writes everything that can change its machine code
//! or the tables beside it: signature, layout, every instruction with its operands and types, all
//! the tables that instructions refer to, source locations, and, through [`Names`], the names of all
//! that it refers to. Patterns are written out in full, without `..`: when Cranelift adds a
//! field, this module stops compiling until someone has decided whether it belongs in the key.
//!
//! Entities are written by their numbers. A front that builds the same function in the same order
//! gives the same numbers; another order gives another key, and so a miss, never a wrong hit.
//! The words are not a stored format: the Cranelift version stands in the environment's digest.

mod instruction;
mod tables;
mod writer;

use cranelift_codegen::ir::{Block, Function, Inst, UserExternalName, Value};

pub(crate) use writer::Writer;

/// Says what the external names in a function stand for.
///
/// Cranelift keeps names outside of a function's stencil: `f(){call a}` and `f(){call b}` differ in
/// nothing but a number in a table. Whoever knows the declarations writes the name instead.
pub(crate) trait Names {
    /// Writes what identifies `name` across processes: its kind, its linkage name and linkage.
    fn write_name(&self, name: &UserExternalName, out: &mut Writer);
}

/// Writes all of `func` that its compiled form depends on, but its own name.
pub(crate) fn write_function(func: &Function, names: &dyn Names, out: &mut Writer) {
    let Function { name: _, stencil: _, params: _ } = func;
    tables::write_tables(func, names, out);
    for block in func.layout.blocks() {
        write_block(func, block, out);
    }
    // No block has this number: what follows cannot be taken for one more block.
    out.u32(u32::MAX);
}

fn write_block(func: &Function, block: Block, out: &mut Writer) {
    out.u32(block.as_u32());
    out.u32(u32::from(func.layout.is_cold(block)));
    let params = func.dfg.block_params(block);
    out.count(params.len());
    for &param in params {
        write_definition(func, param, out);
    }
    for inst in func.layout.block_insts(block) {
        write_inst(func, inst, out);
    }
    // No instruction starts with zero, so this ends the block.
    out.u32(0);
}

fn write_inst(func: &Function, inst: Inst, out: &mut Writer) {
    let data = &func.dfg.insts[inst];
    let results = func.dfg.inst_results(inst);
    let location = func.stencil.srclocs[inst].expand(func.params.base_srcloc());
    let stack_map = func.dfg.user_stack_map_entries(inst);
    let has_tags = func.stencil.debug_tags.has(inst);
    // No opcode is zero, so no header is.
    let header = data.opcode() as u32
        | u32::from(!location.is_default()) << 8
        | u32::from(stack_map.is_some()) << 9
        | u32::from(has_tags) << 10
        | u32::from(results.len() == 1) << 11;
    out.u32(header);
    instruction::write_data(func, data, out);
    if results.len() != 1 {
        out.count(results.len());
    }
    for &result in results {
        write_definition(func, result, out);
    }
    if !location.is_default() {
        out.u32(location.bits());
    }
    if let Some(entries) = stack_map {
        tables::write_stack_map(entries, out);
    }
    if has_tags {
        tables::write_debug_tags(func.stencil.debug_tags.get(inst), out);
    }
}

/// A value where it is defined: its number and its type.
#[inline]
fn write_definition(func: &Function, value: Value, out: &mut Writer) {
    out.u32(value.as_u32());
    out.ty(func.dfg.value_type(value));
}

//! What a function's compiled code depends on, as numbers to hash.
//!
//! [`write_function`] walks a [`Function`] and writes everything that can change its machine code
//! or the tables beside it: signature, layout, every instruction with its operands and types, all
//! the tables that instructions refer to, source locations as distances from the function's base, and, through [`Names`], the names of all
//! that it refers to. Patterns are written out in full, without `..`: when Cranelift adds a
//! field, this module stops compiling until someone has decided whether it belongs in the key.
//!
//! Entities are written by their numbers. A front that builds the same function in the same order
//! gives the same numbers; another order gives another key, and so a miss, never a wrong hit.
//! What is written is not a stored format: the Cranelift version stands in the environment's digest.
//!
//! The walk costs about what hashing what it writes does, so it writes little: numbers take two bytes,
//! but for those that don't fit; a result that has the number after the last one's takes a bit.

mod brief;
#[cfg(not(since_0_133))]
mod facts;
mod instruction;
mod memory_flags;
mod order;
mod tables;
mod writer;

use cranelift_codegen::ir::{
    Block, DataFlowGraph, Function, Inst, SourceLoc, UserExternalName, Value,
};

pub(crate) use brief::add_brief;
use instruction::Header;
pub(crate) use tables::write_signature;
pub(crate) use writer::Writer;

/// Says what the external names in a function stand for.
///
/// Cranelift keeps names outside of a function's stencil: `f(){call a}` and `f(){call b}` differ in
/// nothing but a number in a table. Whoever knows the declarations writes the name instead.
pub(crate) trait Names {
    /// Writes what identifies `name` across processes: its kind, its linkage name and linkage.
    fn write_name(&self, name: &UserExternalName, out: &mut Writer);

    /// What `name` is for people: its kind and, if it has one, its linkage name.
    fn show_name(&self, name: &UserExternalName) -> String;

    /// The same as [`Self::write_name`], but for what has no name: which it is isn't said.
    fn write_name_without_number(&self, name: &UserExternalName, out: &mut Writer);
}

/// Writes all of `func` that its compiled form depends on, but its own name.
pub(crate) fn write_function(func: &Function, names: &dyn Names, out: &mut Writer) {
    let Function {
        name: _,
        stencil: _,
        params: _,
    } = func;
    tables::write_tables(func, names, out);
    out.part("body");
    write_values(func, out);
    let mut walk = Walk::new(func);
    for block in func.layout.blocks() {
        walk.write_block(block, out);
    }
    // No block has this number: what follows cannot be taken for one more block.
    out.number(u32::MAX);
}

/// The types of all values by number, and what the aliases among them stand for.
/// Instructions can then name values as they are.
fn write_values(func: &Function, out: &mut Writer) {
    let dfg = &func.dfg;
    let count = dfg.len_values();
    out.count(count);
    let mut aliases = 0;
    for value in dfg.values() {
        out.ty(dfg.value_type(value));
        aliases += u32::from(is_alias(dfg, value));
    }
    out.number(aliases);
    if aliases == 0 {
        return;
    }
    for value in dfg.values().filter(|&value| is_alias(dfg, value)) {
        out.numbers([value.as_u32(), dfg.resolve_aliases(value).as_u32()]);
    }
}

#[cfg(since_0_133)]
fn is_alias(dfg: &DataFlowGraph, value: Value) -> bool {
    dfg.value_is_alias(value)
}

#[cfg(not(since_0_133))]
fn is_alias(dfg: &DataFlowGraph, value: Value) -> bool {
    !dfg.value_is_real(value)
}

struct Walk<'a> {
    func: &'a Function,
    /// The number of the last result that was written.
    last_result: u32,
    has_locations: bool,
    has_tags: bool,
}

impl<'a> Walk<'a> {
    fn new(func: &'a Function) -> Self {
        Self {
            func,
            last_result: 0,
            has_locations: !func.stencil.srclocs.is_empty()
                && !func.params.base_srcloc().is_default(),
            has_tags: !func.stencil.debug_tags.is_empty(),
        }
    }

    fn write_block(&mut self, block: Block, out: &mut Writer) {
        let func = self.func;
        self.write_block_head(block, out);
        for inst in func.layout.block_insts(block) {
            self.write_inst(inst, out);
        }
        // No instruction starts with zero, so this ends the block.
        out.half(0);
    }

    fn write_block_head(&mut self, block: Block, out: &mut Writer) {
        let func = self.func;
        let params = func.dfg.block_params(block);
        let is_cold = u32::from(func.layout.is_cold(block));
        // There are no more parameters than values, which are numbered by 32 bits.
        out.numbers([block.as_u32(), is_cold, params.len() as u32]);
        for &param in params {
            out.number(param.as_u32());
            self.last_result = param.as_u32();
        }
    }

    #[inline]
    fn write_inst(&mut self, inst: Inst, out: &mut Writer) {
        let func = self.func;
        let data = &func.dfg.insts[inst];
        let opcode = data.opcode();
        let results = func.dfg.inst_results(inst);
        let mut header = Header::new(opcode);
        let listed_results = match *results {
            [] => &[],
            [result] if result.as_u32() == self.last_result.wrapping_add(1) => {
                header.has_next_result();
                &[]
            }
            _ => {
                header.has_listed_results();
                results
            }
        };
        if let Some(last) = results.last() {
            self.last_result = last.as_u32();
        }
        let location = self
            .has_locations
            .then(|| func.stencil.srclocs[inst])
            .filter(|location| !location.is_default());
        if location.is_some() {
            header.has_location();
        }
        // Only calls carry stack maps, and only calls and sequence points carry tags.
        let stack_map = opcode
            .is_call()
            .then(|| func.dfg.user_stack_map_entries(inst))
            .flatten();
        if stack_map.is_some() {
            header.has_stack_map();
        }
        let has_tags = self.has_tags && func.stencil.debug_tags.has(inst);
        if has_tags {
            header.has_tags();
        }
        instruction::write(func, header, data, out);
        if !listed_results.is_empty() {
            out.count(listed_results.len());
            for result in listed_results {
                out.number(result.as_u32());
            }
        }
        if let Some(location) = location {
            // Compiled code, too, has distances: whoever has the function adds its base.
            out.u32(location.expand(SourceLoc::new(0)).bits());
        }
        if let Some(entries) = stack_map {
            tables::write_stack_map(entries, out);
        }
        if has_tags {
            tables::write_debug_tags(func.stencil.debug_tags.get(inst), out);
        }
    }
}

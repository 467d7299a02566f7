//! What a front claims of values, for Cranelift to check: up to 0.130, and hardly ever used.

use cranelift_codegen::entity::{PrimaryMap, SecondaryMap};
use cranelift_codegen::ir::{DataFlowGraph, Fact, GlobalValue, MemoryType, MemoryTypeData};

use super::Writer;

/// Writes all claims, as their text: they are as rare as they are large.
pub(super) fn write(
    global_values: &SecondaryMap<GlobalValue, Option<Fact>>,
    memory_types: &PrimaryMap<MemoryType, MemoryTypeData>,
    dfg: &DataFlowGraph,
    out: &mut Writer,
) {
    out.count(memory_types.len());
    for data in memory_types.values() {
        out.display(data);
    }
    for (value, fact) in global_values.iter() {
        if let Some(fact) = fact {
            out.number(value.as_u32());
            out.str(&format!("{fact:?}"));
        }
    }
    out.number(u32::MAX);
    for (value, fact) in dfg.facts.iter() {
        if let Some(fact) = fact {
            out.number(value.as_u32());
            out.str(&format!("{fact:?}"));
        }
    }
    out.number(u32::MAX);
}

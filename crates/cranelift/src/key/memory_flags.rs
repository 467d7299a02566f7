//! What loads and stores say of the memory that they touch: a number in a table of the function, or,
//! before Cranelift 0.133, sixteen bits in the instruction.

use cranelift_codegen::ir::{DataFlowGraph, MemFlags};

use super::Writer;

/// What stands in an instruction, as a number.
#[cfg(since_0_133)]
#[inline]
pub(super) fn flags_number(flags: MemFlags) -> u32 {
    flags.as_u32()
}

/// All that there is, as a number: hashing it feeds a hasher its bits and nothing else.
#[cfg(not(since_0_133))]
#[inline]
pub(super) fn flags_number(flags: MemFlags) -> u32 {
    super::writer::sole_number(&flags).into()
}

/// The table that instructions refer to.
#[cfg(since_0_133)]
pub(super) fn write_pool(dfg: &DataFlowGraph, out: &mut Writer) {
    let mut number = 0;
    while let Some(flags) =
        MemFlags::with_number(number).filter(|&flags| dfg.mem_flags.is_valid(flags))
    {
        out.number(1);
        write_data(dfg.mem_flags[flags], out);
        number += 1;
    }
    out.number(0);
    out.count(dfg.alias_regions.len());
    for (_, region) in dfg.alias_regions.iter() {
        out.number(region.user_id);
    }
}

/// There is none.
#[cfg(not(since_0_133))]
pub(super) fn write_pool(_: &DataFlowGraph, _: &mut Writer) {}

#[cfg(since_0_133)]
fn write_data(flags: cranelift_codegen::ir::MemFlagsData, out: &mut Writer) {
    let endianness = match flags.explicit_endianness() {
        None => 0,
        Some(cranelift_codegen::ir::Endianness::Little) => 1,
        Some(cranelift_codegen::ir::Endianness::Big) => 2,
    };
    let trap_code = flags.trap_code().map_or(0, |code| code.as_raw().get());
    let bits = u32::from(flags.notrap())
        | u32::from(flags.can_move()) << 1
        | u32::from(flags.aligned()) << 2
        | u32::from(flags.readonly()) << 3
        | endianness << 4
        | u32::from(trap_code) << 8;
    out.number(bits);
    out.number(
        flags
            .alias_region()
            .map_or(u32::MAX, |region| region.as_u32()),
    );
}

//! One instruction: a header with all its small fields, then its operands.

use cranelift_codegen::ir::{BlockCall, Function, InstructionData, Opcode, Value, ValueList};

use super::Writer;
use super::memory_flags::flags_number;

const LOCATION: u16 = 1 << 8;
const STACK_MAP: u16 = 1 << 9;
const TAGS: u16 = 1 << 10;
const NEXT_RESULT: u16 = 1 << 11;
const LISTED_RESULTS: u16 = 1 << 12;
const IMMEDIATE_16: u16 = 1 << 13;
const IMMEDIATE_32: u16 = 1 << 14;

/// What starts an instruction: opcode, and which parts follow. Never zero, since no opcode is.
#[derive(Clone, Copy)]
pub(super) struct Header(u16);

impl Header {
    pub(super) fn new(opcode: Opcode) -> Self {
        const { assert!(size_of::<Opcode>() == 1) };
        Self(opcode as u16)
    }

    pub(super) fn has_location(&mut self) {
        self.0 |= LOCATION;
    }

    pub(super) fn has_stack_map(&mut self) {
        self.0 |= STACK_MAP;
    }

    pub(super) fn has_tags(&mut self) {
        self.0 |= TAGS;
    }

    /// There is one result, numbered after the one before.
    pub(super) fn has_next_result(&mut self) {
        self.0 |= NEXT_RESULT;
    }

    pub(super) fn has_listed_results(&mut self) {
        self.0 |= LISTED_RESULTS;
    }

    /// Writes the header and a number, in as many halves of a word as it takes.
    fn put_immediate(self, immediate: i64, out: &mut Writer) {
        if let Ok(short) = i16::try_from(immediate) {
            out.halves([self.0 | IMMEDIATE_16, short.cast_unsigned()]);
        } else if let Ok(middle) = i32::try_from(immediate) {
            out.half(self.0 | IMMEDIATE_32);
            out.u32(middle.cast_unsigned());
        } else {
            out.half(self.0);
            out.u64(immediate.cast_unsigned());
        }
    }
}

/// Writes an instruction, the fields of each format in the order in which Cranelift declares them.
#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "a line for each format of any version")]
#[inline]
pub(super) fn write(func: &Function, header: Header, data: &InstructionData, out: &mut Writer) {
    use InstructionData as I;
    let n = Value::as_u32;
    let h = u32::from(header.0);
    match *data {
        I::AtomicCas { opcode: _, args: [a, b, c], flags } => out.numbers([h, flags_number(flags), n(a), n(b), n(c)]),
        I::AtomicRmw { opcode: _, args: [a, b], flags, op } => out.numbers([h, flags_number(flags), n(a), n(b), op as u32]),
        I::Binary { opcode: _, args: [a, b] } => out.numbers([h, n(a), n(b)]),
        #[cfg(not(since_0_133))]
        I::BinaryImm64 { opcode: _, arg, imm } => {
            header.put_immediate(imm.bits(), out);
            out.number(n(arg));
        }
        I::BinaryImm8 { opcode: _, arg, imm } => out.numbers([h, imm.into(), n(arg)]),
        I::BranchTable { opcode: _, arg, table } => out.numbers([h, table.as_u32(), n(arg)]),
        I::Brif { opcode: _, arg, blocks: [then, other] } => {
            out.numbers([h, n(arg)]);
            block_call(func, &then, out);
            block_call(func, &other, out);
        }
        I::Call { opcode: _, args, func_ref } => {
            out.numbers([h, func_ref.as_u32()]);
            list(func, args, out);
        }
        I::CallIndirect { opcode: _, args, sig_ref } => {
            out.numbers([h, sig_ref.as_u32()]);
            list(func, args, out);
        }
        I::CondTrap { opcode: _, arg, code } => out.numbers([h, code.as_raw().get().into(), n(arg)]),
        #[cfg(since_0_135)]
        I::DynamicStackAddr { opcode: _, dynamic_stack_slot } => out.numbers([h, dynamic_stack_slot.as_u32()]),
        #[cfg(not(since_0_135))]
        I::DynamicStackLoad { opcode: _, dynamic_stack_slot } => out.numbers([h, dynamic_stack_slot.as_u32()]),
        #[cfg(not(since_0_135))]
        I::DynamicStackStore { opcode: _, arg, dynamic_stack_slot } => out.numbers([h, dynamic_stack_slot.as_u32(), n(arg)]),
        I::ExceptionHandlerAddress { opcode: _, block, imm } => {
            header.put_immediate(imm.bits(), out);
            out.number(block.as_u32());
        }
        I::FloatCompare { opcode: _, args: [a, b], cond } => out.numbers([h, cond as u32, n(a), n(b)]),
        I::FuncAddr { opcode: _, func_ref } => out.numbers([h, func_ref.as_u32()]),
        I::IntAddTrap { opcode: _, args: [a, b], code } => out.numbers([h, code.as_raw().get().into(), n(a), n(b)]),
        I::IntCompare { opcode: _, args: [a, b], cond } => out.numbers([h, cond as u32, n(a), n(b)]),
        #[cfg(not(since_0_133))]
        I::IntCompareImm { opcode: _, arg, cond, imm } => {
            header.put_immediate(imm.bits(), out);
            out.numbers([cond as u32, n(arg)]);
        }
        I::Jump { opcode: _, destination } => {
            out.half(header.0);
            block_call(func, &destination, out);
        }
        I::Load { opcode: _, arg, flags, offset } => out.numbers([h, flags_number(flags), n(arg), word(offset.into())]),
        I::LoadNoOffset { opcode: _, arg, flags } => out.numbers([h, flags_number(flags), n(arg)]),
        I::MultiAry { opcode: _, args } => {
            out.half(header.0);
            list(func, args, out);
        }
        I::NullAry { opcode: _ } => out.half(header.0),
        I::Shuffle { opcode: _, args: [a, b], imm } => out.numbers([h, imm.as_u32(), n(a), n(b)]),
        #[cfg(since_0_135)]
        I::StackAddr { opcode: _, stack_slot, offset } => out.numbers([h, stack_slot.as_u32(), word(offset.into())]),
        #[cfg(not(since_0_135))]
        I::StackLoad { opcode: _, stack_slot, offset } => out.numbers([h, stack_slot.as_u32(), word(offset.into())]),
        #[cfg(not(since_0_135))]
        I::StackStore { opcode: _, arg, stack_slot, offset } => out.numbers([h, stack_slot.as_u32(), n(arg), word(offset.into())]),
        I::Store { opcode: _, args: [a, b], flags, offset } => out.numbers([h, flags_number(flags), n(a), n(b), word(offset.into())]),
        I::StoreNoOffset { opcode: _, args: [a, b], flags } => out.numbers([h, flags_number(flags), n(a), n(b)]),
        I::Ternary { opcode: _, args: [a, b, c] } => out.numbers([h, n(a), n(b), n(c)]),
        I::TernaryImm8 { opcode: _, args: [a, b], imm } => out.numbers([h, imm.into(), n(a), n(b)]),
        I::Trap { opcode: _, code } => out.numbers([h, code.as_raw().get().into()]),
        I::TryCall { opcode: _, args, func_ref, exception } => {
            out.numbers([h, func_ref.as_u32(), exception.as_u32()]);
            list(func, args, out);
        }
        I::TryCallIndirect { opcode: _, args, exception } => {
            out.numbers([h, exception.as_u32()]);
            list(func, args, out);
        }
        I::Unary { opcode: _, arg } => out.numbers([h, n(arg)]),
        I::UnaryConst { opcode: _, constant_handle } => out.numbers([h, constant_handle.as_u32()]),
        I::UnaryGlobalValue { opcode: _, global_value } => out.numbers([h, global_value.as_u32()]),
        I::UnaryIeee16 { opcode: _, imm } => out.numbers([h, u32::from(imm.bits())]),
        I::UnaryIeee32 { opcode: _, imm } => out.numbers([h, imm.bits()]),
        I::UnaryIeee64 { opcode: _, imm } => {
            out.half(header.0);
            out.u64(imm.bits());
        },
        I::UnaryImm { opcode: _, imm } => header.put_immediate(imm.bits(), out),
    }
}

fn word(offset: i32) -> u32 {
    offset.cast_unsigned()
}

#[inline]
fn list(func: &Function, args: ValueList, out: &mut Writer) {
    let args = args.as_slice(&func.dfg.value_lists);
    out.count(args.len());
    for arg in args {
        out.number(arg.as_u32());
    }
}

/// A branch target with its arguments, each of which says what kind it is.
pub(super) fn block_call(func: &Function, call: &BlockCall, out: &mut Writer) {
    use cranelift_codegen::ir::BlockArg;
    let count = call.len(&func.dfg.value_lists);
    let block = call.block(&func.dfg.value_lists);
    // There are no more arguments than values, which are numbered by 32 bits.
    out.numbers([block.as_u32(), count as u32]);
    if count == 0 {
        return;
    }
    for arg in call.args(&func.dfg.value_lists) {
        match arg {
            BlockArg::Value(argument) => out.numbers([0, argument.as_u32()]),
            BlockArg::TryCallRet(index) => out.numbers([1, index]),
            BlockArg::TryCallExn(index) => out.numbers([2, index]),
        }
    }
}

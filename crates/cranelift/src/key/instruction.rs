//! One instruction: a header with all its small fields, then its operands.

use cranelift_codegen::ir::{BlockCall, Function, InstructionData, Opcode, Value, ValueList};

use super::Writer;

const LOCATION: u32 = 1 << 8;
const STACK_MAP: u32 = 1 << 9;
const TAGS: u32 = 1 << 10;
const NEXT_RESULT: u32 = 1 << 11;
const LISTED_RESULTS: u32 = 1 << 12;
const SHORT_IMMEDIATE: u32 = 1 << 13;
/// What the header says instead of a small field that doesn't fit: a word with it follows.
const LARGE: u32 = 0xffff;

/// The word that starts an instruction: opcode, which parts follow, and in the upper half a small
/// field of the instruction. Never zero, since no opcode is.
#[derive(Clone, Copy)]
pub(super) struct Header(u32);

impl Header {
    pub(super) fn new(opcode: Opcode) -> Self {
        Self(opcode as u32)
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

    /// The header with a field of up to 15 bits.
    fn small(self, field: u8) -> u32 {
        self.0 | u32::from(field) << 16
    }

    /// Writes the header with `field`, in a word of its own if it is large, and then `words`.
    #[inline]
    fn put<const N: usize>(self, field: u32, words: [u32; N], out: &mut Writer) {
        if field < LARGE {
            out.u32(self.0 | field << 16);
        } else {
            out.put([self.0 | LARGE << 16, field]);
        }
        out.put(words);
    }

    /// Writes the header and a number, in one word or two.
    fn put_immediate(self, immediate: i64, out: &mut Writer) {
        match i32::try_from(immediate) {
            Ok(short) => out.put([self.0 | SHORT_IMMEDIATE, short.cast_unsigned()]),
            Err(_) => {
                let bits = immediate.cast_unsigned();
                out.put([self.0, bits as u32, (bits >> 32) as u32]);
            }
        }
    }
}

/// Writes an instruction, the fields of each format in the order in which Cranelift declares them.
#[rustfmt::skip]
#[inline]
pub(super) fn write(func: &Function, header: Header, data: &InstructionData, out: &mut Writer) {
    use InstructionData as I;
    let n = Value::as_u32;
    match *data {
        I::AtomicCas { opcode: _, args: [a, b, c], flags } => header.put(flags.as_u32(), [n(a), n(b), n(c)], out),
        I::AtomicRmw { opcode: _, args: [a, b], flags, op } => header.put(flags.as_u32(), [n(a), n(b), op as u32], out),
        I::Binary { opcode: _, args: [a, b] } => out.put([header.0, n(a), n(b)]),
        I::BinaryImm8 { opcode: _, arg, imm } => out.put([header.small(imm), n(arg)]),
        I::BranchTable { opcode: _, arg, table } => header.put(table.as_u32(), [n(arg)], out),
        I::Brif { opcode: _, arg, blocks: [then, other] } => {
            out.put([header.0, n(arg)]);
            block_call(func, &then, out);
            block_call(func, &other, out);
        }
        I::Call { opcode: _, args, func_ref } => {
            header.put(func_ref.as_u32(), [], out);
            list(func, args, out);
        }
        I::CallIndirect { opcode: _, args, sig_ref } => {
            header.put(sig_ref.as_u32(), [], out);
            list(func, args, out);
        }
        I::CondTrap { opcode: _, arg, code } => out.put([header.small(code.as_raw().get()), n(arg)]),
        I::DynamicStackAddr { opcode: _, dynamic_stack_slot } => header.put(dynamic_stack_slot.as_u32(), [], out),
        I::ExceptionHandlerAddress { opcode: _, block, imm } => {
            header.put_immediate(imm.bits(), out);
            out.u32(block.as_u32());
        }
        I::FloatCompare { opcode: _, args: [a, b], cond } => out.put([header.small(cond as u8), n(a), n(b)]),
        I::FuncAddr { opcode: _, func_ref } => header.put(func_ref.as_u32(), [], out),
        I::IntAddTrap { opcode: _, args: [a, b], code } => out.put([header.small(code.as_raw().get()), n(a), n(b)]),
        I::IntCompare { opcode: _, args: [a, b], cond } => out.put([header.small(cond as u8), n(a), n(b)]),
        I::Jump { opcode: _, destination } => {
            out.u32(header.0);
            block_call(func, &destination, out);
        }
        I::Load { opcode: _, arg, flags, offset } => header.put(flags.as_u32(), [n(arg), word(offset.into())], out),
        I::LoadNoOffset { opcode: _, arg, flags } => header.put(flags.as_u32(), [n(arg)], out),
        I::MultiAry { opcode: _, args } => {
            out.u32(header.0);
            list(func, args, out);
        }
        I::NullAry { opcode: _ } => out.u32(header.0),
        I::Shuffle { opcode: _, args: [a, b], imm } => header.put(imm.as_u32(), [n(a), n(b)], out),
        I::StackAddr { opcode: _, stack_slot, offset } => header.put(stack_slot.as_u32(), [word(offset.into())], out),
        I::Store { opcode: _, args: [a, b], flags, offset } => header.put(flags.as_u32(), [n(a), n(b), word(offset.into())], out),
        I::StoreNoOffset { opcode: _, args: [a, b], flags } => header.put(flags.as_u32(), [n(a), n(b)], out),
        I::Ternary { opcode: _, args: [a, b, c] } => out.put([header.0, n(a), n(b), n(c)]),
        I::TernaryImm8 { opcode: _, args: [a, b], imm } => out.put([header.small(imm), n(a), n(b)]),
        I::Trap { opcode: _, code } => out.u32(header.small(code.as_raw().get())),
        I::TryCall { opcode: _, args, func_ref, exception } => {
            header.put(func_ref.as_u32(), [exception.as_u32()], out);
            list(func, args, out);
        }
        I::TryCallIndirect { opcode: _, args, exception } => {
            header.put(exception.as_u32(), [], out);
            list(func, args, out);
        }
        I::Unary { opcode: _, arg } => out.put([header.0, n(arg)]),
        I::UnaryConst { opcode: _, constant_handle } => header.put(constant_handle.as_u32(), [], out),
        I::UnaryGlobalValue { opcode: _, global_value } => header.put(global_value.as_u32(), [], out),
        I::UnaryIeee16 { opcode: _, imm } => out.put([header.0, u32::from(imm.bits())]),
        I::UnaryIeee32 { opcode: _, imm } => out.put([header.0, imm.bits()]),
        I::UnaryIeee64 { opcode: _, imm } => out.put([header.0, imm.bits() as u32, (imm.bits() >> 32) as u32]),
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
        out.u32(arg.as_u32());
    }
}

/// A branch target with its arguments, each of which says what kind it is.
pub(super) fn block_call(func: &Function, call: &BlockCall, out: &mut Writer) {
    use cranelift_codegen::ir::BlockArg;
    let count = call.len(&func.dfg.value_lists);
    out.u32(call.block(&func.dfg.value_lists).as_u32());
    out.count(count);
    if count == 0 {
        return;
    }
    for arg in call.args(&func.dfg.value_lists) {
        match arg {
            BlockArg::Value(argument) => out.put([0, argument.as_u32()]),
            BlockArg::TryCallRet(index) => out.put([1, index]),
            BlockArg::TryCallExn(index) => out.put([2, index]),
        }
    }
}

//! Which constants of a function are addresses by all that is done with them: called, loaded from, stored
//! to, with nothing but constants added on the way.
//!
//! Such a constant may be replaced by a reference to what lies there. One that is compared, stored, passed
//! on, hashed or taken apart is a number to the function, whatever it looks like.

use cranelift_codegen::ir::{Function, Inst, InstructionData, Opcode, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// Of some constants by their values, those for which something else is done.
pub(crate) fn used_otherwise(func: &Function, constants: &[Value]) -> FxHashSet<Value> {
    let mut uses = Uses {
        func,
        origins: constants.iter().map(|value| (*value, *value)).collect(),
        otherwise: FxHashSet::default(),
    };
    while uses.follow_sums() {}
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            uses.judge(inst);
        }
    }
    uses.otherwise
}

struct Uses<'a> {
    func: &'a Function,
    /// The constant that a value is, or is a constant away from.
    origins: FxHashMap<Value, Value>,
    otherwise: FxHashSet<Value>,
}

impl Uses<'_> {
    fn origin(&self, value: Value) -> Option<Value> {
        let value = self.func.dfg.resolve_aliases(value);
        self.origins.get(&value).copied()
    }

    fn is_plain_constant(&self, value: Value) -> bool {
        let value = self.func.dfg.resolve_aliases(value);
        let inst = self.func.dfg.value_def(value).inst();
        let is_constant = inst.is_some_and(|inst| {
            let data = &self.func.dfg.insts[inst];
            data.opcode() == Opcode::Iconst
        });
        is_constant && !self.origins.contains_key(&value)
    }

    /// The constant that an instruction adds another to.
    fn sum_of(&self, inst: Inst) -> Option<Value> {
        let (origin, other) = match self.func.dfg.insts[inst] {
            InstructionData::Binary {
                opcode: Opcode::Iadd,
                args: [a, b],
            } => match (self.origin(a), self.origin(b)) {
                (Some(origin), None) => (origin, b),
                (None, Some(origin)) => (origin, a),
                _ => return None,
            },
            #[cfg(not(since_0_133))]
            InstructionData::BinaryImm64 {
                opcode: Opcode::IaddImm,
                arg,
                ..
            } => return self.origin(arg),
            _ => return None,
        };
        self.is_plain_constant(other).then_some(origin)
    }

    /// Whether more sums of a constant were found.
    fn follow_sums(&mut self) -> bool {
        let before = self.origins.len();
        for block in self.func.layout.blocks() {
            for inst in self.func.layout.block_insts(block) {
                if let Some(origin) = self.sum_of(inst) {
                    let sum = self.func.dfg.first_result(inst);
                    self.origins.insert(sum, origin);
                }
            }
        }
        self.origins.len() > before
    }

    fn judge(&mut self, inst: Inst) {
        if self.sum_of(inst).is_some() {
            return;
        }
        let func = self.func;
        let address = address_operand(&func.dfg.insts[inst]);
        for (place, value) in func.dfg.inst_values(inst).enumerate() {
            if Some(place) != address {
                self.refuse(value);
            }
        }
    }

    fn refuse(&mut self, value: Value) {
        if let Some(origin) = self.origin(value) {
            self.otherwise.insert(origin);
        }
    }
}

/// Which operand of an instruction is an address and nothing else, if one is.
fn address_operand(data: &InstructionData) -> Option<usize> {
    use InstructionData as I;
    match data {
        I::Load { .. } => Some(0),
        I::LoadNoOffset { opcode, .. } => (*opcode == Opcode::AtomicLoad).then_some(0),
        I::Store { .. } => Some(1),
        I::StoreNoOffset { opcode, .. } => (*opcode == Opcode::AtomicStore).then_some(1),
        I::AtomicRmw { .. } | I::AtomicCas { .. } => Some(0),
        I::CallIndirect { .. } | I::TryCallIndirect { .. } => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use cranelift_codegen::ir::{Function, Opcode, Value};

    use super::used_otherwise;

    /// How many of the function's constants of this number are used otherwise.
    fn count(body: &str) -> usize {
        let text = format!(
            "function u0:0(i64) -> i64 system_v {{\n sig0 = (i64) -> i64 system_v\n fn0 = u0:1 sig0\n\
             block0(v0: i64):\n{body}\n}}\n"
        );
        let mut functions = cranelift_reader::parse_functions(&text)
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        let func = functions.pop().expect("one");
        used_otherwise(&func, &constants(&func)).len()
    }

    fn constants(func: &Function) -> Vec<Value> {
        let insts = func
            .layout
            .blocks()
            .flat_map(|b| func.layout.block_insts(b));
        let large = insts.filter(|inst| {
            let data = &func.dfg.insts[*inst];
            data.opcode() == Opcode::Iconst
                && func.dfg.display_inst(*inst).to_string().contains("0x7fff")
        });
        large.map(|inst| func.dfg.first_result(inst)).collect()
    }

    const CONSTANT: &str = "v1 = iconst.i64 0x7fff_1234_5678\n";

    #[test]
    fn operands_that_are_addresses_are_told_from_others() {
        for (expected, body) in [
            (0, "return v0"),
            (0, "v2 = load.i64 v1\n return v2"),
            (0, "v2 = load.i64 v1+16\n return v2"),
            (0, "v2 = uload8.i64 v1+16\n return v2"),
            (0, "store v0, v1+8\n return v0"),
            (0, "v2 = atomic_load.i64 v1\n return v2"),
            (0, "atomic_store.i64 v0, v1\n return v0"),
            (0, "v2 = atomic_rmw.i64 add v1, v0\n return v2"),
            (0, "v2 = call_indirect sig0, v1(v0)\n return v2"),
            (
                0,
                "v2 = iconst.i64 8\n v3 = iadd v1, v2\n v4 = load.i64 v3\n return v4",
            ),
            (
                0,
                "v2 = iconst.i64 8\n v3 = iadd v2, v1\n v4 = iadd v3, v2\n store v0, v4\n return v0",
            ),
            (0, "v2 -> v1\n v3 = load.i64 v2\n return v3"),
            // A value, not an address.
            (1, "return v1"),
            (1, "store v1, v0\n return v0"),
            (1, "store v1, v1\n return v0"),
            (1, "atomic_store.i64 v1, v0\n return v0"),
            (1, "v2 = atomic_rmw.i64 add v0, v1\n return v2"),
            (1, "v2 = icmp eq v0, v1\n v3 = uextend.i64 v2\n return v3"),
            (1, "v2 = load.i64 v1\n v3 = bxor v1, v2\n return v3"),
            (1, "v2 = band v1, v0\n v3 = load.i64 v2\n return v3"),
            (1, "v2 = bor v1, v0\n return v2"),
            (1, "v2 = ushr v1, v0\n return v2"),
            (1, "v2 = imul v1, v0\n return v2"),
            (1, "v2 = isub v0, v1\n return v2"),
            (1, "v2 = call fn0(v1)\n return v2"),
            (1, "v2 = call_indirect sig0, v0(v1)\n return v2"),
            (1, "v2 = call_indirect sig0, v1(v1)\n return v2"),
            (1, "v2 = ireduce.i32 v1\n v3 = uextend.i64 v2\n return v3"),
            (1, "v2 = bitcast.f64 v1\n v3 = bitcast.i64 v2\n return v3"),
            (1, "v2 = select v0, v1, v0\n v3 = load.i64 v2\n return v3"),
            // What isn't a constant is added, or the sum is a value.
            (1, "v2 = iadd v1, v0\n v3 = load.i64 v2\n return v3"),
            (1, "v2 = iconst.i64 8\n v3 = iadd v1, v2\n return v3"),
            (1, "v2 = iadd v1, v1\n v3 = load.i64 v2\n return v3"),
            (
                2,
                "v2 = iconst.i64 0x7fff_0000_0000\n v3 = iadd v1, v2\n v4 = load.i64 v3\n return v4",
            ),
            // Both at once.
            (1, "v2 = load.i64 v1\n v3 = iadd v2, v1\n return v3"),
            // Through a block's parameter nobody follows it.
            (
                1,
                "jump block1(v1)\n block1(v2: i64):\n v3 = load.i64 v2\n return v3",
            ),
            (
                1,
                "brif v0, block1(v1), block1(v0)\n block1(v2: i64):\n v3 = load.i64 v2\n return v3",
            ),
        ] {
            assert_eq!(count(&format!("{CONSTANT}{body}")), expected, "{body}");
        }
    }
}

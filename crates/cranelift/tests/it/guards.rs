//! Guards of the walk that makes keys: what Cranelift keeps private can't be taken apart field by field,
//! so nothing else would say when there is more of it.

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, AliasRegionData, Block, ConstantData, Function, Inst, InstructionData, MemFlagsData,
    Opcode, SourceLoc, StackSlotData, StackSlotKind, TrapCode, Value, types,
};
use cranelift_frontend::FunctionBuilderContext;
use rekindle_bench::population::{Population, Random, signature};
use rekindle_cranelift::{Cache, Key};

use crate::support::module;

/// The fields of each structure of Cranelift's that the walk reads through methods, or whose fields it
/// takes for granted.
const STRUCTURES: &[(&str, &str, &str)] = &[
    (
        "ir/dfg.rs",
        "DataFlowGraph",
        "insts results user_stack_maps blocks dynamic_types value_lists values signatures ext_funcs \
         values_labels constants immediates jump_tables exception_tables mem_flags alias_regions",
    ),
    ("ir/dfg.rs", "BlockData", "params"),
    ("ir/dfg.rs", "ValueDataPacked", "x y flags_and_type"),
    (
        "ir/layout.rs",
        "Layout",
        "blocks insts first_block last_block",
    ),
    (
        "ir/layout.rs",
        "BlockNode",
        "prev next first_inst last_inst cold",
    ),
    ("ir/layout.rs", "InstNode", "block prev next seq"),
    ("ir/jumptable.rs", "JumpTableData", "table"),
    (
        "ir/exception_table.rs",
        "ExceptionTableData",
        "targets items sig",
    ),
    ("ir/debug_tags.rs", "DebugTags", "tags insts"),
    (
        "ir/constant.rs",
        "ConstantPool",
        "handles_to_values values_to_handles",
    ),
    ("ir/memflags.rs", "MemFlagsData", "flags region"),
    ("ir/memflags.rs", "MemFlagsSet", "mem_flags dedupe_map"),
    (
        "ir/memflags.rs",
        "AliasRegionSet",
        "alias_regions dedupe_map",
    ),
    // The description is for people.
    ("ir/memflags.rs", "AliasRegionData", "user_id description"),
    ("machinst/mod.rs", "MachMemFlags", "bits"),
    ("ir/instructions.rs", "BlockCall", "values"),
    (
        "ir/function.rs",
        "FunctionParameters",
        "base_srcloc user_named_funcs user_ext_name_to_ref",
    ),
];

/// The bits of `MachMemFlags`.
const FLAGS: &str =
    "BIT_ALIGNED BIT_READONLY BIT_LITTLE_ENDIAN BIT_BIG_ENDIAN MASK_TRAP_CODE BIT_CAN_MOVE";

/// The sources of the Cranelift that this was built with.
fn sources() -> PathBuf {
    // What other platforms depend on need not be here.
    let host = module(&Cache::in_memory())
        .compiled_isa()
        .triple()
        .to_string();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(["--filter-platform", &host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let own = packages.iter().find(|package| {
        package["name"] == "cranelift-codegen" && package["version"] == cranelift_codegen::VERSION
    });
    let manifest = own.expect("it is a dependency")["manifest_path"].as_str();
    Path::new(manifest.expect("a path")).with_file_name("src")
}

/// The names of a structure's fields.
fn fields<'a>(source: &'a str, structure: &str) -> Vec<&'a str> {
    let head = format!("struct {structure} {{\n");
    let (_, body) = source
        .split_once(&head)
        .unwrap_or_else(|| panic!("{structure} is gone"));
    let (body, _) = body.split_once("\n}").expect("it ends");
    let lines = body.lines().map(str::trim);
    let fields = lines.filter(|line| !line.starts_with("//") && !line.starts_with('#'));
    let name = |line: &'a str| {
        let (before, _) = line.split_once(':')?;
        before.split_whitespace().last()
    };
    fields.filter_map(name).collect()
}

#[test]
fn cranelifts_private_structures_have_not_grown() {
    let sources = sources();
    let read = |file: &str| std::fs::read_to_string(sources.join(file)).expect(file);
    for (file, structure, expected) in STRUCTURES {
        let expected: Vec<&str> = expected.split_whitespace().collect();
        let why = "decide whether what is new belongs into keys, and write it there (src/key)";
        assert_eq!(
            fields(&read(file), structure),
            expected,
            "{structure}: {why}"
        );
    }
    let machine = read("machinst/mod.rs");
    let constants = machine
        .lines()
        .filter_map(|line| line.strip_prefix("const "));
    let names = constants.filter_map(|line| Some(line.split_once(": u16")?.0));
    let bits: Vec<&str> = names
        .filter(|name| !name.starts_with("TRAP_CODE"))
        .collect();
    assert_eq!(
        bits.join(" "),
        FLAGS,
        "the key must say every flag (write_mem_flags)"
    );
}

/// Hashes what `derive(Hash)` hashes, with more bits.
struct Wide(Vec<u8>);

impl Hasher for Wide {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

/// All that Cranelift itself takes a function to be, its own name apart.
fn everything(func: &Function) -> Vec<u8> {
    let mut all = Wide(Vec::new());
    func.stencil.hash(&mut all);
    func.params.base_srcloc().hash(&mut all);
    for name in func.params.user_named_funcs().values() {
        name.hash(&mut all);
    }
    all.0
}

const FUNCTIONS: Population = Population {
    functions: 24,
    instructions: (20, 120),
    seed: 5,
};

/// Changes a function somewhere, or not at all.
fn change(func: &mut Function, random: &mut Random) {
    let count = func.dfg.num_insts();
    let inst = Inst::from_u32(random.below(count) as u32);
    let block = func.layout.inst_block(inst);
    let value = Value::from_u32(random.below(func.dfg.num_values()) as u32);
    let small = random.below(40) as i32;
    match random.below(16) {
        0 => func.set_srcloc(inst, SourceLoc::new(small as u32 + 1)),
        1 => func.layout.set_cold(block.unwrap_or(Block::from_u32(0))),
        2 => {
            let (size, align) = (8 * small as u32, random.below(5) as u8);
            let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, size, align);
            func.create_sized_stack_slot(slot);
        }
        3 => {
            let param = AbiParam::new(types::I8).sext();
            func.stencil.signature.params.push(param);
        }
        4 => func.stencil.signature.params[0].value_type = types::I32,
        5 => {
            let data = ConstantData::from(&[small as u8; 16][..]);
            func.dfg.constants.insert(data);
        }
        6 => {
            let signature = func.stencil.signature.clone();
            func.dfg.signatures.push(signature);
        }
        7 => {
            func.dfg.alias_regions.insert(AliasRegionData {
                user_id: small as u32,
                description: "a region".into(),
            });
        }
        _ => change_instruction(func, inst, value, small),
    }
}

fn change_instruction(func: &mut Function, inst: Inst, value: Value, small: i32) {
    use InstructionData as I;
    let flags = MemFlagsData::new().with_readonly().with_can_move();
    let flags = func.dfg.mem_flags.insert(flags).expect("there is room");
    match &mut func.dfg.insts[inst] {
        I::Binary { opcode, args } => match small % 3 {
            0 => args.swap(0, 1),
            1 => args[0] = value,
            _ => {
                *opcode = if *opcode == Opcode::Iadd {
                    Opcode::Isub
                } else {
                    Opcode::Iadd
                }
            }
        },
        I::UnaryImm { imm, .. } => *imm = (imm.bits() ^ (1 << (small + 20))).into(),
        I::Load {
            offset,
            flags: of_load,
            ..
        } => match small % 2 {
            0 => *offset = (i32::from(*offset) + small).into(),
            _ => *of_load = flags,
        },
        I::Store { offset, args, .. } => match small % 2 {
            0 => *offset = (i32::from(*offset) - small).into(),
            _ => args.swap(0, 1),
        },
        I::IntCompare { cond, .. } => *cond = IntCC::UnsignedLessThan,
        I::CondTrap { code, .. } | I::Trap { code, .. } => {
            *code = TrapCode::unwrap_user(small as u8 + 1);
        }
        I::UnaryIeee64 { imm, .. } => {
            *imm = cranelift_codegen::ir::immediates::Ieee64::with_bits(imm.bits() ^ 1);
        }
        I::Unary { arg, .. } => *arg = value,
        I::Ternary { args, .. } => args.swap(1, 2),
        I::Brif { blocks, .. } => blocks.swap(0, 1),
        _ => {}
    }
}

#[test]
fn where_cranelifts_own_hash_differs_our_key_does() {
    let mut module = module(&Cache::in_memory());
    let declared = FUNCTIONS.declare(&mut module).expect("new names");
    let mut frontend = FunctionBuilderContext::new();
    let random = &mut Random::new(1);
    let mut different = 0;
    for (index, id) in declared.functions.iter().enumerate() {
        let mut func = Function::new();
        func.signature = signature(&module);
        FUNCTIONS.build(&mut module, &declared, index, &mut func, &mut frontend);
        let mut key = |func: &Function| -> Key { module.function_key(*id, func) };
        let base = (everything(&func), key(&func));
        assert_eq!((everything(&func.clone()), key(&func.clone())), base);
        for _ in 0..100 {
            let mut changed = func.clone();
            change(&mut changed, random);
            if everything(&changed) != base.0 {
                assert!(
                    key(&changed) != base.1,
                    "{}\n\n{}",
                    func.display(),
                    changed.display()
                );
                different += 1;
            }
        }
    }
    assert!(different > 1000, "{different}");
}

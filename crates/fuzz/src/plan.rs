//! What a random module consists of, before any of it is built.

use cranelift_codegen::ir::{AbiParam, Signature, Type, types};
use cranelift_codegen::isa::CallConv;
use cranelift_module::{DataDescription, DataId, FuncId, Linkage, Module, ModuleResult};
use rekindle_bench::population::Random;

/// How ours is asked for functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By their CLIF.
    Clif,
    /// By keys of their own.
    Keyed,
    /// All by one key.
    Program,
}

/// A random module.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Whether some functions have other bodies than the seed says.
    pub(crate) is_edited: bool,
    /// Cranelift's shared flags.
    pub(crate) flags: Vec<(&'static str, &'static str)>,
    /// Whether the host's extensions of its instruction set are used.
    pub(crate) uses_extensions: bool,
    pub(crate) way: Way,
    pub(crate) functions: Vec<Shape>,
    pub(crate) objects: Vec<Object>,
}

/// What a function is, but for its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) params: Vec<Type>,
    pub(crate) returns: Vec<Type>,
    pub(crate) convention: CallConv,
    /// Whether it has a name, and its linkage then.
    pub(crate) linkage: Option<Linkage>,
}

/// A data object, of at least [`OBJECT_LEN`] bytes.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) is_named: bool,
    pub(crate) is_writable: bool,
    /// None for zeroes.
    pub(crate) bytes: Option<Vec<u8>>,
    /// An earlier object to whose start the first word points.
    pub(crate) points_to: Option<usize>,
    /// Functions of the common shape to which the next words point.
    pub(crate) functions: Vec<usize>,
}

/// Bytes of an object that any function may access.
pub(crate) const OBJECT_LEN: usize = 64;

/// Numbers of a module's functions and data.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) functions: Vec<FuncId>,
    /// For each function, what the host calls.
    pub(crate) entries: Vec<FuncId>,
    pub(crate) hosts: Vec<FuncId>,
    pub(crate) objects: Vec<DataId>,
    /// How many calls there may still be.
    pub(crate) fuel: DataId,
    /// Data of the host.
    pub(crate) host_table: DataId,
}

/// The host's functions: names, and their types.
pub(crate) const HOSTS: [(&str, &[Type], Type); 3] = [
    ("host_mix", &[types::I64, types::I64], types::I64),
    ("host_scale", &[types::F64], types::F64),
    ("host_narrow", &[types::I32, types::I32], types::I32),
];

/// Types that live in registers.
pub(crate) const SCALARS: [Type; 6] = [
    types::I8,
    types::I16,
    types::I32,
    types::I64,
    types::F32,
    types::F64,
];

pub(crate) const VECTORS: [Type; 6] = [
    types::I8X16,
    types::I16X8,
    types::I32X4,
    types::I64X2,
    types::F32X4,
    types::F64X2,
];

const OPT_LEVELS: [&str; 3] = ["none", "speed", "speed_and_size"];
const BOOLEANS: [&str; 2] = ["false", "true"];

impl Shape {
    /// What functions in tables have.
    pub(crate) fn common(linkage: Option<Linkage>) -> Self {
        Self {
            params: vec![types::I64],
            returns: vec![types::I64],
            convention: CallConv::SystemV,
            linkage,
        }
    }

    pub(crate) fn is_common(&self) -> bool {
        *self == Self::common(self.linkage)
    }

    pub(crate) fn signature(&self) -> Signature {
        let mut signature = Signature::new(self.convention);
        signature
            .params
            .extend(self.params.iter().map(|ty| AbiParam::new(*ty)));
        signature
            .returns
            .extend(self.returns.iter().map(|ty| AbiParam::new(*ty)));
        signature
    }
}

impl Plan {
    pub(crate) fn new(seed: u64, is_edited: bool) -> Self {
        let random = &mut Random::new(seed);
        let mut pick = |texts: &[&'static str]| texts[random.below(texts.len())];
        let mut flags = vec![
            ("opt_level", pick(&OPT_LEVELS)),
            (
                "regalloc_algorithm",
                pick(&["backtracking", "backtracking", "single_pass"]),
            ),
            ("enable_alias_analysis", pick(&BOOLEANS)),
            ("unwind_info", pick(&BOOLEANS)),
            ("enable_probestack", pick(&BOOLEANS)),
            ("probestack_strategy", "inline"),
        ];
        let way = [Way::Clif, Way::Clif, Way::Keyed, Way::Program][random.below(4)];
        let functions: Vec<Shape> = (0..2 + random.below(7)).map(|_| shape(random)).collect();
        // Cranelift makes no tail calls without them.
        let has_tail_calls = functions
            .iter()
            .any(|shape| shape.convention == CallConv::Tail);
        let pointers = BOOLEANS[random.below(2).max(usize::from(has_tail_calls))];
        flags.push(("preserve_frame_pointers", pointers));
        let mut objects = Vec::new();
        for index in 0..1 + random.below(5) {
            objects.push(object(random, index, &functions));
        }
        Self {
            seed,
            is_edited,
            flags,
            uses_extensions: random.below(4) > 0,
            way,
            functions,
            objects,
        }
    }

    /// Choices about one function, the same in whichever order functions are built.
    pub(crate) fn random_of(&self, function: usize) -> Random {
        let edit = u64::from(self.edits(function)) << 50;
        Random::new(
            (self.seed ^ edit)
                .wrapping_mul(0x1_0001)
                .wrapping_add(function as u64 + 1),
        )
    }

    /// Whether a function has another body than the seed says.
    pub(crate) fn edits(&self, function: usize) -> bool {
        self.is_edited && function < self.functions.len() && (self.seed >> (function % 8)) & 1 == 1
    }

    pub(crate) fn declare(&self, module: &mut dyn Module) -> ModuleResult<Declared> {
        let mut functions = Vec::new();
        for (index, shape) in self.functions.iter().enumerate() {
            let signature = shape.signature();
            functions.push(match shape.linkage {
                None => module.declare_anonymous_function(&signature)?,
                Some(linkage) => {
                    module.declare_function(&format!("f{index}"), linkage, &signature)?
                }
            });
        }
        let mut entries = Vec::new();
        for index in 0..self.functions.len() {
            let signature = entry_signature();
            entries.push(module.declare_function(
                &entry_name(index),
                Linkage::Export,
                &signature,
            )?);
        }
        let mut hosts = Vec::new();
        for (name, params, result) in HOSTS {
            let mut signature = Signature::new(CallConv::SystemV);
            signature
                .params
                .extend(params.iter().map(|ty| AbiParam::new(*ty)));
            signature.returns.push(AbiParam::new(result));
            hosts.push(module.declare_function(name, Linkage::Import, &signature)?);
        }
        let mut objects = Vec::new();
        for (index, object) in self.objects.iter().enumerate() {
            objects.push(match object.is_named {
                true => {
                    let name = format!("object{index}");
                    module.declare_data(&name, Linkage::Local, object.is_writable, false)?
                }
                false => module.declare_anonymous_data(object.is_writable, false)?,
            });
        }
        Ok(Declared {
            functions,
            entries,
            hosts,
            objects,
            fuel: module.declare_data("fuel", Linkage::Local, true, false)?,
            host_table: module.declare_data("host_table", Linkage::Import, false, false)?,
        })
    }

    pub(crate) fn define_data(
        &self,
        module: &mut dyn Module,
        declared: &Declared,
    ) -> ModuleResult<()> {
        let mut fuel = DataDescription::new();
        fuel.define_zeroinit(8);
        module.define_data(declared.fuel, &fuel)?;
        for (object, id) in self.objects.iter().zip(&declared.objects) {
            let mut contents = DataDescription::new();
            match &object.bytes {
                None => contents.define_zeroinit(OBJECT_LEN),
                Some(bytes) => contents.define(bytes.clone().into()),
            }
            contents.set_align(16);
            if let Some(other) = object.points_to {
                let other = module.declare_data_in_data(declared.objects[other], &mut contents);
                contents.write_data_addr(0, other, 0);
            }
            for (place, function) in (1..).zip(&object.functions) {
                let function = declared.functions[*function];
                let function = module.declare_func_in_data(function, &mut contents);
                contents.write_function_addr(place * 8, function);
            }
            module.define_data(*id, &contents)?;
        }
        Ok(())
    }
}

pub(crate) fn entry_name(index: usize) -> String {
    format!("entry{index}")
}

/// `fn(input, fuel) -> hash of the results`.
pub(crate) fn entry_signature() -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend([AbiParam::new(types::I64); 2]);
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

fn shape(random: &mut Random) -> Shape {
    let linkages = [
        None,
        Some(Linkage::Export),
        Some(Linkage::Export),
        Some(Linkage::Local),
        Some(Linkage::Hidden),
    ];
    let linkage = linkages[random.below(5)];
    if random.below(3) == 0 {
        return Shape::common(linkage);
    }
    let convention = [CallConv::SystemV, CallConv::Fast, CallConv::Tail][random.below(3)];
    let mut some = |most: usize| {
        let count = random.below(most + 1);
        let one = |_| match random.below(4) {
            0 => VECTORS[random.below(6)],
            _ => SCALARS[random.below(6)],
        };
        (0..count).map(one).collect()
    };
    Shape {
        params: some(7),
        // The C convention has two registers of each kind for results.
        returns: some(2),
        convention,
        linkage,
    }
}

fn object(random: &mut Random, index: usize, functions: &[Shape]) -> Object {
    let is_table = random.below(3) == 0;
    let common = (0..functions.len()).filter(|function| functions[*function].is_common());
    let zeroes = !is_table && random.below(3) == 0;
    let len = OBJECT_LEN + random.below(40);
    Object {
        is_named: random.below(4) > 0,
        is_writable: !is_table && random.below(3) > 0,
        bytes: (!zeroes).then(|| (0..len).map(|_| random.next_u64() as u8).collect()),
        points_to: (is_table && index > 0).then(|| random.below(index)),
        functions: match is_table {
            true => common.take(6).collect(),
            false => Vec::new(),
        },
    }
}

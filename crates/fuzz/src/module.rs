//! One random module, defined and run by one of the rivals.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Context as _, ensure};
use cranelift_codegen::Context;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::FunctionBuilderContext;
use cranelift_module::{
    FuncId, FuncOrDataId, Module, ModuleError, ModuleResult, default_libcall_names,
};
use rekindle_bench::population::{Random, host_mix};
use rekindle_cranelift::{Cache, CacheConfig, JITBuilder, JITModule, KeyBuilder};

use crate::entry::Input;
use crate::plan::{Declared, OBJECT_LEN, Plan, Way, entry_name};
use crate::{body, call, entry};

/// Who runs a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// `cranelift-jit`.
    Reference,
    /// Ours, with what the cache has, which is nothing at first.
    Cold,
    /// Ours, when all is in the cache; functions are defined in another order.
    Warm,
    /// The same, with some functions that are other ones now.
    Edited,
    /// `cranelift-jit`, with those.
    EditedReference,
    /// As warm, with every function compiled all the same and compared with what was kept.
    Verified,
}

impl Mode {
    /// The mode as the command line has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Edited => "edited",
            Self::EditedReference => "edited-reference",
            Self::Verified => "verified",
        }
    }
}

/// Calls of each function.
const CALLS: usize = 4;

/// How many calls of functions an entry's call may lead to.
const FUEL: i64 = 150;

extern "C" fn host_scale(value: f64) -> f64 {
    value * 0.5 + 1.0
}

extern "C" fn host_narrow(a: i32, b: i32) -> i32 {
    a.rotate_left(5) ^ b
}

/// The host's data.
static HOST_TABLE: Input = Input([0x5a; 128]);

const _: () = assert!(size_of::<Input>() >= OBJECT_LEN);

/// Routines that Cranelift calls where the machine, or what is used of it, has no instruction.
macro_rules! routines {
    ($($name:literal, $wrapper:ident: $float:ty = |$($argument:ident),*| $result:expr;)*) => {
        $(extern "C" fn $wrapper($($argument: $float),*) -> $float { $result })*
        const ROUTINES: &[(&str, *const ())] = &[$(($name, $wrapper as *const ())),*];
    };
}

routines! {
    "ceil", ceil: f64 = |x| x.ceil();
    "ceilf", ceil_single: f32 = |x| x.ceil();
    "floor", floor: f64 = |x| x.floor();
    "floorf", floor_single: f32 = |x| x.floor();
    "trunc", trunc: f64 = |x| x.trunc();
    "truncf", trunc_single: f32 = |x| x.trunc();
    "nearbyint", nearest: f64 = |x| x.round_ties_even();
    "nearbyintf", nearest_single: f32 = |x| x.round_ties_even();
    "fma", fma: f64 = |x, y, z| x.mul_add(y, z);
    "fmaf", fma_single: f32 = |x, y, z| x.mul_add(y, z);
}

fn symbols() -> impl Iterator<Item = (&'static str, *const u8)> {
    let own = [
        ("host_mix", host_mix as *const u8),
        ("host_scale", host_scale as *const u8),
        ("host_narrow", host_narrow as *const u8),
        ("host_table", (&raw const HOST_TABLE).cast()),
    ];
    let routines = ROUTINES
        .iter()
        .map(|(name, routine)| (*name, routine.cast()));
    own.into_iter().chain(routines)
}

/// Runs the module of a seed, and says in one line what it computed: a hash and how many functions
/// there were, or that Cranelift can't compile it.
///
/// # Errors
/// If something that must be in the cache isn't.
pub fn run(seed: u64, mode: Mode, folder: &Path) -> anyhow::Result<String> {
    let is_edited = matches!(mode, Mode::Edited | Mode::EditedReference);
    let plan = Plan::new(seed, is_edited);
    let outcome = catch_unwind(AssertUnwindSafe(|| match mode {
        Mode::Reference | Mode::EditedReference => run_upstream(&plan),
        Mode::Cold | Mode::Warm | Mode::Edited | Mode::Verified => run_ours(&plan, mode, folder),
    }));
    match outcome {
        Ok(Ok(line)) => Ok(line),
        // What Cranelift refuses, it refuses from everyone.
        Ok(Err(error)) if error.is::<ModuleError>() => Ok("unsupported".to_owned()),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok("unsupported".to_owned()),
    }
}

fn isa(plan: &Plan) -> anyhow::Result<OwnedTargetIsa> {
    let mut flags = settings::builder();
    for (name, value) in &plan.flags {
        flags.set(name, value)?;
    }
    flags.set("use_colocated_libcalls", "false")?;
    flags.set("is_pic", "false")?;
    let builder = cranelift_native::builder_with_options(plan.uses_extensions);
    let builder = builder.map_err(|message| anyhow::anyhow!("{message}"))?;
    Ok(builder.finish(settings::Flags::new(flags))?)
}

fn run_upstream(plan: &Plan) -> anyhow::Result<String> {
    let mut builder = cranelift_jit::JITBuilder::with_isa(isa(plan)?, default_libcall_names());
    builder.symbols(symbols());
    let mut module = cranelift_jit::JITModule::new(builder);
    let declared = plan.declare(&mut module)?;
    plan.define_data(&mut module, &declared)?;
    for (number, id) in numbered(plan, &declared) {
        let mut ctx = module.make_context();
        build(plan, &mut module, &declared, number, &mut ctx);
        module.define_function(id, &mut ctx)?;
    }
    module.finalize_definitions()?;
    Ok(call_all(plan, &|name| {
        let id = module.declarations().get_name(name);
        let Some(FuncOrDataId::Func(id)) = id else {
            unreachable!("entries are functions")
        };
        module.get_finalized_function(id)
    }))
}

fn run_ours(plan: &Plan, mode: Mode, folder: &Path) -> anyhow::Result<String> {
    let cache = Cache::open(&CacheConfig {
        directory: Some(folder.to_owned()),
        verify_one_in: u32::from(mode == Mode::Verified),
        ..CacheConfig::default()
    });
    let mut builder = JITBuilder::with_isa(isa(plan)?, default_libcall_names());
    builder.symbols(symbols());
    builder
        .cache(cache.clone())
        .scope(format!("fuzz{}", plan.seed % 4));
    let mut module = JITModule::new(builder);
    let key = KeyBuilder::new("fuzz/program")
        .u64(plan.seed)
        .u64(plan.is_edited.into())
        .finish();
    let is_found = match plan.way {
        Way::Program => module.define_program(&key, |module| define(plan, module, mode))?,
        Way::Clif | Way::Keyed => {
            define(plan, &mut module, mode)?;
            false
        }
    };
    module.finalize_definitions()?;
    let line = call_all(plan, &|name| {
        let Some(FuncOrDataId::Func(id)) = module.get_name(name) else {
            unreachable!("entries are functions")
        };
        module.get_finalized_function(id)
    });
    let differing = cache.differing();
    ensure!(
        differing.is_empty(),
        "seed {}: kept otherwise than compiled: {differing:?}",
        plan.seed
    );
    if matches!(mode, Mode::Warm | Mode::Verified) {
        let missing = module.declarations().get_functions();
        let missing = missing.filter(|(id, _)| module.is_loaded(*id) == Some(false));
        let names = missing.map(|(id, decl)| decl.linkage_name(id).into_owned());
        // A random constant may happen to be an address of this process.
        let baked = module.functions_with_baked_addresses();
        let missing: Vec<_> = names.filter(|name| !baked.contains(name)).collect();
        ensure!(
            missing.is_empty(),
            "seed {}: {missing:?} weren't found",
            plan.seed
        );
        ensure!(
            is_found == (plan.way == Way::Program && mode == Mode::Warm),
            "seed {}: the program wasn't found",
            plan.seed
        );
    }
    module.flush_cache();
    Ok(line)
}

/// All of a module's functions, their entries behind them.
fn numbered(plan: &Plan, declared: &Declared) -> Vec<(usize, FuncId)> {
    let all = declared.functions.iter().chain(&declared.entries);
    debug_assert_eq!(declared.entries.len(), plan.functions.len());
    all.copied().enumerate().collect()
}

fn build(
    plan: &Plan,
    module: &mut dyn Module,
    declared: &Declared,
    number: usize,
    ctx: &mut Context,
) {
    let frontend = &mut FunctionBuilderContext::new();
    match number.checked_sub(plan.functions.len()) {
        None => body::build(plan, module, declared, number, &mut ctx.func, frontend),
        Some(index) => entry::build(plan, module, declared, index, &mut ctx.func, frontend),
    }
}

fn define(plan: &Plan, module: &mut JITModule, mode: Mode) -> ModuleResult<()> {
    let declared = plan.declare(module)?;
    plan.define_data(module, &declared)?;
    let mut order = numbered(plan, &declared);
    if mode != Mode::Cold {
        let random = &mut Random::new(plan.seed ^ 0xff);
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last + 1));
        }
    }
    for (number, id) in order {
        if plan.way == Way::Keyed {
            let key = KeyBuilder::new("fuzz/function")
                .u64(plan.seed)
                .u64(number as u64)
                .u64(plan.edits(number).into());
            module.define_trusting_key(&key.finish(), id, |module, ctx| {
                build(plan, module, &declared, number, ctx);
                Ok::<_, ModuleError>(())
            })?;
            continue;
        }
        let mut ctx = module.make_context();
        build(plan, module, &declared, number, &mut ctx);
        module.define_function(id, &mut ctx)?;
    }
    Ok(())
}

/// Calls all entries with the same arguments each time.
fn call_all(plan: &Plan, address: &dyn Fn(&str) -> *const u8) -> String {
    let random = &mut Random::new(plan.seed ^ 0xabcd);
    let mut hash = 0_i64;
    for index in 0..plan.functions.len() {
        let address = address(&entry_name(index));
        for _ in 0..CALLS {
            let mut input = Input([0; 128]);
            for word in input.0.as_chunks_mut::<8>().0 {
                *word = match random.below(3) {
                    0 => (random.below(100) as i64 - 50).to_le_bytes(),
                    1 => (random.below(1000) as f64 / 7.0).to_le_bytes(),
                    _ => random.next_u64().to_le_bytes(),
                };
            }
            let result = call::entry(address, &input, FUEL);
            hash = hash.wrapping_mul(31).wrapping_add(result);
        }
    }
    format!("{hash:016x} {}", 2 * plan.functions.len())
}

/// Reads how many functions a line of [`run`] speaks of; none if Cranelift can't compile them.
pub(crate) fn functions(line: &str) -> anyhow::Result<Option<u64>> {
    match line.split_once(' ') {
        None => Ok(None),
        Some((_, count)) => Ok(Some(count.parse().context("a count")?)),
    }
}

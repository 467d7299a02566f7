//! The population of the benchmarks: cold, and warm in a new process.

use cranelift_frontend::FunctionBuilderContext;
use cranelift_module::Module;
use rekindle_bench::population::{IMPORTS, Population, signature};
use rekindle_cranelift::JITModule;

use crate::support::{Home, builder, childs_folder, in_new_process, open};

const SMALL: Population = Population {
    functions: 60,
    instructions: (25, 450),
    seed: 7,
};

/// Defines the population, calls all of it, and returns a checksum and how much was loaded.
fn run(cache: &rekindle_cranelift::Cache) -> (i64, u64) {
    let mut builder = builder(cache);
    builder.symbols(IMPORTS.map(|(name, function)| (name, function as *const u8)));
    let mut module = JITModule::new(builder);
    let declared = SMALL.declare(&mut module).expect("new names");
    let mut frontend = FunctionBuilderContext::new();
    for (index, id) in declared.functions.iter().enumerate() {
        let mut ctx = module.make_context();
        ctx.func.signature = signature(&module);
        SMALL.build(&mut module, &declared, index, &mut ctx.func, &mut frontend);
        module.define_function(*id, &mut ctx).expect("sound");
    }
    module.finalize_definitions().expect("all is defined");
    let sum = declared.functions.iter().fold(0i64, |sum, id| {
        let address = module.get_finalized_function(*id);
        // SAFETY: the population's functions have this type.
        let function = unsafe {
            core::mem::transmute::<*const u8, extern "C" fn(i64, i64, i64) -> i64>(address)
        };
        sum.wrapping_mul(31).wrapping_add(function(sum, 7, 2))
    });
    (sum, cache.statistics().entries_loaded)
}

#[test]
fn a_new_process_compiles_nothing() {
    if let Some(folder) = childs_folder() {
        let (sum, loaded) = run(&open(&folder));
        println!("result: sum={sum} loaded={loaded}");
        return;
    }
    let home = Home::new();
    let folder = home.path().join("cache");
    let child = || in_new_process("processes::a_new_process_compiles_nothing", &folder, &[]);
    let (cold, warm) = (child(), child());
    let (sum, _) = run(&rekindle_cranelift::Cache::in_memory());
    assert_eq!(cold, format!("sum={sum} loaded=0"));
    assert_eq!(warm, format!("sum={sum} loaded=60"));
}

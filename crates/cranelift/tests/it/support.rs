//! Caches to keep code in, functions to keep, and ways to call them.

use std::path::{Path, PathBuf};
use std::process::Command;

use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, Function, InstBuilder, Signature, Value, types};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId, Linkage, Module, default_libcall_names};
use rekindle_cranelift::{Cache, CacheConfig, JITBuilder, JITModule};

/// A cache in a folder of its own.
pub(crate) struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub(crate) fn open(&self) -> Cache {
        open(&self.directory.path().join("cache"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

pub(crate) fn open(path: &Path) -> Cache {
    Cache::open(&CacheConfig {
        directory: Some(path.to_owned()),
        // Tests count what is found.
        verify_one_in: 0,
        // What one module leaves the next one finds.
        write_after: Some(std::time::Duration::ZERO),
        ..CacheConfig::default()
    })
}

/// The folder that a child of [`in_new_process`] is to use, in that child.
pub(crate) fn childs_folder() -> Option<PathBuf> {
    std::env::var_os("REKINDLE_TEST_FOLDER").map(PathBuf::from)
}

/// Runs a test of this program in a process of its own, which finds its cache's folder with
/// [`childs_folder`]. Returns what it printed behind `result: `.
pub(crate) fn in_new_process(test: &str, folder: &Path, variables: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env("REKINDLE_TEST_FOLDER", folder)
        .envs(variables.iter().copied())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text
        .lines()
        .find_map(|line| line.split_once("result: "))
        .map(|(_, result)| result.to_owned());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test}: {text}{errors}");
    result.unwrap_or_else(|| panic!("{test} has no result: {text}{errors}"))
}

pub(crate) fn builder(cache: &Cache) -> JITBuilder {
    let flags = [("opt_level", "speed")];
    let mut builder =
        JITBuilder::with_flags(&flags, default_libcall_names()).expect("flags that exist");
    builder.cache(cache.clone()).scope("test");
    builder
}

pub(crate) fn module(cache: &Cache) -> JITModule {
    JITModule::new(builder(cache))
}

/// `fn(i64, ..) -> i64` of so many parameters.
pub(crate) fn signature(module: &dyn Module, params: usize) -> Signature {
    let mut signature = module.make_signature();
    signature
        .params
        .extend((0..params).map(|_| AbiParam::new(types::I64)));
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

/// A function body: from the builder and the parameters to the result.
pub(crate) type Body<'a> =
    dyn FnMut(&mut JITModule, &mut FunctionBuilder<'_>, &[Value]) -> Value + 'a;

/// Defines a declared function.
pub(crate) fn define(module: &mut JITModule, id: FuncId, body: &mut Body<'_>) {
    let mut ctx = module.make_context();
    build(module, &mut ctx, id, body);
    module
        .define_function(id, &mut ctx)
        .expect("a sound function");
}

/// Builds the CLIF of a declared function.
pub(crate) fn build(module: &mut JITModule, ctx: &mut Context, id: FuncId, body: &mut Body<'_>) {
    ctx.func = Function::with_name_signature(
        cranelift_codegen::ir::UserFuncName::user(0, id.as_u32()),
        module
            .declarations()
            .get_function_decl(id)
            .signature
            .clone(),
    );
    let mut frontend = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut ctx.func, &mut frontend);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    let params = builder.block_params(block).to_vec();
    let result = body(module, &mut builder, &params);
    builder.ins().return_(&[result]);
    builder.seal_all_blocks();
    #[cfg(since_0_135)]
    builder.finalize(module.target_config());
    #[cfg(not(since_0_135))]
    builder.finalize();
}

/// Declares an exported function.
pub(crate) fn declare(module: &mut JITModule, name: &str, params: usize) -> FuncId {
    let signature = signature(module, params);
    module
        .declare_function(name, Linkage::Export, &signature)
        .expect("a new name")
}

/// Calls a finalized function of one parameter.
pub(crate) fn call(module: &JITModule, id: FuncId, argument: i64) -> i64 {
    let address = module.get_finalized_function(id);
    // SAFETY: the tests' functions take and return 64-bit integers, and modules leak their code.
    let function = unsafe { core::mem::transmute::<*const u8, extern "C" fn(i64) -> i64>(address) };
    function(argument)
}

/// Instructions with a number, by the names that they have since.
#[cfg(not(since_0_135))]
pub(crate) trait Immediates<'f>: InstBuilder<'f> {
    fn iadd_imm_s(self, x: Value, number: i64) -> Value {
        self.iadd_imm(x, number)
    }

    fn imul_imm_s(self, x: Value, number: i64) -> Value {
        self.imul_imm(x, number)
    }
}

#[cfg(not(since_0_135))]
impl<'f, T: InstBuilder<'f>> Immediates<'f> for T {}

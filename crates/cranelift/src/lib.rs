//! A drop-in for `cranelift-jit` whose second run starts warm.
//!
//! Replace `use cranelift_jit::{JITBuilder, JITModule}` by the same names of this crate, or keep
//! the source as it is and patch the dependency with `shim/cranelift-jit`. Functions are compiled
//! as before when they are new; a function whose complete CLIF an earlier run compiled is mapped
//! from the cache's image instead, and [`cranelift_module::Module::define_function`] returns
//! without compiling.
//!
//! ```
//! use cranelift_codegen::ir::{AbiParam, InstBuilder, types};
//! use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
//! use cranelift_module::{Linkage, Module, default_libcall_names};
//! use rekindle_cranelift::{JITBuilder, JITModule};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut builder = JITBuilder::new(default_libcall_names())?;
//! # builder.cache(rekindle::Cache::in_memory());
//! let mut module = JITModule::new(builder);
//! let mut ctx = module.make_context();
//! ctx.func.signature.params.push(AbiParam::new(types::I64));
//! ctx.func.signature.returns.push(AbiParam::new(types::I64));
//! let id = module.declare_function("double", Linkage::Export, &ctx.func.signature)?;
//! let mut frontend = FunctionBuilderContext::new();
//! let mut body = FunctionBuilder::new(&mut ctx.func, &mut frontend);
//! let block = body.create_block();
//! body.append_block_params_for_function_params(block);
//! body.switch_to_block(block);
//! let twice = body.block_params(block)[0];
//! let twice = body.ins().iadd(twice, twice);
//! body.ins().return_(&[twice]);
//! body.seal_all_blocks();
//! body.finalize(module.target_config());
//! module.define_function(id, &mut ctx)?;
//! module.finalize_definitions()?;
//! let address = module.get_finalized_function(id);
//! // SAFETY: the function takes and returns 64-bit integers, and `module` keeps it mapped.
//! let double = unsafe { std::mem::transmute::<*const u8, extern "C" fn(i64) -> i64>(address) };
//! assert_eq!(double(21), 42);
//! # Ok(())
//! # }
//! ```

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what the interface of cranelift-jit returns"
)]

mod baked;
mod builder;
mod data;
mod declarations;
mod define;
mod finish;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod isa;
mod key;
mod keyed;
mod log;
mod memory;
mod module;
mod named_addresses;
mod names;
mod objects;
mod opened;
mod operands;
mod program;
mod program_name;
mod provided;
mod recording;
mod reference;
mod relocate;
mod session;
mod signature;
mod statistics;
mod symbols;
mod tables;
mod target;
mod told;
mod types;
#[cfg(feature = "wasmtime-unwinder")]
mod wasmtime;

pub use builder::JITBuilder;
pub use memory::{
    ArenaMemoryProvider, BranchProtection, JITMemoryKind, JITMemoryProvider, SystemMemoryProvider,
};
pub use module::JITModule;
/// The cache that modules use, and all that can be asked of it.
pub use rekindle;
pub use rekindle::{
    Cache, CacheConfig, CacheMode, ClearError, Digest, DiskUsage, EntryInfo, EnvironmentInfo,
    FlushReport, ImageInfo, Key, KeyBuilder, Located, MissReason, Notice, Statistics, Why,
};

pub use statistics::ModuleStatistics;
pub use tables::{CallSite, FunctionCode, FunctionRelocation, FunctionTables, StackMap};

/// The version of `cranelift-jit` whose interface this is.
pub const VERSION: &str = cranelift_codegen::VERSION;

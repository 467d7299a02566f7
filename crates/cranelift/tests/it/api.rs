//! The interface of `cranelift-jit`, instantiated with its types and with ours: whatever an embedder
//! writes for one compiles for the other, and does the same.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use std::io;

use cranelift_codegen::ir::{self, InstBuilder, LibCall, MemFlagsData, types};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{
    DataDescription, DataId, FuncId, Linkage, Module, ModuleReloc, ModuleRelocTarget, ModuleResult,
    default_libcall_names,
};

type LibCallNames = Box<dyn Fn(LibCall) -> String + Send + Sync>;
type Lookup = Box<dyn Fn(&str) -> Option<*const u8> + Send>;

extern "C" fn host_triple(value: i64) -> i64 {
    value * 3
}

static HOST_WORD: i64 = 1000;

fn isa() -> OwnedTargetIsa {
    let mut flags = settings::builder();
    for flag in ["use_colocated_libcalls", "is_pic"] {
        flags.set(flag, "false").expect("a flag");
    }
    let builder = cranelift_native::builder().expect("a known host");
    builder
        .finish(settings::Flags::new(flags))
        .expect("flags that fit")
}

/// `main(x) = helper(x) + host_triple(x) + word + pointed`, through all that a module can do.
fn define(module: &mut dyn Module) -> ModuleResult<(FuncId, FuncId, DataId)> {
    let mut signature = module.make_signature();
    signature.params.push(ir::AbiParam::new(types::I64));
    signature.returns.push(ir::AbiParam::new(types::I64));
    let main = module.declare_function("main", Linkage::Export, &signature)?;
    let helper = module.declare_anonymous_function(&signature)?;
    let host = module.declare_function("host_triple", Linkage::Import, &signature)?;
    let word = module.declare_data("host_word", Linkage::Import, false, false)?;
    let pointer = module.declare_data("pointer", Linkage::Local, false, false)?;
    let pointed = module.declare_anonymous_data(true, false)?;
    let mut contents = DataDescription::new();
    contents.define(77_i64.to_le_bytes().into());
    module.define_data(pointed, &contents)?;
    let mut contents = DataDescription::new();
    contents.define([0; 8].into());
    let to = module.declare_data_in_data(pointed, &mut contents);
    contents.write_data_addr(0, to, 0);
    module.define_data(pointer, &contents)?;
    let mut ctx = module.make_context();
    ctx.func.signature = signature;
    let mut frontend = FunctionBuilderContext::new();
    let mut body = FunctionBuilder::new(&mut ctx.func, &mut frontend);
    let block = body.create_block();
    body.append_block_params_for_function_params(block);
    body.switch_to_block(block);
    let param = body.block_params(block)[0];
    let flags = MemFlagsData::trusted();
    let mut sum = param;
    for callee in [helper, host] {
        let callee = module.declare_func_in_func(callee, body.func);
        let call = body.ins().call(callee, &[param]);
        let result = body.inst_results(call)[0];
        sum = body.ins().iadd(sum, result);
    }
    let word = module.declare_data_in_func(word, body.func);
    let word = body.ins().symbol_value(types::I64, word);
    let word = body.ins().load(types::I64, flags, word, 0);
    let pointer_value = module.declare_data_in_func(pointer, body.func);
    let pointer_value = body.ins().symbol_value(types::I64, pointer_value);
    let pointed = body.ins().load(types::I64, flags, pointer_value, 0);
    let pointed = body.ins().load(types::I64, flags, pointed, 0);
    for value in [word, pointed] {
        sum = body.ins().iadd(sum, value);
    }
    body.ins().return_(&[sum]);
    body.seal_all_blocks();
    body.finalize(module.target_config());
    module.define_function(main, &mut ctx)?;
    module.clear_context(&mut ctx);
    // `lea rax, [rdi + 5]; ret`
    let relocs: [ModuleReloc; 0] = [];
    module.define_function_bytes(helper, 16, &[0x48, 0x8d, 0x47, 5, 0xc3], &relocs)?;
    Ok((main, helper, pointer))
}

/// One embedder, for each of the two crates.
macro_rules! embedder {
    ($name:ident, $jit:ident, $configure:expr) => {
        mod $name {
            use super::*;
            use $jit::{
                ArenaMemoryProvider, BranchProtection, JITBuilder, JITMemoryKind,
                JITMemoryProvider, JITModule, SystemMemoryProvider,
            };

            /// Memory of an embedder's own making.
            struct Provider(SystemMemoryProvider);

            impl JITMemoryProvider for Provider {
                fn allocate(
                    &mut self,
                    size: usize,
                    align: u64,
                    kind: JITMemoryKind,
                ) -> io::Result<*mut u8> {
                    match kind {
                        JITMemoryKind::Executable
                        | JITMemoryKind::Writable
                        | JITMemoryKind::ReadOnly => self.0.allocate(size, align, kind),
                    }
                }

                unsafe fn free_memory(&mut self) {
                    // SAFETY: the caller's.
                    unsafe { self.0.free_memory() }
                }

                fn finalize(&mut self, branch_protection: BranchProtection) -> ModuleResult<()> {
                    match branch_protection {
                        BranchProtection::None | BranchProtection::BTI => {
                            self.0.finalize(branch_protection)
                        }
                    }
                }
            }

            /// Every inherent method, with the type that it has.
            fn signatures() {
                let _: fn(LibCallNames) -> ModuleResult<JITBuilder> = JITBuilder::new;
                let _: fn(&[(&str, &str)], LibCallNames) -> ModuleResult<JITBuilder> =
                    JITBuilder::with_flags;
                let _: fn(OwnedTargetIsa, LibCallNames) -> JITBuilder = JITBuilder::with_isa;
                let _: for<'a> fn(
                    &'a mut JITBuilder,
                    &'static str,
                    *const u8,
                ) -> &'a mut JITBuilder = JITBuilder::symbol::<&'static str>;
                let _: for<'a> fn(
                    &'a mut JITBuilder,
                    Vec<(String, *const u8)>,
                ) -> &'a mut JITBuilder = JITBuilder::symbols::<Vec<(String, *const u8)>, String>;
                let _: for<'a> fn(&'a mut JITBuilder, Lookup) -> &'a mut JITBuilder =
                    JITBuilder::symbol_lookup_fn;
                let _: for<'a> fn(
                    &'a mut JITBuilder,
                    Box<dyn JITMemoryProvider + Send>,
                ) -> &'a mut JITBuilder = JITBuilder::memory_provider;
                let _: fn(JITBuilder) -> JITModule = JITModule::new;
                let _: unsafe fn(JITModule) = JITModule::free_memory;
                let _: fn(&JITModule, &ModuleRelocTarget) -> *const u8 = JITModule::get_address;
                let _: fn(&JITModule, FuncId) -> *const u8 = JITModule::get_finalized_function;
                let _: fn(&JITModule, DataId) -> (*const u8, usize) = JITModule::get_finalized_data;
                let _: fn(&mut JITModule) -> ModuleResult<()> = JITModule::finalize_definitions;
                let _: fn() -> SystemMemoryProvider = SystemMemoryProvider::new;
                let _: fn(usize) -> Result<ArenaMemoryProvider, region::Error> =
                    ArenaMemoryProvider::new_with_size;
                let _: &str = $jit::VERSION;
                fn is_send<T: Send>() {}
                is_send::<JITModule>();
                is_send::<SystemMemoryProvider>();
                is_send::<ArenaMemoryProvider>();
            }

            /// With each kind of memory, what `main` returns, and what else can be seen.
            pub(super) fn run() -> Vec<(i64, usize, bool)> {
                signatures();
                let providers: [Option<Box<dyn JITMemoryProvider + Send>>; 4] = [
                    None,
                    Some(Box::new(SystemMemoryProvider::new())),
                    Some(Box::new(
                        ArenaMemoryProvider::new_with_size(1 << 20).expect("memory"),
                    )),
                    Some(Box::new(Provider(SystemMemoryProvider::new()))),
                ];
                providers.into_iter().map(run_in).collect()
            }

            fn run_in(provider: Option<Box<dyn JITMemoryProvider + Send>>) -> (i64, usize, bool) {
                let mut builder = JITBuilder::with_isa(isa(), default_libcall_names());
                let configure: fn(&mut JITBuilder) = $configure;
                configure(&mut builder);
                if let Some(provider) = provider {
                    builder.memory_provider(provider);
                }
                builder.symbol("host_triple", core::ptr::null());
                // The last definition counts, and a name without one is looked up.
                builder.symbols([("host_triple", host_triple as *const u8)]);
                builder.symbol_lookup_fn(Box::new(|name| {
                    (name == "host_word").then(|| (&raw const HOST_WORD).cast())
                }));
                let mut module = JITModule::new(builder);
                assert!(!module.isa().flags().is_pic());
                let (main, helper, pointer) = define(&mut module).expect("sound");
                module.finalize_definitions().expect("all is defined");
                let address = module.get_finalized_function(main);
                let target = ModuleRelocTarget::user(0, helper.as_u32());
                let helper = module.get_finalized_function(helper);
                let is_same = module.get_address(&target) == helper;
                let (_, len) = module.get_finalized_data(pointer);
                // SAFETY: `main` has this type, and the module lives.
                let main = unsafe {
                    core::mem::transmute::<*const u8, extern "C" fn(i64) -> i64>(address)
                };
                let result = (main(4), len, is_same);
                // SAFETY: nothing of the module is used any more.
                unsafe { module.free_memory() };
                result
            }
        }
    };
}

embedder!(upstream, cranelift_jit, |_| ());
embedder!(ours, rekindle_cranelift, |builder| {
    builder.cache(rekindle_cranelift::Cache::in_memory());
});

#[test]
fn an_embedder_of_one_is_an_embedder_of_the_other() {
    let expected = vec![(4 + 9 + 12 + 1000 + 77, 8, true); 4];
    assert_eq!(upstream::run(), expected);
    assert_eq!(ours::run(), expected);
    assert_eq!(cranelift_jit::VERSION, rekindle_cranelift::VERSION);
}

//! What `rekindle-cranelift` keeps beside code, and the record of a program's declarations.

use std::fs;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, InstBuilder, types};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{
    DataDescription, FuncOrDataId, Linkage, Module, ModuleResult, default_libcall_names,
};
use rekindle_cranelift::{Cache, JITBuilder, JITModule, KeyBuilder, fuzzing};
use rekindle_store::Secret;
use rekindle_store::image::fuzzing as image;

use super::sample::Sample;
use super::subject::{Subject, mixed};
use crate::call;

/// A function's metadata.
pub(super) struct Tables;

impl Tables {
    pub(super) fn subject() -> Box<dyn Subject> {
        Box::new(Self)
    }
}

impl Subject for Tables {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
        vec![
            bytes(&[2, 0, 0]),
            // A map of two values, and a call with a handler of each kind.
            bytes(&[
                21,
                1,
                8,
                32,
                2,
                64,
                0,
                32,
                8,
                1,
                9,
                u32::MAX,
                4,
                0,
                5,
                40,
                1,
                0,
                44,
                2,
                16,
                0,
                3,
                6,
                0,
            ]),
        ]
    }

    fn numbers(&self, input: &[u8]) -> Vec<Range<usize>> {
        vec![0..4, 4..input.len()]
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        let Some(tables) = fuzzing::function_tables(input) else {
            return 1;
        };
        let entries = tables.stack_maps.iter().map(|map| map.entries.len() + 1);
        let handlers = tables.call_sites.iter().map(|site| site.handlers.len() + 1);
        let count: usize = entries.chain(handlers).sum();
        assert!(count <= input.len(), "more than the bytes can say");
        mixed([
            tables.stack_maps.len() as u64,
            tables.call_sites.len() as u64,
            count as u64,
        ])
    }
}

/// A module's program, opened by another module: nothing of it is run.
pub(super) struct Programs {
    sample: Sample,
    secret: Secret,
    file: PathBuf,
    seed: Vec<u8>,
}

impl Programs {
    pub(super) fn subject() -> Box<dyn Subject> {
        let sample = Sample::empty();
        define(&mut module(&sample.open())).expect("a sound program");
        let images = sample.images().into_iter();
        // The functions are kept for themselves, too.
        let file =
            images.max_by_key(|file| fs::metadata(file).map_or(0, |metadata| metadata.len()));
        let file = file.expect("the program was kept");
        Box::new(Self {
            secret: sample.secret(),
            seed: fs::read(&file).expect("readable"),
            file,
            sample,
        })
    }
}

fn module(cache: &Cache) -> JITModule {
    let mut builder = JITBuilder::new(default_libcall_names()).expect("this machine is known");
    builder.cache(cache.clone()).scope("fuzz");
    builder.symbol("host", std::ptr::null());
    JITModule::new(builder)
}

/// Defines or finds the program. Returns whether it was found.
fn define(module: &mut JITModule) -> ModuleResult<bool> {
    let key = KeyBuilder::new("fuzz/program").finish();
    module.define_program(&key, |module| {
        let mut signature = module.make_signature();
        signature.params.push(AbiParam::new(types::I64));
        signature.returns.push(AbiParam::new(types::I64));
        let host = module.declare_function("host", Linkage::Import, &signature)?;
        let data = module.declare_data("data", Linkage::Export, true, false)?;
        let mut contents = DataDescription::new();
        contents.define(vec![1; 64].into());
        module.define_data(data, &contents)?;
        for name in ["first", "second", "third"] {
            let id = module.declare_function(name, Linkage::Export, &signature)?;
            let mut context = Context::new();
            context.func.signature = signature.clone();
            let mut frontend = FunctionBuilderContext::new();
            let mut body = FunctionBuilder::new(&mut context.func, &mut frontend);
            let block = body.create_block();
            body.append_block_params_for_function_params(block);
            body.switch_to_block(block);
            let host = module.declare_func_in_func(host, body.func);
            let argument = body.block_params(block)[0];
            let call = body.ins().call(host, &[argument]);
            let result = body.inst_results(call)[0];
            body.ins().return_(&[result]);
            body.seal_all_blocks();
            body.finalize(module.target_config());
            module.define_function(id, &mut context)?;
        }
        Ok(())
    })
}

/// Finalizes a module. As in `cranelift-jit`, a name that nothing has is a panic, and a changed image may
/// name what nobody has.
fn finalized(module: &mut JITModule) -> u64 {
    match catch_unwind(AssertUnwindSafe(|| module.finalize_definitions())) {
        Ok(finalized) => u64::from(finalized.is_ok()),
        Err(payload) => match payload.downcast_ref::<String>() {
            Some(text) if text.starts_with("can't resolve symbol") => 2,
            _ => resume_unwind(payload),
        },
    }
}

impl Subject for Programs {
    fn seeds(&self) -> Vec<Vec<u8>> {
        vec![self.seed.clone()]
    }

    fn numbers(&self, input: &[u8]) -> Vec<Range<usize>> {
        let mut numbers = image::numbers(input);
        // The program part, whole: the record of declarations is in it.
        numbers.extend(image::program(input));
        numbers
    }

    fn repair(&self, input: &mut Vec<u8>) {
        image::seal(input, &self.secret);
    }

    fn check(&mut self, input: &[u8]) -> u64 {
        // A file that is mapped is never written.
        drop(fs::remove_file(&self.file));
        fs::write(&self.file, input).expect("space");
        // What is built in its place isn't kept.
        let cache = self.sample.open_to_read();
        let mut module = module(&cache);
        let found = define(&mut module);
        let mut way = vec![found.map_or(2, u64::from)];
        for name in ["first", "third", "data", "host", "none"] {
            way.push(match module.get_name(name) {
                Some(FuncOrDataId::Func(id)) => {
                    let tables = module.function_tables(id);
                    4 + u64::from(tables.is_some())
                }
                Some(FuncOrDataId::Data(_)) => 6,
                None => 7,
            });
        }
        way.push(finalized(&mut module));
        let declarations = module.declarations();
        way.push(declarations.get_functions().count().min(9) as u64);
        call::free(module);
        mixed(way)
    }
}

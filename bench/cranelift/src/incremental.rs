//! Cranelift's `incremental_cache`, whose blobs lie in one file, over `cranelift-jit`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use cranelift_codegen::incremental_cache::CacheKvStore;
use cranelift_control::ControlPlane;
use cranelift_frontend::FunctionBuilderContext;
use cranelift_module::{Module, ModuleReloc};
use rekindle_bench::population::signature;

use crate::{POPULATION, Run, call_all, upstream};

/// The file: key (32 bytes), length (8 bytes), blob, and so on.
#[derive(Default)]
struct Blobs {
    bytes: Vec<u8>,
    ranges: HashMap<[u8; 32], (usize, usize)>,
}

impl Blobs {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        let mut ranges = HashMap::new();
        let mut at = 0;
        while let Some(head) = bytes.get(at..at + 40) {
            let key = head[..32].try_into().expect("32 bytes");
            let len = u64::from_le_bytes(head[32..].try_into().expect("8 bytes")) as usize;
            ranges.insert(key, (at + 40, len));
            at += 40 + len;
        }
        Self { bytes, ranges }
    }
}

impl CacheKvStore for Blobs {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let (start, len) = *self.ranges.get(key)?;
        Some(Cow::Borrowed(&self.bytes[start..start + len]))
    }

    fn insert(&mut self, key: &[u8], blob: Vec<u8>) {
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(&(blob.len() as u64).to_le_bytes());
        self.ranges.insert(key.try_into().expect("32 bytes"), (self.bytes.len(), blob.len()));
        self.bytes.extend_from_slice(&blob);
    }
}

/// Compiles or decodes everything.
pub fn run(folder: &Path) -> anyhow::Result<Run> {
    let path = folder.join("incremental.blobs");
    let mut run = Run::default();
    let start = Instant::now();
    let mut blobs = Blobs::read(&path);
    let mut module = upstream::module();
    let declared = POPULATION.declare(&mut module)?;
    let mut ctx = module.make_context();
    let mut frontend = FunctionBuilderContext::new();
    for (index, id) in declared.functions.iter().enumerate() {
        module.clear_context(&mut ctx);
        ctx.func.signature = signature(&module);
        POPULATION.build(&mut module, &declared, index, &mut ctx.func, &mut frontend);
        let (_, hit) = ctx
            .compile_with_cache(module.isa(), &mut blobs, &mut ControlPlane::default())
            .map_err(|error| anyhow::anyhow!("{:?}", error.inner))?;
        run.loaded += usize::from(hit);
        let compiled = ctx.compiled_code().expect("just compiled");
        let alignment = u64::from(compiled.buffer.alignment);
        let code = compiled.code_buffer().to_vec();
        let relocs: Vec<ModuleReloc> = compiled
            .buffer
            .relocs()
            .iter()
            .map(|reloc| ModuleReloc::from_mach_reloc(reloc, &ctx.func, *id))
            .collect();
        module.define_function_bytes(*id, alignment, &code, &relocs)?;
    }
    module.finalize_definitions()?;
    let functions: Vec<_> =
        declared.functions.iter().map(|id| module.get_finalized_function(*id)).collect();
    run.ready = start.elapsed();
    let start = Instant::now();
    if run.loaded == 0 {
        std::fs::write(&path, &blobs.bytes)?;
    }
    run.keep = start.elapsed();
    call_all(&mut run, &functions);
    Ok(run)
}

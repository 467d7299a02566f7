//! What a key over CLIF costs: our walk over it, and Cranelift's own `derive(Hash)`, both into BLAKE3.

use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use cranelift_codegen::ir::Function;
use cranelift_frontend::FunctionBuilderContext;
use rekindle_bench::population::signature;
use rekindle_cranelift::Cache;

use crate::{POPULATION, ours};

/// Gathers what it is given, since BLAKE3 is fast over blocks alone.
struct Buffered {
    hasher: blake3::Hasher,
    block: Vec<u8>,
}

const BLOCK_LEN: usize = 16 << 10;

impl Hasher for Buffered {
    fn write(&mut self, bytes: &[u8]) {
        if self.block.len() + bytes.len() > BLOCK_LEN {
            self.hasher.update(&self.block);
            self.block.clear();
        }
        self.block.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the digest is asked for")
    }
}

/// Prints the least time of both for all functions, in turns.
pub fn run() -> anyhow::Result<()> {
    let mut module = ours::module(&Cache::in_memory(), "keys");
    let declared = POPULATION.declare(&mut module)?;
    let mut frontend = FunctionBuilderContext::new();
    let mut functions = Vec::new();
    for (index, id) in declared.functions.iter().enumerate() {
        let mut func = Function::new();
        func.signature = signature(&module);
        POPULATION.build(&mut module, &declared, index, &mut func, &mut frontend);
        functions.push((*id, func));
    }
    let mut least = [Duration::MAX; 2];
    for _ in 0..9 {
        let start = Instant::now();
        for (id, func) in &functions {
            core::hint::black_box(module.function_key(*id, func));
        }
        least[0] = least[0].min(start.elapsed());
        let start = Instant::now();
        for (_, func) in &functions {
            let mut hasher =
                Buffered { hasher: blake3::Hasher::new(), block: Vec::with_capacity(BLOCK_LEN) };
            func.stencil.hash(&mut hasher);
            core::hint::black_box(hasher.hasher.update(&hasher.block).finalize());
        }
        least[1] = least[1].min(start.elapsed());
    }
    let [walk, derived] = least;
    println!("walk_ns={} derived_ns={}", walk.as_nanos(), derived.as_nanos());
    Ok(())
}

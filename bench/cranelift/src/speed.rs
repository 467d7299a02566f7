//! How fast compiled code runs: calls between functions, fresh from `cranelift-jit` and cached.

use std::path::Path;
use std::time::Instant;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{AbiParam, InstBuilder, types};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId, Linkage, Module};

use crate::{ours, upstream};

type Unary = extern "C" fn(i64) -> i64;

/// `even(n) = n == 0 ? 1 : odd(n - 1) + odd(n - 2)`-like mutual recursion: nothing but calls.
fn define(module: &mut dyn Module) -> anyhow::Result<FuncId> {
    let mut signature = module.make_signature();
    signature.params.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::I64));
    let names = ["left", "right"];
    let ids = names
        .map(|name| module.declare_function(name, Linkage::Export, &signature))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    for (own, other) in [(ids[0], ids[1]), (ids[1], ids[0])] {
        let mut ctx = module.make_context();
        ctx.func.signature = signature.clone();
        let mut frontend = FunctionBuilderContext::new();
        let mut body = FunctionBuilder::new(&mut ctx.func, &mut frontend);
        let [entry, more, done] = [(); 3].map(|()| body.create_block());
        body.append_block_params_for_function_params(entry);
        body.switch_to_block(entry);
        let n = body.block_params(entry)[0];
        let small = body.ins().icmp_imm_s(IntCC::SignedLessThan, n, 2);
        body.ins().brif(small, done, &[], more, &[]);
        body.switch_to_block(done);
        body.ins().return_(&[n]);
        body.switch_to_block(more);
        let other = module.declare_func_in_func(other, body.func);
        let mut sum = None;
        for less in [-1, -2] {
            let argument = body.ins().iadd_imm_s(n, less);
            let call = body.ins().call(other, &[argument]);
            let result = body.inst_results(call)[0];
            sum = Some(match sum {
                None => result,
                Some(sum) => body.ins().iadd(sum, result),
            });
        }
        body.ins().return_(&[sum.expect("two calls")]);
        body.seal_all_blocks();
        body.finalize(module.target_config());
        module.define_function(own, &mut ctx)?;
    }
    Ok(ids[0])
}

/// Prints the least times of both, in turns.
pub fn run(folder: &Path) -> anyhow::Result<()> {
    let mut fresh = upstream::module();
    let id = define(&mut fresh)?;
    fresh.finalize_definitions()?;
    let fresh = fresh.get_finalized_function(id);
    let cache = ours::cache(folder);
    let mut cached = ours::module(&cache, "speed");
    let id = define(&mut cached)?;
    cached.finalize_definitions()?;
    let address = cached.get_finalized_function(id);
    let mut least = [u128::MAX; 2];
    for _ in 0..15 {
        for (least, address) in least.iter_mut().zip([fresh, address]) {
            // SAFETY: the function has this type, and its module lives.
            let function = unsafe { core::mem::transmute::<*const u8, Unary>(address) };
            let start = Instant::now();
            anyhow::ensure!(function(32) == 2_178_309, "a wrong number");
            *least = (*least).min(start.elapsed().as_nanos());
        }
    }
    let loaded = u8::from(cached.is_loaded(id) == Some(true));
    println!("fresh_ns={} cached_ns={} loaded={loaded}", least[0], least[1]);
    Ok(())
}

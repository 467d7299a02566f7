//! One run of one rival over the standard population of functions; see `cargo xtask compare
//! cranelift`.
//!
//! `cranelift-rivals RIVAL FOLDER` builds, compiles or loads all functions, then calls each once,
//! and prints what that took as one line of `name=number` pairs. What a rival keeps for its next
//! run lies in FOLDER.

mod dynamic;
mod incremental;
mod keys;
mod ours;
mod speed;
mod upstream;

use std::path::Path;
use std::time::{Duration, Instant};

use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use rekindle_bench::population::Population;

/// What one run measured.
#[derive(Debug, Default)]
pub struct Run {
    /// From nothing to the addresses of all functions.
    pub ready: Duration,
    /// Of that, mapping and binding: without what prepares for compiling.
    pub load: Duration,
    /// Writing what the next run starts from.
    pub keep: Duration,
    /// Calling every function once.
    pub call: Duration,
    /// What the calls returned, folded.
    pub checksum: i64,
    /// Functions that weren't compiled.
    pub loaded: usize,
}

/// The functions' type.
pub type Compiled = extern "C" fn(i64, i64, i64) -> i64;

/// What all rivals run.
pub const POPULATION: Population = Population::STANDARD;

/// Calls all functions once.
pub fn call_all(run: &mut Run, functions: &[*const u8]) {
    let start = Instant::now();
    for (index, &address) in functions.iter().enumerate() {
        // SAFETY: the population's functions have this type, and their modules live.
        let function = unsafe { core::mem::transmute::<*const u8, Compiled>(address) };
        let result = function(index as i64, 7, 2);
        run.checksum = run.checksum.wrapping_mul(31).wrapping_add(result);
    }
    run.call = start.elapsed();
}

/// The host's ISA with the flags that all rivals use.
pub fn isa(is_pic: bool) -> OwnedTargetIsa {
    let mut flags = settings::builder();
    for (name, value) in FLAGS {
        flags.set(name, value).expect("a flag of Cranelift");
    }
    flags.set("use_colocated_libcalls", "false").expect("a flag of Cranelift");
    flags.set("is_pic", if is_pic { "true" } else { "false" }).expect("a flag of Cranelift");
    let builder = cranelift_native::builder().expect("a machine that Cranelift knows");
    builder.finish(settings::Flags::new(flags)).expect("flags that fit")
}

const FLAGS: [(&str, &str); 2] = [("opt_level", "speed"), ("enable_verifier", "false")];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, rival, folder] = &arguments[..] else {
        anyhow::bail!("usage: cranelift-rivals RIVAL FOLDER");
    };
    let folder = Path::new(folder);
    let run = match rival.as_str() {
        "upstream" => upstream::run()?,
        "incremental" => incremental::run(folder)?,
        "ours" => ours::run(folder, ours::Level::Clif)?,
        "ours-keyed" => ours::run(folder, ours::Level::Keyed)?,
        "ours-program" => ours::run_program(folder, false)?,
        "ours-program-all" => ours::run_program(folder, true)?,
        "ours-off" => ours::run_without_cache()?,
        "dynamic" => dynamic::run(folder)?,
        "keys" => return keys::run(),
        "speed" => return speed::run(folder),
        _ => anyhow::bail!("no such rival: {rival}"),
    };
    let Run { ready, load, keep, call, checksum, loaded } = run;
    println!(
        "ready_ns={} load_ns={} keep_ns={} call_ns={} loaded={loaded} checksum={checksum}",
        ready.as_nanos(),
        load.as_nanos(),
        keep.as_nanos(),
        call.as_nanos(),
    );
    Ok(())
}

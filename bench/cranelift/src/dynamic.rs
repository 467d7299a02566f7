//! A shared library of the same functions, opened by the dynamic linker.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use cranelift_frontend::FunctionBuilderContext;
use cranelift_module::{Module, default_libcall_names};
use cranelift_object::{ObjectBuilder, ObjectModule};
use rekindle_bench::population::{self, function_name, signature};

use crate::{POPULATION, Run, call_all, isa};

/// What the library imports from this program.
#[unsafe(no_mangle)]
extern "C" fn host_mix(a: i64, b: i64) -> i64 {
    population::host_mix(a, b)
}

/// What the library imports from this program.
#[unsafe(no_mangle)]
extern "C" fn host_fold(a: i64, b: i64) -> i64 {
    population::host_fold(a, b)
}

/// Opens the library, which the first run makes, and finds all functions.
pub fn run(folder: &Path) -> anyhow::Result<Run> {
    let path = folder.join("population.so");
    let mut run = Run::default();
    if !path.exists() {
        make(folder, &path)?;
    } else {
        run.loaded = POPULATION.functions;
    }
    let names: Vec<CString> = (0..POPULATION.functions)
        .map(|index| CString::new(function_name(index)))
        .collect::<Result<_, _>>()?;
    let path = CString::new(path.as_os_str().as_bytes())?;
    let start = Instant::now();
    // SAFETY: the library was made below; it runs nothing when it is opened.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    anyhow::ensure!(!library.is_null(), "dlopen failed");
    let functions: Vec<*const u8> = names
        .iter()
        // SAFETY: the handle is open, and the names are C strings.
        .map(|name| unsafe { libc::dlsym(library, name.as_ptr()) }.cast_const().cast())
        .collect();
    run.ready = start.elapsed();
    run.load = run.ready;
    anyhow::ensure!(functions.iter().all(|address| !address.is_null()), "dlsym failed");
    call_all(&mut run, &functions);
    Ok(run)
}

fn make(folder: &Path, path: &Path) -> anyhow::Result<()> {
    let builder = ObjectBuilder::new(isa(true), "population", default_libcall_names())?;
    let mut module = ObjectModule::new(builder);
    let declared = POPULATION.declare(&mut module)?;
    let mut ctx = module.make_context();
    let mut frontend = FunctionBuilderContext::new();
    for (index, id) in declared.functions.iter().enumerate() {
        module.clear_context(&mut ctx);
        ctx.func.signature = signature(&module);
        POPULATION.build(&mut module, &declared, index, &mut ctx.func, &mut frontend);
        module.define_function(*id, &mut ctx)?;
    }
    let object = folder.join("population.o");
    std::fs::write(&object, module.finish().emit()?)?;
    let status = Command::new("cc")
        .args(["-shared", "-Wl,-Bsymbolic", "-o"])
        .args([path, &object])
        .status()
        .context("cc links the shared library")?;
    anyhow::ensure!(status.success(), "cc failed");
    Ok(())
}

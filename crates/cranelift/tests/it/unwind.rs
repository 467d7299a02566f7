//! Panics, C++ exceptions and backtraces through compiled frames: fresh ones, and cached ones in a
//! new process, whichever way they were found.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::path::Path;
use std::process::Command;

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, StackSlotData, StackSlotKind, types};
use cranelift_module::{FuncOrDataId, Linkage, Module, ModuleError, default_libcall_names};
use rekindle_cranelift::{JITBuilder, JITModule, KeyBuilder};

use crate::support::{Home, build, childs_folder, declare, in_new_process, open, signature};

/// How functions are found.
const WAYS: [&str; 3] = ["clif", "keyed", "program"];

type Unary = extern "C-unwind" fn(i64) -> i64;

thread_local! {
    static INNER: Cell<Option<Unary>> = const { Cell::new(None) };
    static DROPPED: Cell<u32> = const { Cell::new(0) };
    static FRAMES: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        DROPPED.set(DROPPED.get() + 1);
    }
}

/// Calls compiled code again from compiled code, with something to drop between.
extern "C-unwind" fn host_again(value: i64) -> i64 {
    let _guard = Guard;
    match INNER.get() {
        Some(inner) => inner(value),
        None => value,
    }
}

/// Notes who is on the stack, and panics unless it is asked for nothing.
extern "C-unwind" fn host_panic(value: i64) -> i64 {
    FRAMES.with_borrow_mut(|frames| *frames = frames_here());
    if value == 0 {
        TEXT.set(std::backtrace::Backtrace::force_capture().to_string());
        return 0;
    }
    panic_any(value)
}

/// The addresses to which the functions on the stack return, innermost first.
fn frames_here() -> Vec<usize> {
    unsafe extern "C" {
        fn _Unwind_Backtrace(
            visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
            frames: *mut c_void,
        ) -> c_int;
        fn _Unwind_GetIP(context: *mut c_void) -> usize;
    }
    extern "C" fn visit(context: *mut c_void, frames: *mut c_void) -> c_int {
        // SAFETY: the unwinder passes on the vector that it was given.
        let frames = unsafe { &mut *frames.cast::<Vec<usize>>() };
        // SAFETY: the context is the unwinder's own.
        frames.push(unsafe { _Unwind_GetIP(context) });
        0
    }
    let mut frames = Vec::new();
    // SAFETY: the vector outlives the call, and the callback doesn't unwind.
    unsafe { _Unwind_Backtrace(visit, (&raw mut frames).cast()) };
    frames
}

/// `outer(x) = middle(x) + x`, `middle(x) = throw(x)`, with a stack slot and values that live in
/// registers across the calls. `throw` is `host_panic`, `again` calls `middle` from the host.
fn module(folder: &Path, way: &str, throw: *const u8) -> JITModule {
    let pointers = std::env::var("REKINDLE_TEST_FRAME_POINTERS").unwrap_or("false".to_owned());
    let flags = [("preserve_frame_pointers", pointers.as_str())];
    let mut builder = JITBuilder::with_flags(&flags, default_libcall_names()).expect("a flag");
    builder.cache(open(folder)).scope("test");
    builder.symbol("again", host_again as *const u8);
    builder.symbol("throw", throw);
    let mut module = JITModule::new(builder);
    let key = KeyBuilder::new("test/unwind").str(way).finish();
    if way == "program" {
        let found = module.define_program(&key, |module| define_all(module, "clif"));
        found.expect("sound");
    } else {
        define_all(&mut module, way).expect("sound");
    }
    module.finalize_definitions().expect("all is defined");
    module
}

fn define_all(module: &mut JITModule, way: &str) -> Result<(), ModuleError> {
    let [outer, middle] = ["outer", "middle"].map(|name| declare(module, name, 1));
    let one = signature(module, 1);
    let throw = module.declare_function("throw", Linkage::Import, &one)?;
    let again = module.declare_function("again", Linkage::Import, &one)?;
    for (id, callees) in [(outer, [again, middle]), (middle, [throw, throw])] {
        let mut ctx = module.make_context();
        let make = |module: &mut JITModule, ctx: &mut cranelift_codegen::Context| {
            build(module, ctx, id, &mut |module, body, params| {
                let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, 64, 4);
                let slot = body.create_sized_stack_slot(slot);
                let slot = body.ins().stack_addr(types::I64, slot, 0);
                let flags = MemFlagsData::trusted();
                body.ins().store(flags, params[0], slot, 40);
                let mut sum = params[0];
                for (index, callee) in callees.into_iter().enumerate() {
                    // The second is called when the first returned, with what is still in a register.
                    let callee = module.declare_func_in_func(callee, body.func);
                    let call = body.ins().call(callee, &[params[0]]);
                    let value = body.inst_results(call)[0];
                    let kept = body.ins().load(types::I64, flags, slot, 40);
                    sum = body.ins().iadd(sum, value);
                    sum = body.ins().imul_imm_s(sum, 3 + index as i64);
                    sum = body.ins().iadd(sum, kept);
                }
                sum
            });
            Ok::<_, ModuleError>(())
        };
        if way == "keyed" {
            let key = KeyBuilder::new("test/unwind").u64(id.as_u32().into());
            module.define_trusting_key(&key.finish(), id, make)?;
        } else {
            make(module, &mut ctx)?;
            module.define_function(id, &mut ctx)?;
        }
    }
    Ok(())
}

fn function(module: &JITModule, name: &str) -> Unary {
    let Some(FuncOrDataId::Func(id)) = module.get_name(name) else {
        panic!("{name} is a function")
    };
    let address = module.get_finalized_function(id);
    // SAFETY: the functions have this type, and modules leak their code.
    unsafe { core::mem::transmute::<*const u8, Unary>(address) }
}

/// Whether all of the module's functions came from the cache.
fn all_loaded(module: &JITModule) -> bool {
    ["outer", "middle"].iter().all(|name| {
        let Some(FuncOrDataId::Func(id)) = module.get_name(name) else {
            panic!("{name} is a function")
        };
        module.is_loaded(id) == Some(true)
    })
}

#[inline(never)]
fn outermost_function_of_the_host(function: Unary, value: i64) -> i64 {
    core::hint::black_box(function(core::hint::black_box(value)))
}

/// Runs `test` of this file as a child cold and warm, each way, with and without frame pointers.
fn in_all_ways(test: &str) {
    for way in WAYS {
        for pointers in ["false", "true"] {
            let home = Home::new();
            let folder = home.path().join("cache");
            let variables = [
                ("REKINDLE_TEST_WAY", way),
                ("REKINDLE_TEST_FRAME_POINTERS", pointers),
            ];
            for expected in ["false", "true"] {
                let result = in_new_process(test, &folder, &variables);
                assert_eq!(result, expected, "{test}: {way}, frame pointers {pointers}");
            }
        }
    }
}

fn way() -> String {
    std::env::var("REKINDLE_TEST_WAY").expect("the parent says")
}

#[test]
fn a_panic_unwinds() {
    let Some(folder) = childs_folder() else {
        return in_all_ways("unwind::a_panic_unwinds");
    };
    let module = module(&folder, &way(), host_panic as *const u8);
    let outer = function(&module, "outer");
    std::panic::set_hook(Box::new(|_| {}));
    // Through `middle` alone, then through `outer`, the host and `middle`.
    for inner in [None, Some(function(&module, "middle"))] {
        INNER.set(inner);
        DROPPED.set(0);
        let kept = core::hint::black_box([5_i64, 7, 11, 13]);
        let call = AssertUnwindSafe(|| outermost_function_of_the_host(outer, 42));
        let payload = catch_unwind(call).expect_err("it panics");
        assert_eq!(payload.downcast_ref::<i64>(), Some(&42));
        assert_eq!((DROPPED.get(), kept.iter().sum::<i64>()), (1, 36));
    }
    println!("result: {}", all_loaded(&module));
}

#[test]
fn a_backtrace_shows_and_names_every_frame() {
    let Some(folder) = childs_folder() else {
        return in_all_ways("unwind::a_backtrace_shows_and_names_every_frame");
    };
    let module = module(&folder, &way(), host_panic as *const u8);
    INNER.set(Some(function(&module, "middle")));
    assert_eq!(
        outermost_function_of_the_host(function(&module, "outer"), 0),
        0
    );
    // The last call that returned was of `middle` by `outer`.
    let frames = FRAMES.take();
    let names = frames.iter().filter_map(|address| {
        let call = core::ptr::without_provenance::<u8>(address.wrapping_sub(1));
        Some(module.locate(call)?.name)
    });
    assert_eq!(names.collect::<Vec<_>>(), ["middle", "outer"]);
    // What lies beyond the compiled frames is reached.
    let text = TEXT.take();
    assert!(text.contains("outermost_function_of_the_host"), "{text}");
    println!("result: {}", all_loaded(&module));
}

const THROWING: &str = r#"
extern "C" long throwing(long value) { if (value) throw value; return 0; }
extern "C" long catching(long (*function)(long), long value) {
    try { return function(value); } catch (long thrown) { return thrown + 1000; }
}
"#;

/// Compiles the library above; false where there is no C++ compiler.
fn compile(library: &Path) -> bool {
    let source = library.with_extension("cc");
    std::fs::write(&source, THROWING).expect("space");
    let status = Command::new("c++")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([library, &source])
        .status();
    status.is_ok_and(|status| status.success())
}

/// The addresses of the library's two functions.
fn load(library: &Path) -> [*const c_void; 2] {
    unsafe extern "C" {
        fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
        fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    let path = CString::new(library.to_str().expect("text")).expect("no zero");
    // SAFETY: the library runs nothing when it is loaded.
    let handle = unsafe { dlopen(path.as_ptr(), 2) };
    assert!(!handle.is_null(), "the library can be loaded");
    [c"throwing", c"catching"].map(|name| {
        // SAFETY: the handle is open for good.
        unsafe { dlsym(handle, name.as_ptr()) }.cast_const()
    })
}

#[test]
fn a_cplusplus_exception_unwinds() {
    let Some(folder) = childs_folder() else {
        return in_all_ways("unwind::a_cplusplus_exception_unwinds");
    };
    let library = folder.with_file_name("throwing.so");
    if !compile(&library) {
        // Nothing to see without a compiler: as the parent expects, cold and then warm.
        println!("result: {}", folder.exists());
        std::fs::create_dir_all(&folder).expect("ours");
        return;
    }
    let [throwing, catching] = load(&library);
    let module = module(&folder, &way(), throwing.cast());
    INNER.set(Some(function(&module, "middle")));
    // SAFETY: the library's function has this type.
    let catching = unsafe {
        core::mem::transmute::<*const c_void, extern "C" fn(Unary, i64) -> i64>(catching)
    };
    assert_eq!(catching(function(&module, "outer"), 7), 1007);
    assert_eq!(DROPPED.get(), 1);
    assert_eq!(catching(function(&module, "outer"), 0), 0);
    println!("result: {}", all_loaded(&module));
}

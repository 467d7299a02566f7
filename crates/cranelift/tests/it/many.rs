//! Very many modules in one process, each of which leaves its code behind when it is dropped.

use std::process::Command;

use cranelift_codegen::ir::InstBuilder;
use cranelift_module::Module;
use rekindle_cranelift::{Cache, JITModule};

use crate::support::{Home, build, builder, call, childs_folder, declare, open};

/// A module with one function. Returns what that gives, or why there is none.
fn one(cache: &Cache, number: i64) -> Result<i64, String> {
    let mut module = JITModule::new(builder(cache));
    let id = declare(&mut module, "add", 1);
    let mut ctx = module.make_context();
    build(&mut module, &mut ctx, id, &mut |_, body, params| {
        body.ins().iadd_imm_s(params[0], number)
    });
    module
        .define_function(id, &mut ctx)
        .map_err(|error| error.to_string())?;
    module
        .finalize_definitions()
        .map_err(|error| error.to_string())?;
    Ok(call(&module, id, 1))
}

/// Has the heap hold memory for what follows, so that it isn't the heap that finds no address space:
/// that would end the process, whoever took the last of it.
fn keep_heap_apart() {
    let mut pieces: Vec<Box<[u8; 1024]>> = (0..40_000).map(|_| Box::new([1; 1024])).collect();
    // The last piece keeps the C library from giving back what is before it.
    std::mem::forget(pieces.pop());
}

/// Runs a test of this program in a process that may have so much address space.
fn with_address_space(test: &str, kib: u64, folder: &std::path::Path) -> String {
    let program = std::env::current_exe().expect("this program");
    let command =
        format!("ulimit -v {kib}; exec \"$0\" --exact {test} --nocapture --test-threads=1");
    let output = Command::new("sh")
        .args(["-c", &command])
        .arg(program)
        .env("REKINDLE_TEST_FOLDER", folder)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

#[test]
fn hundreds_of_modules_need_little_address_space() {
    if let Some(folder) = childs_folder() {
        let cache = open(&folder);
        for number in 0..300 {
            assert_eq!(one(&cache, number), Ok(number + 1));
        }
        let statistics = cache.statistics();
        println!("result: {}", statistics.entries_loaded);
        return;
    }
    let home = Home::new();
    let folder = home.path().join("cache");
    let test = "many::hundreds_of_modules_need_little_address_space";
    let run = || with_address_space(test, 1 << 20, &folder);
    assert!(run().contains("result: 0"));
    assert!(run().contains("result: 300"));
}

#[test]
fn without_address_space_for_images_code_is_compiled() {
    if let Some(folder) = childs_folder() {
        keep_heap_apart();
        let cache = open(&folder);
        let mut failed = None;
        let mut count = 0;
        for number in 0..20_000 {
            match one(&cache, number % 300) {
                Ok(result) => assert_eq!(result, number % 300 + 1),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
            count += 1;
        }
        // An error of the embedder's own memory, which it was told of; nothing ended the process.
        println!("result: {count} {failed:?}");
        return;
    }
    let home = Home::new();
    let folder = home.path().join("cache");
    let cache = open(&folder);
    for number in 0..300 {
        assert_eq!(one(&cache, number), Ok(number + 1));
    }
    let test = "many::without_address_space_for_images_code_is_compiled";
    let text = with_address_space(test, 400 << 10, &folder);
    assert!(text.contains("result: "), "{text}");
}

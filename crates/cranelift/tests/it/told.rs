//! What a person hears on standard error: why nothing is kept, once, if somebody asked for a cache.

use std::path::Path;
use std::process::Command;

use cranelift_codegen::ir::InstBuilder;
use cranelift_module::default_libcall_names;
use rekindle_cranelift::{JITBuilder, JITModule};

use crate::support::{Home, declare, define};

/// Compiles two functions in two modules, as a program does that knows nothing of the cache.
#[test]
fn child_that_compiles() {
    if std::env::var_os("REKINDLE_TEST_TOLD").is_none() {
        return;
    }
    for name in ["f", "g"] {
        let libcalls = default_libcall_names();
        let mut module = JITModule::new(JITBuilder::new(libcalls).expect("flags that exist"));
        let id = declare(&mut module, name, 1);
        define(&mut module, id, &mut |_, body, params| {
            body.ins().iadd_imm_s(params[0], 1)
        });
        module.finalize_definitions().expect("all is defined");
    }
    println!("result: done");
}

/// What of ours such a program prints on standard error, with these variables and this home.
fn told(home: &Path, variables: &[(&str, &Path)]) -> Vec<String> {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "told::child_that_compiles", "--nocapture"])
        .env_remove("REKINDLE_CACHE_DIR")
        .env_remove("REKINDLE_CACHE")
        .env("XDG_CACHE_HOME", home)
        .env("REKINDLE_TEST_TOLD", "1")
        .envs(variables.iter().copied())
        .output()
        .expect("it runs");
    let (text, errors) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&text);
    assert!(
        output.status.success() && text.contains("result: done"),
        "{text}{errors}"
    );
    let ours = errors.lines().filter(|line| line.contains("rekindle"));
    ours.map(str::to_owned).collect()
}

#[test]
fn who_asked_for_a_cache_hears_once_why_nothing_is_kept() {
    let home = Home::new();
    let in_the_way = home.path().join("file");
    std::fs::write(&in_the_way, "not a folder").expect("space");
    let lines = told(home.path(), &[("REKINDLE_CACHE_DIR", &in_the_way)]);
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(line.starts_with("rekindle: nothing is kept: "), "{line}");
    assert!(line.contains("file"), "it says where: {line}");
}

#[test]
fn who_asked_for_nothing_hears_nothing() {
    let home = Home::new();
    let in_the_way = home.path().join("file");
    std::fs::write(&in_the_way, "not a folder").expect("space");
    assert!(told(&in_the_way, &[]).is_empty());
    let off = Path::new("off");
    assert!(told(&in_the_way, &[("REKINDLE_CACHE", off)]).is_empty());
}

#[test]
fn who_has_a_cache_hears_nothing() {
    let home = Home::new();
    let folder = home.path().join("cache");
    for _ in 0..2 {
        assert!(told(home.path(), &[("REKINDLE_CACHE_DIR", &folder)]).is_empty());
    }
}

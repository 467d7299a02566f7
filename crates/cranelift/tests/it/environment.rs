//! What the environment's variables do to an embedder that says nothing itself.

use std::path::Path;

#[cfg(since_0_135)]
use cranelift_codegen::ir::InstBuilder;
use cranelift_module::default_libcall_names;
use rekindle_cranelift::{JITBuilder, JITModule};

#[cfg(not(since_0_135))]
use crate::support::Immediates;
use crate::support::{Home, builder, call, childs_folder, declare, define, in_new_process};

/// Compiles or finds one function. Returns what it returns, and how many were found.
fn run() -> (i64, u64) {
    let builder = JITBuilder::new(default_libcall_names()).expect("a known host");
    let mut module = JITModule::new(builder);
    let id = declare(&mut module, "thrice", 1);
    define(&mut module, id, &mut |_, body, params| {
        body.ins().imul_imm_s(params[0], 3)
    });
    module.finalize_definitions().expect("all is defined");
    let result = call(&module, id, 14);
    (result, module.cache_statistics().entries_loaded)
}

#[test]
fn variables_configure_the_cache() {
    if childs_folder().is_some() {
        let (result, loaded) = run();
        println!("result: {result} {loaded}");
        return;
    }
    let home = Home::new();
    let folder = home.path().join("cache");
    let log = home.path().join("log");
    let child = |variables: &[(&str, &str)]| {
        let path = |path: &Path| path.to_str().expect("a plain path").to_owned();
        let (folder, log) = (path(&folder), path(&log));
        let mut all = vec![
            ("REKINDLE_CACHE_DIR", &*folder),
            ("REKINDLE_LOG", &log),
            ("REKINDLE_CACHE", "on"),
            ("REKINDLE_VERIFY", ""),
        ];
        all.extend(variables);
        let test = "environment::variables_configure_the_cache";
        in_new_process(test, folder.as_ref(), &all)
    };
    for mode in ["off", "ro"] {
        assert_eq!(child(&[("REKINDLE_CACHE", mode)]), "42 0");
        assert!(!folder.exists(), "{mode}");
    }
    assert_eq!(child(&[]), "42 0");
    assert_eq!(child(&[("REKINDLE_CACHE", "off")]), "42 0");
    assert_eq!(child(&[("REKINDLE_CACHE", "ro")]), "42 1");
    assert_eq!(child(&[("REKINDLE_VERIFY", "all")]), "42 1");
    let nonsense = ("REKINDLE_CACHE", "offf");
    assert_eq!(child(&[nonsense, ("REKINDLE_VERIFY", "some")]), "42 0");

    let log = std::fs::read_to_string(log).expect("each process wrote a line");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 7, "{log}");
    let says = |line: usize, text: &str| assert!(lines[line].contains(text), "{line} {text} {log}");
    says(0, "\"program\":\"it\",");
    says(2, "\"misses\":{\"not-cached\":1}");
    says(2, "\"images_written\":1");
    says(4, "\"entries_loaded\":1");
    says(4, "\"notices\":[]");
    says(5, "\"hits_verified\":1,\"hits_differing\":0");
    says(
        6,
        "REKINDLE_CACHE=offf is no such mode, and the cache is off",
    );
    says(6, "REKINDLE_VERIFY=some is ignored");
}

#[test]
fn a_field_of_the_embedder_keeps_code_apart() {
    let home = Home::new();
    let loaded = |field: Option<&str>| {
        let cache = home.open();
        let mut builder = builder(&cache);
        if let Some(value) = field {
            builder.environment_field("layout", value);
        }
        let mut module = JITModule::new(builder);
        let id = declare(&mut module, "thrice", 1);
        define(&mut module, id, &mut |_, body, params| {
            body.ins().imul_imm_s(params[0], 3)
        });
        module.finalize_definitions().expect("all is defined");
        assert_eq!(call(&module, id, 14), 42);
        module.cache_statistics().entries_loaded
    };
    assert_eq!([None, Some("1")].map(loaded), [0, 0]);
    assert_eq!([None, Some("1"), Some("2")].map(loaded), [1, 1, 0]);
}

//! Processes that a process with modules forks: a server's workers.

use cranelift_codegen::ir::InstBuilder;
use rekindle_cranelift::{Cache, JITModule};

use crate::support::{Home, builder, call, childs_folder, declare, define, in_new_process, open};

/// Compiles or finds `name`, which adds a number.
fn add(module: &mut JITModule, name: &str, number: i64) -> i64 {
    let id = declare(module, name, 1);
    define(module, id, &mut |_, body, params| {
        body.ins().iadd_imm_s(params[0], number)
    });
    module.finalize_definitions().expect("all is defined");
    call(module, id, 0)
}

/// Forks a worker that does `work` and ends as processes do. Waits for it.
fn worker(work: impl FnOnce()) {
    // SAFETY: this process has one other thread, which waits for this one, and holds no lock.
    let child = unsafe { libc::fork() };
    if child == 0 {
        work();
        std::process::exit(0);
    }
    let mut status = 0;
    // SAFETY: the child is this process's own, and the status outlives the call.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0));
}

/// How many entries were written, by the name of their function.
fn written(cache: &Cache) -> Vec<String> {
    let mut names: Vec<String> = cache
        .entries()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    names.sort();
    names
}

#[test]
fn each_worker_keeps_what_it_compiled_and_nothing_of_its_parents() {
    if let Some(folder) = childs_folder() {
        let cache = open(&folder);
        let mut module = JITModule::new(builder(&cache));
        assert_eq!(add(&mut module, "parents", 1), 1);
        for number in [2, 3] {
            // An inherited module, one of its own, and both.
            worker(|| {
                let mut own = JITModule::new(builder(&cache));
                assert_eq!(add(&mut own, &format!("own{number}"), number), number);
                assert_eq!(
                    add(&mut module, &format!("inherited{number}"), number),
                    number
                );
                assert_eq!(cache.statistics().entries_inserted, 2);
                drop(own);
            });
            let own = open(&folder);
            assert_eq!(written(&own).len(), 2 * (number as usize - 1));
        }
        // One that compiles nothing, and one that drops the module.
        worker(|| {});
        let mut module = Some(module);
        worker(|| drop(module.take()));
        println!("result: {}", written(&open(&folder)).join(" "));
        std::process::exit(0);
    }
    let home = Home::new();
    let folder = home.path().join("cache");
    let test = "forks::each_worker_keeps_what_it_compiled_and_nothing_of_its_parents";
    let before = in_new_process(test, &folder, &[]);
    assert_eq!(before, "inherited2 inherited3 own2 own3");
    let after = written(&open(&folder));
    assert_eq!(
        after,
        ["inherited2", "inherited3", "own2", "own3", "parents"]
    );
}

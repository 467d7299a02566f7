//! Processes that a process with modules forks: a server's workers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use cranelift_codegen::ir::InstBuilder;
use rekindle::{
    Artifact, Environment, Key, KeyBuilder, Lookup, Relocation, RelocationKind, Scope, ScopeId,
    Section, SectionKind, Symbols, Target,
};
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
    // SAFETY: what the child needs of other threads' is what the cache sees to; the C library sees to its own.
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
    let test = "forks::each_worker_keeps_what_it_compiled_and_nothing_of_its_parents";
    if let Some(folder) = childs_folder() {
        if std::env::var_os("REKINDLE_TEST_LIST").is_some() {
            println!("result: {}", written(&open(&folder)).join(" "));
            return;
        }
        // Who opens a cache has this process write what waits for it: another one looks.
        let listed = || in_new_process(test, &folder, &[("REKINDLE_TEST_LIST", "1")]);
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
            let written = listed().split(' ').count();
            assert_eq!(written, 2 * (number as usize - 1));
        }
        // One that compiles nothing, and one that drops the module.
        worker(|| {});
        let mut module = Some(module);
        worker(|| drop(module.take()));
        println!("result: {}", listed());
        std::process::exit(0);
    }
    let home = Home::new();
    let folder = home.path().join("cache");
    let before = in_new_process(test, &folder, &[]);
    assert_eq!(before, "inherited2 inherited3 own2 own3");
    let after = written(&open(&folder));
    assert_eq!(
        after,
        ["inherited2", "inherited3", "own2", "own3", "parents"]
    );
}

/// Code with a word that holds the value of a name.
fn named() -> Artifact {
    Artifact {
        name: "named".to_owned(),
        text: Section {
            bytes: vec![0xb8, 9, 0, 0, 0, 0xc3],
            align: 16,
        },
        data: Section {
            bytes: vec![0; 8],
            align: 8,
        },
        relocations: vec![Relocation {
            section: SectionKind::Data,
            offset: 0,
            kind: RelocationKind::Abs64,
            target: Target::Symbol("value".to_owned()),
            addend: 0,
        }],
        compile_time_ns: 1000,
        ..Artifact::default()
    }
}

fn scope_of(cache: &Cache, symbols: Symbols) -> (Scope, Key) {
    let environment = Environment::builder("forks").build();
    let scope = cache.scope(&environment, ScopeId::from_name("main"), symbols);
    (scope, KeyBuilder::new("forks/named").finish())
}

/// Forks a worker that is killed if it takes too long.
fn worker_in_time(work: impl FnOnce()) {
    worker(|| {
        // SAFETY: asks for a signal, later.
        unsafe { libc::alarm(30) };
        work();
        // SAFETY: ends the worker; what ends a process isn't what is tested.
        unsafe { libc::_exit(0) };
    });
}

/// It waited for ever.
#[test]
fn a_worker_waits_for_nothing_that_another_thread_held_when_it_was_forked() {
    let home = Home::new();
    let folder = home.path().join("cache");
    let value = || -> Symbols { Box::new(|_| Some(7)) };
    {
        let (scope, key) = scope_of(&open(&folder), value());
        let Lookup::Miss(ticket) = scope.lookup(&key) else {
            panic!("it isn't there yet");
        };
        scope.insert(ticket, named()).expect("it can be placed");
    }
    let (started, start) = channel();
    let started = Mutex::new(started);
    // It is asked for the value in the middle of a look-up.
    let slow = Box::new(move |_: &str| {
        let _ = started.lock().map(|started| started.send(()));
        std::thread::sleep(Duration::from_millis(300));
        Some(7)
    });
    let (scope, key) = scope_of(&open(&folder), slow);
    let (other, thread_key) = (scope.clone(), key);
    let thread = std::thread::spawn(move || drop(other.lookup(&thread_key)));
    start.recv().expect("the value is asked for");
    worker_in_time(|| assert!(matches!(scope.lookup(&key), Lookup::Hit(_))));
    thread.join().expect("it doesn't panic");
}

/// Now and then it found a list locked, or a cache half open.
#[test]
fn workers_of_a_process_whose_threads_are_busy_with_modules_are_busy_too() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let home = Home::new();
    let folder = home.path().join("cache");
    let work = |number: i64| {
        let cache = open(&folder);
        let mut module = JITModule::new(builder(&cache));
        assert_eq!(add(&mut module, &format!("f{number}"), number), number);
        // SAFETY: nobody runs its code any more. Modules that keep their memory would take all mappings
        // of this process, and the other tests need some.
        unsafe { module.free_memory() };
    };
    std::thread::scope(|threads| {
        for thread in 0..2_i64 {
            threads.spawn(move || {
                let mut rounds = 0;
                while !STOP.load(Ordering::Relaxed) {
                    work(thread * 10 + rounds % 10);
                    rounds += 1;
                }
            });
        }
        for number in 0..40 {
            worker_in_time(|| work(number));
        }
        STOP.store(true, Ordering::Relaxed);
    });
}

//! When what was compiled is written.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cranelift_codegen::ir::InstBuilder;
use rekindle_cranelift::{Cache, CacheConfig, JITModule};

use crate::support::{Home, builder, call, childs_folder, declare, define, in_new_process};

fn open_with(folder: &Path, write_after: Option<Duration>) -> Cache {
    Cache::open(&CacheConfig {
        directory: Some(folder.to_owned()),
        verify_one_in: 0,
        write_after,
        ..CacheConfig::default()
    })
}

/// A module with a function of its own.
fn one(cache: &Cache, number: i64) -> JITModule {
    let mut module = JITModule::new(builder(cache));
    let id = declare(&mut module, &format!("add{number}"), 1);
    define(&mut module, id, &mut |_, body, params| {
        body.ins().iadd_imm_s(params[0], number)
    });
    module.finalize_definitions().expect("all is defined");
    assert_eq!(call(&module, id, 1), number + 1);
    module
}

/// How many entries a cache holds.
fn entries(folder: &Path) -> usize {
    open_with(folder, None).entries().len()
}

/// How many images there are. Who opens the cache has this process write what waits for it.
fn images(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = files.map(|file| file.path());
    let count = |path: std::path::PathBuf| match path.is_dir() {
        true => images(&path),
        false => usize::from(path.extension().is_some_and(|extension| extension == "img")),
    };
    paths.map(count).sum()
}

/// Starts a test of this program in a process of its own, and waits until it says that it is ready.
fn started(test: &str, folder: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env("REKINDLE_TEST_FOLDER", folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = child.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(output).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("ready"))));
    child
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_service_that_is_stopped_has_kept_what_it_compiled() {
    if let Some(folder) = childs_folder() {
        let cache = open_with(&folder, Some(CacheConfig::DEFAULT_WRITE_AFTER));
        let _living = one(&cache, 1);
        drop(one(&cache, 2));
        println!("ready");
        std::thread::sleep(Duration::from_secs(60));
    }
    let home = Home::new();
    let folder = home.path().join("cache");
    let test = "waiting::a_service_that_is_stopped_has_kept_what_it_compiled";
    let mut service = started(test, &folder);
    wait_for("nothing was written", || entries(&folder) == 2);
    service.kill().expect("it runs");
    service.wait().expect("it was killed");
    assert_eq!(entries(&folder), 2);
}

#[test]
fn what_waits_is_written_when_the_process_ends() {
    if let Some(folder) = childs_folder() {
        let thread = std::env::var_os("REKINDLE_TEST_THREAD");
        let after = thread.map(|_| Duration::from_secs(1000));
        let cache = open_with(&folder, after);
        // One that is dropped, one that is leaked, one that is freed, one that lives.
        drop(one(&cache, 1));
        std::mem::forget(one(&cache, 2));
        // SAFETY: nothing of the module is used any more.
        unsafe { one(&cache, 3).free_memory() };
        let _living = one(&cache, 4);
        let threads = std::fs::read_dir("/proc/self/task")
            .expect("Linux has it")
            .count();
        println!("result: {threads} {}", images(&folder));
        std::process::exit(0);
    }
    let test = "waiting::what_waits_is_written_when_the_process_ends";
    // The test's own two, and the one that waits.
    for (variables, expected) in [(&[][..], "2 0"), (&[("REKINDLE_TEST_THREAD", "1")], "3 0")] {
        let home = Home::new();
        let folder = home.path().join("cache");
        assert_eq!(in_new_process(test, &folder, variables), expected);
        assert_eq!(entries(&folder), 4);
    }
}

/// Listens to all events, and panics once the program has ended, as those do that use a thread's variables.
struct Listener;

static HAS_ENDED: AtomicBool = AtomicBool::new(false);

impl tracing::Subscriber for Listener {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        assert!(
            !HAS_ENDED.load(Ordering::SeqCst),
            "nothing is here any more"
        );
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn who_listens_to_events_is_told_none_when_the_process_ends() {
    if let Some(folder) = childs_folder() {
        tracing::subscriber::set_global_default(Listener).expect("it is the first");
        let cache = open_with(&folder, Some(Duration::from_secs(1000)));
        std::mem::forget(one(&cache, 1));
        println!("result: ended");
        HAS_ENDED.store(true, Ordering::SeqCst);
        std::process::exit(0);
    }
    let home = Home::new();
    let folder = home.path().join("cache");
    let test = "waiting::who_listens_to_events_is_told_none_when_the_process_ends";
    assert_eq!(in_new_process(test, &folder, &[]), "ended");
    assert_eq!(entries(&folder), 1);
}

/// As the workers of a pool do that a language's own library forks.
#[test]
fn a_forked_worker_that_leaves_without_a_word_has_kept_what_it_compiled() {
    if let Some(folder) = childs_folder() {
        let cache = open_with(&folder, Some(Duration::from_secs(1000)));
        drop(one(&cache, 1));
        // SAFETY: what the child does takes no lock that another thread of this process holds.
        let child = unsafe { libc::fork() };
        if child == 0 {
            drop(one(&cache, 2));
            // SAFETY: ends the child, and nothing else.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: the child is this process's own, and the status outlives the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        println!("result: {status} {}", images(&folder));
        return;
    }
    let home = Home::new();
    let folder = home.path().join("cache");
    let test = "waiting::a_forked_worker_that_leaves_without_a_word_has_kept_what_it_compiled";
    assert_eq!(in_new_process(test, &folder, &[]), "0 1");
    assert_eq!(entries(&folder), 2);
}

#[test]
fn the_last_handle_on_a_cache_writes_what_waits() {
    let home = Home::new();
    let folder = home.path().join("cache");
    let cache = open_with(&folder, None);
    // SAFETY: nothing of the module is used any more.
    unsafe { one(&cache, 1).free_memory() };
    assert_eq!(images(&folder), 0);
    drop(cache);
    assert_eq!(images(&folder), 1);
}

#[test]
fn no_module_writes_an_image_of_its_own() {
    if let Some(folder) = childs_folder() {
        let cache = open_with(&folder, Some(CacheConfig::DEFAULT_WRITE_AFTER));
        for number in 0..600 {
            drop(one(&cache, number));
        }
        cache.flush();
        let statistics = cache.statistics();
        println!(
            "result: {} {}",
            statistics.images_written, statistics.bytes_written
        );
        std::process::exit(0);
    }
    let home = Home::new();
    let folder = home.path().join("cache");
    let test = "waiting::no_module_writes_an_image_of_its_own";
    let result = in_new_process(test, &folder, &[]);
    let (images, bytes) = result.split_once(' ').expect("two numbers");
    let (images, bytes): (u64, u64) = (images.parse().expect("one"), bytes.parse().expect("one"));
    assert!(images <= 8, "{images} images");
    let kept: u64 = open_with(&folder, None).disk_usage().bytes;
    assert!(
        bytes <= 2 * kept,
        "{bytes} bytes were written, {kept} are kept"
    );
    assert_eq!(entries(&folder), 600);
}

#[test]
fn what_another_module_compiled_is_found_before_and_after_it_is_written() {
    let home = Home::new();
    let cache = open_with(&home.path().join("cache"), None);
    let first = one(&cache, 1);
    let second = one(&cache, 1);
    assert_eq!(cache.flush().entries_written, 1);
    let third = one(&cache, 1);
    assert_eq!(cache.flush().entries_written, 0);
    let statistics = cache.statistics();
    assert_eq!(
        (statistics.entries_inserted, statistics.entries_loaded),
        (1, 2)
    );
    drop((first, second, third));
}

/// Who opens the folder a second time finds what modules of the first cache compiled.
#[test]
fn what_waits_is_there_for_who_opens_the_folder() {
    let home = Home::new();
    let folder = home.path().join("cache");
    let first = open_with(&folder, None);
    std::mem::forget(one(&first, 1));
    assert_eq!(images(&folder), 0);
    let second = open_with(&folder, None);
    std::mem::forget(one(&second, 1));
    let statistics = second.statistics();
    assert_eq!(
        (statistics.entries_inserted, statistics.entries_loaded),
        (0, 1)
    );
}

#[test]
fn a_worker_that_is_forked_while_something_waits_keeps_its_own() {
    if let Some(folder) = childs_folder() {
        let cache = open_with(&folder, Some(Duration::from_millis(20)));
        for round in 0..10 {
            let _parents = one(&cache, round);
            // SAFETY: this process's other threads hold no lock that the child waits for.
            let child = unsafe { libc::fork() };
            if child == 0 {
                drop(one(&cache, 100 + round));
                std::process::exit(0);
            }
            let mut status = 0;
            // SAFETY: the child is this process's own, and the status outlives the call.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!((waited, status), (child, 0));
        }
        println!("result: done");
        std::process::exit(0);
    }
    let home = Home::new();
    let folder = home.path().join("cache");
    let test = "waiting::a_worker_that_is_forked_while_something_waits_keeps_its_own";
    assert_eq!(in_new_process(test, &folder, &[]), "done");
    assert_eq!(entries(&folder), 20);
}

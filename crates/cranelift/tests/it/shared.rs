//! Modules of one process that share memory and images, and must not notice.

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use cranelift_codegen::ir::{InstBuilder, SourceLoc};
use cranelift_module::{FuncId, Linkage, Module};
use rekindle_cranelift::{Cache, CacheConfig, JITModule};

use crate::support::{
    Home, builder, call, childs_folder, declare, define, in_new_process, open, signature,
};

/// Declares and defines `main`, which calls `helper` and adds 1000.
fn main_that_calls_helper(module: &mut JITModule) -> FuncId {
    let main = declare(module, "main", 1);
    let helper = {
        let signature = signature(module, 1);
        let linkage = Linkage::Export;
        module.declare_function("helper", linkage, &signature)
    };
    let helper = helper.expect("a new name");
    define(module, main, &mut |module, body, params| {
        let helper = module.declare_func_in_func(helper, body.func);
        let call = body.ins().call(helper, params);
        let result = body.inst_results(call)[0];
        body.ins().iadd_imm_s(result, 1000)
    });
    main
}

/// Defines `helper`, which adds a number.
fn helper_that_adds(module: &mut JITModule, number: i64) {
    let helper = declare(module, "helper", 1);
    define(module, helper, &mut |_, body, params| {
        body.ins().iadd_imm_s(params[0], number)
    });
}

/// A module whose `main` calls a `helper` that adds a number, defined before it or after.
fn two_functions(cache: &Cache, number: i64, helper_first: bool) -> (JITModule, FuncId) {
    let mut module = JITModule::new(builder(cache));
    if helper_first {
        helper_that_adds(&mut module, number);
    }
    let main = main_that_calls_helper(&mut module);
    if !helper_first {
        helper_that_adds(&mut module, number);
    }
    module.finalize_definitions().expect("all is defined");
    (module, main)
}

/// A cache that holds `main`, and helpers that add numbers below four.
fn filled() -> Home {
    let home = Home::new();
    let cache = home.open();
    for number in 0..4 {
        let (module, main) = two_functions(&cache, number, false);
        assert_eq!(call(&module, main, 5), 1005 + number);
    }
    home
}

#[test]
fn modules_with_one_name_and_two_meanings_each_run_their_own() {
    for helper_first in [false, true] {
        let home = filled();
        let cache = home.open();
        // All live at once, and each meaning comes more than once.
        let modules: Vec<_> = (0..40)
            .map(|number| (number % 4, two_functions(&cache, number % 4, helper_first)))
            .collect();
        for (number, (module, main)) in &modules {
            assert_eq!(call(module, *main, 5), 1005 + number);
            assert_eq!(module.is_loaded(*main), Some(true));
        }
        let statistics = cache.statistics();
        assert_eq!(statistics.entries_inserted, 0, "{statistics:?}");
        let images = statistics.images_mapped;
        assert!(images <= 4, "{images} images for {} modules", modules.len());
    }
}

#[test]
fn a_meaning_that_is_compiled_now_is_not_taken_for_that_of_an_image() {
    let home = filled();
    let cache = home.open();
    let kept = two_functions(&cache, 1, false);
    let fresh = two_functions(&cache, 77, false);
    let again = two_functions(&cache, 1, true);
    let last = two_functions(&cache, 78, true);
    for ((module, main), number) in [(&kept, 1), (&fresh, 77), (&again, 1), (&last, 78)]
        .map(|((module, main), number)| ((module, *main), number))
    {
        assert_eq!(call(module, main, 0), 1000 + number);
    }
}

/// The first to use an image gives names other meanings than those for which its calls were linked.
#[test]
fn the_first_module_of_an_image_may_give_its_names_other_meanings() {
    let home = filled();
    let cache = home.open();
    let fresh = two_functions(&cache, 99, false);
    let kept: Vec<_> = (0..4)
        .map(|number| two_functions(&cache, number, false))
        .collect();
    assert_eq!(call(&fresh.0, fresh.1, 0), 1099);
    for (number, (module, main)) in (0..).zip(&kept) {
        assert_eq!(call(module, *main, 0), 1000 + number);
    }
    assert_eq!(call(&fresh.0, fresh.1, 0), 1099);
}

#[test]
fn what_refers_to_itself_and_to_others_moves_as_a_whole() {
    let chain = |cache: &Cache, number: i64| {
        let mut module = JITModule::new(builder(cache));
        let names = ["f0", "f1", "f2", "f3"];
        let ids: Vec<FuncId> = names.map(|name| declare(&mut module, name, 1)).into();
        for (index, id) in ids.iter().enumerate() {
            // Each calls the next, and the last adds the number.
            let next = ids.get(index + 1).copied();
            define(&mut module, *id, &mut |module, body, params| match next {
                Some(next) => {
                    let next = module.declare_func_in_func(next, body.func);
                    let call = body.ins().call(next, params);
                    body.inst_results(call)[0]
                }
                None => body.ins().iadd_imm_s(params[0], number),
            });
        }
        module.finalize_definitions().expect("all is defined");
        (module, ids[0])
    };
    let home = Home::new();
    let cache = home.open();
    for number in 0..3 {
        chain(&cache, number);
    }
    let cache = home.open();
    let modules: Vec<_> = (0..12).map(|number| chain(&cache, number % 3)).collect();
    for (number, (module, first)) in (0..).zip(&modules) {
        assert_eq!(call(module, *first, 10), 10 + number % 3);
    }
    assert_eq!(cache.statistics().entries_inserted, 0);
}

#[test]
fn a_module_that_is_freed_takes_nothing_from_others_of_its_image() {
    let home = filled();
    let cache = home.open();
    let mut kept = Vec::new();
    for round in 0..60 {
        let number = round % 5;
        let (module, main) = two_functions(&cache, number, round % 2 == 0);
        assert_eq!(call(&module, main, 1), 1001 + number);
        match round % 3 {
            0 => kept.push((number, module, main)),
            // SAFETY: nothing of the module runs or is used any more.
            _ => unsafe { module.free_memory() },
        }
        for (number, module, main) in &kept {
            assert_eq!(call(module, *main, 1), 1001 + number);
        }
    }
}

/// A function that is copied since another module gives a name another meaning is told where it is.
#[test]
fn a_function_that_had_to_move_is_located_where_it_is() {
    const LINE: u32 = 7_000;
    let made = |cache: &Cache, number: i64| {
        let mut module = JITModule::new(builder(cache));
        let main = declare(&mut module, "main", 1);
        let helper = declare(&mut module, "helper", 1);
        define(&mut module, main, &mut |module, body, params| {
            body.set_srcloc(SourceLoc::new(LINE + number as u32));
            let helper = module.declare_func_in_func(helper, body.func);
            let call = body.ins().call(helper, params);
            body.inst_results(call)[0]
        });
        define(&mut module, helper, &mut |_, body, params| {
            body.ins().iadd_imm_s(params[0], number)
        });
        module.finalize_definitions().expect("all is defined");
        (module, main)
    };
    let home = Home::new();
    for number in 0..2 {
        drop(made(&home.open(), number));
    }
    let cache = home.open();
    let modules: Vec<_> = (0..6).map(|number| made(&cache, number % 2)).collect();
    for (number, (module, main)) in (0..).zip(&modules) {
        assert_eq!(call(module, *main, 1), 1 + number % 2);
        assert_eq!(module.is_loaded(*main), Some(true));
        let entry = module.get_finalized_function(*main);
        let tables = module.function_tables(*main).expect("it is defined");
        let line = LINE + number as u32 % 2;
        let place = tables.source_locations.iter();
        let place = place.map(|(range, _)| range.start as usize).max();
        let at = entry.wrapping_add(place.expect("it has locations"));
        let located = module.locate(at).expect("it is code");
        assert_eq!(
            (&*located.name, located.source_location),
            ("main", Some(line))
        );
    }
    assert_eq!(cache.statistics().entries_inserted, 0);
}

/// As [`crate::support::call`], of a module in the same state in two processes.
fn worker(work: impl FnOnce() -> bool) {
    // SAFETY: what the child does takes no lock that another thread of this process holds.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let code = i32::from(!work());
        // SAFETY: ends the child, and nothing else.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: the child is this process's own, and the status outlives the call.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0));
}

#[test]
fn a_process_that_is_forked_in_the_middle_goes_its_own_way() {
    if let Some(folder) = childs_folder() {
        let cache = open(&folder);
        let other = two_functions(&cache, 2, false);
        // Found, and not bound yet.
        let mut module = JITModule::new(builder(&cache));
        let main = main_that_calls_helper(&mut module);
        for number in [1, 50, 2] {
            let (module, cache, other) = (&mut module, &cache, &other);
            worker(move || {
                helper_that_adds(module, number);
                module.finalize_definitions().expect("all is defined");
                let (own, own_main) = two_functions(cache, 3, true);
                [
                    (call(module, main, 0), 1000 + number),
                    (call(&own, own_main, 0), 1003),
                    (call(&other.0, other.1, 0), 1002),
                ]
                .iter()
                .all(|(is, should)| is == should)
            });
        }
        helper_that_adds(&mut module, 3);
        module.finalize_definitions().expect("all is defined");
        println!(
            "result: {} {}",
            call(&module, main, 0),
            call(&other.0, other.1, 0)
        );
        return;
    }
    let home = filled();
    let test = "shared::a_process_that_is_forked_in_the_middle_goes_its_own_way";
    let result = in_new_process(test, &home.path().join("cache"), &[]);
    assert_eq!(result, "1003 1002");
}

#[test]
fn threads_that_define_at_once_run_what_they_defined() {
    let home = filled();
    let cache = home.open();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..40 {
                    // Some are in the cache, some are compiled by many threads, some by one.
                    let number =
                        [round % 4, 10 + round % 3, 100 * (thread + 1)][round as usize % 3];
                    let (module, main) = two_functions(cache, number, round % 2 == 0);
                    assert_eq!(call(&module, main, 7), 1007 + number);
                    if round % 5 == 0 {
                        // SAFETY: nothing of the module runs or is used any more.
                        unsafe { module.free_memory() };
                    }
                }
            });
        }
    });
}

/// Panics that pass through compiled code, while others publish and free theirs. In a process of its own: one
/// that is forked in the middle of a panic inherits the unwinder's lock, and other tests fork.
#[test]
fn threads_unwind_while_others_publish() {
    if let Some(folder) = childs_folder() {
        std::panic::set_hook(Box::new(|_| ()));
        unwind_while_others_publish(&open(&folder));
        println!("result: done");
        return;
    }
    let home = Home::new();
    let test = "shared::threads_unwind_while_others_publish";
    let result = in_new_process(test, &home.path().join("cache"), &[]);
    assert_eq!(result, "done");
}

fn unwind_while_others_publish(cache: &Cache) {
    extern "C-unwind" fn fail(value: i64) -> i64 {
        std::panic::panic_any(value)
    }
    let mut builder = builder(cache);
    builder.symbol("fail", fail as *const u8);
    let mut module = JITModule::new(builder);
    let fail = {
        let signature = signature(&module, 1);
        let declared = module.declare_function("fail", Linkage::Import, &signature);
        declared.expect("a new name")
    };
    let through = declare(&mut module, "through", 1);
    define(&mut module, through, &mut |module, body, params| {
        let fail = module.declare_func_in_func(fail, body.func);
        let call = body.ins().call(fail, params);
        body.inst_results(call)[0]
    });
    module.finalize_definitions().expect("all is defined");
    let address = module.get_finalized_function(through);
    // SAFETY: the function takes and returns a 64-bit integer, and its module lives on.
    let through =
        unsafe { core::mem::transmute::<*const u8, extern "C-unwind" fn(i64) -> i64>(address) };
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..1500 {
                let (module, main) = two_functions(cache, number, true);
                assert_eq!(call(&module, main, 0), 1000 + number);
                if number % 3 == 0 {
                    // SAFETY: nothing of the module runs or is used any more.
                    unsafe { module.free_memory() };
                }
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let mut count = 0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) || count == 0 {
            let caught = catch_unwind(|| through(count)).expect_err("it panics");
            assert_eq!(caught.downcast_ref::<i64>(), Some(&count));
            count += 1;
        }
    });
}

fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
    maps.lines().count()
}

/// The median of some panics that have nothing to do with compiled code.
fn panic_time() -> Duration {
    let one = || {
        let start = Instant::now();
        let _ = catch_unwind(|| std::panic::panic_any(1));
        start.elapsed()
    };
    let mut times: Vec<Duration> = (0..101).map(|_| one()).collect();
    times.sort_unstable();
    times[50]
}

#[test]
fn thousands_of_modules_cost_no_mapping_each_and_no_panic_its_time() {
    if let Some(folder) = childs_folder() {
        std::panic::set_hook(Box::new(|_| ()));
        let cache = match std::env::var_os("REKINDLE_TEST_OFF") {
            Some(_) => Cache::in_memory(),
            None => open_later(&folder),
        };
        let (module, main) = two_functions(&cache, 0, false);
        assert_eq!(call(&module, main, 0), 1000);
        let (mapped, time) = (mappings(), panic_time());
        for number in 0..4_000 {
            let (module, main) = two_functions(&cache, number % 1000, false);
            assert_eq!(call(&module, main, 0), 1000 + number % 1000);
        }
        let _ = catch_unwind(|| std::panic::panic_any(1));
        let (more, now) = (mappings() - mapped.min(mappings()), panic_time());
        assert!(more < 100, "{more} mappings");
        // Ten times as long is what a busy machine does; it was thousands of times.
        let most = 10 * time + Duration::from_micros(100);
        assert!(now < most, "a panic takes {now:?}, and took {time:?}");
        println!("result: fine");
        return;
    }
    let test = "shared::thousands_of_modules_cost_no_mapping_each_and_no_panic_its_time";
    let home = Home::new();
    let folder = home.path().join("cache");
    // Cold, warm, and without a cache.
    for variables in [&[][..], &[], &[("REKINDLE_TEST_OFF", "1")]] {
        assert_eq!(in_new_process(test, &folder, variables), "fine");
    }
}

/// A cache that is written when the process ends.
fn open_later(folder: &std::path::Path) -> Cache {
    Cache::open(&CacheConfig {
        directory: Some(folder.to_owned()),
        verify_one_in: 0,
        ..CacheConfig::default()
    })
}

/// What is freed is there for others.
#[test]
fn modules_that_come_and_go_take_no_more_memory() {
    let home = Home::new();
    let cache = home.open();
    let mut seen = std::collections::HashSet::new();
    for number in 0..300 {
        let (module, main) = two_functions(&cache, number, true);
        assert_eq!(call(&module, main, 0), 1000 + number);
        seen.insert(module.get_finalized_function(main).addr());
        // SAFETY: nothing of the module runs or is used any more.
        unsafe { module.free_memory() };
    }
    assert!(seen.len() < 100, "{} places", seen.len());
}

//! Several processes, several threads.

use std::process::Command;
use std::thread;

use crate::support::{Home, RICH_FIRST, call, config, constant, hit, key, obtain, rich, scope};
use rekindle::Cache;

const CHILD_VARIABLE: &str = "REKINDLE_TEST_CHILD_DIRECTORY";

/// Runs `child` in a new process.
fn run_child(home: &Home, task: &str) -> std::process::ExitStatus {
    Command::new(std::env::current_exe().expect("it has a path"))
        .args(["--exact", "processes::child", "--nocapture"])
        .env(CHILD_VARIABLE, home.path())
        .env("REKINDLE_TEST_CHILD_TASK", task)
        .stdout(std::process::Stdio::null())
        .status()
        .expect("it runs")
}

/// Not a test by itself: what the other tests run in a new process.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(CHILD_VARIABLE) else {
        return;
    };
    let task = std::env::var("REKINDLE_TEST_CHILD_TASK").expect("a task");
    let cache = Cache::open(&config(directory.as_ref()));
    let scope = scope(&cache);
    match task.as_str() {
        "load" => {
            assert_eq!(call(&hit(&scope, &key(0))), RICH_FIRST);
            assert_eq!(call(&hit(&scope, &key(1))), 1);
            assert_eq!(cache.statistics().entries_inserted, 0);
        }
        numbers => {
            let start: u64 = numbers.parse().expect("a number");
            for number in start..start + 50 {
                assert_eq!(
                    call(&obtain(&scope, &key(number), || constant(number as u32))),
                    number
                );
                if number % 10 == 9 {
                    scope.flush();
                }
            }
        }
    }
}

#[test]
fn a_new_process_runs_the_code_of_the_old() {
    let home = Home::new();
    let scope = scope(&home.open());
    obtain(&scope, &key(0), rich);
    obtain(&scope, &key(1), || constant(1));
    scope.flush();
    assert!(run_child(&home, "load").success());
}

#[test]
fn processes_write_at_the_same_time() {
    let home = Home::new();
    // Ranges overlap, so that some keys are written by two processes, and there are enough flushes
    // for images to be merged meanwhile.
    thread::scope(|threads| {
        for start in [0, 40, 80, 120] {
            let home = &home;
            threads.spawn(move || assert!(run_child(home, &start.to_string()).success()));
        }
    });
    let scope = scope(&home.open());
    for number in 0..170 {
        assert_eq!(call(&hit(&scope, &key(number))), number);
    }
    assert!(home.images().len() <= 10, "images are merged");
}

#[test]
fn threads_share_a_scope() {
    let home = Home::new();
    let first = scope(&home.open());
    for number in 0..200 {
        obtain(&first, &key(number), || constant(number as u32));
    }
    first.flush();
    let second = scope(&home.open());
    thread::scope(|threads| {
        for thread in 0..4u64 {
            let scope = second.clone();
            threads.spawn(move || {
                for step in 0..400 {
                    let number = (step * 7 + thread * 31) % 400;
                    let code = obtain(&scope, &key(number), || constant(number as u32));
                    assert_eq!(call(&code), number);
                    assert_eq!(scope.locate(code.address()).map(|at| at.offset), Some(0));
                    if step % 100 == 0 {
                        scope.flush();
                    }
                }
            });
        }
    });
}

#[test]
fn data_is_put_in_place_once_whatever_the_threads_do() {
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(0), rich);
    first.flush();
    for _ in 0..50 {
        let second = scope(&home.open());
        let code: Vec<_> = thread::scope(|threads| {
            let run = || hit(&second, &key(0)).address();
            let handles: Vec<_> = (0..3).map(|_| threads.spawn(run)).collect();
            handles
                .into_iter()
                .map(|handle| handle.join().expect("no panic"))
                .collect()
        });
        assert!(code.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(call(&hit(&second, &key(0))), RICH_FIRST);
    }
}

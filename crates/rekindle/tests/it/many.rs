//! Very many scopes in one process.

use std::process::Command;

use rekindle::{Lookup, MissReason};

use crate::support::{Home, call, config, constant, hit, key, obtain, scope};

const CHILD_VARIABLE: &str = "REKINDLE_TEST_MANY_SCOPES";

/// In a process of its own: other tests want images, too.
#[test]
fn images_that_find_no_room_cost_their_hits_and_nothing_else() {
    if let Some(folder) = std::env::var_os(CHILD_VARIABLE) {
        many_scopes(folder.as_ref());
        return;
    }
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(0), || constant(7));
    first.flush();
    let name = "many::images_that_find_no_room_cost_their_hits_and_nothing_else";
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture"])
        .env(CHILD_VARIABLE, home.path())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert_eq!(home.images().len(), 1, "what is there isn't kept again");
}

fn many_scopes(folder: &std::path::Path) {
    let cache = rekindle::Cache::open(&config(folder));
    let mut kept = Vec::new();
    loop {
        let scope = scope(&cache);
        match scope.lookup(&key(0)) {
            Lookup::Hit(code) => assert_eq!(call(&code), 7),
            Lookup::Miss(ticket) => {
                assert_eq!(ticket.reason(), MissReason::NoMemory);
                let code = scope.insert(ticket, constant(7)).expect("there is memory");
                assert_eq!(call(&code), 7);
                assert_eq!(scope.flush().entries_written, 0);
                break;
            }
        }
        kept.push(scope);
        assert!(kept.len() < 200_000, "nothing ends this");
    }
    assert!(kept.len() > 100, "{}", kept.len());
    assert_eq!(cache.statistics().misses[&MissReason::NoMemory], 1);
    let notices: Vec<String> = cache.notices().iter().map(ToString::to_string).collect();
    assert!(
        notices[0].starts_with("images can't be mapped"),
        "{notices:?}"
    );
    // Others find room again once some went.
    kept.truncate(100);
    assert_eq!(call(&hit(&scope(&cache), &key(0))), 7);
}

/// With no descriptor left, nothing is found, nothing is said to be damaged, and nothing is kept again.
#[test]
fn images_that_find_no_descriptor_cost_their_hits_and_nothing_else() {
    if let Some(folder) = std::env::var_os(CHILD_VARIABLE) {
        let cache = rekindle::Cache::open(&config(folder.as_ref()));
        let mut files = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            files.push(file);
        }
        let scope = scope(&cache);
        let Lookup::Miss(ticket) = scope.lookup(&key(0)) else {
            panic!("it was found without a descriptor");
        };
        assert_eq!(ticket.reason(), MissReason::NoMemory);
        assert_eq!(call(&scope.insert(ticket, constant(7)).expect("memory")), 7);
        assert_eq!(cache.statistics().images_refused, 0);
        drop(files);
        assert_eq!(scope.flush().entries_written, 0);
        assert_eq!(cache.notices().len(), 1);
        return;
    }
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(0), || constant(7));
    first.flush();
    let name = "many::images_that_find_no_descriptor_cost_their_hits_and_nothing_else";
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(program)
        .arg(name)
        .env(CHILD_VARIABLE, home.path())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert_eq!(home.images().len(), 1, "what is there isn't kept again");
}

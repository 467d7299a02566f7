//! Every program of the list, in every way of running it, against the judge.

use rekindle_testkit::{
    Observation, Program, every_program, expected, image_files, mangle, program,
};

use crate::session::Session;

macro_rules! stamp {
    ($($name:ident = $row:expr;)*) => {
        $(mod $name {
            #[test]
            fn interpreter() {
                super::interpreter(stringify!($name));
            }

            #[test]
            fn quick() {
                super::quick(stringify!($name));
            }

            #[test]
            fn cold() {
                super::cold(stringify!($name));
            }

            #[test]
            fn warm_in_a_new_process() {
                super::warm(stringify!($name));
            }

            #[test]
            fn warm_with_the_cache_damaged() {
                super::damaged(stringify!($name));
            }

            #[test]
            fn no_persistent_cache() {
                super::no_persistent_cache(stringify!($name));
            }
        })*
    };
}

every_program!(stamp);

fn agrees(program: &Program, way: &str, seen: &Observation) {
    let expected = expected(program);
    let name = program.name;
    assert_eq!(
        seen.ending, expected.ending,
        "{name}, {way}: ending; seen: {seen:?}"
    );
    if seen.stdout != expected.stdout {
        panic!(
            "{name}, {way}: standard output\n{}",
            first_difference(&seen.stdout, &expected.stdout)
        );
    }
    if program.compares_stderr {
        assert_eq!(
            String::from_utf8_lossy(&seen.stderr),
            String::from_utf8_lossy(&expected.stderr),
            "{name}, {way}: standard error"
        );
    }
}

/// The first line in which two outputs differ: whole outputs are too long to read.
fn first_difference(seen: &[u8], expected: &[u8]) -> String {
    let (seen, expected) = (
        String::from_utf8_lossy(seen),
        String::from_utf8_lossy(expected),
    );
    let mut expected_lines = expected.lines();
    for (number, line) in seen.lines().enumerate() {
        let judged = expected_lines.next().unwrap_or("(the output ends)");
        if line != judged {
            return format!(
                "line {}\n      seen: {line}\n  expected: {judged}",
                number + 1
            );
        }
    }
    format!(
        "seen ends early; expected next: {:?}",
        expected_lines.next()
    )
}

fn interpreter(name: &str) {
    let (seen, statistics) = Session::new().run(&["--no-jit"], program(name));
    agrees(program(name), "interpreter", &seen);
    assert_eq!(statistics.regions_compiled + statistics.regions_loaded, 0);
}

fn cold(name: &str) {
    let (seen, statistics) = Session::new().run(&[], program(name));
    agrees(program(name), "cold", &seen);
    assert!(
        statistics.regions_loaded == 0 || unloads(name),
        "a fresh cache holds nothing to load"
    );
}

fn warm(name: &str) {
    let session = Session::new();
    let (seen, first) = session.run(&["--finish-compiles"], program(name));
    agrees(program(name), "first of two", &seen);
    let (seen, second) = session.run(&[], program(name));
    agrees(program(name), "warm", &seen);
    assert!(
        first.regions_compiled == 0 || second.regions_loaded > 0,
        "{} regions were compiled and none was loaded: {second:?}",
        first.regions_compiled
    );
}

/// Every 512th byte of every image is changed: magic numbers, indexes, code and all.
fn damaged(name: &str) {
    let session = Session::new();
    let (_, first) = session.run(&["--finish-compiles"], program(name));
    let images = image_files(&session.cache()).unwrap_or_default();
    assert!(
        first.regions_compiled == 0 || !images.is_empty(),
        "no image was written: {first:?}"
    );
    for image in &images {
        mangle(image, |bytes| {
            bytes.iter_mut().step_by(512).for_each(|byte| *byte ^= 0x5a)
        })
        .expect("an image can be changed");
    }
    let (seen, second) = session.run(&[], program(name));
    agrees(program(name), "warm with the cache damaged", &seen);
    assert!(
        second.regions_loaded == 0 || unloads(name),
        "a damaged image was believed: {second:?}"
    );
}

/// By the single-pass tier, which translates what is reached and keeps nothing.
fn quick(name: &str) {
    let session = Session::new();
    let (seen, statistics) = session.run(&["--tier=quick"], program(name));
    agrees(program(name), "quick", &seen);
    assert_eq!(statistics.image_bytes_mapped, 0);
    assert!(!session.cache().exists(), "what keeps nothing made a cache");
}

fn no_persistent_cache(name: &str) {
    let session = Session::new();
    let (seen, statistics) = session.run(&["--no-persistent-cache"], program(name));
    agrees(program(name), "no persistent cache", &seen);
    assert_eq!(statistics.image_bytes_mapped, 0);
    assert!(!session.cache().exists(), "a run without a cache made one");
}

/// Whether a program unloads libraries: what it compiled of them is kept then, and is there when it loads
/// them again.
fn unloads(name: &str) -> bool {
    name == "libraries"
}

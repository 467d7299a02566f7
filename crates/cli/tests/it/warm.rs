//! What the second process gains, and what it must never take over.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rekindle_testkit::{Ending, Invocation, Program, build, expected, image_files, program};

use crate::session::Session;

/// Single-threaded programs whose course depends on nothing but their input.
const DETERMINISTIC: &[&str] = &[
    "corelike",
    "functions",
    "lisp_queens",
    "manyfuncs",
    "numeric",
    "raytrace",
    "switches",
];

#[test]
fn the_second_process_compiles_nothing() {
    for name in DETERMINISTIC {
        let session = Session::new();
        let (cold, first) = session.run(&["--finish-compiles"], program(name));
        let (warm, second) = session.run(&["--finish-compiles"], program(name));
        assert!(
            first.regions_compiled > 0,
            "{name} compiled nothing at first: {first:?}"
        );
        assert_eq!(
            second.regions_compiled, 0,
            "{name} compiled again: {first:?} {second:?}"
        );
        assert!(second.regions_loaded > 0, "{name}: {second:?}");
        assert!(second.compile_ns_avoided > 0, "{name}: {second:?}");
        assert!(second.image_bytes_mapped > 0, "{name}: {second:?}");
        assert_eq!(warm, cold, "{name}");
    }
}

/// A handler of faults needs another kind of code. What was hot before it was installed stayed
/// interpreted once.
#[test]
fn what_is_hot_before_a_handler_of_faults_is_compiled_after_it() {
    let (_, cold) = Session::new().run(&[], program("handler"));
    // The guest executes thirty million: one before the handler, some while the compiler is busy.
    assert!(cold.instructions_interpreted < 15_000_000, "{cold:?}");
}

#[test]
fn later_runs_add_only_what_was_missing() {
    let session = Session::new();
    let corelike = program("corelike");
    for _ in 0..3 {
        let _ = session.run(&["--finish-compiles"], corelike);
    }
    let images = image_files(&session.cache()).expect("the cache can be listed");
    assert_eq!(
        images.len(),
        1,
        "runs without anything new wrote images: {images:?}"
    );
}

#[test]
fn two_processes_at_once_share_a_cache() {
    let session = Session::new();
    let corelike = program("corelike");
    for round in 0..3 {
        thread::scope(|scope| {
            let runs: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| session.run(&["--finish-compiles"], corelike)))
                .collect();
            for run in runs {
                let (seen, _) = run.join().expect("a run does not panic");
                assert_eq!(seen, expected(corelike), "round {round}");
            }
        });
    }
    let (_, last) = session.run(&[], corelike);
    assert_eq!(last.regions_compiled, 0, "{last:?}");
}

/// A program of the same path, size and time of change as before, but another one.
#[test]
fn a_replaced_program_runs_its_own_code() {
    let session = Session::new();
    let elf = session.path().join("program");
    let old = fs::read(build(program("corelike")).expect("it builds")).expect("it can be read");
    let new = fs::read(build(program("recursion")).expect("it builds")).expect("it can be read");
    let size = old.len().max(new.len());
    let write = |content: &[u8], times: Option<&Path>| -> io::Result<()> {
        let mut padded = content.to_vec();
        padded.resize(size, 0);
        fs::write(&elf, padded)?;
        let mut permissions = fs::metadata(&elf)?.permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        fs::set_permissions(&elf, permissions)?;
        let Some(like) = times else { return Ok(()) };
        let meta = fs::metadata(like)?;
        fs::File::options()
            .write(true)
            .open(&elf)?
            .set_modified(meta.modified()?)
    };
    let run = || {
        let directory = tempfile::tempdir_in(session.path()).expect("a folder can be made");
        Invocation::new(
            session.command(&["--finish-compiles"], &elf, &[]),
            directory.path(),
        )
        .run()
    };
    let is = |program: &Program, stdout: &[u8]| stdout == expected(program).stdout;

    write(&old, None).expect("the program can be written");
    // Old enough for its digest to be remembered under its times.
    thread::sleep(Duration::from_millis(2500));
    for _ in 0..2 {
        assert!(is(program("corelike"), &run().stdout));
    }
    let kept = session.path().join("kept");
    fs::copy(&elf, &kept).expect("a copy can be made");
    let modified = fs::metadata(&elf)
        .and_then(|meta| meta.modified())
        .expect("times can be read");
    fs::File::options()
        .write(true)
        .open(&kept)
        .and_then(|file| file.set_modified(modified))
        .expect("times can be set");
    let before = fs::metadata(&elf).expect("it exists");

    // Written over in place: the inode stays, and the time of change of the data is put back.
    write(&new, Some(&kept)).expect("the program can be replaced");
    let after = fs::metadata(&elf).expect("it exists");
    assert_eq!(
        (before.ino(), before.len(), before.mtime_nsec()),
        (after.ino(), after.len(), after.mtime_nsec())
    );
    let seen = run();
    assert_eq!(seen.ending, Ending::Code(0), "{seen:?}");
    assert!(
        is(program("recursion"), &seen.stdout),
        "stale code ran: {seen:?}"
    );
}

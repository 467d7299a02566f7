//! A damaged image file: always the right output, never a crash, and every loss is counted.
//!
//! One small program is run again and again, each time with the image damaged in another place.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rekindle_testkit::{
    Invocation, Observation, Statistics, build, expected, image_files, mangle, program,
};

use crate::session::{Session, start};

/// Small enough that its image has few pages, hot enough that it has one.
const GUEST: &str = "lisp_talk";

/// A session whose cache holds one image.
struct Warmed {
    session: Session,
    image: PathBuf,
    pristine: Vec<u8>,
    loaded: u64,
}

fn warmed() -> Warmed {
    let session = Session::new();
    let (_, first) = session.run(&["--finish-compiles"], program(GUEST));
    let images = image_files(&session.cache()).expect("the cache can be listed");
    assert_eq!(images.len(), 1, "{first:?} {images:?}");
    let pristine = fs::read(&images[0]).expect("the image can be read");
    let (_, second) = session.run(&[], program(GUEST));
    assert!(second.regions_loaded > 0, "{second:?}");
    Warmed {
        session,
        image: images[0].clone(),
        pristine,
        loaded: second.regions_loaded,
    }
}

impl Warmed {
    /// Runs with the image changed, and holds the run to what must be true after any damage.
    fn survives(&self, what: &str, change: impl FnOnce(&mut Vec<u8>)) -> Statistics {
        mangle(&self.image, |bytes| {
            bytes.clone_from(&self.pristine);
            change(bytes);
        })
        .expect("the image can be replaced");
        // The cache is read only, so that the damaged image stays the only one.
        let (seen, statistics) =
            self.session
                .run_with(&[], &[("REKINDLE_CACHE", "ro")], program(GUEST));
        self.is_right(what, &seen, &statistics);
        statistics
    }

    fn is_right(&self, what: &str, seen: &Observation, statistics: &Statistics) {
        assert_eq!(*seen, expected(program(GUEST)), "{what}");
        let missed: u64 = statistics.misses.values().sum();
        assert!(
            statistics.regions_loaded + missed >= self.loaded,
            "{what}: a loss wasn't counted: {statistics:?}, {} loaded before",
            self.loaded
        );
    }
}

/// Shares the cases out to as many sessions as the machine has cores.
fn in_parallel(cases: &[usize], each: impl Fn(&Warmed, usize) + Sync) {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let warmed = warmed();
                while let Some(&case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(&warmed, case);
                }
            });
        }
    });
}

#[test]
fn truncated_at_every_64th_byte() {
    let len = warmed().pristine.len();
    let cases: Vec<usize> = (0..len).step_by(64).collect();
    in_parallel(&cases, |warmed, at| {
        let _ = warmed.survives(&format!("truncated at {at}"), |bytes| bytes.truncate(at));
    });
}

#[test]
fn a_bit_flipped_all_over_the_file() {
    let len = warmed().pristine.len();
    // 61 is prime to the sizes of the file's records, so every field is hit somewhere.
    let cases: Vec<usize> = (0..len).step_by(61).collect();
    in_parallel(&cases, |warmed, at| {
        let _ = warmed.survives(&format!("bit flipped in byte {at}"), |bytes| {
            bytes[at % warmed.pristine.len()] ^= 1 << (at % 8);
        });
    });
}

#[test]
fn whole_parts_lost() {
    let warmed = warmed();
    let half = warmed.pristine.len() / 2;
    let _ = warmed.survives("empty", Vec::clear);
    let _ = warmed.survives("noughts", |bytes| bytes.fill(0));
    let _ = warmed.survives("second half lost", |bytes| bytes[half..].fill(0));
    let _ = warmed.survives("first half lost", |bytes| bytes[..half].fill(0xff));
    let _ = warmed.survives("grown", |bytes| bytes.extend_from_slice(&[7; 10_000]));
    let _ = warmed.survives("another program's", |bytes| {
        *bytes = b"#!/bin/sh\nexit 1\n".to_vec()
    });
    fs::remove_file(&warmed.image).expect("the image can be removed");
    let (seen, statistics) = warmed.session.run(&[], program(GUEST));
    warmed.is_right("deleted", &seen, &statistics);
    assert_eq!(statistics.regions_loaded, 0);
}

/// A file that is truncated takes its pages away from whoever has it mapped: the guest was killed by
/// `SIGBUS` once, as if it had made a mistake.
#[test]
fn an_image_that_is_truncated_while_it_is_used_costs_the_image_and_not_the_guest() {
    for len in [0, 4096, 20_000] {
        let session = Session::new();
        let elf = build(program("truncated")).expect("it builds");
        let words = |args| session.command(&["--finish-compiles"], &elf, args);
        let cold = Invocation::new(words(&[]), session.path()).run();
        let warm = Invocation::new(words(&[]), session.path()).run();
        assert_eq!(cold.stdout, warm.stdout);
        let loaded = |seen: &Observation| {
            let (statistics, _) = Statistics::split(&seen.stderr).expect("statistics");
            statistics.regions_loaded
        };
        assert!(loaded(&warm) > 0, "{warm:?}");
        let mut child = start(&Invocation::new(words(&["busy"]), session.path()));
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it prints");
        assert_eq!(line, "ready\n");
        // It is in the middle of compiled loops now, in two threads.
        thread::sleep(Duration::from_millis(100));
        for image in image_files(&session.cache()).expect("it can be listed") {
            let file = fs::File::options().write(true).open(&image);
            let file = file.expect("it is ours");
            let old = file.metadata().expect("it has a length").len();
            file.set_len(old.min(len)).expect("it can be truncated");
        }
        thread::sleep(Duration::from_millis(100));
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(b"\n")
            .expect("it reads");
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).expect("it prints");
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{len}: {:?} {told}", output.status);
        assert_eq!(
            String::from_utf8_lossy(&rest),
            String::from_utf8_lossy(&cold.stdout)
        );
    }
}

//! A damaged image file: always the right output, never a crash, and every loss is counted.
//!
//! One small program is run again and again, each time with the image damaged in another place.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rekindle_testkit::{Observation, Statistics, expected, image_files, mangle, program};

use crate::session::Session;

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

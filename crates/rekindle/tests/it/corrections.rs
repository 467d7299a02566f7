//! What was found wrong never comes back, whatever happens to what took its place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::{
    Fake, Home, call, config, constant, environment, hit, key, miss, obtain, scope, symbols,
};
use rekindle::{
    Artifact, Cache, CacheConfig, Code, Known, Lookup, MissReason, ProgramDraft, ProgramPart,
    ScopeId, Signature, Wanted,
};

/// What the wrong code returns, and what takes its place.
const WRONG: u64 = 1;
const RIGHT: u32 = 0x0077_7777;

/// The same under a storage of its own, with hits verified.
fn verifying(path: &Path, storage: &Arc<Fake>) -> Cache {
    let config = CacheConfig {
        verify_one_in: 1,
        ..config(path)
    };
    Cache::open_on(&config, Arc::clone(storage) as Arc<dyn rekindle::Storage>)
}

/// Finds out that what is kept for key 1 is wrong.
fn correct_with(home: &Home, fresh: Artifact) {
    let cache = verifying(&home.path(), &Arc::default());
    let scope = scope(&cache);
    let code = hit(&scope, &key(1));
    let verification = scope.verification(&key(1), &code);
    let verification = verification.expect("each is verified");
    let code = scope.verify(verification, fresh).expect("there is memory");
    assert_eq!(call(&code), u64::from(RIGHT));
}

/// A home with an image of the wrong code and of three others, and one with what corrects it. Returns the
/// newest, too, and what the first image held before.
fn corrected() -> (Home, PathBuf, Vec<u8>) {
    let home = Home::new();
    let first = scope(&home.open());
    for number in 1..5 {
        obtain(&first, &key(number), || constant(number as u32));
    }
    drop(first);
    let wrong = fs::read(&home.images()[0]).expect("readable");
    correct_with(&home, constant(RIGHT));
    let newest = newest(&home);
    (home, newest, wrong)
}

fn number(path: &Path) -> u32 {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.and_then(|stem| stem.parse().ok()).expect("a number")
}

fn newest(home: &Home) -> PathBuf {
    let images = home.images().into_iter();
    images.max_by_key(|path| number(path)).expect("an image")
}

/// Puts a file in the place of another, or where there is none.
fn put(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).expect("space");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
}

/// What key 1 gives in a new process, if anything.
fn answer(home: &Home) -> Option<u64> {
    match scope(&home.open()).lookup(&key(1)) {
        Lookup::Hit(code) => Some(call(&code)),
        Lookup::Miss(_) => None,
    }
}

/// Changes every occurrence of some bytes.
fn damage(path: &Path, bytes: &[u8]) {
    let mut image = fs::read(path).expect("readable");
    let places = image.windows(bytes.len()).enumerate();
    let places: Vec<usize> = places
        .filter_map(|(at, found)| (found == bytes).then_some(at))
        .collect();
    assert!(!places.is_empty(), "it is there");
    for place in places {
        image[place] ^= 1;
    }
    put(path, &image);
}

/// Processes that each keep something of their own, until images are merged.
fn run_on(home: &Home) {
    for number in 100..109 {
        obtain(&scope(&home.open()), &key(number), || {
            constant(number as u32)
        });
    }
}

#[test]
fn no_damage_to_a_correction_brings_back_what_it_corrected() {
    let (home, newest, _) = corrected();
    let image = fs::read(&newest).expect("readable");
    let places = (0..image.len()).filter(|place| image[*place] != 0 || place % 8 == 0);
    let mut misses = 0;
    for place in places {
        let mut damaged = image.clone();
        damaged[place] ^= 1 << (place % 8);
        put(&newest, &damaged);
        match answer(&home) {
            Some(found) => assert_eq!(found, u64::from(RIGHT), "{place}"),
            None => misses += 1,
        }
    }
    assert!(misses > 50, "{misses}");
    for len in (0..image.len()).step_by(997) {
        put(&newest, &image[..len]);
        assert_eq!(answer(&home), None, "{len}");
    }
    fs::set_permissions(&newest, fs::Permissions::from_mode(0o666)).expect("it is ours");
    assert_eq!(answer(&home), None, "a mode that isn't believed");
    // Whoever flushes next removes what can't be used.
    run_on(&home);
    assert_eq!(answer(&home), None, "after a merge");
}

#[test]
fn a_correction_leaves_the_rest_of_an_image() {
    let (home, newest, _) = corrected();
    assert_eq!(answer(&home), Some(RIGHT.into()));
    fs::remove_file(newest).expect("it is ours");
    let scope = scope(&home.open());
    assert_eq!(miss(&scope, &key(1)), MissReason::NotCached);
    for number in 2..5 {
        assert_eq!(call(&hit(&scope, &key(number))), number);
    }
}

#[test]
fn a_merge_does_not_pass_over_an_image_that_cannot_be_read() {
    let home = Home::new();
    obtain(&scope(&home.open()), &key(1), || constant(1));
    let first = home.images()[0].clone();
    let wrong = fs::read(&first).expect("readable");
    correct_with(&home, constant(RIGHT));
    let second = first.with_file_name("2.img");
    fs::rename(newest(&home), &second).expect("it is ours");
    put(&first, &wrong);
    fs::set_permissions(&second, fs::Permissions::from_mode(0o666)).expect("it is ours");
    run_on(&home);
    assert!(home.images().len() < 9, "merged");
    fs::set_permissions(&second, fs::Permissions::from_mode(0o600)).expect("it is ours");
    assert_eq!(answer(&home), Some(RIGHT.into()));
}

/// A merge neither passes over a damaged image nor takes what is older in its stead, even in a cache in
/// which what was corrected is still there.
#[test]
fn a_merge_does_not_bring_back_what_a_damaged_image_corrected() {
    let text = [&[0xb8][..], &RIGHT.to_le_bytes()].concat();
    let name = format!("constant{RIGHT}").into_bytes();
    // The latter is in the part of an image that only merging reads.
    for damaged in [text, name] {
        let home = Home::new();
        for number in 1..4 {
            obtain(&scope(&home.open()), &key(number), || {
                constant(number as u32)
            });
        }
        let first = home.images()[0].clone();
        let wrong = fs::read(&first).expect("readable");
        correct_with(&home, constant(RIGHT));
        put(&first, &wrong);
        damage(&newest(&home), &damaged);
        let before = answer(&home);
        assert_ne!(before, Some(WRONG));
        run_on(&home);
        assert!(home.images().len() < 9, "merged");
        assert_eq!(answer(&home), before);
        for number in 100..109 {
            assert_eq!(call(&hit(&scope(&home.open()), &key(number))), number);
        }
    }
}

#[test]
fn a_disk_that_loses_a_correction_does_not_bring_back_what_it_corrected() {
    let home = Home::new();
    obtain(&scope(&home.open()), &key(1), || constant(1));
    let mut large = constant(RIGHT);
    // Only large images get a note, for which the disk is asked.
    large.metadata = vec![1; 300 << 10];
    correct_with(&home, large);
    let storage = Fake {
        loses_writes: true,
        ahead_s: 120.into(),
        ..Fake::default()
    };
    let cache = home.open_on(&Arc::new(storage));
    let second = scope(&cache);
    assert_eq!(call(&hit(&second, &key(1))), u64::from(RIGHT));
    second.flush();
    let notices = cache.notices();
    assert!(notices[0].to_string().contains("removed"), "{notices:?}");
    assert_eq!(answer(&home), None);
}

#[test]
fn what_a_front_refused_does_not_come_back() {
    let home = Home::new();
    for number in 1..3 {
        obtain(&scope(&home.open()), &key(number), || {
            constant(number as u32)
        });
    }
    let second = scope(&home.open());
    let code = hit(&second, &key(1));
    let ticket = second.refuse(&key(1), &code).expect("it was loaded");
    let code = second.insert(ticket, constant(RIGHT));
    assert_eq!(call(&code.expect("there is memory")), u64::from(RIGHT));
    second.flush();
    fs::remove_file(newest(&home)).expect("it is ours");
    assert_eq!(answer(&home), None);
    assert_eq!(call(&hit(&scope(&home.open()), &key(2))), 2);
}

/// A program that patches itself finds its file's code at every start, and refuses it later.
#[test]
fn what_a_front_refused_stays_if_nothing_is_kept_in_its_place() {
    let home = Home::new();
    obtain(&scope(&home.open()), &key(1), || constant(1));
    let second = scope(&home.open());
    second.keep_only(Box::new(|| Box::new(|_| false)));
    let code = hit(&second, &key(1));
    let ticket = second.refuse(&key(1), &code).expect("it was loaded");
    let code = second.insert(ticket, constant(RIGHT));
    assert_eq!(call(&code.expect("there is memory")), u64::from(RIGHT));
    drop(second);
    assert_eq!(answer(&home), Some(WRONG));
}

#[test]
fn a_correction_is_made_while_another_process_merges() {
    let home = Home::new();
    obtain(&scope(&home.open()), &key(1), || constant(1));
    let folder = home.images()[0].parent().expect("a folder").to_owned();
    let lock = fs::File::create(folder.join("lock")).expect("space");
    lock.lock().expect("nobody has it");
    correct_with(&home, constant(RIGHT));
    assert_eq!(answer(&home), Some(RIGHT.into()));
    assert_eq!(home.images().len(), 1);
    fs::remove_file(newest(&home)).expect("it is ours");
    assert_eq!(answer(&home), None);
}

#[test]
fn damaged_code_is_replaced_and_its_image_is_whole_again() {
    let home = Home::new();
    let first = scope(&home.open());
    for number in 1..4 {
        obtain(&first, &key(number), || constant(number as u32));
    }
    drop(first);
    damage(&home.images()[0], &[0xb8, 1, 0, 0, 0]);
    let cache = home.open();
    let second = scope(&cache);
    assert_eq!(miss(&second, &key(1)), MissReason::Damaged);
    obtain(&second, &key(1), || constant(1));
    second.flush();
    assert!(cache.entries().iter().all(|entry| entry.is_sound));
    assert_eq!(cache.entries().len(), 3);
}

#[test]
fn a_damaged_program_does_not_bring_back_an_older_one() {
    let home = Home::new();
    let id = ScopeId::from_name("program");
    let keep = |number: u32| {
        let scope = scope(&home.open());
        let part = obtain(&scope, &key(number.into()), || constant(number));
        scope.abandon_unflushed();
        let draft = ProgramDraft {
            parts: vec![ProgramPart::Code {
                code: part,
                location_base: 0,
            }],
            front: number.to_le_bytes().to_vec(),
            ..ProgramDraft::default()
        };
        scope.keep_program(id.clone(), draft);
        assert_eq!(scope.flush().entries_written, 1);
    };
    let front = || {
        let program = scope(&home.open()).open_program(&id)?;
        Some(program.front().to_vec())
    };
    keep(1);
    let first = newest(&home);
    let older = fs::read(&first).expect("readable");
    keep(2);
    assert_eq!(home.images().len(), 1);
    assert_eq!(front(), Some(vec![2, 0, 0, 0]));
    let second = first.with_file_name("7.img");
    fs::rename(newest(&home), &second).expect("it is ours");
    put(&first, &older);
    assert_eq!(front(), Some(vec![2, 0, 0, 0]));
    damage(&second, &[0xb8, 2, 0, 0, 0]);
    assert_eq!(front(), None, "damaged");
    let torn = fs::read(&second).expect("readable");
    put(&second, &torn[..100]);
    assert_eq!(front(), None, "torn");
}

#[test]
fn code_of_another_signature_takes_the_place_of_what_was_inserted() {
    let home = Home::new();
    let first = scope(&home.open());
    let of_answers = obtain(&first, &key(1), || constant(1));
    let knows = |_: &str| Some(Known::ByName);
    let wanted = Wanted::new(&knows).with_signature(Signature(7));
    let Lookup::Miss(ticket) = first.lookup_wanted(&key(1), &wanted) else {
        panic!("it has another signature")
    };
    assert_eq!(ticket.reason(), MissReason::OtherSignature);
    let other = Artifact {
        signature: Signature(7),
        ..constant(2)
    };
    let inserted = first.insert(ticket, other).expect("there is memory");
    let is_the_other = |code: &Code| code.signature() == Signature(7) && code.name() == "constant2";
    assert!(is_the_other(&inserted));
    assert!(
        matches!(first.lookup_wanted(&key(1), &wanted), Lookup::Hit(code) if is_the_other(&code))
    );
    for code in [&of_answers, &inserted] {
        let located = first.locate(code.address()).expect("both may be running");
        assert_eq!(located.name, code.name());
    }
    assert_eq!(first.flush().entries_written, 1, "of one key, one");
    let second = home
        .open()
        .scope(&environment(), ScopeId::from_name("main"), symbols());
    assert!(
        matches!(second.lookup_wanted(&key(1), &wanted), Lookup::Hit(code) if is_the_other(&code))
    );
}

#[test]
fn a_cache_that_was_made_anew_is_left_alone() {
    let home = Home::new();
    let server = home.open();
    obtain(&scope(&server), &key(1), || constant(1));
    fs::remove_dir_all(home.path()).expect("it is ours");
    for number in 2..4 {
        obtain(&scope(&home.open()), &key(number), || {
            constant(number as u32)
        });
    }
    let images = home.images();
    let again = scope(&server);
    let Lookup::Miss(ticket) = again.lookup(&key(2)) else {
        panic!("it was made with another secret")
    };
    assert_eq!(ticket.reason(), MissReason::CacheOff);
    again.insert(ticket, constant(2)).expect("there is memory");
    assert_eq!(again.flush().entries_written, 0);
    assert_eq!(home.images(), images, "all are still there, and no other");
    let notices = server.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].to_string().contains("made anew"), "{notices:?}");
    assert_eq!(server.statistics().images_refused, 0);
    for number in 2..4 {
        assert_eq!(call(&hit(&scope(&home.open()), &key(number))), number);
    }
    // Nor does it matter whether it looked before.
    fs::remove_dir_all(home.path()).expect("it is ours");
    obtain(&scope(&server), &key(5), || constant(5));
    assert!(home.images().is_empty());
}

#[test]
fn a_program_that_is_verified_is_made_of_nothing_unverified() {
    let home = Home::new();
    let first = scope(&home.open());
    for number in 0..5 {
        obtain(&first, &key(number), || constant(number as u32));
    }
    drop(first);
    let cache = Cache::open(&CacheConfig {
        verify_one_in: 1000,
        ..home.config()
    });
    let scope = scope(&cache);
    let verified = || {
        let is_verified = |number: &u64| {
            let code = hit(&scope, &key(*number));
            scope.verification(&key(*number), &code).is_some()
        };
        (0..5).filter(is_verified).count()
    };
    let verifying = (0..1000).find_map(|_| scope.verifies_program());
    assert_eq!(verified(), 5);
    drop(verifying.expect("one in a thousand"));
    assert_eq!(verified(), 0);
}

//! Merging, the budget, and looking at what is there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::{
    Event, Fake, Home, RICH_FIRST, call, constant, environment, hit, key, miss, obtain, rich,
    scope, symbols,
};
use rekindle::{
    Cache, CacheConfig, EntryInfo, Environment, MissReason, ProgramDraft, ProgramPart, ScopeId,
};

#[test]
fn many_images_become_one() {
    let home = Home::new();
    for number in 0..9 {
        let scope = scope(&home.open());
        obtain(&scope, &key(number), || {
            if number == 0 {
                rich()
            } else {
                constant(number as u32)
            }
        });
    }
    assert_eq!(home.images().len(), 1);
    let cache = home.open();
    let scope = scope(&cache);
    let code = hit(&scope, &key(0));
    assert_eq!(call(&code), RICH_FIRST);
    assert_eq!(code.name(), "rich@test");
    assert_eq!(code.metadata(), b"beside the code");
    assert_eq!(code.source_location(20), Some(50));
    for number in 1..9 {
        assert_eq!(call(&hit(&scope, &key(number))), number);
    }
}

#[test]
fn merging_stops_at_what_is_damaged_until_that_is_replaced() {
    let home = Home::new();
    for number in 1..9 {
        obtain(&scope(&home.open()), &key(number), || {
            constant(number as u32)
        });
    }
    let path = &home.images()[3];
    let mut image = std::fs::read(path).expect("readable");
    let place = image
        .windows(2)
        .position(|bytes| bytes == [0xb8, 4])
        .expect("the text is there");
    image[place + 1] = 99;
    std::fs::write(path, image).expect("space");
    obtain(&scope(&home.open()), &key(9), || constant(9));
    assert_eq!(home.images().len(), 5, "9 to 5 are one");
    let second = scope(&home.open());
    assert_eq!(miss(&second, &key(4)), MissReason::Damaged);
    assert_eq!(call(&hit(&second, &key(5))), 5);
    for number in [4, 10, 11, 12, 13] {
        obtain(&scope(&home.open()), &key(number), || {
            constant(number as u32)
        });
    }
    assert_eq!(home.images().len(), 1);
    for number in 1..14 {
        assert_eq!(call(&hit(&scope(&home.open()), &key(number))), number);
    }
}

#[test]
fn merging_twice_changes_nothing() {
    let home = Home::new();
    for number in 0..20 {
        let scope = scope(&home.open());
        obtain(&scope, &key(number), || {
            if number == 0 {
                rich()
            } else {
                constant(number as u32)
            }
        });
    }
    let scope = scope(&home.open());
    assert_eq!(call(&hit(&scope, &key(0))), RICH_FIRST);
    for number in 1..20 {
        assert_eq!(call(&hit(&scope, &key(number))), number);
    }
}

#[test]
fn the_budget_is_kept_and_superseded_environments_go_first() {
    let home = Home::new();
    let old = Environment::builder("test").field("version", 0).build();
    let open = |budget_bytes, ahead_days: i64| {
        let config = CacheConfig {
            budget_bytes,
            ..home.config()
        };
        Cache::open_on(&config, Fake::ahead(ahead_days * DAY_S))
    };
    keep_in(&open(1 << 30, 0), &old, 1);
    keep_in(&open(1 << 30, 8), &environment(), 1);
    let len = std::fs::metadata(&home.images()[0])
        .expect("it exists")
        .len();

    let cache = open(2 * len + len / 2, 8);
    obtain(&scope(&cache), &key(2), || constant(2));
    assert_eq!(cache.statistics().images_evicted, 1);
    let environments: Vec<String> = cache
        .images()
        .into_iter()
        .map(|image| image.environment)
        .collect();
    assert_eq!(environments, vec![environment().digest().short_hex(); 2]);
    assert_eq!(cache.environments().len(), 1, "its folder is gone as well");

    let cache = open(0, 8);
    let scope = scope(&cache);
    let code = hit(&scope, &key(1));
    obtain(&scope, &key(3), || constant(3));
    scope.flush();
    assert_eq!(home.images().len(), 0);
    assert_eq!(call(&code), 1, "mapped images live on");
}

const DAY_S: i64 = 24 * 60 * 60;

/// Obtains a function in the scope that all applications here have. Returns whether it was there.
fn keep_in(cache: &Cache, environment: &Environment, number: u64) -> bool {
    let scope = cache.scope(environment, ScopeId::from_name("main"), symbols());
    let code = obtain(&scope, &key(number), || {
        let mut artifact = constant(number as u32);
        // The later ones took longer: what they are worth must not matter.
        artifact.compile_time_ns = 1000 * (number + 1);
        artifact
    });
    assert_eq!(call(&code), number);
    code.is_loaded()
}

/// Two live applications of one producer, and one that was used once, for a month. From the middle on
/// the budget has room for the two and not for the third, which took longest to compile.
#[test]
fn two_live_applications_evict_nothing_of_each_other_in_a_month() {
    let home = Home::new();
    let build = |name: &str| Environment::builder("jit").field("program", name).build();
    let (one, two, dead) = (build("one"), build("two"), build("dead"));
    let storage = Fake::ahead(0);
    let open = |budget_bytes| {
        let config = CacheConfig {
            budget_bytes,
            ..home.config()
        };
        Cache::open_on(&config, Arc::clone(&storage) as Arc<dyn rekindle::Storage>)
    };
    keep_in(&open(1 << 30), &dead, 100_000);
    let len = std::fs::metadata(&home.images()[0])
        .expect("it exists")
        .len();
    let mut budget_bytes = 1 << 30;
    let mut evicted = 0;
    for day in 0..31_i64 {
        storage.ahead_s.store(day * DAY_S, Ordering::Relaxed);
        if day == 15 {
            // Four images will be made, and there is room for three.
            let used = open(1 << 30).disk_usage().bytes;
            budget_bytes = used + 3 * len + len / 2;
        }
        for (application, first) in [(&one, 100), (&two, 200)] {
            let cache = open(budget_bytes);
            for number in first..first + 3 {
                let is_there = keep_in(&cache, application, number);
                assert_eq!(is_there, day > 0, "day {day}: {number} was evicted");
            }
            // Each makes something new now and then.
            if day % 10 == 5 {
                keep_in(&cache, application, first + 10 + day as u64);
            }
            evicted += cache.statistics().images_evicted;
        }
    }
    assert_eq!(evicted, 1);
    let folders = open(1 << 30).environments();
    let folders: Vec<_> = folders.into_iter().map(|one| one.folder).collect();
    assert!(!folders.contains(&dead.digest().short_hex()));
    assert_eq!(folders.len(), 2);
}

#[test]
fn the_walk_does_not_grow_with_what_is_gone() {
    let home = Home::new();
    keep_in(&home.open(), &environment(), 1);
    let version = home.path().join("v1");
    let environment_folder = version.join(environment().digest().short_hex());
    let temporary = format!(".{}.tmp", "0".repeat(24));
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    let stale = |folder: &std::path::Path| {
        let file = std::fs::File::create(folder.join(&temporary)).expect("space");
        file.set_modified(hour_ago).expect("it is ours");
    };
    for number in 0..500 {
        let scope = environment_folder.join(format!("{number:032x}"));
        std::fs::create_dir(&scope).expect("space");
        match number % 4 {
            0 => stale(&scope),
            1 => drop(std::fs::File::create(scope.join("lock"))),
            2 => drop(std::fs::File::create(scope.join("7.intact"))),
            _ => {}
        }
    }
    let other = version.join("0".repeat(32));
    std::fs::create_dir(&other).expect("space");
    std::fs::write(other.join("environment.json"), "{}").expect("space");
    for folder in [&home.path(), &version, &environment_folder] {
        stale(folder);
    }
    let foreign = environment_folder.join("notes");
    std::fs::create_dir(&foreign).expect("space");

    keep_in(&home.open(), &environment(), 2);
    let names = |folder: &std::path::Path| {
        let entries = std::fs::read_dir(folder).expect("readable");
        let mut names: Vec<_> = entries.map(|one| one.expect("one").file_name()).collect();
        names.sort();
        names
    };
    let scope = ScopeId::from_name("main").digest().short_hex();
    assert_eq!(
        names(&environment_folder),
        [&*scope, "environment.json", "notes"]
    );
    assert_eq!(names(&version), [&*environment().digest().short_hex()]);
    assert_eq!(
        names(&home.path()),
        ["CACHEDIR.TAG", "rekindle-cache", "secret", "v1"]
    );
}

#[test]
fn a_merge_does_not_bring_back_what_verification_corrected() {
    let home = Home::new();
    for number in 1..9 {
        keep_in(&home.open(), &environment(), number);
    }
    // The image of 1 is wrong: what its front makes now returns 77. Another process finds out while
    // this one merges: after it wrote its own image, and before the merged one.
    let directory = home.path();
    let correct = move || {
        let cache = Cache::open(&CacheConfig {
            verify_one_in: 1,
            ..crate::support::config(&directory)
        });
        let scope = scope(&cache);
        let code = hit(&scope, &key(1));
        let verification = scope
            .verification(&key(1), &code)
            .expect("each is verified");
        let code = scope
            .verify(verification, constant(77))
            .expect("there is memory");
        assert_eq!(call(&code), 77);
    };
    let storage = Arc::new(Fake::default());
    storage.room.store(1, Ordering::Relaxed);
    *storage.when_full.lock().expect("no panic") = Some(Event(Box::new(correct)));
    keep_in(&home.open_on(&storage), &environment(), 9);
    assert!(
        storage.when_full.lock().expect("no panic").is_none(),
        "it happened"
    );
    assert_eq!(home.images().len(), 9, "one was gone: they weren't merged");
    let scope = scope(&home.open());
    assert_eq!(call(&hit(&scope, &key(1))), 77);
    assert_eq!(call(&hit(&scope, &key(9))), 9);
}

#[test]
fn an_eviction_does_not_bring_back_what_verification_corrected() {
    let home = Home::new();
    for number in 1..4 {
        keep_in(&home.open(), &environment(), number);
    }
    let open = |budget_bytes, verify_one_in| {
        Cache::open(&CacheConfig {
            budget_bytes,
            verify_one_in,
            ..home.config()
        })
    };
    let len: u64 = home.open().disk_usage().bytes;
    // The correction is worth least, and one image must go. What it corrects is gone by then.
    let cache = open(len - len / 6, 1);
    let second = scope(&cache);
    let code = hit(&second, &key(1));
    let verification = second
        .verification(&key(1), &code)
        .expect("each is verified");
    let corrected = second.verify(verification, constant(77));
    corrected.expect("there is memory");
    second.flush();
    assert_eq!(cache.statistics().images_evicted, 1);
    let third = scope(&open(1 << 30, 0));
    assert_eq!(call(&hit(&third, &key(1))), 77);
}

#[test]
fn what_is_there_can_be_listed_and_cleared() {
    let home = Home::new();
    let cache = home.open();
    let first = scope(&cache);
    obtain(&first, &key(0), rich);
    obtain(&first, &key(1), || constant(1));
    first.flush();

    let usage = cache.disk_usage();
    assert_eq!((usage.images, usage.entries, usage.scopes), (1, 2, 1));
    assert_eq!(usage.compile_time_ns, 124_456);
    let mut entries = cache.entries();
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    assert_eq!(entries.len(), 2);
    assert_eq!(
        (entries[1].name.as_str(), entries[1].label.as_str()),
        ("rich@test", "main")
    );
    assert!(entries.iter().all(|entry| entry.is_sound));
    assert_eq!(cache.environments()[0].description.producer, "test");

    assert_eq!(cache.clear().expect("it is ours"), usage.bytes);
    assert_eq!(home.images().len(), 0);
    assert!(cache.environments().is_empty());
    assert_eq!(miss(&scope(&cache), &key(0)), MissReason::NotCached);
    let again = scope(&cache);
    obtain(&again, &key(0), rich);
    assert_eq!(again.flush().entries_written, 1);
}

#[test]
fn the_program_has_a_digest() {
    let home = Home::new();
    let digest = home.open().program_digest().expect("it can be read");
    assert_eq!(home.open().program_digest(), Some(digest));
    assert_eq!(Cache::in_memory().program_digest(), None);
}

#[test]
fn a_scope_is_no_program_for_being_called_one() {
    let home = Home::new();
    let called_one = ScopeId::from_name("main").with_label("mine (program)");
    let scope = home.open().scope(&environment(), called_one, symbols());
    let name = obtain(&scope, &key(1), || constant(1)).name();
    scope.flush();
    let found = home.open().why(&name).expect("it was kept");
    assert!(!found.last.is_program);

    let part = obtain(&scope, &key(0), rich);
    scope.abandon_unflushed();
    let draft = ProgramDraft {
        parts: vec![ProgramPart::Code {
            code: part,
            location_base: 0,
        }],
        ..ProgramDraft::default()
    };
    let id = ScopeId::from_name("other").with_label("called nothing");
    scope.keep_program(id, draft);
    assert_eq!(scope.flush().entries_written, 1);
    let is_program = |entry: &EntryInfo| entry.name == "rich@test" && entry.is_program;
    assert!(home.open().entries().iter().any(is_program));
    assert_eq!(home.open().why("rich@test"), None);
}

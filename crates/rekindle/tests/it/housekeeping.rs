//! Merging, the budget, and looking at what is there.

use crate::support::{
    Home, RICH_FIRST, call, constant, environment, hit, key, miss, obtain, rich, scope, symbols,
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
fn merging_leaves_out_what_is_damaged() {
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
    assert_eq!(home.images().len(), 1);
    let scope = scope(&home.open());
    assert_eq!(miss(&scope, &key(4)), MissReason::NotCached);
    assert_eq!(call(&hit(&scope, &key(5))), 5);
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
    let open = |budget_bytes| {
        Cache::open(&CacheConfig {
            budget_bytes,
            ..home.config()
        })
    };
    let cache = open(1 << 30);
    for environment in [&old, &environment()] {
        let scope = cache.scope(environment, ScopeId::from_name("main"), symbols());
        obtain(&scope, &key(1), || constant(1));
    }
    let len = std::fs::metadata(&home.images()[0])
        .expect("it exists")
        .len();

    let cache = open(2 * len + len / 2);
    obtain(&scope(&cache), &key(2), || constant(2));
    assert_eq!(cache.statistics().images_evicted, 1);
    let environments: Vec<String> = cache
        .images()
        .into_iter()
        .map(|image| image.environment)
        .collect();
    assert_eq!(environments, vec![environment().digest().short_hex(); 2]);

    let cache = open(0);
    let scope = scope(&cache);
    let code = hit(&scope, &key(1));
    obtain(&scope, &key(3), || constant(3));
    scope.flush();
    assert_eq!(home.images().len(), 0);
    assert_eq!(call(&code), 1, "mapped images live on");
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
        parts: vec![ProgramPart::Code(part)],
        ..ProgramDraft::default()
    };
    let id = ScopeId::from_name("other").with_label("called nothing");
    scope.keep_program(id, draft);
    assert_eq!(scope.flush().entries_written, 1);
    let is_program = |entry: &EntryInfo| entry.name == "rich@test" && entry.is_program;
    assert!(home.open().entries().iter().any(is_program));
    assert_eq!(home.open().why("rich@test"), None);
}

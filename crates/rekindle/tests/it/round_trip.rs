//! Code goes in, runs, and comes back.

use crate::support::{
    Answer, Home, RICH_FIRST, call, constant, environment, hit, key, miss, obtain, rich, scope,
    symbols,
};
use rekindle::{
    Artifact, Cache, CacheConfig, CacheMode, Environment, HostAddr, InsertError, Lookup,
    MissReason, ScopeId, SectionKind, Signature,
};

#[test]
fn inserted_code_runs_at_once() {
    let scope = scope(&Cache::in_memory());
    let code = obtain(&scope, &key(1), rich);
    assert!(!code.is_loaded());
    assert_eq!(call(&code), RICH_FIRST);
    assert_eq!(call(&code), RICH_FIRST + 1);
    assert_eq!(call(&hit(&scope, &key(1))), RICH_FIRST + 2);
    assert_eq!(code.metadata(), b"beside the code");
}

#[test]
fn flushed_code_comes_back() {
    let home = Home::new();
    let first = scope(&home.open());
    call(&obtain(&first, &key(1), rich));
    obtain(&first, &key(2), || constant(7));
    let report = first.flush();
    assert_eq!(report.entries_written, 2);
    assert_eq!(
        first.flush().entries_written,
        0,
        "nothing is queued any more"
    );

    let cache = home.open();
    let second = scope(&cache);
    let code = hit(&second, &key(1));
    assert!(code.is_loaded());
    assert_eq!(
        call(&code),
        RICH_FIRST,
        "data starts as it was compiled, not as it was left"
    );
    assert_eq!(call(&code), RICH_FIRST + 1);
    assert_eq!(
        call(&hit(&second, &key(1))),
        RICH_FIRST + 2,
        "a second look-up resets nothing"
    );
    assert_eq!(call(&hit(&second, &key(2))), 7);
    assert_eq!(miss(&second, &key(3)), MissReason::NotCached);
    assert_eq!(code.metadata(), b"beside the code");
    assert_eq!(code.compile_time_ns(), 123_456);

    let statistics = cache.statistics();
    assert_eq!(statistics.entries_loaded, 2);
    assert_eq!(statistics.compile_ns_avoided, 124_456);
    assert_eq!(statistics.misses[&MissReason::NotCached], 1);
    assert_eq!(statistics.images_mapped, 1);
    assert_eq!(statistics.image_bytes_mapped, report.bytes_written);
}

#[test]
fn dropping_the_last_handle_flushes() {
    let home = Home::new();
    let first = scope(&home.open());
    let code = obtain(&first, &key(1), || constant(1));
    drop(first.clone());
    assert_eq!(home.images().len(), 0);
    drop(first);
    assert_eq!(home.images().len(), 1);
    assert_eq!(call(&code), 1, "code outlives its scope");
}

#[test]
fn later_flushes_add_images() {
    let home = Home::new();
    for number in 0..3 {
        let scope = scope(&home.open());
        for earlier in 0..number {
            assert_eq!(call(&hit(&scope, &key(earlier))), earlier);
        }
        obtain(&scope, &key(number), || constant(number as u32));
    }
    assert_eq!(home.images().len(), 3);
}

#[test]
fn locate_names_the_place() {
    let home = Home::new();
    let first = scope(&home.open());
    let inserted = obtain(&first, &key(1), rich);
    obtain(&first, &key(2), || constant(7));
    first.flush();
    let second = scope(&home.open());
    let loaded = hit(&second, &key(1));
    for (scope, code) in [(&first, &inserted), (&second, &loaded)] {
        let at = |offset: u64| scope.locate(code.address().offset(offset));
        let start = at(0).expect("it is there");
        assert_eq!((start.name.as_str(), start.offset), ("rich@test", 0));
        assert_eq!((start.source_location, start.trap), (Some(100), None));
        let trap = at(4).expect("it is there");
        assert_eq!((trap.source_location, trap.trap), (Some(100), Some(7)));
        assert_eq!(at(9).expect("it is there").source_location, None);
        assert_eq!(at(22).expect("it is there").source_location, Some(50));
        assert_eq!(at(23).expect("it is there").source_location, None);
        assert_eq!(at(u64::from(code.text_len_bytes())), None);
        assert_eq!(scope.locate(HostAddr(0)), None);
        assert_eq!(scope.locate(HostAddr(u64::MAX)), None);
    }
}

#[test]
fn sections_are_where_the_code_says() {
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(1), rich);
    first.flush();
    let second = scope(&home.open());
    for scope in [&first, &second] {
        let code = hit(scope, &key(1));
        assert_eq!(code.section_address(SectionKind::Text), code.address());
        let bss = code.section_address(SectionKind::Bss).0;
        assert_eq!(bss % 64, 0);
        assert!(bss.abs_diff(code.address().0) < 1 << 31);
        assert!(code.address().0 > 1 << 38, "guests live below");
        assert!(bss > 1 << 38, "guests live below");
    }
}

#[test]
fn an_unbound_name_is_a_miss() {
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(1), rich);
    obtain(&first, &key(2), || constant(7));
    first.flush();
    let name = ScopeId::from_name("main");
    let second = home.open().scope(&environment(), name, Box::new(|_| None));
    assert_eq!(miss(&second, &key(1)), MissReason::Unbound);
    assert_eq!(call(&hit(&second, &key(2))), 7, "what needs no names works");
    let Lookup::Miss(ticket) = second.lookup(&key(1)) else {
        panic!("a hit")
    };
    let error = second
        .insert(ticket, rich())
        .expect_err("the name has no value");
    assert!(matches!(error, InsertError::Unresolved { .. }), "{error}");
}

#[test]
fn environments_and_scopes_are_apart() {
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(1), || constant(1));
    first.flush();
    let other = Environment::builder("test").field("version", 2).build();
    let cache = home.open();
    let elsewhere = [
        cache.scope(&other, ScopeId::from_name("main"), symbols()),
        cache.scope(&environment(), ScopeId::from_name("other"), symbols()),
    ];
    for scope in elsewhere {
        assert_eq!(miss(&scope, &key(1)), MissReason::NotCached);
    }
}

#[test]
fn modes() {
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(1), || constant(1));
    first.flush();

    let mode = |mode| {
        Cache::open(&CacheConfig {
            mode,
            ..home.config()
        })
    };
    let off = scope(&mode(CacheMode::Off));
    assert_eq!(miss(&off, &key(1)), MissReason::CacheOff);
    let reading = scope(&mode(CacheMode::ReadOnly));
    assert_eq!(call(&hit(&reading, &key(1))), 1);
    obtain(&reading, &key(2), || constant(2));
    assert_eq!(reading.flush().entries_written, 0);
    drop(reading);
    assert_eq!(home.images().len(), 1);
}

#[test]
fn tickets_and_signatures_are_checked() {
    let cache = Cache::in_memory();
    let here = scope(&cache);
    let there = cache.scope(&environment(), ScopeId::from_name("there"), symbols());
    let Lookup::Miss(ticket) = here.lookup(&key(1)) else {
        panic!("a hit")
    };
    let error = there
        .insert(ticket, constant(1))
        .expect_err("the ticket is foreign");
    assert!(matches!(error, InsertError::ForeignTicket));

    let artifact = Artifact {
        signature: Signature(5),
        ..constant(1)
    };
    let code = obtain(&here, &key(1), || artifact);
    let error = code.entry::<Answer>().expect_err("another signature");
    assert_eq!(error.recorded, 5);
}

#[test]
fn a_broken_artifact_is_refused() {
    let scope = scope(&Cache::in_memory());
    let Lookup::Miss(ticket) = scope.lookup(&key(1)) else {
        panic!("a hit")
    };
    let error = scope
        .insert(ticket, Artifact::default())
        .expect_err("there is no text");
    assert!(matches!(error, InsertError::NoText), "{error}");
}

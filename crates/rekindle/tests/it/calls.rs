//! Calls of code of the same image lead straight there, as long as the name stands for it.

use rekindle::{
    Artifact, Asked, Cache, Code, Known, Lookup, Relocation, RelocationKind, Scope, ScopeId,
    Section, SectionKind, Signature, Target, Wanted, signature_of,
};

use crate::support::{
    Answer, Home, RICH_FIRST, call, constant, environment, helper, hit, key, obtain, rich, symbols,
};

/// Where the field of the call in [`caller`] is.
const FIELD: usize = 5;

/// Returns what the code named `callee` returns.
fn caller() -> Artifact {
    // sub rsp, 8; call callee; add rsp, 8; ret
    let bytes = vec![
        0x48, 0x83, 0xec, 8, 0xe8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 8, 0xc3,
    ];
    Artifact {
        name: "caller".to_owned(),
        symbol: Some("caller".to_owned()),
        signature: Signature(signature_of::<Answer>()),
        text: Section { bytes, align: 16 },
        relocations: vec![Relocation {
            section: SectionKind::Text,
            offset: FIELD as u32,
            kind: RelocationKind::X86Plt32,
            target: Target::Symbol("callee".to_owned()),
            addend: -4,
        }],
        ..Artifact::default()
    }
}

/// Returns a number, and is what `callee` stands for in an image.
fn callee(number: u32) -> Artifact {
    Artifact {
        symbol: Some("callee".to_owned()),
        ..constant(number)
    }
}

fn late_scope(cache: &Cache) -> Scope {
    cache.scope_with_late_names(&environment(), ScopeId::from_name("main"))
}

/// A scope in which `callee` stands for the host's own function.
fn scope_with_helper(cache: &Cache) -> Scope {
    let helper = helper as *const () as u64;
    let symbols = move |name: &str| (name == "callee").then_some(helper);
    cache.scope(
        &environment(),
        ScopeId::from_name("main"),
        Box::new(symbols),
    )
}

/// Values of names that are known by nothing else.
fn by_name(value_of: impl Fn(&str) -> Option<u64>) -> impl FnMut(Asked<'_>) -> Option<u64> {
    move |asked| match asked {
        Asked::Name(name) => value_of(name),
        Asked::Number(_) => None,
    }
}

/// Gives `callee` its meaning.
fn bind(scope: &Scope, callee: &Code) {
    let address = callee.address().0;
    let unknown = scope.bind_names(&mut by_name(|name| (name == "callee").then_some(address)));
    assert!(unknown.expect("executable memory").is_empty());
}

/// Where the call of code made of [`caller`] leads.
fn target(caller: &Code) -> u64 {
    let field = caller.address().0 + FIELD as u64;
    let pointer = core::ptr::with_exposed_provenance::<[u8; 4]>(field as usize);
    #[expect(unsafe_code, reason = "reads the code that was made")]
    // SAFETY: `caller` keeps the code mapped, and nothing writes it any more.
    let distance = i32::from_le_bytes(unsafe { *pointer });
    field.wrapping_add(4).wrapping_add_signed(distance.into())
}

/// A folder with one image of a caller and the callee that returns 1.
fn kept() -> Home {
    let home = Home::new();
    let scope = late_scope(&home.open());
    let caller = obtain(&scope, &key(0), caller);
    let callee = obtain(&scope, &key(1), || callee(1));
    bind(&scope, &callee);
    assert_eq!(target(&caller), callee.address().0, "fresh code, too");
    assert_eq!(call(&caller), 1);
    home
}

#[test]
fn a_call_leads_straight_to_code_of_the_same_image() {
    let home = kept();
    let scope = late_scope(&home.open());
    let [caller, callee] = [0, 1].map(|number| hit(&scope, &key(number)));
    bind(&scope, &callee);
    assert_eq!(target(&caller), callee.address().0);
    assert_eq!(call(&caller), 1);
}

#[test]
fn a_call_leads_to_what_the_name_stands_for_now() {
    let home = kept();
    for round in 0..2 {
        let scope = late_scope(&home.open());
        let caller = hit(&scope, &key(0));
        let other = obtain(&scope, &key(2), || callee(2));
        assert_eq!(other.is_loaded(), round > 0);
        let assumed = target(&caller);
        bind(&scope, &other);
        assert_ne!(target(&caller), assumed);
        assert_eq!(call(&caller), 2);
        // What was assumed is still there, and sound, whenever it is looked up.
        let first = hit(&scope, &key(1));
        assert_eq!(first.address().0, assumed);
        bind(&scope, &other);
        assert_eq!((call(&first), call(&caller)), (1, 2));
        // Nor is another scope concerned.
        let another = late_scope(&home.open());
        let [caller, callee] = [0, 1].map(|number| hit(&another, &key(number)));
        bind(&another, &callee);
        assert_eq!(call(&caller), 1);
    }
    let scope = scope_with_helper(&home.open());
    assert_eq!(call(&hit(&scope, &key(0))), 42);
}

#[test]
fn code_that_was_not_looked_up_is_verified_after_calls_were_redirected() {
    let home = Home::new();
    let scope = late_scope(&home.open());
    let first = obtain(&scope, &key(1), || callee(1));
    for number in [0, 10, 20] {
        obtain(&scope, &key(number), caller);
    }
    bind(&scope, &first);
    drop(scope);
    let scope = late_scope(&home.open());
    let early = hit(&scope, &key(10));
    let other = obtain(&scope, &key(2), || callee(2));
    bind(&scope, &other);
    // Their calls were edited, too, but what is verified is the file.
    for number in [0, 20] {
        let late = hit(&scope, &key(number));
        assert!(late.is_loaded());
        assert_eq!(call(&late), 2);
    }
    assert_eq!(call(&early), 2);
}

#[test]
fn a_name_that_two_entries_have_is_called_through_its_cell() {
    let home = Home::new();
    let scope = late_scope(&home.open());
    let caller = obtain(&scope, &key(0), caller);
    let [first, second] =
        [1, 2].map(|number| obtain(&scope, &key(number.into()), || callee(number)));
    bind(&scope, &second);
    assert_eq!((call(&caller), call(&first)), (2, 1));
    drop(scope);
    for number in [1, 2] {
        let scope = late_scope(&home.open());
        let caller = hit(&scope, &key(0));
        let callee = hit(&scope, &key(number));
        let before = target(&caller);
        bind(&scope, &callee);
        assert_eq!(target(&caller), before);
        assert_eq!(call(&caller), number);
    }
}

#[test]
fn a_name_that_was_known_by_a_number_is_asked_for_by_it() {
    let home = kept();
    let scope = late_scope(&home.open());
    let knows = |name: &str| (name == "callee").then_some(Known::As(7));
    let found = scope.lookup_wanted(&key(0), &Wanted::new(&knows));
    let Lookup::Hit(caller) = found else {
        panic!("{found:?}");
    };
    let address = hit(&scope, &key(1)).address().0;
    let unknown = scope.bind_names(&mut |asked| (asked == Asked::Number(7)).then_some(address));
    assert!(unknown.expect("executable memory").is_empty());
    assert_eq!(call(&caller), 1);
}

#[test]
fn a_name_without_a_value_waits() {
    let home = kept();
    for is_fresh in [false, true] {
        let cache = if is_fresh {
            Home::new().open()
        } else {
            home.open()
        };
        let scope = late_scope(&cache);
        let caller = obtain(&scope, &key(0), caller);
        assert_eq!(caller.is_loaded(), !is_fresh);
        let unknown = scope.bind_names(&mut |_| None);
        assert_eq!(unknown.expect("executable memory"), ["callee"]);
        let callee = match scope.lookup(&key(3)) {
            Lookup::Miss(ticket) => scope.insert(ticket, callee(3)),
            Lookup::Hit(_) => panic!("nobody inserted it"),
        };
        bind(&scope, &callee.expect("it can be placed"));
        assert_eq!(call(&caller), 3);
    }
}

/// Two scopes of one cache use one image, until they mean different things.
#[test]
fn code_moves_for_who_gives_a_name_another_value_and_for_nobody_else() {
    let home = kept();
    let cache = home.open();
    let [first, second, third] = [(); 3].map(|()| late_scope(&cache));
    let [caller, callee] = [0, 1].map(|number| hit(&first, &key(number)));
    bind(&first, &callee);
    let shared = [0, 1].map(|number| hit(&third, &key(number)));
    bind(&third, &shared[1]);
    assert_eq!(shared[0].address(), caller.address());

    let assumed = hit(&second, &key(0));
    let other = obtain(&second, &key(2), || self::callee(2)).address().0;
    let value_of = &mut by_name(|name| (name == "callee").then_some(other));
    assert!(second.bind_names(value_of).is_err(), "code was to move");
    let second = late_scope(&cache);
    let own = obtain(&second, &key(2), || self::callee(2)).address().0;
    let assumed_again = hit(&second, &key(0));
    let value_of = &mut by_name(|name| (name == "callee").then_some(own));
    let moved = second.settle_names(value_of, &mut Vec::new());
    let moved = moved.expect("there is memory");
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].from, assumed.address());
    assert_eq!(moved[0].from, assumed_again.address());
    let again = second.settle_names(value_of, &mut Vec::new());
    assert!(again.expect("there is memory").is_empty());
    second.bind_names(value_of).expect("executable memory");
    let moved = &moved[0].to;
    assert!(moved.is_loaded() && moved.address() != caller.address());
    assert_eq!(hit(&second, &key(0)).address(), moved.address());
    assert_eq!([moved, &caller, &shared[0]].map(call), [2, 1, 1]);
    assert_eq!(cache.statistics().images_mapped, 1);
}

/// A function that counts its calls in writable memory.
#[test]
fn writable_memory_of_code_is_one_scopes_alone() {
    let home = Home::new();
    let value_of = || by_name(|name| symbols()(name));
    let scope = late_scope(&home.open());
    let code = obtain(&scope, &key(9), rich);
    scope.bind_names(&mut value_of()).expect("memory");
    assert_eq!([call(&code), call(&code)], [RICH_FIRST, RICH_FIRST + 1]);
    drop(scope);
    let cache = home.open();
    let scopes: Vec<Scope> = (0..3).map(|_| late_scope(&cache)).collect();
    let codes: Vec<Code> = scopes.iter().map(|scope| hit(scope, &key(9))).collect();
    for (scope, code) in scopes.iter().zip(&codes) {
        scope.bind_names(&mut value_of()).expect("memory");
        assert!(code.is_loaded());
    }
    for count in 0..4 {
        for code in &codes {
            assert_eq!(call(code), RICH_FIRST + count);
        }
    }
}

/// A process that compiles and writes for long finds all that it wrote, and writes nothing twice.
#[test]
fn a_process_finds_what_it_wrote_in_more_images_than_it_maps() {
    const IMAGES: u64 = 150;
    let home = Home::new();
    let cache = home.open();
    for number in 0..IMAGES {
        let scope = late_scope(&cache);
        obtain(&scope, &key(number), || constant(number as u32));
        assert_eq!(scope.flush().entries_written, 1);
        hit(&late_scope(&cache), &key(number));
    }
    for round in 0..2 {
        for number in 0..IMAGES {
            let scope = late_scope(&cache);
            let code = hit(&scope, &key(number));
            scope.bind_names(&mut |_| None).expect("executable memory");
            assert_eq!(call(&code), number, "{round}");
            assert_eq!(scope.flush().entries_written, 0);
        }
    }
    assert_eq!(cache.statistics().entries_inserted, IMAGES);
}

#[test]
fn names_of_scopes_that_come_and_go_keep_no_image_mapped() {
    let home = Home::new();
    let cache = home.open();
    let plugin = |number: u64| {
        let name = ScopeId::from_name(&format!("plugin {number}"));
        cache.scope_with_late_names(&environment(), name)
    };
    let mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
        maps.lines()
            .filter(|line| line.contains(&*home.path().to_string_lossy()))
            .count()
    };
    for number in 0..300 {
        obtain(&plugin(number), &key(1), || constant(7));
    }
    drop(cache);
    let cache = home.open();
    let plugin = |number: u64| {
        let name = ScopeId::from_name(&format!("plugin {number}"));
        cache.scope_with_late_names(&environment(), name)
    };
    for number in 0..300 {
        hit(&plugin(number), &key(1));
    }
    let now = mapped();
    assert!((1..=3 * 65).contains(&now), "{now} mappings");
}

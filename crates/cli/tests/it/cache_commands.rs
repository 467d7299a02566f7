//! `rekindle cache`: what it prints, and that other programs can read the cache.

use std::fs;
use std::process::Command;

use rekindle::{
    Artifact, Cache, CacheConfig, Environment, KeyBuilder, KeyPart, Lookup, ScopeId, Section,
};
use rekindle_testkit::{Ending, image_files, program};

use crate::session::Session;

fn cache(session: &Session, command: &str, options: &[&str]) -> String {
    let directory = session.cache();
    let directory = directory.to_str().expect("a plain path");
    let mut words = vec!["cache", command, "--cache-dir", directory];
    words.extend(options);
    let seen = session.rekindle(&words);
    assert_eq!(seen.ending, Ending::Code(0), "{seen:?}");
    String::from_utf8(seen.stdout).expect("it prints text")
}

fn json(session: &Session, command: &str) -> serde_json::Value {
    serde_json::from_str(&cache(session, command, &["--json"])).expect("it prints JSON")
}

#[test]
fn stats_ls_and_clear() {
    let session = Session::new();
    let (_, run) = session.run(&["--finish-compiles"], program("corelike"));

    let stats = json(&session, "stats");
    assert_eq!(stats["entries"], run.regions_compiled);
    assert_eq!(stats["images_damaged"], 0);
    assert!(stats["bytes"].as_u64() > Some(1000));
    assert!(cache(&session, "stats", &[]).contains("entries"));

    let entries = json(&session, "ls");
    let entries = entries.as_array().expect("a list");
    assert_eq!(entries.len() as u64, run.regions_compiled);
    for entry in entries {
        assert_eq!(entry["is_sound"], true, "{entry}");
        let name = entry["name"].as_str().expect("a name");
        assert!(
            name.contains("guest:0x") || name.contains("corelike"),
            "{name}"
        );
        assert!(cache(&session, "ls", &[]).contains(name));
    }

    let cleared = json(&session, "clear");
    assert_eq!(cleared["bytes"], stats["bytes"]);
    assert_eq!(json(&session, "stats")["entries"], 0);
    let (_, again) = session.run(&[], program("corelike"));
    assert_eq!(again.regions_loaded, 0);
}

#[test]
fn clear_makes_nothing_and_removes_nothing_of_others() {
    let session = Session::new();
    let folder = session.cache().with_file_name("project");
    let text = folder.to_str().expect("a plain path");
    let run = |command| session.rekindle(&["cache", command, "--cache-dir", text]);

    assert_eq!(
        run("clear").ending,
        Ending::Code(0),
        "there is nothing to remove"
    );
    assert!(!folder.exists());

    let precious = folder.join("v1/api/handlers.py");
    fs::create_dir_all(folder.join("v1/api")).expect("space");
    fs::write(&precious, "precious").expect("space");
    for command in ["clear", "stats", "ls"] {
        let seen = run(command);
        let message = String::from_utf8_lossy(&seen.stderr).into_owned();
        assert!(
            message.contains("nothing says that it is a cache"),
            "{message}"
        );
        assert_eq!(seen.ending, Ending::Code(i32::from(command == "clear")));
        assert_eq!(fs::read(&precious).expect("readable"), b"precious");
        assert_eq!(fs::read_dir(&folder).expect("readable").count(), 1);
    }
}

/// Keeps a function that does nothing in a cache, under a key made of `body`.
fn keep(session: &Session, version: u32, body: u64) {
    let cache = Cache::open(&CacheConfig {
        directory: Some(session.cache()),
        ..CacheConfig::default()
    });
    let environment = Environment::builder("test")
        .field("version", version)
        .build();
    let scope = cache.scope(&environment, ScopeId::from_name("s"), Box::new(|_| None));
    let Lookup::Miss(ticket) = scope.lookup(&KeyBuilder::new("test").u64(body).finish()) else {
        panic!("nothing of this key was kept")
    };
    let part = |name: &str, hash| KeyPart {
        name: name.to_owned().into(),
        hash,
        ..KeyPart::default()
    };
    let artifact = Artifact {
        name: "idle".to_owned(),
        text: Section {
            bytes: vec![0xc3],
            align: 16,
        },
        key_parts: vec![part("signature", 1), part("body", body)],
        ..Artifact::default()
    };
    scope.insert(ticket, artifact).expect("there is memory");
}

#[test]
fn why_names_what_differs() {
    let session = Session::new();
    keep(&session, 1, 1);
    assert!(cache(&session, "why", &["idle"]).contains("nothing else of this name was kept"));
    keep(&session, 1, 2);
    let text = cache(&session, "why", &["idle"]);
    assert!(text.contains("  another body\n"), "{text}");
    assert!(!text.contains("another signature"), "{text}");
    keep(&session, 2, 2);
    let text = cache(&session, "why", &["idle", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&text).expect("it prints JSON");
    // All were written in one second at worst, so which is the last isn't known; each differs from
    // its nearest in one thing.
    let parts = found["parts"].as_array().expect("a list").len();
    let fields = found["environment"].as_array().expect("a list").len();
    assert_eq!(parts + fields, 1, "{text}");

    let directory = session.cache();
    let directory = directory.to_str().expect("a plain path");
    for options in [&[][..], &["--json"]] {
        let words = ["cache", "why", "unknown", "--cache-dir", directory];
        let words: Vec<_> = words.iter().chain(options).copied().collect();
        let seen = session.rekindle(&words);
        assert_eq!(seen.ending, Ending::Code(1), "{seen:?}");
        let message = String::from_utf8_lossy(&seen.stderr);
        assert!(message.contains("nothing of the name unknown"), "{message}");
    }
}

#[test]
fn a_disassembler_shows_the_code_with_names() {
    let session = Session::new();
    let (_, run) = session.run(&["--finish-compiles"], program("corelike"));
    for image in image_files(&session.cache()).expect("it can be listed") {
        let output = Command::new("objdump")
            .arg("-d")
            .arg(&image)
            .output()
            .expect("objdump runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let functions = text.lines().filter(|line| line.ends_with(">:")).count() as u64;
        assert!(functions >= run.regions_compiled, "{functions}: {run:?}");
        assert!(text.contains("mov"), "{text}");
    }
}

/// `rekindle WORDS --cache-dir …`, its exit code and what it prints.
fn tell(session: &Session, words: &[&str]) -> (Ending, String) {
    let directory = session.cache();
    let directory = directory.to_str().expect("a plain path");
    let words: Vec<_> = words
        .iter()
        .chain(&["--cache-dir", directory])
        .copied()
        .collect();
    let seen = session.rekindle(&words);
    (
        seen.ending,
        String::from_utf8(seen.stdout).expect("it prints text"),
    )
}

#[test]
fn verify_and_doctor_find_damage_and_gc_removes_it() {
    let session = Session::new();
    keep(&session, 1, 1);
    keep(&session, 2, 2);
    let (ending, text) = tell(&session, &["cache", "verify"]);
    assert_eq!(ending, Ending::Code(0), "{text}");
    assert!(text.contains("2 images checked"), "{text}");
    let (ending, text) = tell(&session, &["doctor"]);
    assert_eq!(ending, Ending::Code(0), "{text}");
    assert!(text.contains("2 images"), "{text}");

    let images = image_files(&session.cache()).expect("it can be listed");
    let mut bytes = fs::read(&images[0]).expect("readable");
    // The one function is a return, at a multiple of its alignment.
    let returns = bytes.iter_mut().step_by(16).filter(|byte| **byte == 0xc3);
    assert!(returns.map(|byte| *byte ^= 1).count() > 0);
    fs::write(&images[0], bytes).expect("space");
    let (ending, text) = tell(&session, &["cache", "verify"]);
    assert_eq!(ending, Ending::Code(1), "{text}");
    assert!(text.contains("1 damaged"), "{text}");
    let (ending, json) = tell(&session, &["cache", "verify", "--json"]);
    assert_eq!(ending, Ending::Code(1), "{json}");
    let json: serde_json::Value = serde_json::from_str(&json).expect("it prints JSON");
    assert_eq!((&json["images"], &json["damaged"]), (&2.into(), &1.into()));
    let (ending, text) = tell(&session, &["doctor"]);
    assert_eq!(ending, Ending::Code(1), "{text}");
    assert!(text.contains("1 image can't be used"), "{text}");

    let (ending, text) = tell(&session, &["cache", "gc", "--dry-run"]);
    assert_eq!(ending, Ending::Code(0), "{text}");
    assert!(text.contains("1 image would be deleted"), "{text}");
    assert!(images[0].exists());
    let (ending, text) = tell(&session, &["cache", "gc"]);
    assert_eq!(ending, Ending::Code(0), "{text}");
    assert!(!images[0].exists() && images[1].exists(), "{text}");
    assert_eq!(tell(&session, &["cache", "verify"]).0, Ending::Code(0));
}

#[test]
fn gc_keeps_to_a_size() {
    let session = Session::new();
    keep(&session, 1, 1);
    keep(&session, 2, 2);
    let count = || {
        image_files(&session.cache())
            .expect("it can be listed")
            .len()
    };
    assert_eq!(
        tell(&session, &["cache", "gc", "--unused-for", "7"]).0,
        Ending::Code(0)
    );
    assert_eq!(count(), 2);
    let (ending, text) = tell(&session, &["cache", "gc", "--size", "0"]);
    assert_eq!(ending, Ending::Code(0), "{text}");
    assert_eq!(count(), 0);
    assert_eq!(
        tell(&session, &["cache", "gc", "--size", "much"]).0,
        Ending::Code(2)
    );
}

#[test]
fn doctor_says_what_is_in_the_way() {
    let session = Session::new();
    let file = session.path().join("file");
    fs::write(&file, "no folder").expect("space");
    let file = file.to_str().expect("a plain path");
    let seen = session.rekindle(&["doctor", "--cache-dir", file]);
    assert_eq!(seen.ending, Ending::Code(1), "{seen:?}");
    let text = String::from_utf8_lossy(&seen.stdout);
    assert!(
        text.contains("can't be used") && text.contains(file),
        "{text}"
    );
}

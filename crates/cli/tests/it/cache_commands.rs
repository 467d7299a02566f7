//! `rekindle cache`: what it prints, and that other programs can read the cache.

use std::process::Command;

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

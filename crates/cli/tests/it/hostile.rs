//! Caches that cannot, or must not, be used: the program runs all the same.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rekindle_testkit::{Invocation, Observation, build, expected, image_files, program};

use crate::session::Session;

const GUEST: &str = "corelike";

fn runs_without(session: &Session, what: &str) {
    for _ in 0..2 {
        let (seen, statistics) = session.run(&["--finish-compiles"], program(GUEST));
        assert_eq!(seen.stdout, expected(program(GUEST)).stdout, "{what}");
        assert_eq!(seen.ending, expected(program(GUEST)).ending, "{what}");
        assert_eq!(statistics.regions_loaded, 0, "{what}: {statistics:?}");
        let notices = &statistics.notices;
        assert_eq!(notices.len(), 1, "{what} is told of once: {notices:?}");
    }
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    let session = Session::new();
    fs::create_dir(session.cache()).expect("the folder can be made");
    fs::set_permissions(session.cache(), fs::Permissions::from_mode(0o777)).expect("and changed");
    runs_without(&session, "mode 0777");
    assert!(
        image_files(&session.cache())
            .expect("it can be listed")
            .is_empty()
    );
}

#[test]
fn a_directory_that_becomes_open_to_others_is_refused() {
    let session = Session::new();
    let _ = session.run(&["--finish-compiles"], program(GUEST));
    let (_, warm) = session.run(&[], program(GUEST));
    assert!(warm.regions_loaded > 0);
    fs::set_permissions(session.cache(), fs::Permissions::from_mode(0o770)).expect("and changed");
    runs_without(&session, "mode 0770");
}

/// A folder of ours, and a link to it.
fn folder_and_link(session: &Session, link: &Path) -> PathBuf {
    let elsewhere = session.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("the folder can be made");
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700)).expect("and changed");
    symlink(&elsewhere, link).expect("the link can be made");
    elsewhere
}

#[test]
fn the_folder_may_be_a_link_of_ours() {
    let session = Session::new();
    let elsewhere = folder_and_link(&session, &session.cache());
    let _ = session.run(&["--finish-compiles"], program(GUEST));
    let (_, warm) = session.run(&[], program(GUEST));
    assert!(warm.regions_loaded > 0, "{warm:?}");
    assert!(
        !image_files(&elsewhere)
            .expect("it can be listed")
            .is_empty()
    );
}

#[test]
fn a_symbolic_link_behind_the_folders_is_not_followed() {
    let session = Session::new();
    let link = session.path().join("link");
    let elsewhere = folder_and_link(&session, &link);
    symlink(&link, session.cache()).expect("the link can be made");
    runs_without(&session, "a link to a link");
    assert!(
        image_files(&elsewhere)
            .expect("it can be listed")
            .is_empty()
    );
}

#[test]
fn a_file_in_the_directorys_place() {
    let session = Session::new();
    fs::write(session.cache(), "not a folder").expect("the file can be written");
    runs_without(&session, "a file");
}

#[test]
fn a_directory_that_cannot_be_made() {
    let session = Session::new();
    let elf = build(program(GUEST)).expect("it builds");
    let mut command = session.command(&[], &elf, &[]);
    for word in &mut command {
        if *word == session.cache() {
            *word = "/proc/nowhere/cache".into();
        }
    }
    let seen = Invocation::new(command, session.path()).run();
    assert_eq!(seen.stdout, expected(program(GUEST)).stdout, "{seen:?}");
}

#[test]
fn no_home_and_nothing_else_said() {
    let session = Session::new();
    let elf = build(program(GUEST)).expect("it builds");
    let rekindle = session.command(&[], &elf, &[]).swap_remove(0);
    let mut words = vec![
        "env".into(),
        "-u".into(),
        "HOME".into(),
        rekindle,
        "run".into(),
    ];
    words.push(elf.into_os_string());
    let seen = Invocation::new(words, session.path()).run();
    assert_eq!(
        seen,
        expected(program(GUEST)),
        "not even a word on standard error"
    );
}

#[test]
fn the_cache_is_private_and_where_it_was_asked_to_be() {
    let session = Session::new();
    let _ = session.run(&["--finish-compiles"], program(GUEST));
    let mode = |path: &Path| fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(&session.cache()), 0o700);
    for image in image_files(&session.cache()).expect("it can be listed") {
        assert_eq!(mode(&image), 0o600, "{}", image.display());
    }
}

fn from_environment(session: &Session, name: &str, value: &Path) -> Observation {
    let elf = build(program(GUEST)).expect("it builds");
    let rekindle = session.command(&[], &elf, &[]).swap_remove(0);
    let words = vec![
        rekindle,
        "run".into(),
        "--finish-compiles".into(),
        elf.into_os_string(),
    ];
    Invocation::new(words, session.path())
        .env(name, value)
        .run()
}

#[test]
fn the_environment_says_where_the_cache_is() {
    let session = Session::new();
    for (name, value, found) in [
        ("REKINDLE_CACHE_DIR", "a", "a"),
        ("XDG_CACHE_HOME", "b", "b/rekindle"),
        ("HOME", "c", "c/.cache/rekindle"),
    ] {
        let folder = session.path().join(value);
        fs::create_dir(&folder).expect("the folder can be made");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("and changed");
        let seen = from_environment(&session, name, &folder);
        assert_eq!(seen, expected(program(GUEST)));
        let images = image_files(&session.path().join(found)).expect("it can be listed");
        assert!(!images.is_empty(), "{name}");
    }
}

#[test]
fn stats_say_why_nothing_is_kept() {
    let session = Session::new();
    let (_, usual) = session.run(&[], program(GUEST));
    assert_eq!(usual.notices, Vec::<String>::new());
    let off = "nothing is kept between runs: the cache is off";
    let (_, without) = session.run(&["--no-persistent-cache"], program(GUEST));
    assert_eq!(without.notices, [off]);
    let (_, off_by_name) = session.run_with(&[], &[("REKINDLE_CACHE", "off")], program(GUEST));
    assert_eq!(off_by_name.notices, [off]);
    let (_, mistaken) = session.run_with(&[], &[("REKINDLE_CACHE", "offf")], program(GUEST));
    let [is_off, why] = &mistaken.notices[..] else {
        panic!("{mistaken:?}")
    };
    assert_eq!(is_off, off);
    assert!(why.contains("REKINDLE_CACHE=offf"), "{why}");
}

/// A file system without room, shown by a limit on the size of files.
#[test]
fn stats_say_that_an_image_could_not_be_written() {
    let session = Session::new();
    let elf = build(program(GUEST)).expect("it builds");
    let mut words: Vec<std::ffi::OsString> = vec![
        "sh".into(),
        "-c".into(),
        "trap '' XFSZ; ulimit -f 1; exec \"$@\"".into(),
        "sh".into(),
    ];
    words.extend(session.command(&["--finish-compiles"], &elf, &[]));
    let seen = Invocation::new(words, session.path()).run();
    assert_eq!(seen.stdout, expected(program(GUEST)).stdout);
    let (statistics, _) =
        rekindle_testkit::Statistics::split(&seen.stderr).expect("statistics come last");
    let notices = &statistics.notices;
    assert!(
        notices
            .iter()
            .any(|notice| notice.contains("File too large")),
        "{notices:?}"
    );
}

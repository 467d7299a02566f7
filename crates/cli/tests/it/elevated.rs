//! The program with more authority than whoever runs it: set-user-id, or with file capabilities. Only root
//! can make it so, so elsewhere these tests say that they have shown nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rekindle_testkit::{Statistics, build, program};

use crate::session::{REKINDLE, Session};

/// Who owns the program, and who runs it. Neither is root, nor anybody else.
const OWNER: u32 = 64_123;
const USER: u32 = 64_124;

/// Why no program can be given more authority here, if that is so; it is printed.
fn is_impossible() -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !is_root {
        // Past the test's harness, which keeps what passing tests print.
        let _ = fs::write(
            "/dev/stderr",
            "SKIPPED: only root can make a program set-user-id\n",
        );
    }
    !is_root
}

/// A copy of the program that anybody may run, which `OWNER` owns.
fn copy(session: &Session) -> PathBuf {
    fs::set_permissions(session.path(), Permissions::from_mode(0o755)).expect("it is ours");
    let copy = session.path().join("rekindle");
    fs::copy(REKINDLE, &copy).expect("it can be copied");
    chown(&copy, Some(OWNER), Some(OWNER)).expect("root may");
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("it is root's");
    copy
}

/// Runs a guest by `rekindle` as `USER`, whose variables ask for a cache, a sysroot and a log.
fn run(session: &Session, rekindle: &Path, options: &[&str]) -> Output {
    let home = session.path().join("home");
    fs::create_dir_all(&home).expect("it can be made");
    chown(&home, Some(USER), Some(USER)).expect("root may");
    let guest = session.path().join("hello");
    fs::copy(build(program("hello")).expect("it builds"), &guest).expect("it can be copied");
    fs::set_permissions(&guest, Permissions::from_mode(0o755)).expect("it is ours");
    let mut command = Command::new(rekindle);
    command
        .arg("run")
        .args(options)
        .arg("--stats=json")
        .arg(guest);
    command.env_clear().current_dir("/").uid(USER).gid(USER);
    command.env("HOME", &home);
    command.env("XDG_CACHE_HOME", home.join("xdg"));
    command.env("REKINDLE_CACHE_DIR", home.join("cache"));
    command.env("REKINDLE_SYSROOT", home.join("no sysroot"));
    command.env("REKINDLE_LOG", "trace");
    command.output().expect("it starts")
}

/// What a run says that kept away from its user's cache and variables.
fn assert_keeps_away(session: &Session, seen: &Output) {
    assert!(seen.status.success(), "{seen:?}");
    assert_eq!(seen.stdout, b"hello, world\n");
    let (statistics, rest) = Statistics::split(&seen.stderr).expect("statistics");
    let said = String::from_utf8_lossy(&rest);
    assert_eq!(said, "", "no log was written");
    let [notice] = &statistics.notices[..] else {
        panic!("one notice: {:?}", statistics.notices)
    };
    assert!(notice.contains("more authority"), "{notice}");
    let left = fs::read_dir(session.path().join("home")).expect("it is there");
    assert_eq!(left.count(), 0, "nothing was kept");
}

#[test]
fn a_set_user_id_program_uses_no_cache_and_no_variable_of_its_users() {
    if is_impossible() {
        return;
    }
    for mode in [0o4755, 0o2755] {
        let session = Session::new();
        let rekindle = copy(&session);
        fs::set_permissions(&rekindle, Permissions::from_mode(mode)).expect("it is root's");
        assert_keeps_away(&session, &run(&session, &rekindle, &[]));
        let named = session.path().join("home/named");
        let named = named.to_str().expect("the folder's name is text");
        assert_keeps_away(&session, &run(&session, &rekindle, &["--cache-dir", named]));
    }
}

#[test]
fn a_program_with_file_capabilities_uses_no_cache_and_no_variable_of_its_users() {
    if is_impossible() {
        return;
    }
    let session = Session::new();
    let rekindle = copy(&session);
    let set = Command::new("setcap")
        .arg("cap_net_raw+ep")
        .arg(&rekindle)
        .output();
    if !set.is_ok_and(|set| set.status.success()) {
        let _ = fs::write(
            "/dev/stderr",
            "SKIPPED: setcap is missing, or the file system refuses it\n",
        );
        return;
    }
    assert_keeps_away(&session, &run(&session, &rekindle, &[]));
}

/// What the others would show of any program, were the cache never used.
#[test]
fn a_program_with_the_authority_of_its_user_uses_the_cache() {
    if is_impossible() {
        return;
    }
    let session = Session::new();
    let rekindle = copy(&session);
    let seen = run(&session, &rekindle, &["--sysroot", "/"]);
    assert!(seen.status.success(), "{seen:?}");
    assert!(session.path().join("home/cache").is_dir(), "{seen:?}");
}

//! Several processes, several threads.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;

use crate::support::{Home, RICH_FIRST, call, config, constant, hit, key, obtain, rich, scope};
use rekindle::{Cache, CacheConfig};

const CHILD_VARIABLE: &str = "REKINDLE_TEST_CHILD_DIRECTORY";

/// Runs `child` in a new process.
fn run_child(home: &Home, task: &str) -> ExitStatus {
    let program = std::env::current_exe().expect("it has a path");
    run_child_by(Command::new(program), home, task)
}

/// The same by another command, to which the arguments are added.
fn run_child_by(mut command: Command, home: &Home, task: &str) -> ExitStatus {
    command
        .args(["--exact", "processes::child", "--nocapture"])
        .env(CHILD_VARIABLE, home.path())
        .env("REKINDLE_TEST_CHILD_TASK", task)
        .stdout(std::process::Stdio::null())
        .status()
        .expect("it runs")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0)
}

/// A user who isn't root.
const NOBODY: u32 = 65534;

/// A copy of this program in a folder that everyone may look into.
fn program_for_all(home: &Home) -> PathBuf {
    let program = home.path().with_file_name("program");
    let itself = std::env::current_exe().expect("it has a path");
    fs::copy(itself, &program).expect("space");
    let above = program.parent().expect("it has one");
    fs::set_permissions(above, Permissions::from_mode(0o777)).expect("it is ours");
    program
}

#[test]
fn no_mask_of_modes_leaves_a_cache_that_nobody_can_use() {
    for mask in ["0177", "0277", "0777"] {
        let home = Home::new();
        let program = program_for_all(&home);
        let command = |mask| {
            let mut command = Command::new("sh");
            command
                .args(["-c", "umask $0; exec \"$@\"", mask])
                .arg(&program);
            if is_root() {
                command.uid(NOBODY);
            }
            command
        };
        // Folders above the cache's are made, too.
        let above = home.path().join("above");
        let deep = above.join("deep/cache");
        let run = |mask, task| {
            let mut command = command(mask);
            command.env("REKINDLE_TEST_CHILD_BELOW", &deep);
            run_child_by(command, &home, task)
        };
        if is_root() {
            fs::create_dir(home.path()).expect("space");
            chown(home.path(), Some(NOBODY), None).expect("root may");
        }
        assert!(run(mask, "keep").success(), "{mask}");
        assert!(run("022", "load").success(), "{mask}");
        assert!(run(mask, "50").success(), "{mask}");
        let modes = modes(&home.path());
        assert!(
            modes
                .iter()
                .any(|(path, _)| path.ends_with("rekindle-cache")),
            "{modes:?}"
        );
        for (path, mode) in modes
            .into_iter()
            .filter(|(path, _)| path.starts_with(&above))
        {
            assert_eq!(
                mode,
                if path.is_dir() { 0o700 } else { 0o600 },
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn what_an_older_version_left_under_such_a_mask_is_repaired() {
    let home = Home::new();
    assert!(run_child(&home, "keep").success());
    let before = modes(&home.path());
    for poison in [0o000, 0o100, 0o200, 0o400] {
        for (path, mode) in before.iter().rev() {
            let mode = if mode & 0o100 == 0 {
                poison & 0o600
            } else {
                poison
            };
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
        }
        assert!(run_child(&home, "load").success(), "{poison:o}");
        let folder_mode = |path: &Path| fs::metadata(path).expect("it exists").mode() & 0o777;
        for (path, mode) in before.iter().filter(|(_, mode)| mode & 0o100 != 0) {
            assert_eq!(folder_mode(path), *mode, "{}", path.display());
        }
    }
}

/// What is in a folder, itself first, with its mode.
fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mode = |path: &Path| fs::metadata(path).expect("it exists").mode() & 0o777;
    let mut found = vec![(folder.to_owned(), mode(folder))];
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        match path.is_dir() {
            true => found.extend(modes(&path)),
            false => found.push((path.clone(), mode(&path))),
        }
    }
    found
}

#[test]
fn a_process_with_more_authority_than_its_user_keeps_away_from_the_cache() {
    if !is_root() {
        return; // Nobody else can give a program another's authority.
    }
    let home = Home::new();
    let program = program_for_all(&home);
    fs::set_permissions(&program, Permissions::from_mode(0o4755)).expect("it is ours");
    let mut command = Command::new(&program);
    command.uid(NOBODY).env("REKINDLE_CACHE_DIR", home.path());
    assert!(run_child_by(command, &home, "elevated").success());
    assert!(!home.path().exists());
}

/// Not a test by itself: what the other tests run in a new process.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(CHILD_VARIABLE) else {
        return;
    };
    let task = std::env::var("REKINDLE_TEST_CHILD_TASK").expect("a task");
    let below = std::env::var_os("REKINDLE_TEST_CHILD_BELOW");
    let cache = Cache::open(&config(below.unwrap_or(directory).as_ref()));
    let scope = scope(&cache);
    match task.as_str() {
        "keep" => {
            obtain(&scope, &key(0), rich);
            obtain(&scope, &key(1), || constant(1));
            assert_eq!(scope.flush().entries_written, 2);
        }
        "elevated" => {
            assert!(!cache.is_persistent());
            let notices = cache.notices();
            assert_eq!(notices.len(), 1);
            assert!(
                notices[0].to_string().contains("more authority"),
                "{}",
                notices[0]
            );
            assert_eq!(rekindle::variable("REKINDLE_CACHE_DIR"), None);
            assert_eq!(CacheConfig::from_env(), CacheConfig::default());
            assert!(Cache::clear_at(&config(Path::new("/"))).is_err());
        }
        "load" => {
            assert_eq!(call(&hit(&scope, &key(0))), RICH_FIRST);
            assert_eq!(call(&hit(&scope, &key(1))), 1);
            assert_eq!(cache.statistics().entries_inserted, 0);
        }
        numbers => {
            let start: u64 = numbers.parse().expect("a number");
            for number in start..start + 50 {
                assert_eq!(
                    call(&obtain(&scope, &key(number), || constant(number as u32))),
                    number
                );
                if number % 10 == 9 {
                    scope.flush();
                }
            }
        }
    }
}

#[test]
fn a_new_process_runs_the_code_of_the_old() {
    let home = Home::new();
    let scope = scope(&home.open());
    obtain(&scope, &key(0), rich);
    obtain(&scope, &key(1), || constant(1));
    scope.flush();
    assert!(run_child(&home, "load").success());
}

#[test]
fn processes_write_at_the_same_time() {
    let home = Home::new();
    // Ranges overlap, so that some keys are written by two processes, and there are enough flushes
    // for images to be merged meanwhile.
    thread::scope(|threads| {
        for start in [0, 40, 80, 120] {
            let home = &home;
            threads.spawn(move || assert!(run_child(home, &start.to_string()).success()));
        }
    });
    let scope = scope(&home.open());
    for number in 0..170 {
        assert_eq!(call(&hit(&scope, &key(number))), number);
    }
    // Whoever came last may have found another at it, and merged nothing.
    drop(scope);
    obtain(&crate::support::scope(&home.open()), &key(200), || {
        constant(200)
    });
    assert!(home.images().len() <= 10, "images are merged");
}

#[test]
fn threads_share_a_scope() {
    let home = Home::new();
    let first = scope(&home.open());
    for number in 0..200 {
        obtain(&first, &key(number), || constant(number as u32));
    }
    first.flush();
    let second = scope(&home.open());
    thread::scope(|threads| {
        for thread in 0..4u64 {
            let scope = second.clone();
            threads.spawn(move || {
                for step in 0..400 {
                    let number = (step * 7 + thread * 31) % 400;
                    let code = obtain(&scope, &key(number), || constant(number as u32));
                    assert_eq!(call(&code), number);
                    assert_eq!(scope.locate(code.address()).map(|at| at.offset), Some(0));
                    if step % 100 == 0 {
                        scope.flush();
                    }
                }
            });
        }
    });
}

#[test]
fn data_is_put_in_place_once_whatever_the_threads_do() {
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(0), rich);
    first.flush();
    for _ in 0..50 {
        let second = scope(&home.open());
        let code: Vec<_> = thread::scope(|threads| {
            let run = || hit(&second, &key(0)).address();
            let handles: Vec<_> = (0..3).map(|_| threads.spawn(run)).collect();
            handles
                .into_iter()
                .map(|handle| handle.join().expect("no panic"))
                .collect()
        });
        assert!(code.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(call(&hit(&second, &key(0))), RICH_FIRST);
    }
}

//! What a person uses to look into a running guest.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use rekindle_testkit::{Ending, Invocation, Observation, build, image_files, program};

use crate::session::Session;

/// Runs the program of this name in the one list, with options before it and arguments behind.
fn run(session: &Session, options: &[&str], name: &str, args: &[&str]) -> Observation {
    let elf = build(program(name)).expect("it builds");
    let rekindle = session.command(&[], &elf, &[]).swap_remove(0);
    let mut words: Vec<OsString> = vec![rekindle, "run".into()];
    words.extend(options.iter().map(Into::into));
    words.push(elf.into_os_string());
    words.extend(args.iter().map(Into::into));
    Invocation::new(words, session.path())
        .env("REKINDLE_CACHE_DIR", session.cache())
        .run()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_fatal_fault_is_reported_with_its_function_and_registers() {
    let session = Session::new();
    for options in [&["--no-jit"][..], &["--exact-faults"]] {
        let seen = run(&session, options, "ending_null", &["null"]);
        assert_eq!(seen.ending, Ending::Signal(11), "{seen:?}");
        let report = lines(&seen.stderr);
        assert!(
            report[0].contains("segmentation fault at guest pc 0x"),
            "{report:?}"
        );
        assert!(report[0].contains("(main+0x"), "{report:?}");
        assert!(report[0].ends_with(", address 0x0"), "{report:?}");
        let registers = report[2..].join(" ");
        for name in ["ra", "sp", "gp", "a0", "a7", "s11", "t6"] {
            assert!(
                registers.contains(&format!(" {name} 0")),
                "{name}: {report:?}"
            );
        }
    }
}

#[test]
fn system_calls_and_signals_are_traced() {
    let session = Session::new();
    let traced = run(&session, &["--strace"], "hello", &[]);
    assert_eq!(traced.ending, Ending::Code(0));
    let plain = run(&session, &[], "hello", &[]);
    assert_eq!(traced.stdout, plain.stdout);
    let trace = lines(&traced.stderr);
    let calls: Vec<&str> = trace
        .iter()
        .map(|line| {
            line.split_once(' ')
                .expect("a thread's number comes first")
                .1
        })
        .collect();
    assert!(
        calls.iter().any(|call| call.starts_with("brk(NULL)")),
        "{calls:?}"
    );
    assert!(
        calls
            .iter()
            .any(|call| call.starts_with("write(1, \"") || call.starts_with("writev(1, ")),
        "{calls:?}"
    );
    let last: Vec<&str> = calls[calls.len() - 2..].to_vec();
    assert!(
        last[0].starts_with("exit_group(0)") && last[0].ends_with(" = ?"),
        "{last:?}"
    );
    assert_eq!(last[1], "+++ exited with 0 +++");

    let killed = run(&session, &["--strace"], "ending_null", &["null"]);
    let trace = lines(&killed.stderr);
    let is_last = |line: &String| line.ends_with(" +++ killed by SIGSEGV +++");
    assert!(trace.iter().any(is_last), "{trace:?}");
    let signal = "--- SIGSEGV {si_signo=SIGSEGV, si_code=1, si_addr=0x0} ---";
    assert!(trace.iter().any(|line| line.ends_with(signal)), "{trace:?}");
}

#[test]
fn compiled_code_is_shown_beside_what_it_came_from() {
    let session = Session::new();
    let seen = run(&session, &["--dump-asm", "inner"], "debugged", &[]);
    assert_eq!(seen.ending, Ending::Code(48), "{seen:?}");
    let shown = lines(&seen.stderr);
    assert!(shown[0].starts_with("debugged"), "{shown:?}");
    assert!(shown[0].contains(":inner at 0x"), "{shown:?}");
    // It is never hot: it was compiled for this. GCC's -O0 saves the frame pointer, and shifts.
    let guest = shown
        .iter()
        .position(|line| line.ends_with("c.slli a5,0x1"));
    let clif = shown.iter().position(|line| line.contains("ishl"));
    let (guest, clif) = (guest.expect("it is there"), clif.expect("it is there"));
    assert!(guest < clif && clif < guest + 4, "{shown:#?}");
    let host = shown.iter().any(|line| {
        let columns = line.split_once(" | 0x");
        columns.is_some_and(|(_, host)| host.contains("shl "))
    });
    assert!(host, "{shown:#?}");

    let nothing = run(&session, &["--dump-asm", "nothing+0x8"], "debugged", &[]);
    assert_eq!(nothing.ending, Ending::Code(48));
    let said = lines(&nothing.stderr).join("\n");
    assert_eq!(
        said,
        "rekindle: the guest has no code at nothing+0x8 to compile"
    );
}

#[test]
fn hot_code_is_shown_when_it_is_compiled() {
    let session = Session::new();
    let seen = run(&session, &["--dump-asm", "fib"], "recursion", &[]);
    let headers = lines(&seen.stderr);
    let mut headers = headers
        .iter()
        .filter(|line| line.contains(" guest instructions, "));
    assert!(headers.any(|line| line.contains(":fib at 0x")), "{seen:?}");
    let plain = run(&session, &[], "recursion", &[]);
    assert_eq!(seen.stdout, plain.stdout);
}

#[test]
fn perf_is_told_the_names_that_the_cache_keeps() {
    let session = Session::new();
    let elf = build(program("recursion")).expect("it builds");
    let rekindle = session.command(&[], &elf, &[]).swap_remove(0);
    let mut guest = Command::new(rekindle)
        .args(["run", "--perf-map", "--finish-compiles"])
        .arg(&elf)
        .env("REKINDLE_CACHE_DIR", session.cache())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    guest.wait().expect("it is a child");
    let path = format!("/tmp/perf-{}.map", guest.id());
    let map = std::fs::read_to_string(&path).expect("it was written");
    std::fs::remove_file(&path).expect("it is ours");
    let mut named: Vec<&str> = Vec::new();
    for line in map.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [start, len, name] = words[..] else {
            panic!("{line:?}")
        };
        assert!(u64::from_str_radix(start, 16).is_ok_and(|start| start > 0));
        assert!(u64::from_str_radix(len, 16).is_ok_and(|len| len > 0));
        named.push(name);
    }
    assert!(named.iter().any(|name| name.ends_with(":fib")), "{map}");

    let images = image_files(&session.cache()).expect("it can be listed");
    assert!(!images.is_empty());
    let symbols = Command::new("readelf").arg("-Ws").args(&images).output();
    let symbols = symbols
        .expect("binutils are installed with the compiler")
        .stdout;
    let symbols = String::from_utf8_lossy(&symbols);
    for name in named {
        let is_there = symbols.lines().any(|line| line.ends_with(name));
        assert!(is_there, "{name} isn't in {images:?}");
    }
}

#[test]
fn binfmt_speaks_to_the_kernel_and_says_what_is_wrong() {
    let session = Session::new();
    let elf = build(program("hello")).expect("it builds");
    let rekindle = session.command(&[], &elf, &[]).swap_remove(0);
    let kernel = session.path().join("binfmt");
    let binfmt = |words: &[&str]| {
        let output = Command::new(&rekindle)
            .args(["binfmt", "--binfmt-dir"])
            .arg(&kernel)
            .args(words)
            .output();
        let output = output.expect("it starts");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let (ok, text) = binfmt(&["status"]);
    assert!(!ok && text.contains("mount -t binfmt_misc"), "{text}");

    std::fs::create_dir(&kernel).expect("it can be made");
    std::fs::write(kernel.join("register"), "").expect("it can be written");
    std::fs::write(kernel.join("status"), "enabled\n").expect("it can be written");
    let (ok, text) = binfmt(&["register"]);
    assert!(ok, "{text}");
    let written = std::fs::read_to_string(kernel.join("register")).expect("it is text");
    let (ok, printed) = binfmt(&["register", "--print"]);
    assert!(ok);
    assert_eq!(written, printed.trim_end());
    assert!(
        written.starts_with(":rekindle:M::\\x7f\\x45\\x4c\\x46"),
        "{written}"
    );

    let (ok, text) = binfmt(&["unregister"]);
    assert!(!ok && text.contains("isn't registered"), "{text}");
    let entry = "enabled\ninterpreter /usr/bin/rekindle\nflags: PF\noffset 0\nmagic 7f454c46\n";
    std::fs::write(kernel.join("rekindle"), entry).expect("it can be written");
    let (ok, text) = binfmt(&["status"]);
    assert!(ok, "{text}");
    assert_eq!(text, "rekindle: enabled, /usr/bin/rekindle\n");
    let (ok, text) = binfmt(&["unregister"]);
    assert!(ok, "{text}");
    let written = std::fs::read_to_string(kernel.join("rekindle")).expect("it is text");
    assert!(written.starts_with("-1"), "{written}");
}

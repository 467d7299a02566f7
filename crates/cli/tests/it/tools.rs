//! What a person uses to look into a running guest.

use std::ffi::OsString;

use rekindle_testkit::{Ending, Invocation, Observation, build, program};

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

//! Programs that say that they have changed code.

use std::time::{Duration, Instant};

use rekindle_testkit::{Ending, Invocation, build, program};

use crate::session::Session;

/// `riscv_flush_icache` minded its range once, and `membarrier` didn't reach what was decoded.
#[test]
fn no_thread_runs_old_code_after_the_program_has_said_that_it_changed() {
    for options in [&[][..], &["--no-jit"]] {
        let session = Session::new();
        let elf = build(program("fences")).expect("it builds");
        let command = session.command(options, &elf, &["all"]);
        let seen = Invocation::new(command, session.path()).run();
        assert_eq!(seen.ending, Ending::Code(0), "{seen:?}");
        let text = String::from_utf8_lossy(&seen.stdout);
        let stale: Vec<&str> = text.lines().filter(|line| line.contains("stale")).collect();
        assert!(stale.len() >= 16, "{text}");
        assert!(stale.iter().all(|line| line.ends_with("stale 0")), "{text}");
        assert!(text.ends_with("unknown flag: -1\n"), "{text}");
    }
}

/// A fence emptied all that was decoded, the program's own cold code with it: 25 seconds for this.
#[test]
fn a_fence_costs_no_decoding_of_what_cannot_have_changed() {
    let session = Session::new();
    let elf = build(program("fence_costs")).expect("it builds");
    let command = session.command(&["--no-jit"], &elf, &["200000"]);
    let started = Instant::now();
    let seen = Invocation::new(command, session.path()).run();
    assert_eq!(seen.stdout, b"done 200000\n", "{seen:?}");
    let elapsed = started.elapsed();
    assert!(elapsed.as_secs() < 12, "{elapsed:?}");
}

/// A child that was killed while it held a lock of the engine's, or of the allocator's, left its parent
/// waiting for ever.
#[test]
fn who_made_a_killed_vfork_child_goes_on() {
    let elf = build(program("vfork_killed")).expect("it builds");
    let every: [(&[&str], &str); 5] = [
        (&[], "calls"),
        (&["--no-jit"], "calls"),
        (&["--strace"], "calls"),
        (&[], "forks"),
        (&["--no-jit"], "forks"),
    ];
    for (options, work) in every {
        let session = Session::new();
        let command = session.command(options, &elf, &[work]);
        let seen = Invocation::new(command, session.path()).run();
        assert_eq!(seen.ending, Ending::Code(0), "{options:?} {work}: {seen:?}");
        let text = String::from_utf8_lossy(&seen.stdout);
        let killed = text
            .strip_prefix("killed ")
            .and_then(|text| text.split(',').next());
        let killed: u32 = killed
            .and_then(|text| text.parse().ok())
            .expect("it counts");
        assert!(killed >= 100, "{options:?} {work}: {text}");
        assert!(text.ends_with("shared 42, unmapped 0\n"), "{text}");
    }
}

/// Instructions of threads other than the first weren't counted.
#[test]
fn the_instructions_of_all_threads_are_counted() {
    for ending in ["join", "exit"] {
        let session = Session::new();
        let elf = build(program("counted_threads")).expect("it builds");
        let command = session.command(&[], &elf, &[ending]);
        let seen = Invocation::new(command, session.path()).run();
        let (statistics, _) =
            rekindle_testkit::Statistics::split(&seen.stderr).expect("statistics");
        let count = statistics.instructions_interpreted;
        assert!(count >= 20_000_000, "{ending}: {count}");
    }
}

/// Each library that came and went left its scope, its mappings and its regions behind once.
#[test]
fn libraries_that_come_and_go_leave_nothing_behind() {
    let session = Session::new();
    let elf = build(program("libraries")).expect("it builds");
    for round in ["cold", "warm"] {
        let command = session.command(&["--finish-compiles"], &elf, &["2000"]);
        let seen = Invocation::new(command, session.path()).run();
        assert_eq!(seen.ending, Ending::Code(0), "{seen:?}");
        let text = String::from_utf8_lossy(&seen.stdout);
        assert_eq!(text, "24000000, no growth\n", "{round}: {seen:?}");
    }
}

/// A process that has opened its own memory once paid for a fence at each `write` from then on, to a file or
/// a terminal.
#[test]
fn writing_to_a_file_that_is_no_text_costs_no_fence() {
    let elf = build(program("write_costs")).expect("it builds");
    let time = |state| {
        let session = Session::new();
        let command = session.command(&[], &elf, &["500000", state]);
        let started = Instant::now();
        let seen = Invocation::new(command, session.path()).run();
        assert_eq!(seen.stdout, b"done 500000\n", "{seen:?}");
        started.elapsed()
    };
    let never = time("never");
    for state in ["open", "closed"] {
        let elapsed = time(state);
        let most = never * 6 + Duration::from_secs(2);
        assert!(elapsed < most, "{state}: {elapsed:?}, never: {never:?}");
    }
}

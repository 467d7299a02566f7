//! Guests that are started without standard streams.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rekindle_testkit::{Ending, Invocation, build, program};

use crate::session::{Session, start};

/// `/dev/null` stood in their place once, and the guest's files got other numbers than on Linux.
#[test]
fn a_guest_sees_its_closed_streams_closed_and_gets_their_numbers() {
    for (closed, expected) in [
        ("", "open 7, next 3\n"),
        ("<&-", "open 6, next 0\n"),
        (">&-", "open 5, next 1\n"),
        ("2>&-", "open 3, next 2\n"),
        ("<&- 2>&-", "open 2, next 0\n"),
        ("<&- >&- 2>&-", "open 0, next 0\n"),
    ] {
        for again in [false, true] {
            let session = Session::new();
            let elf = build(program("streams_closed")).expect("it builds");
            let answer = session.path().join("answer");
            let mut args = vec![answer.to_str().expect("a plain path")];
            args.extend(again.then_some("again"));
            let mut words: Vec<OsString> = vec![
                "sh".into(),
                "-c".into(),
                format!("exec \"$@\" {closed}").into(),
                "sh".into(),
            ];
            words.extend(session.command(&[], &elf, &args));
            let seen = Invocation::new(words, session.path()).run();
            assert_eq!(seen.ending, Ending::Code(0), "{closed}: {seen:?}");
            let answer = fs::read_to_string(answer).expect("it was written");
            assert_eq!(answer, expected, "{closed}, again: {again}");
        }
    }
}

/// The compile thread kept the guest's standard error open once: whoever read the other end of a pipe, as
/// `$(program 2>&1)` does of a program that becomes a daemon, waited for ever.
#[test]
fn a_standard_error_that_the_guest_closes_is_closed() {
    for how in ["close", "over"] {
        let session = Session::new();
        let elf = build(program("held")).expect("it builds");
        let invocation = Invocation::new(session.command(&[], &elf, &[how]), session.path());
        let mut child = start(&invocation);
        let mut stderr = child.stderr.take().expect("a pipe");
        let (ended, end) = channel();
        let reader = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = ended.send(stderr.read_to_end(&mut text).map(|_| text));
        });
        let seen = end.recv_timeout(Duration::from_secs(60));
        // It waits for this, whatever was seen.
        drop(child.stdin.take());
        let status = child.wait().expect("it ends");
        reader.join().expect("it doesn't panic");
        let text = seen.unwrap_or_else(|_| panic!("{how}: it is held open"));
        assert_eq!(text.expect("it can be read"), b"", "{how}");
        assert!(status.success(), "{how}: {status:?}");
    }
}

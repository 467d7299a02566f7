//! Guests that are started without standard streams.

use std::ffi::OsString;
use std::fs;

use rekindle_testkit::{Ending, Invocation, build, program};

use crate::session::Session;

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

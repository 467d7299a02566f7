//! What a person reads when a program cannot be started, or dies.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rekindle_testkit::{Ending, Invocation, build, program};

use crate::session::Session;

fn refused(session: &Session, name: &str) -> (Ending, String) {
    let seen = session.rekindle(&["run", name]);
    assert!(seen.stdout.is_empty());
    (
        seen.ending,
        String::from_utf8_lossy(&seen.stderr).into_owned(),
    )
}

#[test]
fn a_program_that_is_not_there() {
    let (ending, message) = refused(&Session::new(), "absent");
    assert_eq!(ending, Ending::Code(127));
    assert!(message.starts_with("rekindle: absent: "), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn files_that_are_no_riscv_programs() {
    let session = Session::new();
    let elf = fs::read(build(program("hello")).expect("it builds")).expect("it can be read");
    let cases: [(&str, Vec<u8>); 6] = [
        ("hello.txt", b"hello\n".to_vec()),
        ("empty", Vec::new()),
        ("truncated", elf[..200].to_vec()),
        (
            "x86",
            fs::read("/proc/self/exe").expect("it can be read")[..4096].to_vec(),
        ),
        ("half", elf[..elf.len() / 2].to_vec()),
        ("header", elf[..64].to_vec()),
    ];
    for (name, content) in cases {
        let path = session.path().join(name);
        fs::write(&path, content).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("and changed");
        let (ending, message) = refused(&session, name);
        assert_eq!(ending, Ending::Code(126), "{name}: {message}");
        assert!(
            message.starts_with(&format!("rekindle: {name}: ")),
            "{message}"
        );
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    let (ending, message) = refused(&session, ".");
    assert_eq!(ending, Ending::Code(126), "{message}");
    let (_, message) = refused(&session, "hello.txt");
    assert!(message.contains("not an ELF file"), "{message}");
}

/// As a shell sees it: 128 + the signal's number.
#[test]
fn a_shell_sees_the_signal_and_reads_the_guest_pc() {
    let session = Session::new();
    let elf = build(program("ending_null")).expect("it builds");
    let rekindle = session.command(&[], &elf, &[]).swap_remove(0);
    for (how, status, said) in [
        ("null", 139, "segmentation fault"),
        ("wild", 139, "segmentation fault"),
        ("illegal", 132, "illegal instruction"),
        ("abort", 134, ""),
        ("kill", 137, ""),
    ] {
        let script = "\"$0\" run \"$1\" \"$2\"; echo \"status $?\"";
        let words: [std::ffi::OsString; 6] = [
            "sh".into(),
            "-c".into(),
            script.into(),
            rekindle.clone(),
            elf.clone().into_os_string(),
            how.into(),
        ];
        let seen = Invocation::new(words, session.path()).run();
        let stdout = String::from_utf8_lossy(&seen.stdout);
        let stderr = String::from_utf8_lossy(&seen.stderr).to_lowercase();
        assert_eq!(stdout, format!("ending: {how}\nstatus {status}\n"));
        if !said.is_empty() {
            let line = stderr.lines().find(|line| line.starts_with("rekindle: "));
            let line = line.unwrap_or_else(|| panic!("{how}: no message: {stderr}"));
            assert!(
                line.contains(said) && line.contains("guest pc 0x"),
                "{line}"
            );
        }
        assert!(!session.path().join("core").exists());
    }
}

#[test]
fn a_closed_pipe_ends_the_guest_as_it_would_any_program() {
    let session = Session::new();
    let elf = build(program("printf")).expect("it builds");
    let rekindle = session.command(&[], &elf, &[]).swap_remove(0);
    let script = "set -o pipefail; { \"$0\" run \"$1\" 2>&1; echo \"status $?\" >&2; } | head -c 1";
    let words: [std::ffi::OsString; 5] = [
        "bash".into(),
        "-c".into(),
        script.into(),
        rekindle,
        elf.into_os_string(),
    ];
    let seen = Invocation::new(words, session.path()).run();
    let stderr = String::from_utf8_lossy(&seen.stderr).into_owned();
    // The guest may end before the pipe does; what it must not do is meet an error that no program
    // of its kind would see.
    assert!(
        stderr == "status 141\n" || stderr == "status 0\n",
        "{stderr}"
    );
}

//! A guest under `gdb-multiarch`.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rekindle_testkit::{build, program};

use crate::session::Session;

fn debugged() -> PathBuf {
    build(program("debugged")).expect("it builds")
}

/// A guest that waits for a debugger, and where.
struct Waiting {
    guest: Child,
    stderr: BufReader<std::process::ChildStderr>,
    address: String,
}

impl Waiting {
    fn start(session: &Session, elf: &Path) -> Self {
        let rekindle = session.command(&[], elf, &[]).swap_remove(0);
        let mut guest = Command::new(rekindle)
            .args(["run", "--gdb", "0"])
            .arg(elf)
            .env("REKINDLE_CACHE_DIR", session.cache())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("rekindle starts");
        let mut stderr = BufReader::new(guest.stderr.take().expect("it is piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("it can be read");
        let said = line
            .trim()
            .strip_prefix("rekindle: waiting for a debugger at ");
        let address = said.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self {
            guest,
            stderr,
            address,
        }
    }

    /// Has GDB execute these commands, and returns what it printed, which ends where GDB does.
    fn debug(&self, elf: &Path, commands: &[&str]) -> String {
        let mut gdb = Command::new("timeout");
        gdb.args(["60", "gdb-multiarch", "--batch", "-nx"]).arg(elf);
        let connect = format!("target remote {}", self.address);
        for command in ["set pagination off", "set width 0", &connect]
            .iter()
            .chain(commands)
        {
            gdb.args(["-ex", command]);
        }
        let output = gdb.stdin(Stdio::null()).output();
        let output = output.expect("gdb-multiarch is installed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        text(&output.stdout) + &text(&output.stderr)
    }

    /// What the guest printed, and how it ended.
    fn end(mut self) -> (String, String, ExitStatus) {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let mut pipe = self.guest.stdout.take().expect("it is piped");
        pipe.read_to_string(&mut stdout).expect("it is text");
        self.stderr.read_to_string(&mut stderr).expect("it is text");
        (stdout, stderr, self.guest.wait().expect("it is a child"))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Only where an assertion failed is it still there.
        let _ = self.guest.kill();
    }
}

/// Each part comes in the text, after the one before.
fn assert_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => panic!("{part:?} doesn't follow in\n{text}"),
        }
    }
}

#[test]
fn breakpoints_steps_registers_memory_and_backtraces() {
    let (session, elf) = (Session::new(), debugged());
    let waiting = Waiting::start(&session, &elf);
    let seen = waiting.debug(
        &elf,
        &[
            "break inner",
            "continue",
            "backtrace",
            "print value",
            "print $sp == $fp - 48",
            "next",
            "next",
            "print doubled",
            "print counter",
            "set var doubled = 44",
            "print ratio",
            "print/x $fcsr",
            "set var $fs3 = 0x4045000000000000",
            "print $fs3.double",
            "set var $pc = $pc",
            "stepi",
            "x/2i $pc",
            "x/s \"text\"",
            "delete",
            "finish",
            "kill",
        ],
    );
    assert_order(
        &seen,
        &[
            "Breakpoint 1 at 0x",
            "Breakpoint 1, inner (value=21)",
            "#0  inner (value=21)",
            "#1  0x",
            " in outer (value=20)",
            "#2  0x",
            " in main ()",
            "$1 = 21",
            "$2 = 1",
            "$3 = 42",
            "$4 = 42",
            "$5 = 0.5",
            "$6 = 0x0",
            "$7 = 42",
            "=> 0x",
            "<inner+",
            "in outer (value=20)",
            "Value returned is $8 = 44",
            "Kill the program being debugged?",
        ],
    );
    let (stdout, _, status) = waiting.end();
    assert_eq!(stdout, "");
    assert_eq!(status.signal(), Some(9));
}

#[test]
fn threads_and_signals_are_seen_and_the_guest_ends_as_without_gdb() {
    let (session, elf) = (Session::new(), debugged());
    let waiting = Waiting::start(&session, &elf);
    let seen = waiting.debug(
        &elf,
        &[
            "break inner if value == 3",
            "handle SIGUSR1 stop print pass",
            "continue",
            "break on_signal",
            "continue",
            "backtrace",
            "continue",
            "info threads",
            "thread apply all backtrace",
            "set scheduler-locking on",
            "next",
            "set scheduler-locking off",
            "delete",
            "continue",
        ],
    );
    assert_order(
        &seen,
        &[
            "received signal SIGUSR1",
            "on_signal (signal=10)",
            "<signal handler called>",
            "in main ()",
            "inner (value=3)",
            "* 1 ",
            "  2 ",
            "Thread 2",
            "in work (argument=",
            "Thread 1",
            "in main ()",
            "exited with code 060]",
        ],
    );
    let (stdout, stderr, status) = waiting.end();
    assert_eq!(stdout, "result 43, sum 68, handled 10\n", "{stderr}");
    assert_eq!(status.code(), Some(48));
}

#[test]
fn a_guest_runs_on_when_the_debugger_leaves_and_another_may_come() {
    let (session, elf) = (Session::new(), debugged());
    let waiting = Waiting::start(&session, &elf);
    let seen = waiting.debug(&elf, &["break outer", "continue", "detach"]);
    assert_order(&seen, &["Breakpoint 1, outer (value=20)", "etach"]);
    let (stdout, stderr, status) = waiting.end();
    assert_eq!(stdout, "result 43, sum 68, handled 10\n", "{stderr}");
    assert_eq!(status.code(), Some(48));
}

#[test]
fn watched_memory_stops_whoever_changes_it() {
    let (session, elf) = (Session::new(), debugged());
    let waiting = Waiting::start(&session, &elf);
    let commands = [
        "handle SIGUSR1 nostop",
        "watch counter",
        "continue",
        "continue",
        "delete",
        "continue",
    ];
    let seen = waiting.debug(&elf, &commands);
    assert_order(
        &seen,
        &[
            "Hardware watchpoint 1: counter",
            "Old value = 0",
            "New value = 42",
            "inner (value=21)",
            "Old value = 42",
            "New value = 48",
            "inner (value=3)",
            "exited with code 060]",
        ],
    );
    let (stdout, stderr, _) = waiting.end();
    assert_eq!(stdout, "result 43, sum 68, handled 10\n", "{stderr}");
}

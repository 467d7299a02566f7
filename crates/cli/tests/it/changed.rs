//! Programs whose code changes while they run, behind the engine's back: whatever the run did then, no
//! later one may find it.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rekindle_testkit::{Ending, Invocation, Observation, Statistics, build, program};

use crate::session::{Session, start};

/// What stands before the instruction in `changed.c`, and the instruction before and after.
const MARKER: [u8; 4] = 0xabcd_e037_u32.to_le_bytes();
const ONE: [u8; 4] = 0x0015_8593_u32.to_le_bytes();
const TWO: [u8; 4] = 0x0025_8593_u32.to_le_bytes();

const ORIGINAL: &str = "200000\n";
const CHANGED: &str = "400000\n";

/// A copy of the program that tests may write to.
struct Copy {
    session: Session,
    elf: PathBuf,
    offset: u64,
}

impl Copy {
    fn new() -> Self {
        let session = Session::new();
        let elf = session.path().join("changing");
        let original = build(program("changed")).expect("it builds");
        fs::copy(original, &elf).expect("it can be copied");
        let bytes = fs::read(&elf).expect("it can be read");
        let place = bytes
            .windows(8)
            .position(|word| word == [MARKER, ONE].concat());
        let offset = place.expect("the marker is there") as u64 + 4;
        Self {
            session,
            elf,
            offset,
        }
    }

    /// Writes the instruction over in place.
    fn write(&self, instruction: [u8; 4]) {
        let file = fs::File::options().write(true).open(&self.elf);
        file.and_then(|file| file.write_all_at(&instruction, self.offset))
            .expect("the file can be written");
    }

    /// Runs the program with its file open as descriptor 3.
    fn run(&self, args: &[&str]) -> (Observation, Statistics) {
        let script = format!("exec \"$@\" 3<>'{}'", self.elf.display());
        let mut words: Vec<OsString> = ["sh", "-c", &script, "sh"].map(OsString::from).into();
        words.extend(
            self.session
                .command(&["--finish-compiles"], &self.elf, args),
        );
        split(Invocation::new(words, self.session.path()).run())
    }

    /// Runs the program until it says that it is ready, calls `meanwhile`, and lets it go on.
    fn run_and(&self, args: &[&str], meanwhile: impl FnOnce()) -> (Observation, Statistics) {
        let command = self
            .session
            .command(&["--finish-compiles"], &self.elf, args);
        let mut child = start(&Invocation::new(command, self.session.path()));
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        let mut before = Vec::new();
        while line != "ready\n" {
            line.clear();
            let len = stdout.read_line(&mut line).expect("it prints");
            assert_ne!(len, 0, "it ended before it was ready");
            before.extend_from_slice(line.as_bytes());
        }
        meanwhile();
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(b"\n")
            .expect("it reads");
        stdout.read_to_end(&mut before).expect("it prints");
        let output = child.wait_with_output().expect("it ends");
        split(Observation {
            stdout: before,
            stderr: output.stderr,
            ending: output.status.into(),
        })
    }

    /// No run from here on may do what the changed program does.
    fn prints_the_originals_result(&self, what: &str) {
        for round in 0..2 {
            let (seen, statistics) = self.run(&[]);
            assert_eq!(
                text(&seen),
                ORIGINAL,
                "{what}, round {round}: {statistics:?}"
            );
            assert_eq!(seen.ending, Ending::Code(0), "{what}");
        }
        let (_, warm) = self.run(&[]);
        assert!(warm.regions_loaded > 0, "{what}: {warm:?}");
        assert_eq!(warm.regions_compiled, 0, "{what}: {warm:?}");
    }
}

fn split(mut seen: Observation) -> (Observation, Statistics) {
    let (statistics, rest) = Statistics::split(&seen.stderr).expect("statistics");
    seen.stderr = rest;
    (seen, statistics)
}

fn text(seen: &Observation) -> String {
    String::from_utf8_lossy(&seen.stdout).into_owned()
}

#[test]
fn what_was_compiled_while_the_file_was_another_is_not_found() {
    let copy = Copy::new();
    let (seen, statistics) = copy.run_and(&["wait"], || copy.write(TWO));
    // The mapping is private, and its page wasn't written: Linux shows what the file holds now.
    assert_eq!(text(&seen), format!("ready\n{CHANGED}"), "{statistics:?}");
    assert!(statistics.regions_compiled > 0, "{statistics:?}");
    copy.write(ONE);
    copy.prints_the_originals_result("written over while it waited");
}

#[test]
fn what_was_kept_is_not_run_once_the_file_is_another() {
    let copy = Copy::new();
    copy.prints_the_originals_result("untouched");
    let (seen, statistics) = copy.run_and(&["wait"], || copy.write(TWO));
    assert_eq!(text(&seen), format!("ready\n{CHANGED}"), "{statistics:?}");
    let (seen, statistics) = copy.run(&[]);
    assert_eq!(text(&seen), CHANGED, "{statistics:?}");
    copy.write(ONE);
    copy.prints_the_originals_result("restored");
}

#[test]
fn a_file_that_is_restored_before_the_end_keeps_nothing_of_the_other() {
    let copy = Copy::new();
    let (seen, _) = copy.run_and(&["wait", "twice"], || {
        copy.write(TWO);
        copy.write(ONE);
    });
    assert_eq!(text(&seen), format!("{ORIGINAL}ready\n{ORIGINAL}"));
    copy.prints_the_originals_result("written twice");
}

/// By `/proc/self/mem`, from another process, with `process_vm_writev`, through the file, whether the
/// program opened it, was started with it or was sent it, and through a shared mapping of it.
#[test]
fn whoever_writes_the_text_nothing_of_it_is_kept() {
    for how in [
        "mem",
        "child",
        "writev",
        "thread",
        "write",
        "inherited",
        "received",
        "alias",
        "restored",
    ] {
        for twice in [false, true] {
            let copy = Copy::new();
            let args = [how, "twice"];
            let (seen, statistics) = copy.run(&args[..1 + usize::from(twice)]);
            assert_eq!(seen.ending, Ending::Code(0), "{how}: {seen:?}");
            // What another process writes into this one's memory may go unseen where it was compiled.
            let seen = text(&seen);
            let expected = match (how, twice) {
                ("mem", false) => format!("{CHANGED}{ORIGINAL}"),
                ("mem", true) => format!("{ORIGINAL}{CHANGED}{ORIGINAL}"),
                (_, false) => CHANGED.to_owned(),
                ("child", true) => seen.clone(),
                (_, true) => format!("{ORIGINAL}{CHANGED}"),
            };
            assert_eq!(seen, expected, "{how}: {statistics:?}");
            copy.write(ONE);
            copy.prints_the_originals_result(how);
        }
    }
}

/// A change of the file's mode or name isn't one of its bytes.
#[test]
fn what_was_compiled_while_only_the_files_mode_changed_is_kept() {
    let copy = Copy::new();
    let (_, first) = copy.run_and(&["wait"], || set_mode(&copy.elf, 0o700));
    assert!(first.regions_compiled > 0, "{first:?}");
    let (seen, second) = copy.run_and(&["wait"], || ());
    assert_eq!(text(&seen), format!("ready\n{ORIGINAL}"));
    assert!(second.regions_loaded > 0, "{second:?}");
    assert_eq!(second.regions_compiled, 0, "{second:?}");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

/// A file that was open to be written, or mapped and shared, before it was mapped as a library was taken for
/// one that nobody can write.
#[test]
fn a_library_that_was_open_before_it_was_mapped_runs_as_it_was_written() {
    for how in ["opened", "memfd", "copied", "shared", "truncated"] {
        let session = Session::new();
        let elf = build(program("plugin")).expect("it builds");
        for round in ["cold", "warm"] {
            let command = session.command(&["--finish-compiles"], &elf, &[how]);
            let seen = Invocation::new(command, session.path()).run();
            assert_eq!(seen.ending, Ending::Code(0), "{how}: {seen:?}");
            assert_eq!(text(&seen), "180000\n300000\n", "{how}, {round}: {seen:?}");
        }
    }
}

/// Once a part of a program's text has another protection, nobody hears of who writes to its file: nothing of
/// the rest may be relied on either.
#[test]
fn text_that_is_forgotten_in_part_is_looked_at_again_as_a_whole() {
    let original = build(program("forgotten")).expect("it builds");
    for options in [
        &["--finish-compiles"][..],
        &["--tier=interp"],
        &["--tier=quick"],
    ] {
        for round in 0..2 {
            let session = Session::new();
            let elf = session.path().join("forgotten");
            fs::copy(&original, &elf).expect("it can be copied");
            let command = session.command(options, &elf, &["write"]);
            let seen = Invocation::new(command, session.path()).run();
            assert_eq!(
                seen.ending,
                Ending::Code(2),
                "{options:?}, {round}: {seen:?}"
            );
        }
    }
}

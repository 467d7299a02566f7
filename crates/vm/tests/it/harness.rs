//! Building guests, running them by engine and by judge.
//!
//! A guest writes to its process's own standard output, so each runs in a process of its own: this
//! test binary again, told by its environment to run one guest and nothing else.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use rekindle_vm::{Config, GuestExit, Tier};

const PROGRAM: &str = "REKINDLE_TEST_PROGRAM";
const OUTPUT: &str = "REKINDLE_TEST_OUTPUT";

/// How a program ended and what it wrote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// Its exit status, or 128 plus the signal that killed it.
    pub(crate) status: i32,
}

/// Where built programs and outputs go.
fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Builds `tests/programs/<source>` statically, unless that was done already.
pub(crate) fn build(source: &str, flags: &[&str]) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(source);
    let text = std::fs::read(&path).expect("the source is there");
    let mut hasher = blake3::Hasher::new();
    hasher.update(&text);
    hasher.update(format!("{flags:?}").as_bytes());
    let program = scratch().join(format!("{source}-{}", &hasher.finalize().to_hex()[..16]));
    if !program.exists() {
        let compiler = if source.ends_with(".c") {
            "riscv64-linux-gnu-gcc"
        } else {
            "riscv64-linux-gnu-g++"
        };
        let partial = scratch().join(format!(
            "{source}-{}-{:?}.partial",
            std::process::id(),
            std::thread::current().id()
        ));
        let status = Command::new(compiler)
            .args(["-O2", "-static", "-o"])
            .arg(&partial)
            .arg(&path)
            .args(flags)
            .arg("-lm")
            .status()
            .expect("the cross compiler runs");
        assert!(status.success(), "{source} compiles");
        std::fs::rename(&partial, &program).expect("the program can be renamed");
    }
    program
}

/// Runs `program` with `stdin` under the engine; returns its standard error too.
pub(crate) fn run_engine(
    program: &Path,
    args: &[&str],
    stdin: &str,
    jit: bool,
) -> (Ending, String) {
    let output = tempfile::NamedTempFile::new_in(scratch()).expect("scratch space");
    let mut command = Command::new("timeout");
    command
        .arg("60")
        .arg(std::env::current_exe().expect("a test has a path"))
        .args([
            "--exact",
            "guest_process",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(PROGRAM, program)
        .env(OUTPUT, output.path())
        .env("REKINDLE_TEST_JIT", if jit { "on" } else { "off" })
        .env("REKINDLE_TEST_ARGS", args.join("\u{1}"));
    let (_, status, stderr) = feed(command, stdin);
    let stdout = std::fs::read(output.path()).expect("the output is there");
    (
        Ending {
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            status,
        },
        stderr,
    )
}

/// Runs `program` with `stdin` under the judge.
pub(crate) fn run_judge(program: &Path, args: &[&str], stdin: &str) -> Ending {
    let mut command = Command::new("timeout");
    // The engine's guests see an empty environment.
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("QEMU_CPU", "rv64,zba=true,zbb=true,zbs=true")
        .args(["60", "qemu-riscv64"])
        .arg(program)
        .args(args);
    let (stdout, status, _) = feed(command, stdin);
    Ending { stdout, status }
}

fn feed(mut command: Command, stdin: &str) -> (String, i32, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe was asked for");
    // A program that doesn't read all of it closes the pipe, which is its right.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("the program ends");
    let status = output.status.code().unwrap_or_else(|| {
        128 + std::os::unix::process::ExitStatusExt::signal(&output.status).unwrap_or(0)
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), status, text(&output.stderr))
}

/// A program to build and how to run it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guest {
    /// Its source's name in `tests/programs`.
    pub(crate) source: &'static str,
    /// Flags for the compiler.
    pub(crate) flags: &'static [&'static str],
    /// Its arguments.
    pub(crate) args: &'static [&'static str],
    /// What it reads from standard input.
    pub(crate) stdin: &'static str,
}

/// Asserts that engine and judge agree on a program.
pub(crate) fn agree(guest: &Guest) {
    let Guest {
        source,
        flags,
        args,
        stdin,
    } = *guest;
    let program = build(source, flags);
    let theirs = run_judge(&program, args, stdin);
    for jit in [false, true] {
        let (ours, stderr) = run_engine(&program, args, stdin, jit);
        let how = format!("{source}, jit {jit}; stderr: {stderr}");
        assert_eq!(ours.stdout, theirs.stdout, "output of {how}");
        assert_eq!(ours.status, theirs.status, "status of {how}");
    }
}

/// In the process that [`run_engine`] started: runs the guest and exits as it did.
#[expect(
    clippy::print_stderr,
    reason = "the parent process shows this where a test fails"
)]
pub(crate) fn become_guest() {
    let Some(program) = std::env::var_os(PROGRAM) else {
        return;
    };
    let started = Instant::now();
    let output = std::env::var_os(OUTPUT).expect("the output has a name");
    let output = File::create(output).expect("the output can be written");
    rustix::stdio::dup2_stdout(&output).expect("standard output can be replaced");
    drop(output);
    let args = std::env::var("REKINDLE_TEST_ARGS").unwrap_or_default();
    let args = args
        .split('\u{1}')
        .filter(|arg| !arg.is_empty())
        .map(Into::into);
    let config = Config {
        args: std::iter::once(program.clone()).chain(args).collect(),
        program: program.into(),
        env: vec!["PATH=/usr/bin:/bin".into()],
        tier: match std::env::var_os("REKINDLE_TEST_JIT").is_some_and(|jit| jit == "on") {
            true => Tier::Optimizing,
            false => Tier::Interpreter,
        },
        cache: None,
        finish_compiles: false,
        sysroot: None,
        relaunch: Vec::new(),
        signal_mask: None,
        traces_calls: false,
        exact_faults: false,
        gdb: None,
        dump_asm: None,
        perf_map: false,
        started,
    };
    let status = match rekindle_vm::run(config) {
        Ok(outcome) => {
            eprintln!("{:?}", outcome.statistics);
            match outcome.exit {
                GuestExit::Code(code) => code,
                GuestExit::Signal { signal, message } => {
                    eprintln!("signal: {message}");
                    128 + signal
                }
            }
        }
        Err(error) => {
            eprintln!("{error}");
            126
        }
    };
    std::process::exit(status);
}

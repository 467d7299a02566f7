//! Runs a program as a user would, and keeps what came out of it.

use std::ffi::OsString;
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Long past what any program of the list takes, even interpreted on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A command with all that could change what it prints.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// Where it runs.
    pub directory: PathBuf,
    /// Environment variables beyond the few that every run has.
    pub env: Vec<(String, OsString)>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Ending {
        match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Code(code),
            (None, signal) => Ending::Signal(signal.unwrap_or(0)),
        }
    }
}

/// What came out of a run.
#[derive(Clone, PartialEq, Eq)]
pub struct Observation {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub ending: Ending,
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation")
            .field("stdout", &String::from_utf8_lossy(&self.stdout))
            .field("stderr", &String::from_utf8_lossy(&self.stderr))
            .field("ending", &self.ending)
            .finish()
    }
}

impl Invocation {
    /// A command with nothing to read, run in `directory`.
    pub fn new(command: impl IntoIterator<Item = impl Into<OsString>>, directory: &Path) -> Self {
        Invocation {
            command: command.into_iter().map(Into::into).collect(),
            stdin: Vec::new(),
            directory: directory.to_owned(),
            env: Vec::new(),
        }
    }

    /// The same, with something to read.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// The same, with one more environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// The command, ready to spawn, its streams still unset. The environment is the same on every
    /// machine: what the caller's shell holds doesn't reach a guest.
    ///
    /// # Panics
    /// If the command is empty.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .current_dir(&self.directory)
            .env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOME", &self.directory)
            .env("GUEST_ONE", "first")
            .env("GUEST_TWO", "two words");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the command to its end.
    ///
    /// # Panics
    /// If it cannot be started or takes longer than any program of the list should: either is a
    /// failure of the test that asked.
    #[must_use]
    pub fn run(&self) -> Observation {
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{:?} cannot be started: {error}", self.command[0]));
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let mut stdout = child.stdout.take().expect("stdout is piped");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let text = self.stdin.clone();
        // A guest that exits without reading breaks the pipe, which is its right.
        let writer = thread::spawn(move || drop(stdin.write_all(&text)));
        let reader = thread::spawn(move || read_all(&mut stdout));
        let error_reader = thread::spawn(move || read_all(&mut stderr));
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if started.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("{:?} did not end within {PATIENCE:?}", self.command);
            }
            thread::sleep(Duration::from_millis(2));
        };
        writer.join().expect("the writer does not panic");
        Observation {
            stdout: reader.join().expect("the reader does not panic"),
            stderr: error_reader.join().expect("the reader does not panic"),
            ending: status.into(),
        }
    }
}

fn read_all(from: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes);
    bytes
}

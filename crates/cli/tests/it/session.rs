//! One user with one cache: runs guests by the built `rekindle` program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rekindle_testkit::{Class, Invocation, Observation, Program, Statistics, build};
use tempfile::TempDir;

/// The program under test.
pub(crate) const REKINDLE: &str = env!("CARGO_BIN_EXE_rekindle");

/// Starts a command with which a test talks while it runs.
pub(crate) fn start(invocation: &Invocation) -> Child {
    let mut command = invocation.command();
    let command = command.stdin(Stdio::piped());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

/// A cache directory, and a fresh working directory for each run.
pub(crate) struct Session {
    folder: TempDir,
}

impl Session {
    pub(crate) fn new() -> Self {
        Session {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    /// Where this session's cache is. It is made by the program.
    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Where this session's own files go.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `rekindle run [options] --stats=json PROGRAM ARGS…`, and the statistics taken off its
    /// standard error.
    pub(crate) fn run(&self, options: &[&str], program: &Program) -> (Observation, Statistics) {
        self.run_with(options, &[], program)
    }

    /// The same, with more in the environment.
    pub(crate) fn run_with(
        &self,
        options: &[&str],
        env: &[(&str, &str)],
        program: &Program,
    ) -> (Observation, Statistics) {
        let elf = build(program).unwrap_or_else(|error| panic!("{error}"));
        let directory = tempfile::tempdir_in(self.path()).expect("a folder can be made");
        let command = self.command(options, &elf, program.args);
        let mut invocation = Invocation::new(command, directory.path()).stdin(program.stdin);
        for (name, value) in env {
            invocation = invocation.env(name, value);
        }
        let mut seen = invocation.run();
        let Some((statistics, rest)) = Statistics::split(&seen.stderr) else {
            // A guest that has itself killed takes the whole process with it.
            assert!(
                program.class == Class::Dies,
                "{} {options:?} printed no statistics: {seen:?}",
                program.name
            );
            return (seen, Statistics::default());
        };
        seen.stderr = rest;
        (seen, statistics)
    }

    /// The words of a run's command line.
    pub(crate) fn command(&self, options: &[&str], elf: &Path, args: &[&str]) -> Vec<OsString> {
        let mut command: Vec<OsString> = vec![REKINDLE.into(), "run".into()];
        command.push("--cache-dir".into());
        command.push(self.cache().into_os_string());
        command.extend(options.iter().map(OsString::from));
        command.push("--stats=json".into());
        command.push(elf.as_os_str().to_owned());
        command.extend(args.iter().map(OsString::from));
        command
    }

    /// `rekindle ARGS…` in this session's folder, as it is.
    pub(crate) fn rekindle(&self, args: &[&str]) -> Observation {
        let words = [REKINDLE].iter().chain(args).map(OsString::from);
        Invocation::new(words, self.path()).run()
    }
}

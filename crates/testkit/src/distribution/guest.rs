//! One row of the list: a program from a distribution, how it is started, and what it is held
//! against.

use std::time::Duration;

/// A program of a distribution with all that a run of it needs.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// What tables call it; unique in the list.
    pub name: &'static str,
    /// Its path, as a guest sees it, and its arguments. It runs in a folder of its own, in which
    /// `in` holds the files of `programs/distribution`, and whose `tmp` is for temporary files.
    pub command: &'static [&'static str],
    /// A C++ source of `programs/distribution` that is compiled into the folder first.
    pub compiled: Option<&'static str>,
    /// The packages that it needs beyond what every guest has, with what they depend on.
    pub packages: &'static [&'static str],
    /// What its output is held against.
    pub judge: Judge,
    /// How long it may take, interpreted, on a loaded machine.
    pub limit: Duration,
    /// Whether it belongs to the part that every test run includes.
    pub is_quick: bool,
}

/// What a program's output is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// The file of its name in `programs/distribution/expected`: standard output, byte for byte,
    /// with nothing on standard error and exit status 0.
    Known,
    /// Tests of Python's own: each that passes under QEMU passes.
    Passes,
}

/// A program whose output is known.
pub(crate) const fn script(name: &'static str, command: &'static [&'static str]) -> Guest {
    Guest {
        name,
        command,
        compiled: None,
        packages: &[],
        judge: Judge::Known,
        limit: Duration::from_secs(120),
        is_quick: false,
    }
}

/// One of Python's own tests. `name` is the module's, too.
pub(crate) const fn passes(name: &'static str, command: &'static [&'static str]) -> Guest {
    let mut guest = script(name, command);
    guest.packages = &["python3.13", "libpython3.13-testsuite"];
    guest.judge = Judge::Passes;
    guest.limit = Duration::from_secs(900);
    guest
}

impl Guest {
    /// The program, with the packages that it needs.
    pub(crate) const fn needs(mut self, packages: &'static [&'static str]) -> Guest {
        self.packages = packages;
        self
    }

    /// The program, compiled from a source of ours.
    pub(crate) const fn compiled(mut self, source: &'static str) -> Guest {
        self.compiled = Some(source);
        self
    }

    /// The program, given more seconds.
    pub(crate) const fn within(mut self, seconds: u64) -> Guest {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// The program, in the part that every test run includes.
    pub(crate) const fn quick(mut self) -> Guest {
        self.is_quick = true;
        self
    }
}

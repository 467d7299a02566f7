//! One row of the list of guest programs: where its source is, how it is compiled, how it is run.

use crate::generate::Generator;

/// A guest program and one way of invoking it.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// What tests and tables call it; unique in the list.
    pub name: &'static str,
    /// Where its source comes from.
    pub source: Source,
    /// Compiler and linker flags beyond those that every program has.
    pub flags: &'static [&'static str],
    /// Its arguments.
    pub args: &'static [&'static str],
    /// What its standard input holds.
    pub stdin: &'static str,
    /// What measuring does with it.
    pub class: Class,
    /// Whether its standard error is held against the judge's too.
    pub compares_stderr: bool,
}

/// Where a program's source comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// A file in `crates/testkit/programs`.
    File(Language, &'static str),
    /// C source that is written when it is built, because it is large and regular.
    Generated(Generator),
    /// An ELF file that ships with the repository, by its path under `guests`.
    Shipped(&'static str),
}

/// The compiler that a source is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// GNU C11.
    C,
    /// C++17.
    Cpp,
}

/// What measuring does with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing but its cold and its warm start.
    Ordinary,
    /// It does almost nothing: its time is what starting costs.
    Startup,
    /// Its translation costs far more than its execution.
    CompileHeavy,
    /// With these arguments in place of its own it runs for seconds.
    Steady(&'static [&'static str]),
    /// It ends by a signal: it is tested, not timed.
    Dies,
}

/// A C program from a file in `programs`.
#[must_use]
pub const fn c(file: &'static str) -> Program {
    of(Source::File(Language::C, file))
}

/// A C++ program from a file in `programs`.
#[must_use]
pub const fn cpp(file: &'static str) -> Program {
    of(Source::File(Language::Cpp, file))
}

/// A program whose source is generated.
#[must_use]
pub const fn generated(generator: Generator) -> Program {
    of(Source::Generated(generator))
}

/// A guest that ships with the repository.
#[must_use]
pub const fn shipped(path: &'static str) -> Program {
    of(Source::Shipped(path))
}

const fn of(source: Source) -> Program {
    Program {
        name: "",
        source,
        flags: &[],
        args: &[],
        stdin: "",
        class: Class::Ordinary,
        compares_stderr: true,
    }
}

impl Program {
    pub(crate) const fn named(mut self, name: &'static str) -> Program {
        self.name = name;
        self
    }

    /// The program, compiled with more flags.
    #[must_use]
    pub const fn flags(mut self, flags: &'static [&'static str]) -> Program {
        self.flags = flags;
        self
    }

    /// The program, given arguments.
    #[must_use]
    pub const fn args(mut self, args: &'static [&'static str]) -> Program {
        self.args = args;
        self
    }

    /// The program, given something to read.
    #[must_use]
    pub const fn stdin(mut self, stdin: &'static str) -> Program {
        self.stdin = stdin;
        self
    }

    /// The program, measured with these arguments for its throughput.
    #[must_use]
    pub const fn steady(mut self, args: &'static [&'static str]) -> Program {
        self.class = Class::Steady(args);
        self
    }

    /// The program, measured for what starting costs.
    #[must_use]
    pub const fn startup(mut self) -> Program {
        self.class = Class::Startup;
        self
    }

    /// The program, measured for what the cache saves.
    #[must_use]
    pub const fn compile_heavy(mut self) -> Program {
        self.class = Class::CompileHeavy;
        self
    }

    /// The program, known to have a child that dies by a signal, of which the engine tells people.
    #[must_use]
    pub const fn child_dies(mut self) -> Program {
        self.compares_stderr = false;
        self
    }

    /// The program, known to die by a signal. What is said about its death on standard error is the
    /// engine's own affair.
    #[must_use]
    pub const fn dies(mut self) -> Program {
        self.class = Class::Dies;
        self.compares_stderr = false;
        self
    }
}

//! The one list of guest programs.

use crate::generate::Generator;
use crate::program::{Program, c, cpp, generated, shipped};

/// Hands the list to a macro, as `name = row;` for each program. `row` is an expression that makes
/// a [`Program`]; a caller that only stamps out tests ignores it and uses the name.
#[macro_export]
macro_rules! every_program {
    ($each:ident) => {
        $each! {
            exit0 = c("exit0.c").flags(&["-nostdlib"]).startup();
            hello = c("hello.c").startup();
            readonly = c("readonly.c").child_dies();
            descriptors = c("descriptors.c").flags(&["-pthread"]);
            debugged = c("debugged.c").flags(&["-g", "-O0", "-pthread"]);
            pie = c("pie.c").flags(&[
                "-static-pie", "-fPIE", "-nostdlib", "-ffreestanding", "-Wl,--no-dynamic-linker",
            ]);
            printf = c("printf.c");
            printf_small = c("printf.c").flags(&["-Os"]);
            libm = c("libm.c");
            fpcorners = c("fpcorners.c");
            rounding = c("rounding.c");
            integers = c("integers.c");
            integers_plain = c("integers.c").flags(&["-O0"]);
            bits = c("bits.c").flags(&["-march=rv64gc_zba_zbb_zbs"]);
            atomics = c("atomics.c").flags(&["-latomic"]);
            contention = c("contention.c");
            memory = c("memory.c");
            misaligned = c("misaligned.c");
            segments = c("segments.c");
            handler = c("handler.c");
            spinning = c("spinning.c");
            malloc = c("malloc.c");
            setjmp = c("setjmp.c");
            selfmod = c("selfmod.c");
            rewritten = c("rewritten.c");
            changed = c("changed.c");
            forgotten = c("forgotten.c");
            streams_closed = c("streams_closed.c");
            truncated = c("truncated.c").flags(&["-pthread"]);
            fences = c("fences.c").flags(&["-pthread"]);
            fence_costs = c("fence_costs.c");
            counted_threads = c("counted_threads.c").flags(&["-pthread"]);
            vfork_killed = c("vfork_killed.c").flags(&["-pthread"]).child_dies();
            vfork_forks = c("vfork_forks.c").flags(&["-pthread"]);
            libraries = c("libraries.c");
            plugin = c("plugin.c");
            held = c("held.c");
            write_costs = c("write_costs.c");
            files = c("files.c");
            times = c("times.c");
            arguments = c("arguments.c").args(&["--stats", "two words", "", "-x", "--", "*"]);
            words = c("words.c").stdin(include_str!("list.rs"));
            words_empty = c("words.c");
            sort = c("sort.c").steady(&["1000000"]);
            recursion = c("recursion.c").steady(&["40"]);
            interpreter = c("interpreter.c").steady(&["12000000"]);
            numeric = c("numeric.c").steady(&["80"]);
            numeric_vast = c("numeric.c").flags(&["-O3", "-funroll-loops"]);
            digests = c("digests.c").steady(&["16000"]);
            corelike = c("corelike.c").steady(&["36000"]);
            corelike_bits = c("corelike.c").flags(&["-march=rv64gc_zba_zbb_zbs"]);
            exceptions = cpp("exceptions.cc").steady(&["12000"]);
            streams = cpp("streams.cc").stdin("three\nlines of\ninput");
            containers = cpp("containers.cc").steady(&["400000"]);
            texts = cpp("texts.cc");
            life = cpp("life.cc").steady(&["30000"]);
            functions = generated(Generator::Functions(4000)).args(&["40"]).compile_heavy();
            switches = generated(Generator::Switches(40)).args(&["30000"]).compile_heavy();
            raytrace = shipped("raytrace/raytrace").steady(&["--columns", "220"]);
            lisp_queens = shipped("lisp/lisp").args(&["--demo", "queens"]);
            lisp_life = shipped("lisp/lisp").args(&["--demo", "life"]);
            lisp_talk = shipped("lisp/lisp").stdin("(+ 1 2)\n(car 5)\n(define (f x) (* x x))\n(f 12)\n");
            manyfuncs = shipped("manyfuncs/manyfuncs").args(&["100"]).compile_heavy();
            ending_code = c("ending.c").args(&["code"]);
            ending_quick = c("ending.c").args(&["quick"]);
            ending_abort = c("ending.c").args(&["abort"]).dies();
            ending_null = c("ending.c").args(&["null"]).dies();
            ending_store = c("ending.c").args(&["store"]).dies();
            ending_wild = c("ending.c").args(&["wild"]).dies();
            ending_illegal = c("ending.c").args(&["illegal"]).dies();
            ending_break = c("ending.c").args(&["break"]).dies();
            ending_raise = c("ending.c").args(&["raise"]).dies();
            ending_kill = c("ending.c").args(&["kill"]).dies();
            ending_noexec = c("ending.c").args(&["noexec"]).dies();
            ending_hot = c("ending.c").args(&["hot"]).dies();
            terminate = cpp("terminate.cc").dies();
        }
    };
}

macro_rules! table {
    ($($name:ident = $row:expr;)*) => {
        /// Every guest program, in the order of the list.
        pub const PROGRAMS: &[Program] = &[$($row.named(stringify!($name))),*];
    };
}

every_program!(table);

/// The program of this name.
///
/// # Panics
/// If the list holds none: the name is a mistake in a test.
#[must_use]
pub fn program(name: &str) -> &'static Program {
    PROGRAMS
        .iter()
        .find(|program| program.name == name)
        .unwrap_or_else(|| panic!("no guest program is called {name}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::PROGRAMS;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = PROGRAMS.iter().map(|program| program.name).collect();
        assert_eq!(names.len(), PROGRAMS.len());
    }
}

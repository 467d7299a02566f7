//! Programs, one test each.

use crate::harness::{Guest, agree};

macro_rules! agree {
    ($($name:ident: $source:literal $(, flags $flags:expr)? $(, args $args:expr)? $(, stdin $stdin:expr)?;)*) => {$(
        #[test]
        fn $name() {
            let guest = Guest { source: $source, ..Guest::default() };
            $(let guest = Guest { flags: $flags, ..guest };)?
            $(let guest = Guest { args: $args, ..guest };)?
            $(let guest = Guest { stdin: $stdin, ..guest };)?
            agree(&guest);
        }
    )*};
}

/// The cross C library has no start-up code for static position-independent programs.
const PIE: &[&str] = &[
    "-nostdlib",
    "-fPIE",
    "-fno-builtin",
    "-fno-tree-loop-distribute-patterns",
    "-pie",
    "-Wl,--no-dynamic-linker",
];

agree! {
    integer_instructions: "int_ops.c", flags &["-march=rv64gc_zba_zbb_zbs"];
    floating_point_instructions: "fp_ops.c", flags &["-O1"];
    hello: "hello.c", args &["one", "two words"];
    static_pie: "pie.c", flags PIE, args &["x", "y"];
    float: "float.c", flags &["-frounding-math"];
    cxx: "cxx.cpp", flags &["-std=c++17"], stdin "the quick brown the lazy dog the end";
    files: "files.c";
    signals: "signals.c";
    signals_abort: "signals.c", args &["0"];
    signals_fault: "signals.c", args &["1"];
    signals_pipe: "signals.c", args &["2"];
    signals_illegal: "signals.c", args &["3"];
    signals_breakpoint: "signals.c", args &["4"];
    signals_terminate: "signals.c", args &["15"];
}

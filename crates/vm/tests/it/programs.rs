//! Programs, one test each.

use crate::harness::agree;

macro_rules! agree {
    ($($name:ident: $source:literal $(, flags $flags:expr)? $(, args $args:expr)? $(, stdin $stdin:expr)?;)*) => {$(
        #[test]
        fn $name() {
            let flags: &[&str] = &[];
            let args: &[&str] = &[];
            let stdin = "";
            $(let flags: &[&str] = $flags;)?
            $(let args: &[&str] = $args;)?
            $(let stdin = $stdin;)?
            agree($source, flags, args, stdin);
        }
    )*};
}

agree! {
    hello: "hello.c", args &["one", "two words"];
    hello_static_pie: "hello.c", flags &["-static-pie"], args &["x"];
}

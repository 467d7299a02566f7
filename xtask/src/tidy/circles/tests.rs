//! Small trees of files, with and without circles.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::circles_of;

/// The circles of a crate whose files are given as (path, text).
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let files: HashMap<PathBuf, &str> = files
        .iter()
        .map(|&(path, text)| (PathBuf::from(path), text))
        .collect();
    let open = |path: &Path| files.get(path).map(|&text| text.to_owned());
    circles_of(Path::new("src/lib.rs"), Path::new(""), &open).expect("the files parse")
}

const TWO: &str = "mod a; mod b;";

#[test]
fn imports_that_run_downward_are_no_circle() {
    let found = circles(&[
        (
            "src/lib.rs",
            "mod a; mod b; mod c; pub use a::A; pub use c::C;",
        ),
        (
            "src/a.rs",
            "use crate::b::B; use crate::c; pub struct A(B, c::C);",
        ),
        ("src/b.rs", "use crate::C; pub struct B(C);"),
        (
            "src/c.rs",
            "use std::collections::HashMap; pub struct C(HashMap<u8, u8>);",
        ),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_circle_that_is_put_in_on_purpose_is_a_fault_with_its_lines() {
    let found = circles(&[
        ("src/lib.rs", TWO),
        ("src/a.rs", "//! A.\n\nuse crate::b::B;\npub struct A(B);"),
        (
            "src/b.rs",
            "//! B.\npub struct B;\nfn f(_: &crate::a::A) {}",
        ),
    ]);
    assert_eq!(
        found,
        ["files import each other in a circle: src/a.rs:3 → src/b.rs:3 → src/a.rs"]
    );
}

#[test]
fn each_way_of_naming_counts() {
    let forms = [
        "use crate::a::A;",
        "use super::a::A;",
        "use crate::{a::{A as Other}};",
        "use crate::a;",
        "use crate::a::{self};",
        "use super::a as other;",
        "use crate::a::*;",
        "fn f() { crate::a::g() }",
        "fn f(_: Option<super::a::A>) {}",
        "fn f() { use crate::a; a::g() }",
        "fn f() { println!(\"{}\", crate::a::N) }",
        "macro_rules! m { () => { $crate::a::g() } }",
        "impl crate::a::T for u8 {}",
        "mod inner { use super::super::a::A; }",
        "pub(crate) use crate::a::A;",
        "fn f() { crate::a::made_by_a_macro() }",
    ];
    for form in forms {
        let found = circles(&[
            ("src/lib.rs", TWO),
            (
                "src/a.rs",
                "use crate::b::B; pub struct A(B); pub fn g() {} pub trait T {}",
            ),
            ("src/b.rs", &format!("pub struct B;\n{form}")),
        ]);
        assert_eq!(found.len(), 1, "{form}");
    }
}

#[test]
fn what_only_looks_like_an_import_is_none() {
    let forms = [
        "use std::a::A;",
        "use other_crate::a;",
        "use ::a::A;",
        "pub(in crate::a) struct C;",
        "// crate::a::g()",
        "const TEXT: &str = \"crate::a::g()\";",
        "fn f(a: u8) -> u8 { a }",
        "mod a { pub fn g() {} }\nfn f() { a::g() }",
    ];
    for form in forms {
        let found = circles(&[
            ("src/lib.rs", TWO),
            (
                "src/a.rs",
                "use crate::b::B; pub struct A(B); pub fn g() {}",
            ),
            ("src/b.rs", &format!("pub struct B;\n{form}")),
        ]);
        assert_eq!(found, [""; 0], "{form}");
    }
}

#[test]
fn a_circle_through_a_re_export_counts_toward_the_defining_file() {
    let found = circles(&[
        ("src/lib.rs", "mod a; mod b; pub use b::B;"),
        ("src/a.rs", "use crate::B; pub struct A(B);"),
        ("src/b.rs", "use crate::a::A; pub struct B; fn f(_: A) {}"),
    ]);
    assert_eq!(found.len(), 1);
    // Through two of them, a renaming one and one of everything.
    let found = circles(&[
        ("src/lib.rs", "mod a; mod b; pub use b::*;"),
        ("src/a.rs", "use crate::Other; pub struct A(Other);"),
        ("src/b/mod.rs", "mod inner; pub use inner::B as Other;"),
        (
            "src/b/inner.rs",
            "use crate::a::A; pub struct B; fn f(_: A) {}",
        ),
    ]);
    assert_eq!(
        found,
        ["files import each other in a circle: src/a.rs:1 → src/b/inner.rs:1 → src/a.rs"]
    );
}

#[test]
fn a_circle_of_three_is_a_fault() {
    let found = circles(&[
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::B; pub struct A(B);"),
        ("src/b.rs", "use crate::c::C; pub struct B(C);"),
        ("src/c.rs", "pub struct C;\nfn f() { crate::a::A::new() }"),
    ]);
    assert_eq!(
        found,
        ["files import each other in a circle: src/a.rs:1 → src/b.rs:1 → src/c.rs:2 → src/a.rs"]
    );
}

#[test]
fn a_parent_and_its_child_are_no_circle_by_themselves() {
    let family = [
        (
            "src/lib.rs",
            "mod a;\nmod z; use z::Z; pub const N: u8 = 0; fn f(_: Z) {}",
        ),
        (
            "src/a/mod.rs",
            "mod b; mod c; pub use b::B; use c::C; pub struct Shared(C);",
        ),
        (
            "src/a/b.rs",
            "use super::Shared; use crate::N; pub struct B(Shared);",
        ),
        ("src/a/c.rs", "pub struct C; fn f(_: &super::Shared) {}"),
        ("src/z.rs", "use crate::N; pub struct Z;"),
    ];
    assert_eq!(circles(&family), [""; 0]);
}

#[test]
fn two_children_of_one_parent_are_a_circle() {
    let found = circles(&[
        ("src/lib.rs", "mod a;"),
        ("src/a/mod.rs", "mod b; mod c; pub struct Shared;"),
        (
            "src/a/b.rs",
            "use super::Shared; use super::c::C; pub struct B(C, Shared);",
        ),
        (
            "src/a/c.rs",
            "use super::b::B; use super::Shared; pub struct C(Box<B>, Shared);",
        ),
    ]);
    assert_eq!(
        found,
        ["files import each other in a circle: src/a/b.rs:1 → src/a/c.rs:1 → src/a/b.rs"]
    );
}

#[test]
fn a_circle_that_goes_on_through_a_parent_or_its_child_is_a_fault() {
    // a → the parent b → its child, which comes back to a.
    let found = circles(&[
        ("src/lib.rs", TWO),
        ("src/a.rs", "use crate::b::B; pub struct A(B);"),
        ("src/b/mod.rs", "mod c; pub struct B(c::C);"),
        ("src/b/c.rs", "pub struct C; fn f() { crate::a::A::new() }"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    // a → the child c → its parent, which comes back to a.
    let found = circles(&[
        ("src/lib.rs", TWO),
        ("src/a.rs", "use crate::b::c::C; pub struct A(C);"),
        (
            "src/b/mod.rs",
            "pub mod c; pub struct B; fn f() { crate::a::A::new() }",
        ),
        ("src/b/c.rs", "pub struct C(super::B);"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn files_of_modules_are_found_where_the_compiler_finds_them() {
    let found = circles(&[
        (
            "src/lib.rs",
            "mod a { mod b; }\n#[path = \"elsewhere.rs\"]\nmod c;\nmod d;",
        ),
        ("src/a/b.rs", "use crate::c::C;"),
        ("src/elsewhere.rs", "pub struct C; use crate::d::e::E;"),
        ("src/d.rs", "pub mod e;"),
        ("src/d/e.rs", "pub struct E; use crate::c::C;"),
    ]);
    assert_eq!(
        found,
        ["files import each other in a circle: src/d/e.rs:1 → src/elsewhere.rs:1 → src/d/e.rs"]
    );
}

#[test]
fn a_file_that_is_missing_or_does_not_parse_is_an_error() {
    let open = |text: &'static str| {
        move |path: &Path| (path == Path::new("src/lib.rs")).then(|| text.to_owned())
    };
    let load = |text| circles_of(Path::new("src/lib.rs"), Path::new(""), &open(text));
    assert!(load("mod a;").is_err());
    assert!(load("mod {").is_err());
    assert!(load("mod a {}").is_ok());
}

//! Image files under other people's tools.

use std::path::Path;
use std::process::Command;

use crate::support::{Home, constant, key, obtain, rich, scope};

/// What a tool prints, or `None` where it isn't installed.
fn run(tool: &str, arguments: &[&str], image: &Path) -> Option<String> {
    let output = Command::new(tool)
        .args(arguments)
        .arg(image)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool}: {complaints}");
    assert_eq!(complaints, "", "{tool} complains");
    Some(text)
}

fn image() -> (Home, std::path::PathBuf) {
    let home = Home::new();
    let scope = scope(&home.open());
    obtain(&scope, &key(0), rich);
    obtain(&scope, &key(1), || constant(77));
    scope.flush();
    let image = home.images().remove(0);
    (home, image)
}

#[test]
fn objdump_shows_code_with_names() {
    let (_home, image) = image();
    let Some(listing) = run("objdump", &["-d"], &image) else {
        return;
    };
    for expected in [
        "<rich@test>:",
        "<constant77>:",
        "<value@got>",
        "$0x4d,%eax",
        "ret",
    ] {
        assert!(listing.contains(expected), "no {expected} in\n{listing}");
    }
}

#[test]
fn readelf_finds_nothing_to_complain_of() {
    let (_home, image) = image();
    let arguments = ["--wide", "--headers", "--segments", "--symbols", "--lint"];
    let Some(listing) = run("readelf", &arguments, &image) else {
        return;
    };
    for expected in [".rekindle.records", "DYN", "FUNC", "LOAD", "R E"] {
        assert!(listing.contains(expected), "no {expected} in\n{listing}");
    }
    assert!(
        !listing.contains("RWE"),
        "a segment is writable and executable\n{listing}"
    );
}

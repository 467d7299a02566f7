//! Which version of Cranelift a crate is built for, for the few places where its sources differ.
//!
//! A crate that exists for each version of Cranelift has that version's number: 0.133.2 is for Cranelift
//! 0.133. Its build script says `since_0_133` to the compiler, and the same for each earlier version in
//! which something changed, so that sources say `cfg(since_0_133)`.

use std::env;

/// The versions in which something changed that our sources use, as Cranelift's minor number, ascending.
pub const SINCE: [u32; 3] = [129, 133, 135];

/// Of [`SINCE`], what holds in a crate whose version is `major.minor`.
///
/// # Panics
/// If no Cranelift has such a version: the crate's number was forgotten.
pub fn since(major: u32, minor: u32) -> impl Iterator<Item = u32> {
    assert!(
        major == 0 && minor >= 127,
        "the crate's version must be that of its Cranelift, and is {major}.{minor}"
    );
    SINCE.into_iter().filter(move |since| *since <= minor)
}

/// In a build script: has the crate see `since_0_N` for each version that its own has reached.
///
/// # Panics
/// See [`since`]; or if Cargo doesn't say the crate's version.
#[expect(clippy::print_stdout, reason = "Cargo reads a build script's output")]
pub fn emit_since() {
    let number = |name: &str| {
        let text = env::var(name).unwrap_or_default();
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}"))
    };
    for since in SINCE {
        println!("cargo::rustc-check-cfg=cfg(since_0_{since})");
    }
    for since in since(
        number("CARGO_PKG_VERSION_MAJOR"),
        number("CARGO_PKG_VERSION_MINOR"),
    ) {
        println!("cargo::rustc-cfg=since_0_{since}");
    }
}

#[cfg(test)]
mod tests {
    use super::since;

    #[test]
    fn a_version_has_what_earlier_ones_brought() {
        let all = |minor| since(0, minor).collect::<Vec<_>>();
        assert_eq!(all(127), []);
        assert_eq!(all(130), [129]);
        assert_eq!(all(133), [129, 133]);
        assert_eq!(all(136), [129, 133, 135]);
    }

    #[test]
    #[should_panic(expected = "must be that of its Cranelift")]
    fn a_version_of_our_own_is_refused() {
        let _ = since(0, 1);
    }
}

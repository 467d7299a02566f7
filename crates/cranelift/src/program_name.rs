//! The name of the program that this is part of.

use std::path::Path;
use std::sync::OnceLock;

use rekindle_exec::fork_gate::enter;

/// The name of this program's file, without what Cargo appends to the names of test programs.
pub(crate) fn program_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    let _inside = enter();
    NAME.get_or_init(|| {
        let path = std::env::current_exe().unwrap_or_default();
        let stem = path
            .file_stem()
            .map(Path::new)
            .unwrap_or(Path::new("program"));
        stable_name(&stem.to_string_lossy()).to_owned()
    })
}

/// `basic-0123456789abcdef` is `basic`: the number changes whenever the program does, which says
/// nothing about the functions that it compiles.
fn stable_name(stem: &str) -> &str {
    match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            name
        }
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::stable_name;

    #[test]
    fn hashes_are_dropped() {
        assert_eq!(stable_name("basic-0123456789abcdef"), "basic");
        assert_eq!(stable_name("my-program"), "my-program");
        assert_eq!(stable_name("program"), "program");
    }
}

//! What made the code below its producer: sources and versions where they can be seen, else the build.

use std::sync::OnceLock;

use rekindle_store::{Digest, KeyBuilder};

use crate::object;

/// The digest of this crate's sources, of those below it, and of the lock file; empty if they couldn't
/// be seen when this was built.
const SOURCES: &str = env!("REKINDLE_SOURCES");

/// The mark of what this process makes code with.
pub(crate) fn mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| {
        let build = || object::own().unwrap_or_else(object::unlike_any);
        mark_of(SOURCES, &compiler(), build)
    })
}

/// What tells builds of Cranelift apart. Rust numbers a type by its crate, which Cargo names by version,
/// features and the names of all that it depends on, down to the register allocator. Contents are no
/// part of it, so this is no mark by itself: the lock file seals those.
#[cfg(feature = "cranelift")]
fn compiler() -> String {
    let id = core::any::TypeId::of::<cranelift_codegen::Context>();
    format!("cranelift {} {id:?}", cranelift_codegen::VERSION)
}

#[cfg(not(feature = "cranelift"))]
fn compiler() -> String {
    String::new()
}

fn mark_of(sources: &str, compiler: &str, build: impl FnOnce() -> Digest) -> String {
    let (kind, digest) = match sources {
        "" => ("build", build()),
        sources => {
            let key = KeyBuilder::new("rekindle/made-by").str(sources);
            let key = key.str(compiler).finish();
            ("sources", Digest(*key.as_bytes()))
        }
    };
    format!("{kind} {}", digest.short_hex())
}

#[cfg(test)]
mod tests {
    use super::mark_of;
    use rekindle_store::Digest;

    #[test]
    fn each_input_changes_the_mark() {
        let mark = |sources, compiler, build| mark_of(sources, compiler, || Digest([build; 32]));
        let base = mark("s", "c", 1);
        assert_ne!(base, mark("t", "c", 1), "sources");
        assert_ne!(
            base,
            mark("s", "d", 1),
            "the compiler's version, features, dependencies"
        );
        assert_eq!(base, mark("s", "c", 2), "a rebuild of the same sources");
        let unseen = mark("", "c", 1);
        assert_ne!(base, unseen);
        assert_ne!(
            unseen,
            mark("", "c", 2),
            "a rebuild of sources that can't be seen"
        );
    }

    /// The tests are built in the workspace, where all can be seen, or elsewhere, where nothing can.
    #[test]
    fn a_mark_is_the_same_each_time() {
        assert_eq!(super::mark(), super::mark());
        let kind = if super::SOURCES.is_empty() {
            "build "
        } else {
            "sources "
        };
        assert!(super::mark().starts_with(kind));
    }

    #[cfg(feature = "cranelift")]
    #[test]
    fn the_compiler_is_told_apart_by_more_than_its_version() {
        let compiler = super::compiler();
        assert!(compiler.contains(cranelift_codegen::VERSION));
        assert!(compiler.contains("TypeId("), "{compiler}");
    }
}

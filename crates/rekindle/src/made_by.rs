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
    let _inside = rekindle_exec::fork_gate::enter();
    MARK.get_or_init(|| {
        let build = || object::own().unwrap_or_else(object::unlike_any);
        mark_of(SOURCES, build)
    })
}

/// Whether another process can tell code of this one from that of another build.
pub(crate) fn is_known() -> bool {
    !SOURCES.is_empty() || object::own().is_some()
}

fn mark_of(sources: &str, build: impl FnOnce() -> Digest) -> String {
    let (kind, digest) = match sources {
        "" => ("build", build()),
        sources => {
            let key = KeyBuilder::new("rekindle/made-by").str(sources).finish();
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
        let mark = |sources, build| mark_of(sources, || Digest([build; 32]));
        let base = mark("s", 1);
        assert_ne!(base, mark("t", 1), "sources");
        assert_eq!(base, mark("s", 2), "a rebuild of the same sources");
        let unseen = mark("", 1);
        assert_ne!(base, unseen);
        assert_ne!(
            unseen,
            mark("", 2),
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
}

//! Which published programs are tried.

use std::path::PathBuf;

use crate::shell::root;

/// A published crate whose own tests are run.
#[derive(Debug)]
pub(super) struct Embedder {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// The Cranelift that it uses.
    pub(super) cranelift: &'static str,
    pub(super) features: &'static [&'static str],
    /// Its targets that are built and run, as `cargo test` takes them.
    pub(super) targets: &'static [&'static str],
    /// Tests that are left out, as they fail or hang without us, too.
    pub(super) skip: &'static [&'static str],
    /// Whether plain `cargo xtask embedders`, and with it CI, runs it.
    pub(super) is_quick: bool,
    /// Whether what it runs are the tests of cranelift-jit, which need a manifest of their own.
    pub(super) is_upstream: bool,
}

/// What most embedders are.
const PLAIN: Embedder = Embedder {
    name: "",
    version: "",
    cranelift: "",
    features: &[],
    targets: &["--lib", "--tests"],
    skip: &[],
    is_quick: false,
    is_upstream: false,
};

/// The crate that ours stands in for.
pub(super) const UPSTREAM: &str = "cranelift-jit";

/// The version of Cranelift that the main workspace has.
const NEWEST: &str = "0.135";

/// The first one's `Cargo.lock` is also that of the tests of cranelift-jit: one Cranelift for both.
pub(super) const LOCK_OF_UPSTREAM: &str = "rustpython-jit";

pub(super) const EMBEDDERS: [Embedder; 4] = [
    Embedder {
        name: LOCK_OF_UPSTREAM,
        version: "0.6.0",
        cranelift: NEWEST,
        is_quick: true,
        ..PLAIN
    },
    Embedder {
        name: UPSTREAM,
        version: "0.135.3",
        cranelift: NEWEST,
        is_quick: true,
        is_upstream: true,
        ..PLAIN
    },
    Embedder {
        name: "rbpf",
        version: "0.4.1",
        cranelift: "0.127",
        features: &["cranelift"],
        ..PLAIN
    },
    Embedder {
        name: "diffsl",
        version: "0.12.5",
        cranelift: "0.133",
        features: &["cranelift"],
        ..PLAIN
    },
];

/// Where everything about embedders is.
pub(super) fn home() -> PathBuf {
    root().join("target/embedders")
}

impl Embedder {
    /// Where its source is.
    pub(super) fn folder(&self) -> PathBuf {
        home().join(self.name)
    }

    /// What stands in for its cranelift-jit.
    pub(super) fn stand_in(&self) -> PathBuf {
        let workspace = self.stand_ins_workspace();
        let workspace = workspace.unwrap_or_else(|| root().join("shim"));
        workspace.join(UPSTREAM)
    }

    /// Our workspace for its version of Cranelift, if that isn't the newest.
    pub(super) fn stand_ins_workspace(&self) -> Option<PathBuf> {
        (self.cranelift != NEWEST).then(|| root().join("shim").join(self.cranelift))
    }
}

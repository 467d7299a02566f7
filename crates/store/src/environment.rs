//! Environments and scopes: the two folders above an image.

use crate::digest::Digest;
use crate::key::KeyBuilder;

/// Version of the images. It is part of every environment, so that a new one opens new folders; the
/// budget lets go of the old ones first.
pub(crate) const FORMAT_VERSION: u32 = 7;

/// Fields that say which versions of our own made code.
pub(crate) const OUR_VERSIONS: [&str; 3] = ["rekindle", "format", "made-by"];

/// Everything outside the input that changes what a producer's code means: its version, its
/// settings, the host's instruction set. Code of one environment is never seen from another.
///
/// Our own version, the format's and the target enter by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    producer: String,
    fields: Vec<(String, String)>,
    version_fields: Vec<String>,
    digest: Digest,
}

impl Environment {
    /// Starts an environment for `producer`, the name of the compiler that makes the code.
    pub fn builder(producer: &str) -> EnvironmentBuilder {
        EnvironmentBuilder {
            producer: producer.to_owned(),
            fields: Vec::new(),
            version_fields: Vec::new(),
        }
        .field("rekindle", env!("CARGO_PKG_VERSION"))
        .field("format", FORMAT_VERSION)
        .field("target", target())
    }

    /// The name of the compiler.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// The fields in the order in which they were added.
    pub fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// The names of the fields in which versions of one thing differ.
    pub(crate) fn version_fields(&self) -> &[String] {
        &self.version_fields
    }

    /// The environment's identity, which names its folder.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Collects the fields of an [`Environment`].
#[derive(Clone, Debug)]
pub struct EnvironmentBuilder {
    producer: String,
    fields: Vec<(String, String)>,
    version_fields: Vec<String>,
}

impl EnvironmentBuilder {
    /// Adds a field: `("cranelift", "0.135.8")`, `("opt-level", "speed")`, `("avx2", true)`.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl ToString) -> Self {
        self.fields.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a field in which versions of one thing differ, of which only one is in use. Of environments
    /// of this producer that differ in nothing but such fields and our own versions, all but the one that
    /// was used last are superseded: when the cache is full they go first. An environment without such fields is
    /// superseded once nobody used it for a week.
    #[must_use]
    pub fn version_field(mut self, name: &str, value: impl ToString) -> Self {
        self.version_fields.push(name.to_owned());
        self.field(name, value)
    }

    /// The environment of the fields so far.
    pub fn build(self) -> Environment {
        let start = KeyBuilder::new("rekindle/environment").str(&self.producer);
        let key = self
            .fields
            .iter()
            .fold(start, |key, (name, value)| key.str(name).str(value))
            .finish();
        Environment {
            producer: self.producer,
            fields: self.fields,
            version_fields: self.version_fields,
            digest: Digest(*key.as_bytes()),
        }
    }
}

/// What the code of this build is for.
fn target() -> String {
    use std::env::consts::{ARCH, OS};
    let environment = if cfg!(target_env = "musl") {
        "musl"
    } else {
        "gnu"
    };
    format!("{ARCH}-{OS}-{environment}")
}

/// What is loaded together: one guest module, one application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeId {
    digest: Digest,
    label: String,
}

impl ScopeId {
    /// The scope of the thing with this digest.
    pub fn from_digest(digest: Digest) -> Self {
        Self {
            digest,
            label: String::new(),
        }
    }

    /// The scope of this name.
    pub fn from_name(name: &str) -> Self {
        let key = KeyBuilder::new("rekindle/scope").str(name).finish();
        Self {
            digest: Digest(*key.as_bytes()),
            label: name.to_owned(),
        }
    }

    /// The same scope with a name for people, which is no part of its identity.
    #[must_use]
    pub fn with_label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.label);
        self
    }

    /// The scope's identity, which names its folder.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The scope's name for people; may be empty.
    pub fn label(&self) -> &str {
        &self.label
    }
}

#[cfg(test)]
mod tests {
    use super::{Environment, ScopeId};
    use crate::digest::Digest;

    #[test]
    fn each_input_changes_the_environment() {
        let base = Environment::builder("vm").field("opt", "speed").build();
        let others = [
            Environment::builder("lisp").field("opt", "speed").build(),
            Environment::builder("vm").field("opt", "size").build(),
            Environment::builder("vm").field("level", "speed").build(),
            Environment::builder("vm")
                .field("opt", "speed")
                .field("avx2", true)
                .build(),
        ];
        for other in others {
            assert_ne!(base.digest(), other.digest());
        }
        assert!(base.fields().iter().any(|(name, _)| name == "target"));
    }

    #[test]
    fn a_label_is_no_part_of_a_scope() {
        let id = ScopeId::from_digest(Digest([3; 32]));
        assert_eq!(id.digest(), id.clone().with_label("libc").digest());
        assert_ne!(
            ScopeId::from_name("a").digest(),
            ScopeId::from_name("b").digest()
        );
    }
}

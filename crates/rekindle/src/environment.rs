//! Environments: everything outside the input that changes what a producer's code means.

use std::sync::Arc;

use rekindle_store::Digest;

use crate::made_by;

/// Everything outside the input that changes what a producer's code means: its version, its
/// settings, the host's instruction set. Code of one environment is never seen from another.
///
/// What made the code below the producer enters by itself, as `made-by`: this crate and all below it. A
/// front adds the very compiler that is linked. Where the sources and versions can be seen, in a build of this workspace, it is a digest
/// of them. Elsewhere it is the build id of the object, program or shared library, that contains them, so
/// that each build has code of its own, and what another build kept is a miss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment(Arc<rekindle_store::Environment>);

impl Environment {
    /// Starts an environment for `producer`, the name of the compiler that makes the code.
    pub fn builder(producer: &str) -> EnvironmentBuilder {
        let builder = rekindle_store::Environment::builder(producer);
        EnvironmentBuilder(builder.field("made-by", made_by::mark()))
    }

    /// The name of the compiler.
    pub fn producer(&self) -> &str {
        self.0.producer()
    }

    /// The fields in the order in which they were added.
    pub fn fields(&self) -> &[(String, String)] {
        self.0.fields()
    }

    /// The environment's identity, which names its folder.
    pub fn digest(&self) -> Digest {
        self.0.digest()
    }

    pub(crate) fn stored(&self) -> &Arc<rekindle_store::Environment> {
        &self.0
    }
}

/// Collects the fields of an [`Environment`].
#[derive(Clone, Debug)]
pub struct EnvironmentBuilder(rekindle_store::EnvironmentBuilder);

impl EnvironmentBuilder {
    /// Adds a field: `("cranelift", "0.135.8")`, `("opt-level", "speed")`, `("avx2", true)`.
    #[must_use]
    pub fn field(self, name: &str, value: impl ToString) -> Self {
        Self(self.0.field(name, value))
    }

    /// Adds a field in which versions of one thing differ, of which only one is in use. Of environments
    /// of this producer that differ in nothing but such fields, and in the versions of Rekindle and
    /// Cranelift, all but the one that was used last are superseded: when the cache is full, they go
    /// first. An environment without such fields is superseded once nobody used it for a week.
    #[must_use]
    pub fn version_field(self, name: &str, value: impl ToString) -> Self {
        Self(self.0.version_field(name, value))
    }

    /// The environment of the fields so far.
    pub fn build(self) -> Environment {
        Environment(Arc::new(self.0.build()))
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    #[test]
    fn what_made_the_code_is_in_each_environment() {
        let environment = Environment::builder("test").build();
        let made_by = |(name, value): &&(String, String)| name == "made-by" && !value.is_empty();
        assert!(environment.fields().iter().any(|field| made_by(&field)));
        assert_eq!(environment, Environment::builder("test").build());
    }
}

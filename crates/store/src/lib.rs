//! Keys, environments, and images on disk: the part that knows bytes and never addresses.

#![forbid(unsafe_code)]

mod digest;
mod environment;
mod key;

pub use digest::Digest;
pub use environment::{Environment, EnvironmentBuilder, ScopeId};
pub use key::{Key, KeyBuilder};

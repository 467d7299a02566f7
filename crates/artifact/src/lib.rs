//! Relocatable machine code as plain data, and its versioned byte encoding.
//!
//! No input or output, and no addresses: where code will live is `rekindle-link`'s business, where
//! its bytes are kept `rekindle-store`'s.
//!
//! ```
//! use rekindle_artifact::{Artifact, Section};
//!
//! let artifact = Artifact {
//!     name: "answer".to_owned(),
//!     text: Section { bytes: vec![0xb8, 42, 0, 0, 0, 0xc3], align: 16 },
//!     ..Artifact::default()
//! };
//! artifact.validate().unwrap();
//! assert_eq!(Artifact::decode(&artifact.encode()).unwrap(), artifact);
//! ```

#![forbid(unsafe_code)]

mod artifact;
mod encoding;
pub mod tables;
mod validate;
pub mod wire;

pub use artifact::{
    Artifact, KeyItem, KeyItems, KeyPart, Relocation, RelocationKind, Section, SectionKind,
    Signature, SourceLocation, Target, Trap, UnwindInfo, ZeroSection,
};
pub use validate::{InvalidArtifact, MAX_ALIGN, MAX_SECTION_LEN};

//! Relocatable machine code as plain data, and its versioned byte encoding.
//!
//! No input or output, and no addresses: where code will live is `rekindle-link`'s business, where
//! its bytes are kept `rekindle-store`'s.

#![forbid(unsafe_code)]

mod artifact;

pub use artifact::{
    Artifact, Relocation, RelocationKind, Section, SectionKind, Signature, SourceLocation, Target,
    Trap, UnwindInfo, ZeroSection,
};

//! Symbols to addresses: relocations, veneers, and the layout of images.
//!
//! The linker knows addresses and never disk. It patches byte slices, given where they will live,
//! so code for any machine can be linked, and the linker tested, on any other.
//!
//! A [`Plan`] checks one artifact and finds what it needs around it. Given a [`Placement`] it
//! writes the patched bytes; a [`Layout`] places the artifacts of an image relative to its base.
//! Either way the text comes out final: whatever depends on the process goes through cells and
//! [`Binding`]s in data.

#![forbid(unsafe_code)]

mod aarch64;
mod address;
mod arch;
mod error;
mod layout;
mod link;
mod machine;
mod plan;
mod relocation;
mod x86_64;

pub use address::Address;
pub use arch::{Arch, CALL_FIELD_LEN};
pub use error::LinkError;
pub use layout::{EntryLayout, Layout, Span};
pub use link::{Binding, BindingValue, Output, Placement, Places};
pub use plan::{Call, Plan, Within};

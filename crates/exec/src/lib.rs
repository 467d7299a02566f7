//! Executable memory: reserve, write, publish, map an image; typed entry points.
//!
//! This crate is one of the doors through which the workspace reaches unsafe code. No page is
//! writable and executable at once.

mod address;
mod arch;
mod arena;
mod authority;
mod background;
mod batch;
mod block;
mod build_id;
mod chunk;
mod entry;
pub mod fork_gate;
mod frame_list;
mod frame_tables;
mod frames;
mod free_ranges;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod host;
mod image;
mod image_ranges;
mod imp;
#[cfg(all(test, not(miri)))]
mod in_child;
mod objects;
#[cfg(all(test, not(miri)))]
mod out_of_mappings;
mod process;
mod room;

pub use address::HostAddr;
pub use arena::Arena;
pub use authority::has_more_authority_than_user;
pub use background::spawn_quiet;
pub use batch::{Batch, BatchEditor};
pub use block::{Block, BlockParts, Demand, Published};
pub use build_id::{build_id, build_ids};
pub use entry::{CodeAddress, Entry, EntrySignature, Plain, SignatureMismatch, signature_of};
pub use frames::MalformedFrames;
pub use host::{at_exit, find_symbol};
pub use image::{ImageMapping, ImageShape};
pub use image_ranges::{cover_lost_page, is_in_image, may_have_run_zeroes};
pub use objects::{LoadedObject, is_mapped, loaded_objects};
pub use process::{PerProcess, is_forked, process_number};

//! What the workspace's tests and measurements share: the list of guest programs, how they are
//! built with the real cross compiler, how they are run, and what they are held against.
//!
//! A side crate: product code never imports it. It knows the `rekindle` program only by its command
//! line, so that everything it shows is what a user would see.

#![forbid(unsafe_code)]

mod cache_files;
pub mod distribution;
pub mod fuzz;
mod generate;
mod judge;
mod list;
mod program;
mod run;
mod statistics;
mod toolchain;

pub use cache_files::{image_files, mangle};
pub use generate::Generator;
pub use judge::expected;
pub use list::{PROGRAMS, program};
pub use program::{Class, Language, Program, Source};
pub use run::{Ending, Invocation, Observation};
pub use statistics::Statistics;
pub use toolchain::{APT_LINE, ToolchainError, build, repository_root};

#[doc(hidden)]
pub use program::{c, cpp, generated, shipped};

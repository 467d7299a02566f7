//! Real programs, from a distribution's packages: which, how each is run, and what it is held
//! against.

mod compiled;
mod guest;
mod list;
mod regrtest;
mod storm;
mod verdict;
mod way;
mod world;

use std::path::PathBuf;

pub use guest::{Guest, Judge};
pub use list::{GUESTS, packages};
pub use storm::Storm;
pub use verdict::{Expectation, bless};
pub use way::Way;
pub use world::{Engine, Outcome, Started, start};

/// Where a distribution's packages are unpacked, and the QEMU that is run beside us.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// The folder that a guest takes for its root.
    pub sysroot: PathBuf,
    /// A `qemu-riscv64` that needs no library.
    pub qemu: PathBuf,
}

//! What a RISC-V instruction does: the state of a hart, the door to guest memory, floating point in
//! software, and the interpreter that is the judge of compiled code.
//!
//! Guest addresses are host addresses, below [`guest_memory::GUEST_END`]. This crate knows neither
//! Linux's system calls nor compilation: the interpreter stops with an [`Exit`], and whoever calls it
//! acts on that.

mod arch;
pub mod attention;
mod exit;
pub mod faults;
mod fetch;
pub mod float;
pub mod guest_memory;
mod interpreter;
mod state;

pub use exit::{Exit, FaultKind, GuestFault};
pub use fetch::fetch;
pub use interpreter::{Executable, Interpreter, TIMER_HZ, faulting_part};
pub use state::{GuestState, JUMP_CACHE_LEN, JumpCacheEntry};

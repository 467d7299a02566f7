//! Linux for RISC-V programs, on a Linux host: the address space, the loader, system calls, signals
//! and processes of a guest.
//!
//! Guest addresses are host addresses, and the guest's system calls are the host's unless the one
//! table of them says otherwise. [`start`] makes a process; [`Kernel`] is what is known of one of its
//! threads, and answers its calls. What a call asks of whoever runs the guest is a [`Request`]. This
//! crate runs no instruction, and knows nothing of compiled code.

mod attention;
mod call_signature;
mod child_heap;
mod elf;
mod elf_head;
mod ending;
mod errno;
pub mod fatal;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod guest_exit;
mod guest_signal;
mod host;
mod interrupt;
mod loader;
mod memory;
mod module;
mod original;
mod process;
pub mod signal;
mod signal_frame;
mod stack;
mod start;
mod start_error;
mod syscall;
mod sysroot;
mod text_writers;
mod threads;
mod trace;
mod vdso;

pub use attention::Attention;
pub use child_heap::{Allocator, ChildHeap};
pub use elf::ElfFault;
pub use ending::end_as;
pub use errno::Errno;
pub use guest_exit::GuestExit;
pub use guest_signal::SignalInfo;
pub use host::{
    close_missing_streams, fork, has_standard_error, is_started_by_binfmt, use_own_descriptors,
    vfork, write_to_standard_error,
};
pub use module::GuestModule;
pub use original::OriginalText;
pub use process::{Process, Tracer};
pub use start::{Start, Started, start};
pub use start_error::StartError;
pub use syscall::{CloneRequest, ExecRequest, Kernel, Request, WritersSeen};
pub use threads::{Change, ThreadEntry, Threads};

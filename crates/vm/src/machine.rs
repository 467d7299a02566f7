//! A machine: what a guest thread consists of. `dispatch.rs` runs it, `debug/dispatch.rs` under a debugger.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rekindle_hart::{GuestState, Interpreter};
use rekindle_linux::{Kernel, Process, ThreadEntry};

use crate::debug::Debugger;

/// A guest thread that runs.
#[derive(Debug)]
pub(crate) struct Machine<T> {
    /// Its hart.
    pub(crate) state: Box<GuestState>,
    /// What the kernel knows of it.
    pub(crate) kernel: Kernel,
    /// Tier 0.
    pub(crate) interpreter: Interpreter,
    /// The tiers above.
    pub(crate) translator: T,
    /// What other threads know of it.
    pub(crate) entry: Arc<ThreadEntry>,
    /// The debugger of the process that was started; see [`Self::debugger`].
    pub(crate) debugger: Option<Arc<Debugger>>,
    /// How many changes of code it has seen.
    pub(crate) seen_changes: u64,
    /// Whether it was compiled code that it left last.
    pub(crate) left_compiled_code: bool,
    /// Whether it is the one that waits for the others when it ends.
    pub(crate) is_leader: bool,
    /// How many instructions its process's threads that have ended have interpreted.
    pub(crate) interpreted_by_others: Arc<AtomicU64>,
}

impl<T> Machine<T> {
    /// Its process.
    pub(crate) fn process(&self) -> &Process {
        &self.kernel.process
    }

    /// Its debugger: in processes that the guest made there is none.
    pub(crate) fn debugger(&self) -> Option<&Arc<Debugger>> {
        let debugger = self.debugger.as_ref();
        debugger.filter(|_| !self.process().is_child())
    }
}

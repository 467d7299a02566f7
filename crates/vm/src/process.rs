//! What the threads of a guest process share.

use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::config::GuestExit;
use crate::debug::Debugger;
use crate::guest_signal::SignalActions;
use crate::memory::{AddressSpace, Protection};
use crate::module::{GuestModule, Modules};
use crate::syscall::trace;
use crate::sysroot::Sysroot;
use crate::threads::Threads;

/// A guest's memory: what is mapped, and which of it is code in files.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The mappings.
    pub(crate) space: AddressSpace,
    /// The files that hold code.
    pub(crate) modules: Modules,
}

/// A guest process. Lock order: the translator's own, memory, actions; nothing is held during a system
/// call that may wait.
#[derive(Debug)]
pub(crate) struct Process {
    /// What it was started with.
    pub(crate) start: Arc<ProcessStart>,
    /// Its auxiliary vector, as bytes.
    pub(crate) auxiliary_vector: OnceLock<Vec<u8>>,
    /// Its threads.
    pub(crate) threads: Arc<Threads>,
    memory: Arc<Mutex<Memory>>,
    actions: Mutex<SignalActions>,
    is_ending: AtomicBool,
    exit: Mutex<Option<GuestExit>>,
    /// Whether this process was made by another one's `fork` or `vfork`.
    pub(crate) is_child: AtomicBool,
    /// Whether its memory is also that of the process that made it.
    pub(crate) shares_memory: bool,
}

/// What a process is started with.
#[derive(Debug)]
pub(crate) struct ProcessStart {
    /// The absolute path of its program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// Where absolute paths are looked for first.
    pub(crate) sysroot: Option<Sysroot>,
    /// The arguments with which this executable runs another guest program.
    pub(crate) relaunch: Vec<OsString>,
    /// Where its signal handlers return to.
    pub(crate) signal_return: u64,
    /// Whether system calls are printed.
    pub(crate) traces_calls: bool,
    /// The debugger of the process that was started; see [`Process::debugger`].
    pub(crate) debugger: Option<Arc<Debugger>>,
}

impl Process {
    /// A process that is about to start.
    pub(crate) fn new(start: ProcessStart, memory: Memory) -> Self {
        Self {
            start: Arc::new(start),
            auxiliary_vector: OnceLock::new(),
            threads: Arc::default(),
            memory: Arc::new(Mutex::new(memory)),
            actions: Mutex::default(),
            is_ending: AtomicBool::new(false),
            exit: Mutex::new(None),
            is_child: AtomicBool::new(false),
            shares_memory: false,
        }
    }

    /// The process that `vfork` makes of this one: it shares the memory, and has actions of its own.
    pub(crate) fn sharing_memory(&self) -> Self {
        Self {
            start: Arc::clone(&self.start),
            auxiliary_vector: self.auxiliary_vector.clone(),
            threads: Arc::clone(&self.threads),
            memory: Arc::clone(&self.memory),
            actions: Mutex::new(self.actions().clone()),
            is_ending: AtomicBool::new(false),
            exit: Mutex::new(None),
            is_child: AtomicBool::new(true),
            shares_memory: true,
        }
    }

    /// Its debugger: of processes that it makes there is none.
    pub(crate) fn debugger(&self) -> Option<&Arc<Debugger>> {
        let debugger = self.start.debugger.as_ref();
        debugger.filter(|_| !self.is_child.load(Ordering::Relaxed))
    }

    /// The memory, held until the guard is dropped.
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// The actions of signals, held until the guard is dropped.
    pub(crate) fn actions(&self) -> MutexGuard<'_, SignalActions> {
        lock(&self.actions)
    }

    /// The mapping that holds `address`, if the guest may execute it.
    pub(crate) fn executable_range(&self, address: u64) -> Option<Range<u64>> {
        let memory = self.memory();
        let vma = memory.space.find(address)?;
        vma.protection
            .contains(Protection::EXEC)
            .then_some(vma.start..vma.end)
    }

    /// The module that holds `pc` in its text.
    pub(crate) fn module_at(&self, pc: u64) -> Option<Arc<GuestModule>> {
        self.memory().modules.find(pc)
    }

    /// `pc` for a message.
    pub(crate) fn describe(&self, pc: u64) -> String {
        self.memory().modules.describe(pc)
    }

    /// Ends the process, unless it is ending already: all threads are asked to come by.
    pub(crate) fn end(&self, exit: GuestExit) {
        let mut kept = lock(&self.exit);
        if kept.is_none() && self.start.traces_calls {
            trace::ended(&exit);
        }
        kept.get_or_insert(exit);
        drop(kept);
        self.is_ending.store(true, Ordering::SeqCst);
        self.threads.kick_all();
    }

    /// Whether it is ending.
    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// How it ended.
    pub(crate) fn exit(&self) -> Option<GuestExit> {
        lock(&self.exit).clone()
    }

    /// Holds everything that threads share still, so that a fork finds it whole.
    pub(crate) fn hold(&self) -> impl Sized + use<'_> {
        let held = (lock(&self.memory), lock(&self.actions), lock(&self.exit));
        (held, self.threads.hold())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

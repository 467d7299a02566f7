//! What the threads of a guest process share.

use std::ffi::OsString;
use std::fmt::Debug;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rekindle_hart::guest_memory::GUEST_END;
use rekindle_hart::{CodeRange, GuestState};

use crate::guest_exit::GuestExit;
use crate::guest_signal::SignalActions;
use crate::memory::{AddressSpace, Protection};
use crate::module::{GuestModule, Modules};
use crate::sysroot::Sysroot;
use crate::text_writers::TextWriters;
use crate::threads::{ThreadEntry, Threads};
use crate::{signal, trace};

/// A guest's memory: what is mapped, and which of it is code in files.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The mappings.
    pub(crate) space: AddressSpace,
    /// The files that hold code.
    pub(crate) modules: Modules,
}

/// Who is told of a process's signals before they act, as a debugger is.
pub trait Tracer: Debug + Send + Sync {
    /// The calling thread of `process`, whose state this is, is about to receive `signal`. Returns the
    /// signal that it receives instead, if any.
    fn signalled(&self, process: &Process, state: &mut GuestState, signal: i32) -> Option<i32>;
}

/// A guest process. Lock order: the translator's own, memory, actions; nothing is held during a system
/// call that may wait.
#[derive(Debug)]
pub struct Process {
    /// What it was started with.
    pub(crate) start: Arc<ProcessStart>,
    /// Its auxiliary vector, as bytes.
    pub(crate) auxiliary_vector: OnceLock<Vec<u8>>,
    /// Its threads.
    pub threads: Arc<Threads>,
    memory: Mutex<Memory>,
    actions: Mutex<SignalActions>,
    is_ending: AtomicBool,
    exit: Mutex<Option<GuestExit>>,
    is_child: AtomicBool,
    shares_memory: bool,
    /// By what text may change.
    pub(crate) text_writers: Arc<TextWriters>,
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
    /// The tracer of the process that was started; see [`Process::tracer`].
    pub(crate) tracer: Option<Arc<dyn Tracer>>,
}

impl Memory {
    /// A copy for a process that shares the memory.
    fn copy(&self) -> Self {
        Self {
            space: self.space.copy(),
            modules: self.modules.clone(),
        }
    }
}

impl Process {
    /// A process that is about to start.
    pub(crate) fn new(start: ProcessStart, memory: Memory) -> Self {
        Self {
            start: Arc::new(start),
            auxiliary_vector: OnceLock::new(),
            threads: Arc::default(),
            memory: Mutex::new(memory),
            actions: Mutex::default(),
            is_ending: AtomicBool::new(false),
            exit: Mutex::new(None),
            is_child: AtomicBool::new(false),
            shares_memory: false,
            text_writers: Arc::default(),
        }
    }

    /// The process that `vfork` makes of this one: it shares the memory, and has all that the engine
    /// knows for itself. It may be killed at any time: were it to hold a lock of this process's then,
    /// this process would wait for ever.
    pub(crate) fn sharing_memory(&self) -> Self {
        Self {
            start: Arc::clone(&self.start),
            auxiliary_vector: self.auxiliary_vector.clone(),
            threads: Arc::default(),
            memory: Mutex::new(self.memory().copy()),
            actions: Mutex::new(self.actions().clone()),
            is_ending: AtomicBool::new(false),
            exit: Mutex::new(None),
            is_child: AtomicBool::new(true),
            shares_memory: true,
            text_writers: Arc::clone(&self.text_writers),
        }
    }

    /// Takes over what a process that shared the memory, and has ended, changed of it.
    pub(crate) fn adopt_memory(&self, child: &Self) {
        let (mut own, child) = (self.memory(), child.memory());
        own.space.adopt(&child.space);
        for range in child.space.changes() {
            own.modules.adopt(&child.modules, range);
        }
    }

    /// Finds out what a process that shared the memory, and was killed, has changed of it.
    pub(crate) fn reconcile_memory(&self) {
        let mut memory = self.memory();
        if let Ok(maps) = std::fs::read_to_string("/proc/self/maps") {
            memory.space.reconcile(&ranges(&maps));
        }
    }

    /// Its tracer: processes that it makes have none.
    pub(crate) fn tracer(&self) -> Option<&Arc<dyn Tracer>> {
        let tracer = self.start.tracer.as_ref();
        tracer.filter(|_| !self.is_child())
    }

    /// Whether this process was made by another one's `fork` or `vfork`.
    pub fn is_child(&self) -> bool {
        self.is_child.load(Ordering::Relaxed)
    }

    /// Whether its memory is also that of the process that made it.
    pub fn shares_memory(&self) -> bool {
        self.shares_memory
    }

    /// This process was made by `fork` just now, and `entry` is its only thread.
    pub fn become_child(&self, entry: &Arc<ThreadEntry>) {
        entry.set_number(signal::thread_id());
        self.threads.keep_only(entry);
        self.is_child.store(true, Ordering::Relaxed);
    }

    /// The absolute path of its program.
    pub fn program(&self) -> &Path {
        &self.start.program
    }

    /// Its auxiliary vector, as bytes.
    pub fn auxiliary_vector(&self) -> &[u8] {
        self.auxiliary_vector.get().map_or(&[], Vec::as_slice)
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
    pub fn executable_range(&self, address: u64) -> Option<CodeRange> {
        let memory = self.memory();
        let vma = memory.space.find(address)?;
        vma.protection
            .contains(Protection::EXEC)
            .then(|| CodeRange {
                range: vma.start..vma.end,
                is_fixed: memory.modules.find(address).is_some(),
            })
    }

    /// Whether something is mapped at `address`.
    pub fn is_mapped(&self, address: u64) -> bool {
        self.memory().space.find(address).is_some()
    }

    /// The module that holds `pc` in its text.
    pub fn module_at(&self, pc: u64) -> Option<Arc<GuestModule>> {
        self.memory().modules.find(pc)
    }

    /// `pc` for a message.
    pub(crate) fn describe(&self, pc: u64) -> String {
        self.memory().modules.describe(pc)
    }

    /// Ends the process, unless it is ending already: all threads are asked to come by.
    pub fn end(&self, exit: GuestExit) {
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
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// How it ended.
    pub fn exit(&self) -> Option<GuestExit> {
        lock(&self.exit).clone()
    }

    /// Holds everything that threads share still, so that a fork finds it whole.
    pub fn hold(&self) -> impl Sized + use<'_> {
        let held = (lock(&self.memory), lock(&self.actions), lock(&self.exit));
        (held, self.threads.hold())
    }
}

/// The ranges in the guest's part of the address space that a list of mappings holds.
fn ranges(maps: &str) -> Vec<Range<u64>> {
    let range = |line: &str| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(number(start)?..number(end)?)
    };
    let all = maps.lines().filter_map(range);
    all.filter(|range| range.end <= GUEST_END).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

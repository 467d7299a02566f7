//! A guest under GDB: every thread stands still while the debugger looks, and goes on as it says.
//!
//! The debugger's requests are answered on a thread of their own (`server.rs`), which talks GDB's
//! remote protocol through the `gdbstub` crate (`target.rs` is the guest as that crate sees it). Guest
//! threads are interpreted, and meet the debugger in their dispatch loop (`dispatch.rs`): a thread
//! that is to stand still leaves its registers in [`Shared`] and waits there.

mod dispatch;
mod numbers;
mod registers;
mod server;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::copy_in;
use rekindle_linux::{GuestExit, Process, Tracer, signal};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{fcntl_dupfd_cloexec, write};

use self::registers::Registers;

/// The debugger's descriptors are moved here, out of the way of guests that close all of theirs, or
/// that count on the lowest free number.
const LOWEST_DESCRIPTOR: i32 = 900;

/// Why a thread stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// There is a breakpoint at its PC.
    Breakpoint,
    /// What is at this address, which is watched, has changed.
    Watch(u64),
    /// It has executed the one instruction that it should.
    Step,
    /// It is about to receive this signal, by Linux's number.
    Signal(i32),
    /// Nothing that could still stop is allowed to run.
    NothingRuns,
}

/// What a thread may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Action {
    /// Run.
    #[default]
    Continue,
    /// Execute one instruction.
    Step,
    /// Stand still, though others run.
    Stay,
}

/// How a thread that had stopped goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// The debugger saw why it stopped, and it goes on: with this signal, or with none.
    With(Option<i32>),
    /// Another thread's stop came before: the debugger knows nothing of this one's reason, which is to
    /// be looked at again.
    Unseen,
}

/// A guest thread as the debugger knows it.
#[derive(Debug, Default)]
struct Thread {
    /// Its registers, while it stands still.
    registers: Option<Registers>,
    action: Action,
    /// The signal with which it goes on.
    signal: Option<i32>,
}

/// A range of memory, and what was there when somebody looked last.
#[derive(Debug)]
struct Watched {
    address: u64,
    bytes: Vec<u8>,
}

impl Watched {
    /// Whether it has changed since; looks again.
    fn has_changed(&mut self) -> bool {
        let mut bytes = vec![0; self.bytes.len()];
        if copy_in(&mut bytes, self.address).is_err() {
            return false;
        }
        let before = std::mem::replace(&mut self.bytes, bytes);
        before != self.bytes
    }
}

/// What the debugger and the guest's threads tell each other.
#[derive(Debug, Default)]
struct Shared {
    /// Whether a debugger is there, or is being waited for.
    attached: bool,
    /// Whether all threads are to stand still.
    stopping: bool,
    threads: BTreeMap<i32, Thread>,
    breakpoints: BTreeSet<u64>,
    /// Memory that stops who changes it.
    watched: Vec<Watched>,
    /// How often breakpoints were changed.
    breakpoints_version: u64,
    /// What the debugger is to be told.
    event: Option<(i32, Reason)>,
    /// How the process ended.
    exit: Option<GuestExit>,
    /// Whether the debugger was told everything.
    is_over: bool,
}

/// Where the debugger and the guest's threads meet.
#[derive(Debug)]
pub(crate) struct Debugger {
    shared: Mutex<Shared>,
    /// Held by the thread that runs an instruction, while memory is watched.
    turn: Mutex<()>,
    /// Signalled at every change that someone may wait for.
    changed: Condvar,
    /// Readable where there is an event, or the process has ended.
    wake: OwnedFd,
}

impl Debugger {
    /// A debugger that is being waited for: guest threads stand still from the start.
    ///
    /// # Errors
    /// If the host has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self {
            shared: Mutex::new(Shared {
                attached: true,
                stopping: true,
                ..Shared::default()
            }),
            turn: Mutex::new(()),
            changed: Condvar::new(),
            wake: fcntl_dupfd_cloexec(eventfd(0, flags)?, LOWEST_DESCRIPTOR)?,
        })
    }

    /// Starts to answer debuggers that connect to `listener`. To be called with all signals blocked:
    /// they are for the guest's threads.
    ///
    /// # Errors
    /// If the host has no descriptor or thread left.
    pub(crate) fn serve(
        self: &Arc<Self>,
        listener: &TcpListener,
        process: &Arc<Process>,
    ) -> io::Result<()> {
        let listener = TcpListener::from(fcntl_dupfd_cloexec(listener, LOWEST_DESCRIPTOR)?);
        let (debugger, process) = (Arc::clone(self), Arc::clone(process));
        let work = move || {
            if let Err(error) = server::serve(&listener, &process, &debugger) {
                tracing::warn!(%error, "the connection with the debugger failed");
            }
            debugger.detach();
            debugger.lock().is_over = true;
            debugger.changed.notify_all();
        };
        std::thread::Builder::new()
            .name("gdb".to_owned())
            .spawn(work)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other thread runs an instruction in its turn.
    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, for so long at most.
    fn wait<'a>(&self, shared: MutexGuard<'a, Shared>, limit: Duration) -> MutexGuard<'a, Shared> {
        match self.changed.wait_timeout(shared, limit) {
            Ok((shared, _)) => shared,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    fn wake_server(&self) {
        // It can't fail but for a counter that is full, and then the server is awake.
        let _ = write(self.wake.as_fd(), &1_u64.to_le_bytes());
    }

    /// The process has ended: the debugger is told, before this returns.
    pub(crate) fn end(&self, exit: &GuestExit) {
        let mut shared = self.lock();
        shared.exit = Some(exit.clone());
        self.wake_server();
        let deadline = Instant::now() + Duration::from_secs(2);
        while shared.attached && !shared.is_over && Instant::now() < deadline {
            shared = self.wait(shared, Duration::from_millis(50));
        }
    }

    /// The instruction at the calling thread's PC raises a signal.
    pub(crate) fn faulted(
        &self,
        process: &Process,
        state: &mut GuestState,
        signal: i32,
    ) -> Resumed {
        self.stop(process, state, Reason::Signal(signal))
    }

    /// The calling thread stops for a reason that the debugger is to see.
    fn stop(&self, process: &Process, state: &mut GuestState, reason: Reason) -> Resumed {
        let mut shared = self.lock();
        if !shared.attached {
            return Resumed::With(match reason {
                Reason::Signal(signal) => Some(signal),
                _ => None,
            });
        }
        let number = signal::thread_id();
        let is_seen = !shared.stopping;
        if is_seen {
            shared.stopping = true;
            shared.event = Some((number, reason));
            self.wake_server();
        }
        let signal = self.stand_still(shared, process, state, number);
        match is_seen {
            true => Resumed::With(signal),
            false => Resumed::Unseen,
        }
    }

    /// Has the calling thread stand still if it is to.
    fn come_by(&self, process: &Process, state: &mut GuestState) {
        let shared = self.lock();
        self.stand_still(shared, process, state, signal::thread_id());
    }

    /// Waits until the thread may go on, with the registers that the debugger left, and the signal.
    fn stand_still<'a>(
        &'a self,
        mut shared: MutexGuard<'a, Shared>,
        process: &Process,
        state: &mut GuestState,
        number: i32,
    ) -> Option<i32> {
        loop {
            let stopping = shared.stopping;
            let thread = shared.threads.entry(number).or_default();
            let must_wait = stopping || thread.action == Action::Stay;
            if !must_wait || process.is_ending() {
                if let Some(registers) = thread.registers.take() {
                    registers.store(state);
                }
                return thread.signal.take();
            }
            if thread.registers.is_none() {
                thread.registers = Some(Registers::load(state));
                self.changed.notify_all();
            }
            shared = self.wait(shared, Duration::from_millis(50));
        }
    }

    /// The calling thread has ended.
    fn thread_ended(&self) {
        let mut shared = self.lock();
        shared.threads.remove(&signal::thread_id());
        let all_stay = shared.threads.values().all(|it| it.action == Action::Stay);
        let first = shared.threads.keys().next().copied();
        if let (Some(first), true, false) = (first, all_stay, shared.stopping) {
            shared.stopping = true;
            shared.event = Some((first, Reason::NothingRuns));
            self.wake_server();
        }
        self.changed.notify_all();
    }

    /// Makes all threads stand still. Gives up on those that the host's kernel holds.
    fn stop_all(&self, process: &Process) {
        let deadline = Instant::now() + Duration::from_millis(500);
        let mut shared = self.lock();
        shared.stopping = true;
        // The first is there as soon as it runs.
        let stands = |shared: &Shared| {
            let threads = &shared.threads;
            !threads.is_empty() && threads.values().all(|it| it.registers.is_some())
        };
        while !stands(&shared) && Instant::now() < deadline && !process.is_ending() {
            drop(shared);
            process.threads.kick_all();
            shared = self.wait(self.lock(), Duration::from_millis(5));
        }
    }

    /// Lets all threads do what their actions say.
    fn resume(&self) {
        self.lock().stopping = false;
        self.changed.notify_all();
    }

    /// The debugger has left: the guest runs on without it.
    fn detach(&self) {
        let mut shared = self.lock();
        shared.attached = false;
        shared.event = None;
        shared.breakpoints.clear();
        shared.watched.clear();
        shared.breakpoints_version += 1;
        for thread in shared.threads.values_mut() {
            thread.action = Action::Continue;
        }
        drop(shared);
        self.resume();
    }
}

impl Tracer for Debugger {
    fn signalled(&self, process: &Process, state: &mut GuestState, signal: i32) -> Option<i32> {
        loop {
            match self.stop(process, state, Reason::Signal(signal)) {
                Resumed::With(signal) => return signal,
                // Nobody stands still any more, and nobody will be told.
                Resumed::Unseen if process.is_ending() => return Some(signal),
                Resumed::Unseen => {}
            }
        }
    }
}

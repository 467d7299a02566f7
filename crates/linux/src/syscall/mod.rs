//! The guest's system calls.
//!
//! `table.rs` says for each number what happens: most calls go to the host as they are, since guest
//! pointers are host pointers and RISC-V shares its constants with the generic Linux ABI. The other
//! files hold the calls that need a hand.

mod clone;
mod code;
mod epoll;
mod execute;
mod file;
mod ipc;
mod memory;
mod proc_fs;
mod process;
mod robust;
mod signal;
mod stat;
mod statx;
mod table;
mod wait;
mod writers;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rekindle::Cache;
use rekindle_hart::GuestState;
use rv_isa::XReg;

pub use self::clone::CloneRequest;
pub use self::execute::ExecRequest;
use self::table::{Action, Row};
pub use self::writers::WritersSeen;
pub(crate) use self::writers::note_inherited;
use crate::errno::Errno;
use crate::fatal;
use crate::guest_exit::GuestExit;
use crate::guest_signal::{
    DEFAULT, DefaultAction, IGNORE, SignalAction, SignalInfo, ThreadSignals, UNBLOCKABLE, bit,
    default_action,
};
use crate::process::{Memory, Process};
use crate::signal as signal_door;
use crate::{host, signal_frame, trace};

/// A call that needs more than its host's twin.
type Handler = fn(&mut Kernel, &mut GuestState, [u64; 6]) -> Result<u64, Errno>;

/// What a call asks of the engine: the dispatch loop grants it.
#[derive(Debug)]
pub enum Request {
    /// A thread.
    Thread(CloneRequest),
    /// A process with a copy of this one's memory.
    Fork(CloneRequest),
    /// A process with this one's memory.
    Vfork(CloneRequest),
    /// Another program.
    Execute(Box<ExecRequest>),
    /// Exact state in handlers of faults.
    ExactFaults,
    /// What runs from now on, in every thread, is the code that memory holds.
    Fence,
    /// The same, and the text of files may have been written.
    TextWritten,
}

/// What the kernel knows of a guest thread.
#[derive(Debug)]
pub struct Kernel {
    /// Its process.
    pub process: Arc<Process>,
    /// Its signals.
    pub(crate) signals: ThreadSignals,
    /// Its exit status, once it has ended by itself.
    pub thread_exit: Option<i32>,
    /// Where a zero is written when it ends, or 0.
    pub clear_tid: u64,
    /// Its list of robust futexes, or 0.
    robust_list: u64,
    /// Knows the digests of files. It has locks, so who shares the memory has none.
    cache: Option<Cache>,
    stale_code: Vec<Range<u64>>,
    request: Option<Request>,
    /// What [`Self::execute`] hands to the host; here, so that it is freed where the host, having
    /// taken it, leaves this process's memory behind.
    execution: Option<execute::HostArguments>,
    /// Set while nothing of this thread's is half changed, for who shares the memory: as the thread
    /// starts another program, or its process ends.
    pub is_whole: Arc<AtomicBool>,
}

impl Kernel {
    /// The first thread of a process, with the mask `blocked`.
    pub fn new(process: Arc<Process>, blocked: u64, cache: Option<Cache>) -> Self {
        Self {
            process,
            signals: ThreadSignals::new(blocked),
            thread_exit: None,
            clear_tid: 0,
            robust_list: 0,
            cache,
            stale_code: Vec::new(),
            request: None,
            execution: None,
            is_whole: Arc::default(),
        }
    }

    /// What is known of a thread that this one starts.
    pub fn for_thread(&self, clear_tid: u64) -> Self {
        let process = Arc::clone(&self.process);
        Self {
            clear_tid,
            ..Self::new(process, self.signals.blocked, self.cache.clone())
        }
    }

    /// Takes over what the only thread of a process that shared the memory, and has ended, changed of
    /// it; of one that was killed, `child` isn't given, since it may be half changed.
    pub fn adopt_memory(&mut self, child: Option<&Self>) {
        match child {
            Some(child) => self.process.adopt_memory(&child.process),
            None => self.process.reconcile_memory(),
        }
        let stale = self.process.memory().space.take_stale_code();
        self.stale_code.extend(stale);
    }

    /// What is known of the only thread of a process that shares this one's memory.
    pub fn sharing_memory(&self) -> Self {
        let process = Arc::new(self.process.sharing_memory());
        Self {
            signals: self.signals.clone(),
            ..Self::new(process, self.signals.blocked, None)
        }
    }

    /// Makes the call that the guest's registers describe and writes its result, unless the dispatch
    /// loop has to: it gets the request. The guest PC is already that of the next instruction.
    pub fn call(&mut self, state: &mut GuestState) -> Option<Request> {
        let number = state.x[XReg::A7.index()];
        let arguments = arguments(state);
        let row = table::find(number);
        let leaves = row.is_some_and(Row::never_returns);
        if leaves && self.process.start.traces_calls {
            trace::call(
                number,
                row.map(Row::signature),
                &arguments,
                trace::Ending::NoReturn,
            );
        }
        let watch = writers::watch(&self.process, number, &arguments);
        let result = match row.map(|row| row.action) {
            Some(Action::Host(host_number)) => host::call_for_guest(host_number, arguments),
            Some(Action::Paths(host_number, paths)) => {
                file::call_with_paths(self, host_number, arguments, paths)
            }
            Some(Action::Call(handler)) => handler(self, state, arguments),
            Some(Action::Refuse(errno)) => Err(errno),
            None => Err(Errno::ENOSYS),
        };
        writers::watched(self, watch);
        let request = self.request.take();
        let is_over = match &request {
            None | Some(Request::ExactFaults | Request::Fence | Request::TextWritten) => true,
            Some(_) => false,
        };
        if !is_over {
            return request;
        }
        if !leaves {
            self.trace(&arguments, number, result);
        }
        self.finish_call(state, result);
        request
    }

    /// Prints a call that has returned, if that is asked for.
    fn trace(&self, arguments: &[u64; 6], number: u64, result: Result<u64, Errno>) {
        let row = table::find(number);
        if !self.process.shares_memory() {
            // Who listens has locks.
            tracing::trace!(number, name = row.map(Row::name), ?arguments, ?result);
        }
        if self.process.start.traces_calls {
            trace::call(
                number,
                row.map(Row::signature),
                arguments,
                trace::Ending::Returned(result),
            );
        }
    }

    /// Writes the result of a call that the engine granted.
    pub fn finish_granted(&mut self, state: &mut GuestState, result: Result<u64, Errno>) {
        // In a process that fork made, the call isn't one that it made.
        if result != Ok(0) {
            self.trace(&arguments(state), state.x[XReg::A7.index()], result);
        }
        self.finish_call(state, result);
    }

    /// Makes ready what printing calls needs, for a process that will share the memory: it may be killed.
    pub fn prepare_trace(&self) {
        if self.process.start.traces_calls {
            trace::prepare();
        }
    }

    /// Prints that the thread's program is replaced.
    pub fn trace_execution(&self, state: &GuestState) {
        self.trace(&arguments(state), state.x[XReg::A7.index()], Ok(0));
    }

    /// Writes the result of a call, or makes the guest repeat it; then lets signals act.
    pub fn finish_call(&mut self, state: &mut GuestState, result: Result<u64, Errno>) {
        let restarts = match result {
            Err(Errno::RESTART) => {
                // Not made at all: not under its own mask either.
                if let Some(mask) = self.signals.suspended_mask.take() {
                    self.signals.blocked = mask;
                }
                true
            }
            Err(Errno::EINTR) => self.restarts_interrupted(state.x[XReg::A7.index()]),
            _ => false,
        };
        if restarts {
            state.pc = state.pc.wrapping_sub(4);
        } else {
            state.x[XReg::A0.index()] = match result {
                Ok(value) => value,
                Err(errno) => i64::from(-errno.0).cast_unsigned(),
            };
        }
        self.deliver_signals(state);
    }

    /// Whether call `number`, which the host's kernel interrupted, is made again.
    fn restarts_interrupted(&self, number: u64) -> bool {
        let Some(info) = signal_door::arrived() else {
            // Only the engine wanted this thread.
            return true;
        };
        let action = self.process.actions().get(info.signal());
        match action {
            Some(action) if action.handler > IGNORE => {
                action.flags & libc::SA_RESTART as u64 != 0 && table::restarts(number)
            }
            _ => true,
        }
    }

    /// Lets signals that have arrived act: enters handlers, stops or ends the process.
    pub fn deliver_signals(&mut self, state: &mut GuestState) {
        loop {
            let arrived = signal_door::take_arrived();
            let Some(info) = arrived.or_else(|| self.signals.take_deferred()) else {
                break;
            };
            if self.signals.blocked & bit(info.signal()) != 0 {
                self.signals.deferred.push(info);
            } else {
                self.act_on(state, info);
            }
            if arrived.is_some() {
                self.apply_mask();
            }
            if self.process.is_ending() {
                return;
            }
        }
        if let Some(mask) = self.signals.suspended_mask.take() {
            self.signals.blocked = mask;
            self.apply_mask();
        }
    }

    /// Makes the host thread block what the guest thread does. Only where no signal waits in the
    /// thread's slot.
    pub fn apply_mask(&self) {
        signal_door::set_mask(self.signals.blocked);
    }

    /// Changes the mask; a signal that this lets through acts once the call is over.
    fn set_blocked(&mut self, blocked: u64) {
        self.signals.blocked = blocked & !UNBLOCKABLE;
        // With a signal in the slot everything is blocked until it has acted.
        if signal_door::arrived().is_none() {
            self.apply_mask();
        }
    }

    /// Lets the signal of a fault act. One that is blocked or ignored kills the guest.
    ///
    /// Returns whether a handler was entered.
    pub fn deliver_fault(&mut self, state: &mut GuestState, info: SignalInfo) -> bool {
        if self.process.start.traces_calls {
            trace::signal(&info);
        }
        let blocked = self.signals.blocked & bit(info.signal()) != 0;
        let action = self.process.actions().get(info.signal());
        let caught = action.filter(|action| action.handler > IGNORE);
        match caught {
            Some(action) if !blocked => {
                let entered = self.enter_handler(state, action, info).is_ok();
                if signal_door::arrived().is_none() {
                    self.apply_mask();
                }
                entered
            }
            _ => false,
        }
    }

    fn act_on(&mut self, state: &mut GuestState, mut info: SignalInfo) {
        if let Some(tracer) = self.process.tracer() {
            match tracer.signalled(&self.process, state, info.signal()) {
                Some(wanted) => info = info.or_other(wanted),
                None => return,
            }
        }
        let signal = info.signal();
        let Some(action) = self.process.actions().get(signal) else {
            return;
        };
        if self.process.start.traces_calls && action.handler != IGNORE {
            trace::signal(&info);
        }
        if action.handler > IGNORE {
            if self.enter_handler(state, action, info).is_err() {
                // No room for the frame: Linux kills with SIGSEGV.
                self.die(state, libc::SIGSEGV);
            }
            return;
        }
        if action.handler != DEFAULT {
            return;
        }
        match default_action(signal) {
            DefaultAction::Ignore => {}
            DefaultAction::Stop => {
                let process = u64::from(std::process::id());
                // Stopping one's own process can't fail.
                let _ = host::call(libc::SYS_kill, [process, libc::SIGSTOP as u64, 0, 0, 0, 0]);
            }
            DefaultAction::Terminate | DefaultAction::Core => self.die(state, signal),
        }
    }

    /// Ends the process by a signal that isn't a fault's.
    fn die(&self, state: &GuestState, signal: i32) {
        let message = match default_action(signal) {
            DefaultAction::Core => {
                let what = format!("killed by {}", trace::signal_name(signal));
                fatal::report(&self.process, state, &what, None, false)
            }
            _ => String::new(),
        };
        self.process.end(GuestExit::Signal { signal, message });
    }

    fn enter_handler(
        &mut self,
        state: &mut GuestState,
        action: SignalAction,
        info: SignalInfo,
    ) -> Result<(), Errno> {
        let return_to = self.process.start.signal_return;
        signal_frame::push(state, &mut self.signals, action, info, return_to)?;
        if action.flags & u64::from(libc::SA_RESETHAND.cast_unsigned()) != 0 {
            let signal = info.signal();
            self.process.actions().set(signal, SignalAction::default());
            signal_door::forward(signal, DEFAULT);
        }
        Ok(())
    }

    /// Changes the guest's memory, and remembers which code that made stale.
    fn change_memory<R>(&mut self, change: impl FnOnce(&mut Memory) -> R) -> R {
        let mut memory = self.process.memory();
        let result = change(&mut memory);
        for range in memory.space.take_stale_code() {
            self.stale_code.extend(memory.modules.forget(&range));
            self.stale_code.push(range);
        }
        result
    }

    /// The ranges whose code changed since the last call.
    pub fn take_stale_code(&mut self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.stale_code)
    }

    /// The thread has ended: lets go of what it holds for others.
    pub fn release_thread(&mut self) {
        robust::release(self.robust_list, signal_door::thread_id());
        self.robust_list = 0;
        if self.clear_tid != 0 {
            robust::clear_and_wake(self.clear_tid);
            self.clear_tid = 0;
        }
    }
}

/// The arguments of the call that the registers describe.
fn arguments(state: &GuestState) -> [u64; 6] {
    let first = XReg::A0.index();
    std::array::from_fn(|index| state.x[first + index])
}

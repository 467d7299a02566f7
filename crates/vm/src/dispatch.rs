//! The dispatch loop of a guest thread: decides who runs the instruction at the guest PC, and acts
//! on why they stopped.

use std::sync::Arc;

use rekindle_hart::{Exit, FaultKind, GuestFault, attention};
use rekindle_linux::{Change, GuestExit, Request, SignalInfo, fatal};
use rekindle_tiers::{Entered, Translator};

use crate::debug::Resumed;
use crate::machine::Machine;
use crate::spawn;
use crate::surroundings::module_at;
use crate::vfork::vfork;

impl<T: Translator> Machine<T> {
    /// Runs the guest thread until it ends, or its process does.
    pub(crate) fn run(&mut self) {
        if let Some(debugger) = self.debugger().cloned() {
            self.run_debugged(&debugger);
        }
        while !self.process().is_ending() && self.kernel.thread_exit.is_none() {
            if attention::take(self.state.attention()) {
                self.attend();
                continue;
            }
            self.see_changes();
            let entered = self.translator.enter(&mut self.state);
            let exit = match entered {
                Entered::Exit(exit) => exit,
                Entered::NotCompiled => self.interpret(false),
                Entered::Interpret => self.interpret(true),
                Entered::Step => self.step(),
            };
            self.entry.leave();
            self.left_compiled_code = matches!(entered, Entered::Exit(_));
            self.act_on(exit);
        }
    }

    fn interpret(&mut self, insists: bool) -> Exit {
        let process = &self.kernel.process;
        let executable = |address| process.executable_range(address);
        self.interpreter.run(&mut self.state, &executable, insists)
    }

    fn step(&mut self) -> Exit {
        let process = &self.kernel.process;
        let executable = |address| process.executable_range(address);
        self.interpreter.step(&mut self.state, &executable)
    }

    /// Someone asked for attention.
    pub(crate) fn attend(&mut self) {
        self.kernel.deliver_signals(&mut self.state);
        self.translator.poll();
    }

    /// Catches up with what other threads changed, and says that guest code runs from here on.
    pub(crate) fn see_changes(&mut self) {
        loop {
            let threads = &self.kernel.process.threads;
            let count = threads.change_count();
            if count != self.seen_changes {
                let (changes, seen) = threads.changes_since(self.seen_changes);
                for change in changes {
                    match change {
                        Change::Mapping(range) => self.interpreter.invalidate(&range),
                        Change::Fence => self.interpreter.fence(),
                    }
                }
                self.seen_changes = seen;
            }
            self.entry.enter(self.seen_changes);
            if threads.change_count() == self.seen_changes {
                break;
            }
            self.entry.leave();
        }
        self.translator.sync(&mut self.interpreter);
    }

    pub(crate) fn act_on(&mut self, exit: Exit) {
        match exit {
            Exit::Dispatch => self.report_blocks(),
            Exit::Syscall => {
                self.state.pc = self.state.pc.wrapping_add(4);
                if let Some(request) = self.kernel.call(&mut self.state) {
                    self.grant(request);
                }
                self.drop_stale_code();
            }
            Exit::FenceI => {
                self.state.pc = self.state.pc.wrapping_add(4);
                self.fence();
            }
            Exit::Breakpoint => self.fail(libc::SIGTRAP, 1, self.state.pc, "breakpoint"),
            Exit::IllegalInstruction => {
                self.fail(libc::SIGILL, 1, self.state.pc, "illegal instruction");
            }
            Exit::Fault(fault) => self.fail_access(fault),
        }
    }

    fn report_blocks(&mut self) {
        let process = &self.kernel.process;
        let modules = |pc| module_at(process, pc);
        if let Some(pc) = self.interpreter.take_decoded() {
            self.translator
                .note_decoded(pc, &modules, &mut self.interpreter);
        }
        for pc in self.interpreter.take_hot() {
            self.translator
                .note_hot(pc, &modules, &mut self.interpreter);
        }
    }

    /// Does what a system call asked of the engine, and gives the guest its result.
    fn grant(&mut self, request: Request) {
        let result = match request {
            Request::Thread(request) => spawn::thread(self, &request),
            Request::Fork(request) => spawn::fork(self, &request),
            Request::Vfork(request) => vfork(self, &request),
            Request::Execute(request) => spawn::execute(self, *request),
            Request::ExactFaults => {
                if self.translator.make_faults_exact() {
                    // Every block is decoded anew: what the cache holds of the exact kind is looked
                    // up then, and what was hot is reported again.
                    self.publish([Change::Mapping(0..u64::MAX)]);
                }
                return;
            }
            Request::Fence => return self.fence_everywhere(),
            Request::TextWritten => {
                self.translator.check_sources();
                return self.publish([Change::Mapping(0..u64::MAX)]);
            }
        };
        self.kernel.finish_granted(&mut self.state, result);
    }

    /// Makes sure that no decoded or compiled instructions outlive the bytes they came from, in any
    /// thread.
    fn drop_stale_code(&mut self) {
        let ranges = self.kernel.take_stale_code();
        if ranges.is_empty() {
            return;
        }
        for range in &ranges {
            self.translator.invalidate(range);
        }
        self.publish(ranges.into_iter().map(Change::Mapping));
    }

    /// Tells every thread of changes of code; none runs what was there when this returns.
    pub(crate) fn publish(&mut self, changes: impl IntoIterator<Item = Change>) {
        let removals = self.translator.removals();
        let threads = Arc::clone(&self.kernel.process.threads);
        for change in changes {
            threads.publish_change(change, &self.entry);
        }
        self.translator.retire(removals);
    }

    /// This thread may have changed code, and wants to run what is there now.
    fn fence(&mut self) {
        if self.process().shares_memory() {
            // Who made this process is told when it goes on.
            self.process().threads.note_change(Change::Fence);
        }
        match self.check_text() {
            true => self.interpreter.invalidate(&(0..u64::MAX)),
            false => self.interpreter.fence(),
        }
    }

    /// The same, for every thread.
    pub(crate) fn fence_everywhere(&mut self) {
        let change = match self.check_text() {
            true => Change::Mapping(0..u64::MAX),
            false => Change::Fence,
        };
        self.publish([change]);
    }

    /// Whether the text of files, too, may have changed without a change of mappings. What was
    /// compiled of other bytes is gone then. In most processes nobody can write there, and what is
    /// compiled or decoded of such text outlives every fence.
    fn check_text(&mut self) -> bool {
        let Some(seen) = self.kernel.text_writers() else {
            return false;
        };
        self.translator.check_sources();
        self.kernel.forget_text_writers(seen);
        true
    }

    fn fail_access(&mut self, fault: GuestFault) {
        let mapped = self.process().is_mapped(fault.address);
        // SEGV_MAPERR and SEGV_ACCERR; BUS_ADRALN and BUS_ADRERR.
        let (code, what) = match fault.kind {
            FaultKind::Segmentation => (1 + i32::from(mapped), "segmentation fault"),
            FaultKind::Misaligned => (1, "bus error (misaligned atomic access)"),
            FaultKind::Bus => (2, "bus error"),
        };
        self.fail(fault.kind.signal(), code, fault.address, what);
    }

    /// The instruction at the guest PC raises `signal`: its handler is entered, or the guest ends.
    fn fail(&mut self, signal: i32, code: i32, address: u64, what: &str) {
        let mut info = SignalInfo::fault(signal, code, address);
        if let Some(debugger) = self.debugger().cloned() {
            match debugger.faulted(&self.kernel.process, &mut self.state, signal) {
                Resumed::With(Some(wanted)) => info = info.or_other(wanted),
                // The instruction is executed again.
                Resumed::With(None) | Resumed::Unseen => return,
            }
        }
        let signal = info.signal();
        if self.kernel.deliver_fault(&mut self.state, info) {
            self.drop_stale_code();
            return;
        }
        let is_access = matches!(signal, libc::SIGSEGV | libc::SIGBUS);
        let message = fatal::report(
            self.process(),
            &self.state,
            what,
            is_access.then_some(address),
            self.left_compiled_code && !self.translator.faults_are_exact(),
        );
        self.process().end(GuestExit::Signal { signal, message });
    }
}

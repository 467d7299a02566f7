//! The dispatch loop of a guest thread under a debugger.

use std::sync::{Arc, MutexGuard};

use rekindle_hart::{GuestState, attention};
use rekindle_linux::{Process, signal};
use rekindle_tiers::Translator;

use super::{Action, Debugger, Reason, Resumed};
use crate::machine::Machine;

impl Debugger {
    fn watches(&self) -> bool {
        !self.lock().watched.is_empty()
    }

    /// The address of watched memory that has changed since the last call. It is asked in the
    /// caller's turn: no thread is between its change and its question.
    fn changed_memory(&self, _turn: &MutexGuard<'_, ()>) -> Option<u64> {
        let mut shared = self.lock();
        for watched in &mut shared.watched {
            if watched.has_changed() {
                return Some(watched.address);
            }
        }
        None
    }

    /// Stops the calling thread, which has changed watched memory. Another thread's stop may come
    /// first: this one is told afterwards, while somebody still watches.
    fn stop_at_change(&self, process: &Process, state: &mut GuestState, address: u64) {
        let is_watched = || self.lock().watched.iter().any(|it| it.address == address);
        while !process.is_ending() && is_watched() {
            if let Resumed::With(_) = self.stop(process, state, Reason::Watch(address)) {
                return;
            }
        }
    }

    /// What the calling thread is to do.
    fn action(&self) -> Action {
        let shared = self.lock();
        let thread = shared.threads.get(&signal::thread_id());
        thread.map_or(Action::Continue, |thread| thread.action)
    }
}

impl<T: Translator> Machine<T> {
    /// Runs the guest thread until it ends, or its process does, or it became another process, in
    /// which there is no debugger. Nothing is compiled.
    pub(crate) fn run_debugged(&mut self, debugger: &Debugger) {
        let process = Arc::clone(&self.kernel.process);
        let executable = |address| process.executable_range(address);
        let mut seen_version = 0;
        while !process.is_ending() && self.kernel.thread_exit.is_none() {
            if attention::take(self.state.attention()) {
                self.attend();
            }
            debugger.come_by(&process, &mut self.state);
            if process.is_ending() {
                break;
            }
            self.see_breakpoints(debugger, &mut seen_version);
            let action = debugger.action();
            if action == Action::Continue && self.interpreter.is_stop(self.state.pc) {
                debugger.stop(&process, &mut self.state, Reason::Breakpoint);
                continue;
            }
            self.see_changes();
            let mut changed = None;
            let exit = if debugger.watches() {
                // One thread at a time, so that a change is that of the thread that finds it.
                let turn = debugger.take_turn();
                let exit = self.interpreter.step(&mut self.state, &executable);
                changed = debugger.changed_memory(&turn);
                exit
            } else if action == Action::Step {
                self.interpreter.step(&mut self.state, &executable)
            } else {
                self.interpreter.run(&mut self.state, &executable, false)
            };
            self.entry.leave();
            self.act_on(exit);
            if self.debugger().is_none() {
                self.interpreter.set_stops(Default::default());
                return;
            }
            let goes_on = !process.is_ending() && self.kernel.thread_exit.is_none();
            // Or it was a system call, which is in nobody's turn, since it may wait for another's.
            let changed = changed.or_else(|| debugger.changed_memory(&debugger.take_turn()));
            if goes_on && let Some(address) = changed {
                debugger.stop_at_change(&process, &mut self.state, address);
            } else if goes_on && action == Action::Step && debugger.action() == Action::Step {
                debugger.stop(&process, &mut self.state, Reason::Step);
            }
        }
        debugger.thread_ended();
    }

    /// Catches up with the debugger's breakpoints.
    fn see_breakpoints(&mut self, debugger: &Debugger, seen_version: &mut u64) {
        let shared = debugger.lock();
        if shared.breakpoints_version != *seen_version {
            *seen_version = shared.breakpoints_version;
            let stops = shared.breakpoints.iter().copied().collect();
            self.interpreter.set_stops(stops);
        }
    }
}

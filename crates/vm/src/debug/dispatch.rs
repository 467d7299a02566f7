//! The dispatch loop of a guest thread under a debugger.

use std::sync::Arc;

use rekindle_hart::attention;
use rekindle_linux::signal;
use rekindle_tiers::Translator;

use super::{Action, Debugger, Reason};
use crate::machine::Machine;

impl Debugger {
    fn watches(&self) -> bool {
        !self.lock().watched.is_empty()
    }

    /// The address of watched memory that has changed since the last call.
    fn changed_memory(&self) -> Option<u64> {
        let mut shared = self.lock();
        for watched in &mut shared.watched {
            if watched.has_changed() {
                return Some(watched.address);
            }
        }
        None
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
            let watches = debugger.watches();
            let exit = match action == Action::Step || watches {
                true => self.interpreter.step(&mut self.state, &executable),
                false => self.interpreter.run(&mut self.state, &executable, false),
            };
            self.entry.leave();
            self.act_on(exit);
            if self.debugger().is_none() {
                self.interpreter.set_stops(Default::default());
                return;
            }
            let goes_on = !process.is_ending() && self.kernel.thread_exit.is_none();
            if goes_on
                && watches
                && let Some(address) = debugger.changed_memory()
            {
                debugger.stop(&process, &mut self.state, Reason::Watch(address));
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

//! The dispatch loop: decides who runs the instruction at the guest PC, and acts on why they stopped.

use std::ops::Range;

use crate::attention;
use crate::config::GuestExit;
use crate::exit::{Exit, FaultKind, GuestFault};
use crate::guest_signal::SignalInfo;
use crate::interpreter::Interpreter;
use crate::module::Modules;
use crate::state::GuestState;
use crate::syscall::Kernel;

/// What became of the attempt to run compiled code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// There is none for the guest PC; nothing ran.
    NotCompiled,
    /// It ran, and the instruction at the guest PC is for the interpreter alone, though there may be
    /// compiled code for it.
    Interpret,
    /// It ran and left.
    Exit(Exit),
}

/// Where compiled code comes from. The loop calls it; it never calls the loop.
pub(crate) trait Translator {
    /// Whether hot blocks are of interest.
    fn is_active(&self) -> bool;

    /// The interpreter has decoded a block at this guest PC, and will run it unless compiled code is
    /// installed now. Called once for each block, unless decoded blocks were forgotten.
    fn note_decoded(&mut self, pc: u64, modules: &Modules, interpreter: &mut Interpreter);

    /// A block at this guest PC became hot. Called once for each block.
    fn note_hot(&mut self, pc: u64, modules: &Modules, interpreter: &mut Interpreter);

    /// Someone asked for attention: finished compilations can be installed, by way of
    /// [`Interpreter::set_compiled`].
    fn poll(&mut self, interpreter: &mut Interpreter);

    /// Runs compiled code from the guest PC, if there is some: until it leaves, and says why.
    fn enter(&mut self, state: &mut GuestState) -> Entered;

    /// The guest has ended, and time doesn't matter: compiles what is queued, and what a run that
    /// starts with all of that will find hot besides.
    ///
    /// Regions that are there from the start are left more often than those that this run had to
    /// compile first, so the places to which they lead can become hot in the next run though they
    /// didn't in this one.
    fn finish(&mut self, modules: &Modules, interpreter: &mut Interpreter);

    /// Guest code in `range` may have changed: no translation of it may run again.
    fn invalidate(&mut self, range: Range<u64>, interpreter: &mut Interpreter);
}

/// No compiled code: everything is interpreted.
#[derive(Debug)]
pub(crate) struct InterpretOnly;

impl Translator for InterpretOnly {
    fn is_active(&self) -> bool {
        false
    }

    fn note_decoded(&mut self, _: u64, _: &Modules, _: &mut Interpreter) {}

    fn note_hot(&mut self, _: u64, _: &Modules, _: &mut Interpreter) {}

    fn poll(&mut self, _: &mut Interpreter) {}

    fn enter(&mut self, _: &mut GuestState) -> Entered {
        Entered::NotCompiled
    }

    fn finish(&mut self, _: &Modules, _: &mut Interpreter) {}

    fn invalidate(&mut self, _: Range<u64>, _: &mut Interpreter) {}
}

/// A guest that runs.
#[derive(Debug)]
pub(crate) struct Machine<T> {
    /// Its hart.
    pub(crate) state: Box<GuestState>,
    /// Its process.
    pub(crate) kernel: Kernel,
    /// Its code, as files.
    pub(crate) modules: Modules,
    /// Tier 0.
    pub(crate) interpreter: Interpreter,
    /// The tiers above.
    pub(crate) translator: T,
}

impl<T: Translator> Machine<T> {
    /// Runs the guest to its end.
    pub(crate) fn run(&mut self) -> GuestExit {
        loop {
            if attention::take() {
                self.kernel.collect_signals();
                self.kernel.deliver_signals(&mut self.state);
                self.translator.poll(&mut self.interpreter);
            }
            let exit = match self.translator.enter(&mut self.state) {
                Entered::Exit(exit) => exit,
                Entered::NotCompiled => {
                    self.interpreter
                        .run(&mut self.state, &self.kernel.space, false)
                }
                Entered::Interpret => {
                    self.interpreter
                        .run(&mut self.state, &self.kernel.space, true)
                }
            };
            self.act_on(exit);
            if let Some(exit) = self.kernel.exit.take() {
                return exit;
            }
        }
    }

    fn act_on(&mut self, exit: Exit) {
        match exit {
            Exit::Dispatch => {
                if let Some(pc) = self.interpreter.take_decoded() {
                    self.translator
                        .note_decoded(pc, &self.modules, &mut self.interpreter);
                }
                for pc in self.interpreter.take_hot() {
                    self.translator
                        .note_hot(pc, &self.modules, &mut self.interpreter);
                }
            }
            Exit::Syscall => {
                self.state.pc = self.state.pc.wrapping_add(4);
                self.kernel.call(&mut self.state);
                self.kernel.deliver_signals(&mut self.state);
                self.drop_stale_code();
            }
            Exit::FenceI => {
                self.state.pc = self.state.pc.wrapping_add(4);
                self.kernel.space.note_stale_code(0..u64::MAX);
                self.drop_stale_code();
            }
            Exit::Breakpoint => self.fail(libc::SIGTRAP, 1, self.state.pc, "breakpoint"),
            Exit::IllegalInstruction => {
                self.fail(libc::SIGILL, 1, self.state.pc, "illegal instruction");
            }
            Exit::Fault(fault) => self.fail_access(fault),
        }
    }

    /// Makes sure that no decoded or compiled instructions outlive the bytes they came from.
    fn drop_stale_code(&mut self) {
        for range in self.kernel.space.take_stale_code() {
            self.interpreter.invalidate(&range);
            self.translator.invalidate(range, &mut self.interpreter);
        }
    }

    fn fail_access(&mut self, fault: GuestFault) {
        let mapped = self.kernel.space.find(fault.address).is_some();
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
        let info = SignalInfo {
            signal,
            code,
            detail: address,
        };
        let pc = self.state.pc;
        if self.kernel.deliver_fault(&mut self.state, info) {
            self.drop_stale_code();
            return;
        }
        let place = self.modules.describe(pc);
        let message = match signal {
            libc::SIGSEGV | libc::SIGBUS => {
                format!("{what} at guest pc {place}, address {address:#x}")
            }
            _ => format!("{what} at guest pc {place}"),
        };
        self.kernel.exit = Some(GuestExit::Signal { signal, message });
    }
}

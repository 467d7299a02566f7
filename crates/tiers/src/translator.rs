//! Where a thread's compiled code comes from, as its dispatch loop sees it.

use std::ops::Range;

use rekindle_hart::{Exit, GuestState, Interpreter};

use crate::code_module::FindModule;

/// What became of the attempt to run compiled code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// There is none for the guest PC; nothing ran.
    NotCompiled,
    /// It ran, and the instruction at the guest PC is for the interpreter alone, though there may be
    /// compiled code for it.
    Interpret,
    /// The same, for that instruction only.
    Step,
    /// It ran and left.
    Exit(Exit),
}

/// Where a thread's compiled code comes from. The loop calls it; it never calls the loop.
pub trait Translator: Send + Sized + 'static {
    /// The translator of another thread of the process.
    fn for_thread(&self) -> Self;

    /// Whether hot blocks are of interest.
    fn is_active(&self) -> bool;

    /// The interpreter has decoded a block at this guest PC, and will run it unless it is told now, or
    /// by [`Self::sync`], that compiled code is installed. Called once for each block, unless decoded
    /// blocks were forgotten.
    fn note_decoded(&mut self, pc: u64, modules: FindModule<'_>, interpreter: &mut Interpreter);

    /// A block at this guest PC became hot. Called once for each block.
    fn note_hot(&mut self, pc: u64, modules: FindModule<'_>, interpreter: &mut Interpreter);

    /// Someone asked for attention: finished compilations can be installed.
    fn poll(&mut self);

    /// Tells the interpreter, by way of [`Interpreter::set_compiled`], what was installed or removed
    /// by any thread.
    fn sync(&mut self, interpreter: &mut Interpreter);

    /// Runs compiled code from the guest PC, if there is some: until it leaves, and says why.
    fn enter(&mut self, state: &mut GuestState) -> Entered;

    /// The guest has ended, and time doesn't matter: compiles what is queued, and what a run that
    /// starts with all of that will find hot besides.
    ///
    /// Regions that are there from the start are left more often than those that this run had to
    /// compile first, so the places to which they lead can become hot in the next run though they
    /// didn't in this one.
    fn finish(&mut self, modules: FindModule<'_>, interpreter: &mut Interpreter);

    /// The guest has ended: shows the code that was to be shown if it wasn't compiled yet.
    fn finish_dump(&mut self, _: FindModule<'_>) {}

    /// Guest code in `range` has changed: no translation of it is entered any more.
    fn invalidate(&mut self, range: &Range<u64>);

    /// How often translations were removed.
    fn removals(&self) -> u64;

    /// No thread runs any more what had been removed when [`Self::removals`] was `upto`.
    fn retire(&mut self, upto: u64);

    /// Guest code may have changed anywhere: no translation of other bytes than memory holds is entered
    /// any more.
    fn check_sources(&mut self);

    /// The guest wants its exact state in handlers of faults from now on.
    /// Returns whether it wasn't so before: what was compiled is gone then.
    fn make_faults_exact(&mut self) -> bool;

    /// Whether it has it.
    fn faults_are_exact(&self) -> bool;

    /// Writes what was compiled.
    fn flush(&mut self);

    /// Runs `fork`, which makes this process two, with everything in a state that both can go on
    /// from; `true` from it says that this is the new one, where nothing of the old one's is written.
    fn fork(&mut self, fork: &mut dyn FnMut() -> bool);
}

/// No compiled code: everything is interpreted.
#[derive(Debug)]
pub struct InterpretOnly;

impl Translator for InterpretOnly {
    fn for_thread(&self) -> Self {
        Self
    }

    fn is_active(&self) -> bool {
        false
    }

    fn note_decoded(&mut self, _: u64, _: FindModule<'_>, _: &mut Interpreter) {}

    fn note_hot(&mut self, _: u64, _: FindModule<'_>, _: &mut Interpreter) {}

    fn poll(&mut self) {}

    fn sync(&mut self, _: &mut Interpreter) {}

    fn enter(&mut self, _: &mut GuestState) -> Entered {
        Entered::NotCompiled
    }

    fn finish(&mut self, _: FindModule<'_>, _: &mut Interpreter) {}

    fn invalidate(&mut self, _: &Range<u64>) {}

    fn removals(&self) -> u64 {
        0
    }

    fn retire(&mut self, _: u64) {}

    fn check_sources(&mut self) {}

    fn make_faults_exact(&mut self) -> bool {
        false
    }

    fn faults_are_exact(&self) -> bool {
        true
    }

    fn flush(&mut self) {}

    fn fork(&mut self, fork: &mut dyn FnMut() -> bool) {
        fork();
    }
}

//! The single-pass tier in a guest's process: code is translated when it is first reached.
//!
//! [`Quick`] is another [`Translator`]. It keeps nothing between processes yet. Pieces
//! ([`rekindle_quick::Piece`]) go through the facade like any other code, each by itself, and find each other through the
//! jump cache of each thread: text isn't changed once it is published.

mod pieces;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rekindle_hart::{
    Exit, FaultKind, GuestFault, GuestState, Interpreter, attention, faulting_part, faults,
};
use rekindle_quick::{ExitKind, x86_64};

use self::pieces::Pieces;
use crate::abi::{self, LeftPiece, PieceCode, PieceDoors};
use crate::code_module::FindModule;
use crate::operands;
use crate::statistics::TierStatistics;
use crate::translator::{Entered, Translator};

/// Entries of [`Quick::recent`].
const RECENT_LEN: usize = 1024;

/// One guest thread's end of the single-pass tier, which the threads of a process share.
#[derive(Debug)]
pub struct Quick {
    shared: Arc<Shared>,
    doors: Arc<PieceDoors>,
    /// The removals that this thread's jump cache, interpreter and `recent` reflect.
    generation: u64,
    told: u64,
    /// Entries that this thread asked for, direct-mapped by guest PC: they are found without a lock.
    recent: Box<[Option<(u64, PieceCode)>; RECENT_LEN]>,
}

#[derive(Debug)]
struct Shared {
    pieces: Mutex<Pieces>,
    /// How often pieces were removed. Raised while these are locked: who sees a removal there, and waits
    /// for all threads to come by, knows that they have heard of it. See the rules in `abi.rs`.
    generation: AtomicU64,
}

impl Quick {
    /// A tier without code; `None` where this host can't run what it makes.
    #[must_use]
    pub fn new() -> Option<Self> {
        let (pieces, doors) = x86_64::is_supported().then(Pieces::new)??;
        let shared = Shared {
            pieces: Mutex::new(pieces),
            generation: AtomicU64::new(0),
        };
        Some(Self::of(Arc::new(shared), doors))
    }

    fn of(shared: Arc<Shared>, doors: Arc<PieceDoors>) -> Self {
        Self {
            shared,
            doors,
            generation: 0,
            told: 0,
            recent: Box::new([None; RECENT_LEN]),
        }
    }

    /// What was done. A region is a piece here.
    #[must_use]
    pub fn statistics(&self) -> TierStatistics {
        let pieces = self.shared.lock();
        TierStatistics {
            regions_compiled: pieces.translated,
            compile_ns_spent: pieces.spent_ns,
            ..TierStatistics::default()
        }
    }

    /// The code of the instruction at `pc`, which is translated now if its module is known.
    fn entry(&mut self, pc: u64) -> Option<PieceCode> {
        let recent = &mut self.recent[(pc >> 1) as usize % RECENT_LEN];
        if let Some((known, code)) = *recent
            && known == pc
        {
            return Some(code);
        }
        let code = self.shared.lock().entry_or_translate(pc)?;
        *recent = Some((pc, code));
        Some(code)
    }

    /// The exit for a fault in a piece; the state becomes that before its instruction.
    fn fault(&self, state: &mut GuestState) -> Exit {
        let Some(record) = faults::take_fault() else {
            unreachable!("a fault in a piece that nobody recorded");
        };
        abi::restore_landing(state, &record);
        let Some(pc) = self.shared.lock().guest_pc(record.host_pc) else {
            // It isn't the guest's: its state says nothing, and so would a signal.
            unreachable!("a fault in code of no piece: {record:x?}");
        };
        state.pc = pc;
        let address = match operands::accessed_address(state) {
            Some(accessed) => faulting_part(accessed, record.address),
            None => record.address,
        };
        let kind = FaultKind::from_signal(record.signal);
        Exit::Fault(GuestFault { address, kind })
    }

    /// Translates from `pc` on, unless that was done.
    fn translate(&self, pc: u64, modules: FindModule<'_>, interpreter: &mut Interpreter) {
        let mut pieces = self.shared.lock();
        if pieces.entry_or_translate(pc).is_none() {
            pieces.learn_module(pc, modules);
        }
        if pieces.entry_or_translate(pc).is_some() {
            interpreter.set_compiled(pc, true);
        }
    }
}

impl Shared {
    /// Runs `work` on what threads share, and publishes that pieces went if it says so.
    fn change(&self, work: impl FnOnce(&mut Pieces) -> bool) {
        let mut pieces = self.lock();
        if work(&mut pieces) {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pieces> {
        // A panic while it was held leaves maps as they were before or after one change.
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Translator for Quick {
    fn for_thread(&self) -> Self {
        Self::of(Arc::clone(&self.shared), Arc::clone(&self.doors))
    }

    fn is_active(&self) -> bool {
        true
    }

    fn note_decoded(&mut self, pc: u64, modules: FindModule<'_>, interpreter: &mut Interpreter) {
        self.translate(pc, modules, interpreter);
    }

    fn note_hot(&mut self, pc: u64, modules: FindModule<'_>, interpreter: &mut Interpreter) {
        self.translate(pc, modules, interpreter);
    }

    fn poll(&mut self) {}

    fn sync(&mut self, interpreter: &mut Interpreter) {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation != self.told {
            // What is still there is found when it is reached: the loop asks here first.
            interpreter.forget_compiled();
            self.told = generation;
        }
    }

    fn enter(&mut self, state: &mut GuestState) -> Entered {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation != self.generation {
            state.forget_jumps();
            self.recent.fill(None);
            self.generation = generation;
        }
        let Some(mut code) = self.entry(state.pc) else {
            return Entered::NotCompiled;
        };
        loop {
            // A rounding mode that the host lacks is the interpreter's.
            let Some(left) = abi::enter_piece(state, &self.doors, code) else {
                return Entered::Step;
            };
            match left {
                LeftPiece::Exit(ExitKind::Direct | ExitKind::Indirect) => {}
                LeftPiece::Exit(ExitKind::Syscall) => return Entered::Exit(Exit::Syscall),
                LeftPiece::Exit(ExitKind::Interpret) => return Entered::Step,
                LeftPiece::Exit(ExitKind::Attention) => return Entered::Exit(Exit::Dispatch),
                LeftPiece::Fault => return Entered::Exit(self.fault(state)),
            }
            code = match self.entry(state.pc) {
                Some(code) if !attention::is_raised(state.attention()) => code,
                _ => return Entered::Exit(Exit::Dispatch),
            };
            abi::remember_piece(state, state.pc, code);
        }
    }

    fn finish(&mut self, _: FindModule<'_>, _: &mut Interpreter) {}

    fn invalidate(&mut self, range: &Range<u64>) {
        self.shared.change(|pieces| {
            pieces.forget_modules(range);
            pieces.remove(range, |_, _| true)
        });
    }

    fn removals(&self) -> u64 {
        self.shared.lock().removals
    }

    fn retire(&mut self, upto: u64) {
        self.shared.lock().retire(upto);
    }

    fn check_sources(&mut self) {
        let is_gone = |start, bytes: &[u8]| !pieces::is_in_memory(start, bytes);
        self.shared
            .change(|pieces| pieces.remove(&(0..u64::MAX), is_gone));
    }

    fn make_faults_exact(&mut self) -> bool {
        false
    }

    fn faults_are_exact(&self) -> bool {
        true
    }

    fn flush(&mut self) {}

    fn fork(&mut self, fork: &mut dyn FnMut() -> bool) {
        // Nothing of it is half done in the child.
        let _pieces = self.shared.lock();
        fork();
    }
}

/// Nanoseconds since `start`.
fn elapsed_ns(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

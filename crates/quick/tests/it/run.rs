//! The door to translated code: pieces in memory that is executable, entered and left.
//!
//! Invariant: what is entered was written by our translator for memory at its address, is published, and
//! is kept until the runner is gone or told to forget it; and exits lead to our trampolines, which are
//! kept as long.

#![expect(unsafe_code, reason = "compiled code is entered")]

use rekindle_exec::{Arena, Demand, Entry, Published, signature_of};
use rekindle_hart::{GuestState, faults};
use rekindle_quick::x86_64::{self, Emitter, LANDING_OVERWRITES, Trampolines};
use rekindle_quick::{ExitKind, Host, Piece, Request, Translator, registers};

type Enter = unsafe extern "C" fn(u64, u64) -> u64;

/// Room for the code of one piece.
const PIECE_LEN: usize = 32 << 10;

/// How a guest came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// By an exit.
    Exit(ExitKind),
    /// By a fault; the guest PC and all registers are those before the instruction.
    Fault { address: u64, signal: i32 },
}

/// Translates and runs pieces.
pub(crate) struct Runner {
    arena: Arena,
    enter: Entry<Enter>,
    exits: [u64; ExitKind::ALL.len()],
    landing: u64,
    translator: Translator<Emitter>,
    pieces: Vec<(Published, Piece)>,
}

fn publish(arena: &Arena, code: &[u8]) -> Published {
    let demand = Demand {
        code_len: code.len(),
        data_align: 1,
        ..Demand::default()
    };
    let mut block = arena.reserve(demand).expect("memory");
    block.code_mut().copy_from_slice(code);
    block.publish().expect("executable memory")
}

impl Runner {
    pub(crate) fn new() -> Self {
        assert!(x86_64::is_supported(), "this host lacks instructions");
        faults::install(None, None);
        let arena = Arena::new();
        let Trampolines {
            code,
            enter,
            exits,
            landing,
        } = Trampolines::new();
        let published = publish(&arena, &code);
        let at = |offset: u32| published.code_address().0 + u64::from(offset);
        let entry = published.code_at(enter as usize).expect("it is code");
        Self {
            enter: Entry::new(entry, signature_of::<Enter>()).expect("the same type"),
            exits: exits.map(at),
            landing: at(landing),
            arena: Arena::new(),
            translator: Translator::new(Emitter::new()),
            pieces: Vec::new(),
        }
    }

    /// Forgets all pieces, and the jumps to them.
    pub(crate) fn forget(&mut self, state: &mut GuestState) {
        state.forget_jumps();
        self.pieces.clear();
        self.arena = Arena::new();
    }

    /// The host address of the code of `pc`.
    fn find(&self, pc: u64) -> Option<u64> {
        self.pieces.iter().find_map(|(code, piece)| {
            let host = piece.entry(pc)?;
            Some(code.code_address().0 + u64::from(host))
        })
    }

    fn translate(&mut self, pc: u64, bytes: &[u8], floats: bool) {
        let demand = Demand {
            code_len: PIECE_LEN,
            data_align: 1,
            ..Demand::default()
        };
        let mut block = self.arena.reserve(demand).expect("memory");
        let request = Request {
            pc,
            bytes,
            host_address: block.code_address().0,
            floats,
            looks_up: !floats,
        };
        let pieces = &self.pieces;
        let is_known = |pc| pieces.iter().any(|(_, piece)| piece.entry(pc).is_some());
        let piece = self.translator.translate(&request, &is_known).clone();
        let code = self.translator.host().code();
        block.code_mut()[..code.len()].copy_from_slice(code);
        self.pieces
            .push((block.publish().expect("executable memory"), piece));
    }

    /// Runs the guest from its PC, where `bytes` is, until it comes back; its rounding mode is one that
    /// the host has.
    pub(crate) fn run(&mut self, state: &mut GuestState, bytes: &[u8], floats: bool) -> Left {
        let entry = match self.find(state.pc) {
            Some(entry) => entry,
            None => {
                self.translate(state.pc, bytes, floats);
                self.find(state.pc)
                    .expect("the first instruction is an entry")
            }
        };
        // SAFETY: these are exits of our trampolines.
        unsafe { state.set_exits(self.exits) };
        // SAFETY: `entry` is code of that guest PC, and kept until jumps are forgotten.
        unsafe { state.remember_jump(state.pc, entry) };
        let mxcsr = x86_64::enter_mxcsr(state.frm).expect("a mode that the host has");
        // SAFETY: every exception is masked.
        unsafe { state.set_mxcsr(mxcsr) };
        let address = (&raw mut *state).expose_provenance() as u64;
        // SAFETY: the thread runs translated code alone until it is disarmed.
        unsafe { faults::arm(self.landing, address) };
        // SAFETY: `entry` is an entry of a piece, and the state is ours alone.
        let left = unsafe { (self.enter.function())(address, entry) };
        faults::disarm();
        state.fflags |= x86_64::fflags_of(state.mxcsr());
        if left != Trampolines::FAULT {
            return Left::Exit(ExitKind::ALL[left as usize]);
        }
        let record = faults::take_fault().expect("a fault");
        let overwritten = registers::INTEGER[usize::from(LANDING_OVERWRITES.0)];
        state.x[overwritten.index()] = record.first_argument;
        state.pc = self.guest_pc(record.host_pc);
        Left::Fault {
            address: record.address,
            signal: record.signal,
        }
    }

    fn guest_pc(&self, host_pc: u64) -> u64 {
        let found = self.pieces.iter().find_map(|(code, piece)| {
            let offset = host_pc.checked_sub(code.code_address().0)?;
            piece.guest_pc_at(u32::try_from(offset).ok()?)
        });
        found.expect("an instruction that may fault")
    }
}

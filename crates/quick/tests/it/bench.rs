//! Guest memory with code and data, and both ways of running it.

use rekindle_hart::guest_memory::{Pages, copy_in, copy_out, load16};
use rekindle_hart::{
    CodeRange, Exit, FaultKind, GuestFault, GuestState, Interpreter, faulting_part, fetch,
};
use rekindle_quick::ExitKind;
use rekindle_quick::x86_64::enter_mxcsr;
use rv_isa::Inst;

use crate::run::{Left, Runner};

pub(crate) const CODE_LEN: u64 = 0x1000;
pub(crate) const DATA_LEN: u64 = 0x2000;

pub(crate) struct Bench {
    pages: [Pages; 2],
    pub(crate) code: u64,
    pub(crate) data: u64,
    runner: Runner,
    interpreter: Interpreter,
    bytes: Vec<u8>,
    /// How many instructions translated code left to the interpreter.
    pub(crate) interpreted: u64,
    runs: u64,
}

/// What can be seen of a guest after it ran.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) exit: Exit,
    pub(crate) pc: u64,
    pub(crate) x: [u64; 32],
    pub(crate) f: [u64; 32],
    pub(crate) fflags: u32,
    pub(crate) frm: u32,
    pub(crate) data: Vec<u8>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let runner = Runner::new();
        let map = |len| Pages::map(len).expect("memory");
        let pages = [map(CODE_LEN), map(DATA_LEN)];
        let [code, data] = pages.each_ref().map(|pages| pages.range().start);
        Self {
            pages,
            code,
            data,
            runner,
            interpreter: Interpreter::new(false),
            bytes: Vec::new(),
            interpreted: 0,
            runs: 0,
        }
    }

    /// Writes a program, with instructions compressed where `compresses` says so and they can be, and a
    /// breakpoint after it.
    pub(crate) fn load(&mut self, program: &[Inst], mut compresses: impl FnMut() -> bool) {
        self.bytes.clear();
        for inst in program.iter().chain([&Inst::Ebreak]) {
            match rv_isa::encode_compressed(inst) {
                Some(half) if compresses() => self.bytes.extend(half.to_le_bytes()),
                _ => {
                    let word = rv_isa::encode(inst).expect("an instruction that encodes");
                    self.bytes.extend(word.to_le_bytes());
                }
            }
        }
        copy_out(self.code, &self.bytes).expect("code memory");
        self.interpreter.invalidate(&(0..u64::MAX));
    }

    pub(crate) fn start(&self, x: &[u64; 32], f: &[u64; 32], frm: u32) -> Box<GuestState> {
        let mut state = GuestState::new();
        (state.x, state.f, state.frm, state.pc) = (*x, *f, frm, self.code);
        state
    }

    pub(crate) fn set_data(&self, data: &[u8]) {
        copy_out(self.data, data).expect("data memory");
    }

    pub(crate) fn see(&self, state: &GuestState, exit: Exit) -> Seen {
        let mut data = vec![0; DATA_LEN as usize];
        copy_in(&mut data, self.data).expect("data memory");
        let GuestState {
            pc,
            x,
            f,
            fflags,
            frm,
            ..
        } = *state;
        Seen {
            exit,
            pc,
            x,
            f,
            fflags,
            frm,
            data,
        }
    }

    /// Interprets until something other than a block's end happens, or one instruction.
    pub(crate) fn interpret(&mut self, state: &mut GuestState, is_step: bool) -> Exit {
        let ranges = self.pages.each_ref().map(Pages::range);
        let executable = |address| {
            let range = ranges.iter().find(|it| it.contains(&address))?;
            Some(CodeRange {
                range: range.clone(),
                is_fixed: false,
            })
        };
        if is_step {
            self.interpreter.step(state, &executable)
        } else {
            self.interpreter.run(state, &executable, true)
        }
    }

    /// Runs translated code from the guest PC until it comes back.
    pub(crate) fn run_piece(&mut self, state: &mut GuestState) -> Left {
        let offset = (state.pc - self.code) as usize;
        let bytes = self.bytes[offset..].to_vec();
        self.runner.run(state, &bytes, false)
    }

    /// Runs translated code wherever there can be any.
    pub(crate) fn run_translated(&mut self, state: &mut GuestState, floats: bool) -> Exit {
        self.runs += 1;
        self.runner.forget(state);
        loop {
            let offset = state.pc.wrapping_sub(self.code) as usize;
            let bytes = self.bytes.get(offset..).unwrap_or_default().to_vec();
            let is_interpreted = enter_mxcsr(state.frm).is_none() || bytes.is_empty();
            let left = if is_interpreted {
                Left::Exit(ExitKind::Interpret)
            } else {
                self.runner.run(state, &bytes, floats)
            };
            match left {
                Left::Exit(ExitKind::Direct | ExitKind::Indirect | ExitKind::Attention) => {}
                Left::Exit(ExitKind::Syscall) => return Exit::Syscall,
                Left::Exit(ExitKind::Interpret) => {
                    self.interpreted += 1;
                    match self.interpret(state, true) {
                        Exit::Dispatch => {}
                        exit => return exit,
                    }
                }
                Left::Fault { address, signal } => {
                    let kind = FaultKind::from_signal(signal);
                    // The host doesn't always say which it is.
                    let address = faulting_part(accessed(state), address);
                    return Exit::Fault(GuestFault { address, kind });
                }
            }
        }
    }
}

/// The address that the instruction at the guest PC accesses.
fn accessed(state: &GuestState) -> u64 {
    let decoded = fetch(state.pc, load16).expect("it is mapped");
    let (base, offset) = match decoded.expect("it was translated").inst {
        Inst::Load { rs1, offset, .. }
        | Inst::Store { rs1, offset, .. }
        | Inst::FpLoad { rs1, offset, .. }
        | Inst::FpStore { rs1, offset, .. } => (rs1, offset),
        Inst::LoadReserved { rs1, .. }
        | Inst::StoreConditional { rs1, .. }
        | Inst::Amo { rs1, .. } => (rs1, 0),
        other => panic!("{other:?} faults"),
    };
    state.x[base.index()].wrapping_add_signed(offset.into())
}

//! The way in, and the ways out.

use rekindle_hart::GuestState;

use super::encode::{Form, Prefix, Rm, VexForm};
use super::{BIAS, BOX, Emitter, RAX, RSP, STATE, state};
use crate::host::{ExitKind, FloatHost, FloatReg, Host, MemoryHost, Reg};
use crate::layout;
use crate::registers::{FLOAT, INTEGER, S0, S1};

/// Registers that a function leaves as they were.
const CALLEE_SAVED: [u8; 6] = [5, 3, 12, 13, 14, 15];
const RDI: u8 = 7;
const RSI: u8 = 6;

/// Host code by which pieces are entered and left. It doesn't depend on where it is.
#[derive(Clone, Debug)]
pub struct Trampolines {
    /// The code.
    pub code: Vec<u8>,
    /// Of `extern "sysv64" fn(state: *mut GuestState, code: u64) -> u64`, which runs a piece from one of
    /// its entries and returns the number of the exit by which it came back, or [`Self::FAULT`]. The
    /// state's MXCSR field says how the host computes, and afterwards which exceptions there were.
    pub enter: u32,
    /// Of the exits, in the order of their kinds: where the state says that pieces leave.
    pub exits: [u32; ExitKind::ALL.len()],
    /// Where a fault in a piece goes on: the guest PC is then not in the state, and the
    /// register that [`LANDING_OVERWRITES`](super::LANDING_OVERWRITES) names holds something else.
    pub landing: u32,
}

impl Trampolines {
    /// What entering returns after a fault.
    pub const FAULT: u64 = ExitKind::ALL.len() as u64;

    /// Writes them.
    #[must_use]
    pub fn new() -> Self {
        let mut emitter = Emitter::new();
        emitter.begin(0);
        let enter = emitter.position();
        emitter.enter();
        let exits = ExitKind::ALL.map(|kind| {
            let start = emitter.position();
            emitter.store_state(layout::PC, S0);
            emitter.store_state(layout::LINK, S1);
            emitter.return_with(kind as u32);
            start
        });
        let landing = emitter.position();
        emitter.return_with(Self::FAULT as u32);
        Self {
            code: emitter.code().to_vec(),
            enter,
            exits,
            landing,
        }
    }
}

impl Default for Trampolines {
    fn default() -> Self {
        Self::new()
    }
}

/// What the host's register holds when a guest is entered whose rounding mode is `frm`: every exception
/// masked and none there. `None` where the host lacks the mode, so that no piece may be entered.
#[must_use]
pub const fn enter_mxcsr(frm: u32) -> Option<u32> {
    let field = match frm {
        0 => 0,
        1 => 3,
        2 => 1,
        3 => 2,
        _ => return None,
    };
    Some(0x1f80 | field << 13)
}

/// The guest's exceptions for those in the host's register: invalid, (denormal,) divide, overflow,
/// underflow, precision from bit 0, against inexact, underflow, overflow, divide, invalid.
#[must_use]
pub const fn fflags_of(mxcsr: u32) -> u32 {
    (mxcsr & 1) << 4
        | (mxcsr >> 2 & 1) << 3
        | (mxcsr >> 3 & 1) << 2
        | (mxcsr >> 4 & 1) << 1
        | (mxcsr >> 5 & 1)
}

impl Emitter {
    fn enter(&mut self) {
        for register in CALLEE_SAVED {
            self.push_or_pop(0x50, register);
        }
        self.op_immediate(5, true, Rm::R(RSP), 8);
        self.mxcsr(3, stack());
        let middle = Rm::M {
            base: RDI,
            displacement: BIAS,
        };
        self.op(0x8d, true, STATE, middle);
        self.mxcsr(2, state(layout::FLOAT_STATUS));
        self.mov(RAX, Rm::R(RSI));
        for (index, register) in INTEGER.into_iter().enumerate() {
            self.load_state(Reg(index as u8), layout::integer(register));
        }
        for (index, register) in FLOAT.into_iter().enumerate() {
            self.float_load_state(FloatReg(index as u8), layout::float(register));
        }
        self.vex(VexForm::two(Prefix::P66, 0x76), BOX, BOX, Rm::R(BOX));
        self.vex(VexForm::two(Prefix::P66, 0x73), 6, BOX, Rm::R(BOX));
        self.code.put8(32);
        // Moving a double-word between registers clears what is above.
        self.vex(VexForm::two(Prefix::F3, 0x7e), BOX, 0, Rm::R(BOX));
        self.op(0xff, false, 4, Rm::R(RAX));
    }

    /// Puts the guest's registers into the state, and returns from `enter`.
    fn return_with(&mut self, number: u32) {
        for (index, register) in INTEGER.into_iter().enumerate() {
            self.store_state(layout::integer(register), Reg(index as u8));
        }
        for (index, register) in FLOAT.into_iter().enumerate() {
            self.float_store_state(layout::float(register), FloatReg(index as u8));
        }
        self.constant_in(RAX, i64::from(number));
        self.mxcsr(3, state(layout::FLOAT_STATUS));
        self.mxcsr(2, stack());
        self.op_immediate(0, true, Rm::R(RSP), 8);
        for register in CALLEE_SAVED.into_iter().rev() {
            self.push_or_pop(0x58, register);
        }
        self.code.put8(0xc3);
    }

    fn push_or_pop(&mut self, opcode: u8, register: u8) {
        if register >= 8 {
            self.code.put8(0x41);
        }
        self.code.put8(opcode | register & 7);
    }

    /// Stores (3) or loads (2) the control and status register.
    fn mxcsr(&mut self, extension: u8, place: Rm) {
        self.code.legacy(Form::two(0xae), extension, place);
    }
}

/// The lowest word of the stack.
const fn stack() -> Rm {
    Rm::M {
        base: RSP,
        displacement: 0,
    }
}

const _: () = assert!(size_of::<GuestState>() < i32::MAX as usize);

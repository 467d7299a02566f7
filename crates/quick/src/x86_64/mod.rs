//! x86-64: the third level of the architecture, for shifts, counts and fused multiply-add.
//!
//! | host | holds |
//! |---|---|
//! | `rdi rsi rbx rcx r8 r9 r10 r11 r14 r15 r12 r13` | the guest's `a5 sp a0 a4 ra s0 a1 s1 a3 a2 s2 s3` |
//! | `rax`, `rdx` | scratch |
//! | `rbp` | the guest's state and 128, so that every integer register is within a byte's reach |
//! | `rsp` | the host's stack: that of whoever entered |
//! | `xmm3` to `xmm14` | the guest's `fa0` to `fa7`, `fs0`, `fs1`, `ft0`, `ft1` |
//! | `xmm0` to `xmm2` | scratch |
//! | `xmm15` | ones in the second word and zeros elsewhere, which boxes a single |
//! | MXCSR | the guest's rounding mode, and the exceptions since it was entered |
//!
//! No register of the guest's lives in `rbp` or `rsp`. With these as a base the host takes an address for
//! one on its stack: where it isn't canonical, the fault is another one, and Linux sends `SIGBUS`.
//!
//! Whoever enters does so through the code of [`Trampolines`], with a rounding mode that the host
//! has: 0 to 3.

mod control;
mod encode;
mod float;
mod integer;
mod memory;
mod trampolines;

use encode::{Buffer, Form, Prefix, Rm, VexForm};

use crate::host::{FloatReg, Host, Reg, Source};
use crate::registers::{FLOAT_PINNED, PINNED, S0, S1};

pub use trampolines::{Trampolines, enter_mxcsr, fflags_of};

/// What [`Trampolines::landing`] finds overwritten by the argument of whoever sent it there: the first
/// of the guest's integer registers that live in host registers.
pub const LANDING_OVERWRITES: Reg = Reg(0);

const RAX: u8 = 0;
const RDX: u8 = 2;
const RCX: u8 = 1;
const RSP: u8 = 4;
const RBP: u8 = 5;
const STATE: u8 = RBP;
/// How far into the state its register points.
const BIAS: i32 = 128;
/// Boxes a single.
const BOX: u8 = 15;

const REGISTERS: [u8; PINNED + 2] = [7, 6, 3, 1, 8, 9, 10, 11, 14, 15, 12, 13, RAX, RDX];

/// The host's number of a register.
#[inline]
fn r(register: Reg) -> u8 {
    REGISTERS[usize::from(register.0)]
}

/// The host's number of a floating-point register.
#[inline]
fn x(register: FloatReg) -> u8 {
    let number = register.0;
    let pinned = FLOAT_PINNED as u8;
    if number < pinned {
        number + 3
    } else {
        number - pinned
    }
}

/// A double-word of the state.
#[inline]
fn state(offset: i32) -> Rm {
    Rm::M {
        base: STATE,
        displacement: offset - BIAS,
    }
}

/// An operand.
#[inline]
fn source(source: Source) -> Rm {
    match source {
        Source::Reg(register) => Rm::R(r(register)),
        Source::State(offset) => state(offset),
    }
}

/// Whether this host has what the code needs.
#[must_use]
pub fn is_supported() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt") && has!("fma")
}

/// Writes x86-64 code.
#[derive(Debug, Default)]
pub struct Emitter {
    code: Buffer,
    origin: u64,
    addresses: Vec<u32>,
}

impl Emitter {
    /// One that has written nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `mov`, of double-words.
    #[inline]
    fn mov(&mut self, d: u8, rm: Rm) {
        if rm != Rm::R(d) {
            self.code.legacy(Form::one(0x8b).wide(true), d, rm);
        }
    }

    /// `movsxd`.
    #[inline]
    fn extend_word(&mut self, d: u8, s: u8) {
        self.code.legacy(Form::one(0x63).wide(true), d, Rm::R(s));
    }

    /// An operation without a prefix on a register and an operand.
    #[inline]
    fn op(&mut self, opcode: u8, wide: bool, reg: u8, rm: Rm) {
        self.code.legacy(Form::one(opcode).wide(wide), reg, rm);
    }

    /// An operation with an immediate: the group of `81` and `83`.
    #[inline]
    fn op_immediate(&mut self, extension: u8, wide: bool, rm: Rm, number: i32) {
        match i8::try_from(number) {
            Ok(byte) => {
                self.op(0x83, wide, extension, rm);
                self.code.put8(byte.cast_unsigned());
            }
            Err(_) => {
                self.op(0x81, wide, extension, rm);
                self.code.put32(number.cast_unsigned());
            }
        }
    }

    /// A three-operand operation on floating-point registers, of these numbers.
    #[inline]
    fn vex(&mut self, form: VexForm, d: u8, a: u8, b: Rm) {
        self.code.vex(form, d, a, b);
    }

    /// `movaps`.
    fn movaps(&mut self, d: u8, s: u8) {
        if d != s {
            self.vex(VexForm::two(Prefix::None, 0x28), d, 0, Rm::R(s));
        }
    }

    /// A short jump, to be given its end.
    fn short(&mut self, opcode: u8) -> usize {
        self.code.put(u64::from(opcode), 2);
        self.code.position()
    }

    /// A short jump goes here.
    fn end_short(&mut self, after: usize) {
        let distance = self.code.position() - after;
        let distance = i8::try_from(distance).expect("what is jumped over is short");
        self.code.set8(after - 1, distance.cast_unsigned());
    }
}

/// The opcode of a short conditional jump.
const fn short_if(cc: u8) -> u8 {
    0x70 | cc
}

/// The opcode of a short jump.
const SHORT: u8 = 0xeb;

impl Host for Emitter {
    type Code = [u8];

    fn begin(&mut self, address: u64) {
        self.code.clear();
        self.addresses.clear();
        self.origin = address;
    }

    fn code(&self) -> &[u8] {
        self.code.written()
    }

    #[inline]
    fn position(&self) -> u32 {
        self.code.position() as u32
    }

    fn addresses(&self) -> &[u32] {
        &self.addresses
    }
}

/// Whether no guest address is taken for one on the host's stack.
const fn are_no_stack_s() -> bool {
    let mut index = 0;
    while index < REGISTERS.len() {
        if matches!(REGISTERS[index], RSP | RBP) {
            return false;
        }
        index += 1;
    }
    true
}

const _: () = assert!(are_no_stack_s());
const _: () = assert!(S0.0 as usize == PINNED && S1.0 as usize == PINNED + 1);

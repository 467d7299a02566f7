//! The single-pass tier: RISC-V code to host code in one pass over its instructions.
//!
//! A [`Translator`] takes the bytes of guest code and makes host code of them, one *piece* at a time: up
//! to 64 instructions in a row, past branches that are not taken and past calls. It looks at each
//! instruction once and keeps nothing between two of them, so
//!
//! - every instruction is an entry, and no code exists twice ([`Entry`]; the second half of a call
//!   through `auipc` and `jalr` is the exception);
//! - the guest's registers are where they belong after each instruction, and so at every fault.
//!
//! Twelve integer registers and twelve floating-point registers of the guest live in host registers
//! everywhere ([`registers`]); the others are in the [`GuestState`](rekindle_hart::GuestState). What
//! is rare is left to the interpreter, one instruction at a time ([`ExitKind::Interpret`]).
//!
//! The translator knows no host: it speaks to a [`Host`]. The one for x86-64 is in [`x86_64`]. This
//! crate maps nothing and runs nothing; where code will live is a number to it.
//!
//! ```
//! use rekindle_quick::{Host, Request, Translator, x86_64::Emitter};
//! use rv_isa::{AluImmOp, Inst, XReg};
//!
//! let add = Inst::AluImm { op: AluImmOp::Addi, rd: XReg::A0, rs1: XReg::A0, imm: 2 };
//! let mut guest = Vec::new();
//! for inst in [add, Inst::Ecall] {
//!     guest.extend(rv_isa::encode(&inst).expect("it encodes").to_le_bytes());
//! }
//! let mut translator = Translator::new(Emitter::new());
//! let request = Request {
//!     pc: 0x1_0000,
//!     bytes: &guest,
//!     host_address: 0x10_0000,
//!     floats: false,
//!     looks_up: false,
//! };
//! let piece = translator.translate(&request, &|_| false);
//! assert_eq!(piece.entries.len(), 2);
//! assert_eq!(piece.guest_pc_at(0), Some(0x1_0000));
//! assert!(!translator.host().code().is_empty());
//! ```

#![forbid(unsafe_code)]

mod host;
mod layout;
mod piece;
pub mod registers;
mod translate;
pub mod x86_64;

pub use host::{
    Binary, Bit, Condition, ControlHost, Count, Division, ExitKind, Extend, Extreme, FloatHost,
    FloatReg, Host, IntegerHost, Jump, MemoryHost, MultiplyHigh, Reg, Rounding, Shift, Source,
    Width,
};
pub use piece::{DirectExit, Entry, Piece};
pub use translate::{MAX_INSTRUCTIONS, Request, Translator};

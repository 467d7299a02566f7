//! The instructions of a host, as the translator asks for them.
//!
//! Operands are registers by number: first those that hold the guest's ([`registers`](crate::registers)),
//! then scratch registers. An operation has its own destination, which may be any of its operands. Those on words ignore the
//! operands' upper halves and leave a sign-extended result, as RISC-V does. What a host can't say in
//! one instruction it says in several.
//!
//! Every access to guest memory faults before anything of the guest's registers changes.

mod control;
mod float;
mod integer;
mod memory;
mod operand;

pub use control::{ControlHost, ExitKind, Jump};
pub use float::{FloatHost, Rounding};
pub use integer::{
    Binary, Bit, Condition, Count, Division, Extend, Extreme, IntegerHost, MultiplyHigh, Shift,
    Width,
};
pub use memory::MemoryHost;
pub use operand::{FloatReg, Reg, Source};

/// A host: what the translator needs, and the code that was made.
pub trait Host: IntegerHost + MemoryHost + ControlHost + FloatHost {
    /// Code as this host has it.
    type Code: ?Sized;

    /// Begins a piece that will live at `address`.
    fn begin(&mut self, address: u64);

    /// The code of the piece.
    fn code(&self) -> &Self::Code;

    /// How long it is, in bytes.
    fn position(&self) -> u32;

    /// Where guest addresses stand in it that belong to its module; see
    /// [`Piece::addresses`](crate::Piece::addresses).
    fn addresses(&self) -> &[u32];
}

//! Operands.

/// An integer register of the host's, by the translator's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reg(pub u8);

/// A floating-point register of the host's, by the translator's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloatReg(pub u8);

/// Where an operand is that needs no register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a register.
    Reg(Reg),
    /// A double-word of the guest's state, at this offset.
    State(i32),
}

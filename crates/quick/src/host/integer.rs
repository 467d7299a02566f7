//! Integer operations.

use super::operand::{Reg, Source};

/// How much of a register counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 32 bits.
    Word,
    /// 64 bits.
    Double,
}

/// Operations on two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Binary {
    Add,
    Sub,
    And,
    Or,
    Xor,
}

/// Shifts and rotations, by an amount of which the low five or six bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// To the left.
    Left,
    /// To the right, filled with zeros.
    Right,
    /// To the right, filled with the sign.
    RightSigned,
    /// Rotation to the left.
    RotateLeft,
    /// Rotation to the right.
    RotateRight,
}

/// What a part of a register is extended to a whole one by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extend {
    /// A signed byte.
    I8,
    /// A signed half-word.
    I16,
    /// A signed word.
    I32,
    /// An unsigned half-word.
    U16,
    /// An unsigned word.
    U32,
}

/// How two registers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less, signed.
    Less,
    /// Greater or equal, signed.
    GreaterEqual,
    /// Less, unsigned.
    Below,
    /// Greater or equal, unsigned.
    AboveEqual,
}

/// Which of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The lesser, signed.
    Min,
    /// The greater, signed.
    Max,
    /// The lesser, unsigned.
    MinUnsigned,
    /// The greater, unsigned.
    MaxUnsigned,
}

/// Whose sign counts in the upper half of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultiplyHigh {
    /// Both operands'.
    Signed,
    /// The first one's.
    SignedUnsigned,
    /// Neither's.
    Unsigned,
}

/// A division, with RISC-V's results for a divisor of zero and for overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    /// Whether the remainder is asked for.
    pub remainder: bool,
    /// Whether operands are signed.
    pub signed: bool,
    /// Their width.
    pub width: Width,
}

/// What is done to one bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bit {
    /// It becomes 0.
    Clear,
    /// It becomes the result.
    Extract,
    /// It becomes the opposite.
    Invert,
    /// It becomes 1.
    Set,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Zeros above the highest one.
    LeadingZeros,
    /// Zeros below the lowest one.
    TrailingZeros,
    /// Ones.
    Ones,
}

/// Integer operations of a host.
pub trait IntegerHost {
    /// `d` = a number.
    fn constant(&mut self, d: Reg, value: i64);
    /// `d` = an address of the guest; if `floats`, one that moves with the code.
    fn guest_address(&mut self, d: Reg, address: u64, floats: bool);
    /// `d` = `s`.
    fn copy(&mut self, d: Reg, s: Reg);
    /// `d` = a part of `s`, extended.
    fn extend(&mut self, kind: Extend, d: Reg, s: Reg);
    /// `d` = `a` op `b`.
    fn binary(&mut self, op: Binary, width: Width, d: Reg, a: Reg, b: Source);
    /// `d` = `a` op a number.
    fn binary_immediate(&mut self, op: Binary, width: Width, d: Reg, a: Reg, number: i32);
    /// `d` = the complement of `s`.
    fn complement(&mut self, d: Reg, s: Reg);
    /// `d` = (`a` << `shift`) + `b`, where the shift is at most 3.
    fn add_shifted(&mut self, d: Reg, a: Reg, shift: u8, b: Reg);
    /// `d` = `a` shifted by `b`.
    fn shift(&mut self, op: Shift, width: Width, d: Reg, a: Reg, b: Reg);
    /// `d` = `a` shifted by a number below the width.
    fn shift_immediate(&mut self, op: Shift, width: Width, d: Reg, a: Reg, number: u8);
    /// `d` = 1 if `a` compares so with `b`, else 0.
    fn set(&mut self, condition: Condition, d: Reg, a: Reg, b: Source);
    /// `d` = 1 if `a` compares so with a number, else 0.
    fn set_immediate(&mut self, condition: Condition, d: Reg, a: Reg, number: i32);
    /// `d` = the lesser or greater of `a` and `b`.
    fn extreme(&mut self, which: Extreme, d: Reg, a: Reg, b: Reg);
    /// `d` = `a` × `b`.
    fn multiply(&mut self, width: Width, d: Reg, a: Reg, b: Source);
    /// `d` = the upper half of `a` × `b`, neither of which is a scratch register. Overwrites the second
    /// scratch register.
    fn multiply_high(&mut self, kind: MultiplyHigh, d: Reg, a: Source, b: Source);
    /// `d` = `a` ÷ `b` or its remainder. Neither operand is a scratch register. Overwrites the second
    /// one.
    fn divide(&mut self, kind: Division, d: Reg, a: Source, b: Source);
    /// `d` = `a` with the bit numbered `b` changed, of which the low six bits count.
    fn bit(&mut self, op: Bit, d: Reg, a: Reg, b: Reg);
    /// The same with a number below 64.
    fn bit_immediate(&mut self, op: Bit, d: Reg, a: Reg, number: u8);
    /// `d` = how many bits of `s`; those of a word where the width is one.
    fn count(&mut self, what: Count, width: Width, d: Reg, s: Reg);
    /// `d` = `s` with its bytes in the opposite order.
    fn reverse_bytes(&mut self, d: Reg, s: Reg);
    /// `d` = `s` with all bits set in bytes that aren't 0.
    fn fill_bytes(&mut self, d: Reg, s: Reg);
}

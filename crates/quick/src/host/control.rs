//! Jumps, and ways out.

use super::integer::{Condition, Width};
use super::operand::{Reg, Source};

/// A jump that doesn't know yet where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The place in the code that says where it goes.
    pub field: u32,
}

/// Why code leaves. The first scratch register holds a guest PC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitKind {
    /// A direct exit that isn't linked, to the guest PC; the second scratch register holds the host
    /// address of its field.
    Direct,
    /// An indirect jump to a guest PC that the jump cache doesn't hold.
    Indirect,
    /// The system call at the guest PC.
    Syscall,
    /// The instruction at the guest PC is the interpreter's.
    Interpret,
    /// Somebody asks for attention; the instruction at the guest PC is next.
    Attention,
}

impl ExitKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Direct,
        Self::Indirect,
        Self::Syscall,
        Self::Interpret,
        Self::Attention,
    ];
}

/// Jumps of a host.
pub trait ControlHost {
    /// Has a jump go to the current position.
    fn bind(&mut self, jump: Jump);
    /// Has a jump go to an earlier position.
    fn bind_to(&mut self, jump: Jump, position: u32);
    /// Goes elsewhere. This and [`Self::branch`] can be linked.
    fn jump(&mut self) -> Jump;
    /// Goes elsewhere if `a` compares so with `b`, or with 0 where there is none.
    fn branch(&mut self, condition: Condition, a: Reg, b: Option<Source>) -> Jump;
    /// Goes elsewhere if `address` isn't aligned to `width`.
    fn branch_misaligned(&mut self, address: Reg, width: Width) -> Jump;
    /// Goes elsewhere if a word of the state isn't a number.
    fn branch_state_differs(&mut self, offset: i32, number: i8) -> Jump;
    /// Goes elsewhere if the word isn't 0 whose address the state holds at `offset`. Overwrites the
    /// first scratch register.
    fn branch_attention(&mut self, offset: i32) -> Jump;
    /// Goes where the jump cache, which the state holds at `offset`, says of the guest PC in the
    /// first scratch register, which is even; or elsewhere. Overwrites the second one.
    fn jump_cached(&mut self, offset: i32) -> Jump;
    /// The second scratch register = the host address of a jump's field.
    fn field_address(&mut self, jump: Jump);
    /// Goes to the address that the state holds at `offset`, for good.
    fn leave(&mut self, offset: i32);
}

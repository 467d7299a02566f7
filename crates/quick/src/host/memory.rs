//! The guest's state and memory.

use rv_isa::{AmoOp, LoadOp, StoreOp};

use super::integer::Width;
use super::operand::{Reg, Source};

/// Accesses of a host.
pub trait MemoryHost {
    /// `d` = a double-word of the state.
    fn load_state(&mut self, d: Reg, offset: i32);
    /// A double-word of the state = `s`.
    fn store_state(&mut self, offset: i32, s: Reg);
    /// `d` = guest memory at `base` + `offset`.
    fn load(&mut self, op: LoadOp, d: Reg, base: Reg, offset: i32);
    /// Guest memory at `base` + `offset` = `s`.
    fn store(&mut self, op: StoreOp, base: Reg, offset: i32, s: Reg);
    /// No later load comes before an earlier store.
    fn fence(&mut self);
    /// Changes guest memory at `address`, which is aligned, atomically; `d` = what was there, if it is
    /// asked for. Returns whether it can be done with these operands; where not, nothing was emitted.
    /// Neither `value` nor `d` is a scratch register but that `d` may be the first. Overwrites the second
    /// one, unless it is the address, until whose last use it holds.
    fn atomic(
        &mut self,
        op: AmoOp,
        width: Width,
        d: Option<Reg>,
        address: Reg,
        value: Source,
    ) -> bool;
    /// Stores `value` to guest memory at `address`, which is aligned, if that is reserved and holds what
    /// it held then; `d` = 0, or 1 if not. The reservation is given up. Returns whether it can be done
    /// with these operands, as [`Self::atomic`] does.
    fn store_conditional(&mut self, width: Width, d: Reg, address: Reg, value: Source) -> bool;
}

//! Floating-point operations.
//!
//! They round as the guest's dynamic mode says and gather exceptions, in what the host has for that.
//! A register holds all 64 bits of the guest's. Operations on singles are given operands that are NaN-boxed,
//! as [`FloatHost::branch_unless_boxed`] finds out, and leave boxed results. NaN results may be the
//! host's, unless an operation says more: [`FloatHost::branch_nan`].

use rv_isa::{FpBinaryOp, FpCompareOp, FpFormat, FpFusedOp, FpMinMaxOp, FpSignInjectOp, IntFormat};

use super::control::Jump;
use super::operand::{FloatReg, Reg};

/// How a number becomes an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// As the guest's dynamic mode says.
    Dynamic,
    /// To nearest, ties to even.
    Nearest,
    /// Towards zero.
    Zero,
    /// Down.
    Down,
    /// Up.
    Up,
}

/// Floating-point operations of a host.
pub trait FloatHost {
    /// `d` = `s`, all bits.
    fn float_copy(&mut self, d: FloatReg, s: FloatReg);
    /// `d` = a double-word of the state.
    fn float_load_state(&mut self, d: FloatReg, offset: i32);
    /// A double-word of the state = `s`.
    fn float_store_state(&mut self, offset: i32, s: FloatReg);
    /// `d` = guest memory, boxed.
    fn float_load(&mut self, format: FpFormat, d: FloatReg, base: Reg, offset: i32);
    /// Guest memory = `s`, whose low half counts where the format is single.
    fn float_store(&mut self, format: FpFormat, base: Reg, offset: i32, s: FloatReg);
    /// `d` = the bits of `s`.
    fn float_to_bits(&mut self, d: Reg, s: FloatReg);
    /// `d` = the bits in `s`; the low half, boxed, where the format is single.
    fn float_from_bits(&mut self, format: FpFormat, d: FloatReg, s: Reg);
    /// Goes elsewhere unless `s` is a boxed single.
    fn branch_unless_boxed(&mut self, s: FloatReg) -> Jump;
    /// Goes elsewhere if `s` is a NaN; a quiet one raises nothing.
    fn branch_nan(&mut self, format: FpFormat, s: FloatReg) -> Jump;
    /// `d` = `a` op `b`.
    fn float_binary(
        &mut self,
        op: FpBinaryOp,
        format: FpFormat,
        d: FloatReg,
        a: FloatReg,
        b: FloatReg,
    );
    /// `d` = √`s`.
    fn float_sqrt(&mut self, format: FpFormat, d: FloatReg, s: FloatReg);
    /// The first scratch register, which only the first operand may be, = ±(`a` × `b`) ± `c`.
    fn float_fused(&mut self, op: FpFusedOp, format: FpFormat, operands: [FloatReg; 3]);
    /// `d` = `a` with a sign made from both, quietly. Overwrites all scratch registers; no operand is the
    /// third.
    fn float_sign(
        &mut self,
        op: FpSignInjectOp,
        format: FpFormat,
        d: FloatReg,
        a: FloatReg,
        b: FloatReg,
    );
    /// `d` = the lesser or greater; or goes elsewhere if one is a NaN, after it raised what RISC-V has
    /// it raise.
    fn float_extreme(
        &mut self,
        op: FpMinMaxOp,
        format: FpFormat,
        d: FloatReg,
        a: FloatReg,
        b: FloatReg,
    ) -> Jump;
    /// `d` = 1 if `a` compares so with `b`, else 0, with RISC-V's exceptions.
    fn float_compare(
        &mut self,
        op: FpCompareOp,
        format: FpFormat,
        d: Reg,
        a: FloatReg,
        b: FloatReg,
    );
    /// `d` = the number in `s`. An unsigned double-word is below 2⁶³.
    fn float_from_int(&mut self, format: FpFormat, int: IntFormat, d: FloatReg, s: Reg);
    /// Goes elsewhere unless `s`, rounded so, certainly fits. Overwrites the first scratch register.
    fn branch_unless_fits(
        &mut self,
        int: IntFormat,
        format: FpFormat,
        rounding: Rounding,
        s: FloatReg,
    ) -> Jump;
    /// `d` = `s` as an integer, which fits.
    fn float_to_int(
        &mut self,
        int: IntFormat,
        format: FpFormat,
        rounding: Rounding,
        d: Reg,
        s: FloatReg,
    );
    /// `d` = `s`, which is of the other format.
    fn float_convert(&mut self, to: FpFormat, d: FloatReg, s: FloatReg);
}

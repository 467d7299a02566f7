//! RISC-V instructions as data: decode, encode and disassemble RV64GC, Zba, Zbb and Zbs.
//!
//! Pure functions and tables: no memory, no machine state, no input or output.

#![forbid(unsafe_code)]

mod inst;
mod reg;

pub use inst::{
    AluImmOp, AluOp, AluUnaryOp, AmoOp, AmoOrdering, AmoWidth, BranchOp, Csr, CsrOp, CsrSource,
    Decoded, FpBinaryOp, FpCompareOp, FpFormat, FpFusedOp, FpMinMaxOp, FpSignInjectOp, Inst,
    IntFormat, LoadOp, RoundingMode, StoreOp,
};
pub use reg::{FReg, XReg};

/// Decodes the instruction that starts with the low bits of `word`.
///
/// `word` holds the next four bytes of the instruction stream, little-endian; where only two are
/// left, the upper half may be zero, and a 4-byte instruction then decodes wrongly: callers check
/// [`instruction_len`] against what they have. Returns `None` for a reserved or unknown encoding.
pub fn decode(word: u32) -> Option<Decoded> {
    let _ = word;
    None
}

/// The length in bytes of the instruction whose first half-word is `half`: 2 or 4.
pub const fn instruction_len(half: u16) -> u8 {
    if half & 3 == 3 { 4 } else { 2 }
}

//! RISC-V instructions as data: decode, encode and disassemble RV64GC, Zba, Zbb and Zbs.
//!
//! Pure functions and tables: no memory, no machine state, no input or output.

#![forbid(unsafe_code)]

mod compressed;
mod decode;
mod inst;
mod layout;
mod reg;
mod table;

pub use decode::decode;
pub use inst::{
    AluImmOp, AluOp, AluUnaryOp, AmoOp, AmoOrdering, AmoWidth, BranchOp, Csr, CsrOp, CsrSource,
    Decoded, FpBinaryOp, FpCompareOp, FpFormat, FpFusedOp, FpMinMaxOp, FpSignInjectOp, Inst,
    IntFormat, LoadOp, RoundingMode, StoreOp,
};
pub use reg::{FReg, XReg};

/// The length in bytes of the instruction whose first half-word is `half`: 2 or 4.
pub const fn instruction_len(half: u16) -> u8 {
    if half & 3 == 3 { 4 } else { 2 }
}

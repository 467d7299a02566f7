//! RISC-V instructions as data: decode, encode and disassemble RV64GC, Zba, Zbb and Zbs.
//!
//! Pure functions and tables: no memory, no machine state, no input or output.
//!
//! ```
//! use rv_isa::{decode, disassemble, encode, encode_compressed};
//!
//! let decoded = decode(0xffff_1141).expect("an instruction");
//! assert_eq!(decoded.len, 2);
//! assert_eq!(disassemble(decoded, 0x1_0000).to_string(), "c.addi\tsp,-16");
//! assert_eq!(encode_compressed(&decoded.inst), Some(0x1141));
//! assert_eq!(encode(&decoded.inst), Ok(0xff01_0113));
//! ```

#![forbid(unsafe_code)]

mod compress;
mod compressed;
mod decode;
mod disassemble;
mod encode;
mod inst;
mod layout;
mod reg;
mod table;

pub use compress::encode_compressed;
pub use decode::decode;
pub use disassemble::{Disassembly, disassemble};
pub use encode::{EncodeError, encode};
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

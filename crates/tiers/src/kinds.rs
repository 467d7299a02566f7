//! Kinds of instructions as patterns, each instruction in exactly one: a `match` over some of these
//! kinds needs no `_`, and a new instruction fails to compile until someone decides who translates it.

/// Integer arithmetic, accesses, control and CSRs.
macro_rules! integer_inst {
    () => {
        ::rv_isa::Inst::Lui { .. }
            | ::rv_isa::Inst::Auipc { .. }
            | ::rv_isa::Inst::Jal { .. }
            | ::rv_isa::Inst::Jalr { .. }
            | ::rv_isa::Inst::Branch { .. }
            | ::rv_isa::Inst::Load { .. }
            | ::rv_isa::Inst::Store { .. }
            | ::rv_isa::Inst::AluImm { .. }
            | ::rv_isa::Inst::Alu { .. }
            | ::rv_isa::Inst::AluUnary { .. }
            | ::rv_isa::Inst::Fence { .. }
            | ::rv_isa::Inst::FenceI
            | ::rv_isa::Inst::Ecall
            | ::rv_isa::Inst::Ebreak
            | ::rv_isa::Inst::Csr { .. }
    };
}

/// Atomic accesses.
macro_rules! atomic_inst {
    () => {
        ::rv_isa::Inst::LoadReserved { .. }
            | ::rv_isa::Inst::StoreConditional { .. }
            | ::rv_isa::Inst::Amo { .. }
    };
}

/// Floating-point arithmetic and accesses.
macro_rules! float_inst {
    () => {
        ::rv_isa::Inst::FpLoad { .. }
            | ::rv_isa::Inst::FpStore { .. }
            | ::rv_isa::Inst::FpBinary { .. }
            | ::rv_isa::Inst::FpSqrt { .. }
            | ::rv_isa::Inst::FpFused { .. }
            | ::rv_isa::Inst::FpSignInject { .. }
            | ::rv_isa::Inst::FpMinMax { .. }
            | ::rv_isa::Inst::FpCompare { .. }
            | ::rv_isa::Inst::FpClass { .. }
    };
}

/// Conversions, and moves between register files.
macro_rules! conversion_inst {
    () => {
        ::rv_isa::Inst::FpToInt { .. }
            | ::rv_isa::Inst::IntToFp { .. }
            | ::rv_isa::Inst::FpConvert { .. }
            | ::rv_isa::Inst::FpMoveToInt { .. }
            | ::rv_isa::Inst::FpMoveFromInt { .. }
    };
}

pub(crate) use {atomic_inst, conversion_inst, float_inst, integer_inst};

//! Integer operations: pure functions of their operands.

use rv_isa::{AluImmOp, AluOp, AluUnaryOp, BranchOp};

/// A word result, sign-extended as RV64 keeps it.
#[inline(always)]
const fn word(value: u32) -> u64 {
    value.cast_signed() as i64 as u64
}

/// The low word of a register.
#[inline(always)]
const fn low(value: u64) -> u32 {
    value as u32
}

/// Whether a branch is taken.
#[inline(always)]
pub(super) const fn branch(op: BranchOp, a: u64, b: u64) -> bool {
    match op {
        BranchOp::Eq => a == b,
        BranchOp::Ne => a != b,
        BranchOp::Lt => a.cast_signed() < b.cast_signed(),
        BranchOp::Ge => a.cast_signed() >= b.cast_signed(),
        BranchOp::Ltu => a < b,
        BranchOp::Geu => a >= b,
    }
}

/// An operation on a register and an immediate.
#[inline(always)]
pub(super) const fn alu_imm(op: AluImmOp, a: u64, imm: i32) -> u64 {
    let b = imm as i64 as u64;
    let shift = imm.cast_unsigned();
    match op {
        AluImmOp::Addi => a.wrapping_add(b),
        AluImmOp::Slti => (a.cast_signed() < b.cast_signed()) as u64,
        AluImmOp::Sltiu => (a < b) as u64,
        AluImmOp::Xori => a ^ b,
        AluImmOp::Ori => a | b,
        AluImmOp::Andi => a & b,
        AluImmOp::Slli => a.wrapping_shl(shift),
        AluImmOp::Srli => a.wrapping_shr(shift),
        AluImmOp::Srai => a.cast_signed().wrapping_shr(shift).cast_unsigned(),
        AluImmOp::Addiw => word(low(a).wrapping_add(low(b))),
        AluImmOp::Slliw => word(low(a).wrapping_shl(shift)),
        AluImmOp::Srliw => word(low(a).wrapping_shr(shift)),
        AluImmOp::Sraiw => low(a).cast_signed().wrapping_shr(shift) as i64 as u64,
        AluImmOp::SlliUw => (low(a) as u64).wrapping_shl(shift),
        AluImmOp::Rori => a.rotate_right(shift & 63),
        AluImmOp::Roriw => word(low(a).rotate_right(shift & 31)),
        AluImmOp::Bclri => a & !(1_u64.wrapping_shl(shift)),
        AluImmOp::Bexti => a.wrapping_shr(shift) & 1,
        AluImmOp::Binvi => a ^ 1_u64.wrapping_shl(shift),
        AluImmOp::Bseti => a | 1_u64.wrapping_shl(shift),
    }
}

/// An operation on two registers.
#[inline(always)]
pub(super) const fn alu(op: AluOp, a: u64, b: u64) -> u64 {
    let shift = b as u32;
    match op {
        AluOp::Add => a.wrapping_add(b),
        AluOp::Sub => a.wrapping_sub(b),
        AluOp::Sll => a.wrapping_shl(shift),
        AluOp::Slt => (a.cast_signed() < b.cast_signed()) as u64,
        AluOp::Sltu => (a < b) as u64,
        AluOp::Xor => a ^ b,
        AluOp::Srl => a.wrapping_shr(shift),
        AluOp::Sra => a.cast_signed().wrapping_shr(shift).cast_unsigned(),
        AluOp::Or => a | b,
        AluOp::And => a & b,
        AluOp::Addw => word(low(a).wrapping_add(low(b))),
        AluOp::Subw => word(low(a).wrapping_sub(low(b))),
        AluOp::Sllw => word(low(a).wrapping_shl(shift)),
        AluOp::Srlw => word(low(a).wrapping_shr(shift)),
        AluOp::Sraw => low(a).cast_signed().wrapping_shr(shift) as i64 as u64,
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::Mulw => word(low(a).wrapping_mul(low(b))),
        AluOp::Mulh | AluOp::Mulhsu | AluOp::Mulhu => multiply_high(op, a, b),
        AluOp::Div | AluOp::Divu | AluOp::Rem | AluOp::Remu => divide(op, a, b),
        AluOp::Divw | AluOp::Divuw | AluOp::Remw | AluOp::Remuw => divide_word(op, low(a), low(b)),
        AluOp::AddUw => (low(a) as u64).wrapping_add(b),
        AluOp::Sh1add => (a << 1).wrapping_add(b),
        AluOp::Sh2add => (a << 2).wrapping_add(b),
        AluOp::Sh3add => (a << 3).wrapping_add(b),
        AluOp::Sh1addUw => ((low(a) as u64) << 1).wrapping_add(b),
        AluOp::Sh2addUw => ((low(a) as u64) << 2).wrapping_add(b),
        AluOp::Sh3addUw => ((low(a) as u64) << 3).wrapping_add(b),
        AluOp::Andn => a & !b,
        AluOp::Orn => a | !b,
        AluOp::Xnor => !(a ^ b),
        AluOp::Max => {
            if a.cast_signed() < b.cast_signed() {
                b
            } else {
                a
            }
        }
        AluOp::Maxu => {
            if a < b {
                b
            } else {
                a
            }
        }
        AluOp::Min => {
            if a.cast_signed() < b.cast_signed() {
                a
            } else {
                b
            }
        }
        AluOp::Minu => {
            if a < b {
                a
            } else {
                b
            }
        }
        AluOp::Rol => a.rotate_left(shift & 63),
        AluOp::Ror => a.rotate_right(shift & 63),
        AluOp::Rolw => word(low(a).rotate_left(shift & 31)),
        AluOp::Rorw => word(low(a).rotate_right(shift & 31)),
        AluOp::Bclr => a & !(1_u64.wrapping_shl(shift)),
        AluOp::Bext => a.wrapping_shr(shift) & 1,
        AluOp::Binv => a ^ 1_u64.wrapping_shl(shift),
        AluOp::Bset => a | 1_u64.wrapping_shl(shift),
    }
}

/// The upper half of a product.
#[inline(always)]
const fn multiply_high(op: AluOp, a: u64, b: u64) -> u64 {
    let product = match op {
        AluOp::Mulh => (a.cast_signed() as i128) * (b.cast_signed() as i128),
        AluOp::Mulhsu => (a.cast_signed() as i128).wrapping_mul(b as i128),
        _ => (a as u128 * b as u128).cast_signed(),
    };
    (product >> 64) as u64
}

/// Division never traps: by zero it gives all ones and the dividend, on overflow the dividend and 0.
#[inline(always)]
const fn divide(op: AluOp, a: u64, b: u64) -> u64 {
    let (signed_a, signed_b) = (a.cast_signed(), b.cast_signed());
    match op {
        AluOp::Div if b == 0 => u64::MAX,
        AluOp::Div => signed_a.wrapping_div(signed_b).cast_unsigned(),
        AluOp::Divu if b == 0 => u64::MAX,
        AluOp::Divu => a / b,
        _ if b == 0 => a,
        AluOp::Rem => signed_a.wrapping_rem(signed_b).cast_unsigned(),
        _ => a % b,
    }
}

/// As [`divide`], on words.
#[inline(always)]
const fn divide_word(op: AluOp, a: u32, b: u32) -> u64 {
    let (signed_a, signed_b) = (a.cast_signed(), b.cast_signed());
    match op {
        AluOp::Divw | AluOp::Divuw if b == 0 => u64::MAX,
        AluOp::Divw => word(signed_a.wrapping_div(signed_b).cast_unsigned()),
        AluOp::Divuw => word(a / b),
        _ if b == 0 => word(a),
        AluOp::Remw => word(signed_a.wrapping_rem(signed_b).cast_unsigned()),
        _ => word(a % b),
    }
}

/// An operation on one register.
#[inline(always)]
pub(super) const fn alu_unary(op: AluUnaryOp, a: u64) -> u64 {
    match op {
        AluUnaryOp::Clz => a.leading_zeros() as u64,
        AluUnaryOp::Ctz => a.trailing_zeros() as u64,
        AluUnaryOp::Cpop => a.count_ones() as u64,
        AluUnaryOp::Clzw => low(a).leading_zeros() as u64,
        AluUnaryOp::Ctzw => low(a).trailing_zeros() as u64,
        AluUnaryOp::Cpopw => low(a).count_ones() as u64,
        AluUnaryOp::SextB => a as i8 as i64 as u64,
        AluUnaryOp::SextH => a as i16 as i64 as u64,
        AluUnaryOp::ZextH => a & 0xffff,
        AluUnaryOp::OrcB => {
            let any = (a & 0x7f7f_7f7f_7f7f_7f7f).wrapping_add(0x7f7f_7f7f_7f7f_7f7f) | a;
            ((any >> 7) & 0x0101_0101_0101_0101) * 0xff
        }
        AluUnaryOp::Rev8 => a.swap_bytes(),
    }
}

//! Which registers an instruction reads and writes, for the data flow over a region.

use rekindle_hart::guest_memory::load16;
use rekindle_hart::{GuestState, fetch};
use rv_isa::{Csr, CsrOp, CsrSource, FReg, FpFormat, FpSignInjectOp, Inst, XReg};

use crate::kinds::{atomic_inst, conversion_inst, float_inst, integer_inst};
use crate::reg_set::RegSet;

/// What one instruction does to the register files.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Operands {
    /// Integer registers read, `x0` left out.
    pub x_reads: RegSet,
    /// Integer registers written, `x0` left out.
    pub x_writes: RegSet,
    /// Floating-point registers read as singles whose boxing counts.
    pub f_single_reads: RegSet,
    /// Floating-point registers read as 64 raw bits or as doubles.
    pub f_raw_reads: RegSet,
    /// Floating-point registers of which the low 32 bits are read without regard to boxing.
    pub f_bits_reads: RegSet,
    /// Floating-point registers written with a boxed single.
    pub f_single_writes: RegSet,
    /// Floating-point registers written with 64 bits.
    pub f_raw_writes: RegSet,
    /// Whether the instruction can leave the region by itself, before taking effect.
    pub may_leave: bool,
    /// Whether the result depends on the dynamic rounding mode.
    pub dynamic_rounding: bool,
}

impl Operands {
    /// Floating-point registers written.
    pub(crate) const fn f_writes(&self) -> RegSet {
        self.f_single_writes.union(self.f_raw_writes)
    }

    /// Floating-point registers read in any way.
    pub(crate) const fn f_reads(&self) -> RegSet {
        self.f_single_reads
            .union(self.f_raw_reads)
            .union(self.f_bits_reads)
    }

    fn x_read(mut self, register: XReg) -> Self {
        if !register.is_zero() {
            self.x_reads.insert(register.index());
        }
        self
    }

    fn x_write(mut self, register: XReg) -> Self {
        if !register.is_zero() {
            self.x_writes.insert(register.index());
        }
        self
    }

    fn f_read(mut self, format: FpFormat, register: FReg) -> Self {
        match format {
            FpFormat::Single => self.f_single_reads.insert(register.index()),
            FpFormat::Double => self.f_raw_reads.insert(register.index()),
        }
        self
    }

    fn f_read_bits(mut self, format: FpFormat, register: FReg) -> Self {
        match format {
            FpFormat::Single => self.f_bits_reads.insert(register.index()),
            FpFormat::Double => self.f_raw_reads.insert(register.index()),
        }
        self
    }

    fn f_write(mut self, format: FpFormat, register: FReg) -> Self {
        match format {
            FpFormat::Single => self.f_single_writes.insert(register.index()),
            FpFormat::Double => self.f_raw_writes.insert(register.index()),
        }
        self
    }

    fn leaves(mut self) -> Self {
        self.may_leave = true;
        self
    }

    fn rounds(mut self, mode: rv_isa::RoundingMode) -> Self {
        self.dynamic_rounding = mode == rv_isa::RoundingMode::Dyn;
        self
    }
}

/// The operands of `inst`.
pub(crate) fn operands(inst: &Inst) -> Operands {
    let none = Operands::default();
    match *inst {
        Inst::Lui { rd, .. } | Inst::Auipc { rd, .. } | Inst::Jal { rd, .. } => none.x_write(rd),
        Inst::Jalr { rd, rs1, .. }
        | Inst::Load { rd, rs1, .. }
        | Inst::AluImm { rd, rs1, .. }
        | Inst::AluUnary { rd, rs1, .. } => none.x_read(rs1).x_write(rd),
        Inst::Branch { rs1, rs2, .. } | Inst::Store { rs1, rs2, .. } => {
            none.x_read(rs1).x_read(rs2)
        }
        Inst::Alu { rd, rs1, rs2, .. } => none.x_read(rs1).x_read(rs2).x_write(rd),
        Inst::Fence { .. } | Inst::FenceI | Inst::Ecall | Inst::Ebreak => none,
        Inst::Csr { rd, source, .. } => match source {
            CsrSource::Reg(rs1) => none.x_read(rs1).x_write(rd),
            CsrSource::Imm(_) => none.x_write(rd),
        },
        Inst::LoadReserved { rd, rs1, .. } => none.x_read(rs1).x_write(rd).leaves(),
        Inst::StoreConditional { rd, rs1, rs2, .. } | Inst::Amo { rd, rs1, rs2, .. } => {
            none.x_read(rs1).x_read(rs2).x_write(rd).leaves()
        }
        float_inst!() | conversion_inst!() => float_operands(inst),
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "a table: one arm for each shape of instruction"
)]
fn float_operands(inst: &Inst) -> Operands {
    let none = Operands::default();
    match *inst {
        Inst::FpLoad {
            format, rd, rs1, ..
        } => none.x_read(rs1).f_write(format, rd),
        Inst::FpStore {
            format, rs1, rs2, ..
        } => none.x_read(rs1).f_read_bits(format, rs2),
        Inst::FpBinary {
            format,
            rm,
            rd,
            rs1,
            rs2,
            ..
        } => none
            .f_read(format, rs1)
            .f_read(format, rs2)
            .f_write(format, rd)
            .rounds(rm),
        Inst::FpSqrt {
            format,
            rm,
            rd,
            rs1,
        } => none.f_read(format, rs1).f_write(format, rd).rounds(rm),
        Inst::FpFused {
            format,
            rm,
            rd,
            rs1,
            rs2,
            rs3,
            ..
        } => none
            .f_read(format, rs1)
            .f_read(format, rs2)
            .f_read(format, rs3)
            .f_write(format, rd)
            .rounds(rm),
        Inst::FpSignInject {
            op: FpSignInjectOp::Copy,
            format,
            rd,
            rs1,
            rs2,
        } if rs1 == rs2 => none.f_read(format, rs1).f_write(format, rd),
        Inst::FpSignInject {
            format,
            rd,
            rs1,
            rs2,
            ..
        }
        | Inst::FpMinMax {
            format,
            rd,
            rs1,
            rs2,
            ..
        } => none
            .f_read(format, rs1)
            .f_read(format, rs2)
            .f_write(format, rd),
        Inst::FpCompare {
            format,
            rd,
            rs1,
            rs2,
            ..
        } => none.f_read(format, rs1).f_read(format, rs2).x_write(rd),
        Inst::FpClass { format, rd, rs1 } => none.f_read(format, rs1).x_write(rd),
        Inst::FpToInt {
            format,
            rm,
            rd,
            rs1,
            ..
        } => none.f_read(format, rs1).x_write(rd).rounds(rm),
        Inst::IntToFp {
            format,
            rm,
            rd,
            rs1,
            ..
        } => none.x_read(rs1).f_write(format, rd).rounds(rm),
        Inst::FpConvert {
            to: FpFormat::Single,
            rm,
            rd,
            rs1,
        } => none
            .f_read(FpFormat::Double, rs1)
            .f_write(FpFormat::Single, rd)
            .rounds(rm),
        Inst::FpConvert {
            to: FpFormat::Double,
            rm,
            rd,
            rs1,
        } => none
            .f_read(FpFormat::Single, rs1)
            .f_write(FpFormat::Double, rd)
            .rounds(rm),
        Inst::FpMoveToInt { format, rd, rs1 } => none.f_read_bits(format, rs1).x_write(rd),
        Inst::FpMoveFromInt { format, rd, rs1 } => none.x_read(rs1).f_write(format, rd),
        integer_inst!() | atomic_inst!() => none,
    }
}

/// Whether compiling `inst` needs the guest's floating-point environment to be what it is at
/// exactly this point: accesses to `fflags`, `frm` and `fcsr`.
pub(crate) fn touches_environment(inst: &Inst) -> bool {
    matches!(inst, Inst::Csr { csr, .. } if matches!(*csr, Csr::FFLAGS | Csr::FRM | Csr::FCSR))
}

/// Whether `inst` may change the rounding mode.
pub(crate) fn changes_rounding(inst: &Inst) -> bool {
    let Inst::Csr {
        op, csr, source, ..
    } = *inst
    else {
        return false;
    };
    let reads_only = op != CsrOp::Write
        && match source {
            CsrSource::Reg(register) => register.is_zero(),
            CsrSource::Imm(bits) => bits == 0,
        };
    matches!(csr, Csr::FRM | Csr::FCSR) && !reads_only
}

/// Whether `inst` is an ordinary load or store.
pub(crate) fn is_access(inst: &Inst) -> bool {
    matches!(
        inst,
        Inst::Load { .. } | Inst::Store { .. } | Inst::FpLoad { .. } | Inst::FpStore { .. }
    )
}

/// The address that the instruction at the guest PC accesses, if it is an access to memory; the
/// state is exact.
pub(crate) fn accessed_address(state: &GuestState) -> Option<u64> {
    let (base, offset) = match fetch(state.pc, load16).ok()??.inst {
        Inst::Load { rs1, offset, .. }
        | Inst::Store { rs1, offset, .. }
        | Inst::FpLoad { rs1, offset, .. }
        | Inst::FpStore { rs1, offset, .. } => (rs1, offset),
        Inst::LoadReserved { rs1, .. }
        | Inst::StoreConditional { rs1, .. }
        | Inst::Amo { rs1, .. } => (rs1, 0),
        _ => return None,
    };
    Some(state.x[base.index()].wrapping_add_signed(offset.into()))
}

/// Whether `inst` can raise floating-point exceptions or depends on the rounding mode, so that
/// Cranelift must not move, merge or delete it.
pub(crate) fn is_arithmetic(inst: &Inst) -> bool {
    matches!(
        inst,
        Inst::FpBinary { .. }
            | Inst::FpSqrt { .. }
            | Inst::FpFused { .. }
            | Inst::FpMinMax { .. }
            | Inst::FpCompare { .. }
            | Inst::FpToInt { .. }
            | Inst::IntToFp { .. }
            | Inst::FpConvert { .. }
    )
}

/// Whether `inst` does nothing but write a register, so that Cranelift drops it where nothing reads
/// that register.
pub(crate) fn has_no_effect(inst: &Inst) -> bool {
    matches!(
        inst,
        Inst::Lui { .. }
            | Inst::Auipc { .. }
            | Inst::Jal { .. }
            | Inst::AluImm { .. }
            | Inst::Alu { .. }
            | Inst::AluUnary { .. }
            | Inst::FpSignInject { .. }
            | Inst::FpMoveToInt { .. }
            | Inst::FpMoveFromInt { .. }
    )
}

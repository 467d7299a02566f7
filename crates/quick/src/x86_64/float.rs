//! Floating-point operations: the host's, whose exceptions and rounding are RISC-V's.
//!
//! An operation on singles takes the upper half of its result from its first operand, so boxed operands
//! make a boxed result.

use rv_isa::{FpBinaryOp, FpCompareOp, FpFormat, FpFusedOp, FpMinMaxOp, FpSignInjectOp, IntFormat};

use super::encode::{Map, Prefix, Rm, VexForm, cc};
use super::memory::at;
use super::{BOX, Emitter, RAX, SHORT, r, short_if, state, x};
use crate::host::{Extend, FloatHost, FloatReg, IntegerHost, Jump, Reg, Rounding};
use crate::registers::{T0, T1, T2};

/// An operation on one number, by its opcode.
const fn scalar(format: FpFormat, opcode: u8) -> VexForm {
    let prefix = match format {
        FpFormat::Single => Prefix::F3,
        FpFormat::Double => Prefix::F2,
    };
    VexForm::two(prefix, opcode)
}

/// The prefix of comparisons that set flags.
const fn flag_prefix(format: FpFormat) -> Prefix {
    match format {
        FpFormat::Single => Prefix::None,
        FpFormat::Double => Prefix::P66,
    }
}

const ANDPS: VexForm = VexForm::two(Prefix::None, 0x54);
const ANDNPS: VexForm = VexForm::two(Prefix::None, 0x55);
const ORPS: VexForm = VexForm::two(Prefix::None, 0x56);
const XORPS: VexForm = VexForm::two(Prefix::None, 0x57);
const PCMPEQD: VexForm = VexForm::two(Prefix::P66, 0x76);
/// Shifts of double-words by an immediate; the register number says which.
const SHIFT_DOUBLES: VexForm = VexForm::two(Prefix::P66, 0x73);
const FROM_BITS: VexForm = VexForm::two(Prefix::P66, 0x6e);
const TO_BITS: VexForm = VexForm::two(Prefix::P66, 0x7e);

/// The rounding field of `roundsd`.
const fn round_field(rounding: Rounding) -> Option<u8> {
    match rounding {
        Rounding::Nearest => Some(0),
        Rounding::Down => Some(1),
        Rounding::Up => Some(2),
        Rounding::Dynamic | Rounding::Zero => None,
    }
}

const fn is_signed(int: IntFormat) -> bool {
    matches!(int, IntFormat::Word | IntFormat::Long)
}

impl Emitter {
    fn ucomis(&mut self, format: FpFormat, a: FloatReg, b: FloatReg) {
        let form = VexForm::two(flag_prefix(format), 0x2e);
        self.vex(form, x(a), 0, Rm::R(x(b)));
    }

    /// The third scratch register = the bit that is a number's sign.
    fn sign_mask(&mut self, format: FpFormat) {
        let mask = x(T2);
        self.vex(PCMPEQD, mask, mask, Rm::R(mask));
        let mut shift = |extension: u8, number: u8| {
            self.vex(SHIFT_DOUBLES, extension, mask, Rm::R(mask));
            self.code.put8(number);
        };
        match format {
            FpFormat::Double => shift(6, 63),
            FpFormat::Single => {
                shift(2, 63);
                shift(6, 31);
            }
        }
    }

    fn logic(&mut self, form: VexForm, d: FloatReg, a: FloatReg, b: FloatReg) {
        self.vex(form, x(d), x(a), Rm::R(x(b)));
    }
}

impl FloatHost for Emitter {
    fn float_copy(&mut self, d: FloatReg, s: FloatReg) {
        self.movaps(x(d), x(s));
    }

    fn float_load_state(&mut self, d: FloatReg, offset: i32) {
        self.vex(scalar(FpFormat::Double, 0x10), x(d), 0, state(offset));
    }

    fn float_store_state(&mut self, offset: i32, s: FloatReg) {
        self.vex(scalar(FpFormat::Double, 0x11), x(s), 0, state(offset));
    }

    fn float_load(&mut self, format: FpFormat, d: FloatReg, base: Reg, offset: i32) {
        let form = scalar(format, 0x10);
        match format {
            FpFormat::Double => self.vex(form, x(d), 0, at(base, offset)),
            FpFormat::Single => {
                self.vex(form, x(T0), 0, at(base, offset));
                self.vex(ORPS, x(d), x(T0), Rm::R(BOX));
            }
        }
    }

    fn float_store(&mut self, format: FpFormat, base: Reg, offset: i32, s: FloatReg) {
        self.vex(scalar(format, 0x11), x(s), 0, at(base, offset));
    }

    fn float_to_bits(&mut self, d: Reg, s: FloatReg) {
        self.vex(TO_BITS.wide(true), x(s), 0, Rm::R(r(d)));
    }

    fn float_from_bits(&mut self, format: FpFormat, d: FloatReg, s: Reg) {
        let s = Rm::R(r(s));
        match format {
            FpFormat::Double => self.vex(FROM_BITS.wide(true), x(d), 0, s),
            FpFormat::Single => {
                self.vex(FROM_BITS, x(T0), 0, s);
                self.vex(ORPS, x(d), x(T0), Rm::R(BOX));
            }
        }
    }

    fn branch_unless_boxed(&mut self, s: FloatReg) -> Jump {
        // Sets the carry flag if no bit of the second operand is missing in the first.
        let ptest = VexForm::two(Prefix::P66, 0x17).map(Map::Three38);
        self.vex(ptest, x(s), 0, Rm::R(BOX));
        self.jump_if(cc::AE)
    }

    fn branch_nan(&mut self, format: FpFormat, s: FloatReg) -> Jump {
        self.ucomis(format, s, s);
        self.jump_if(cc::P)
    }

    fn float_binary(
        &mut self,
        op: FpBinaryOp,
        format: FpFormat,
        d: FloatReg,
        a: FloatReg,
        b: FloatReg,
    ) {
        let opcode = match op {
            FpBinaryOp::Add => 0x58,
            FpBinaryOp::Mul => 0x59,
            FpBinaryOp::Sub => 0x5c,
            FpBinaryOp::Div => 0x5e,
        };
        self.logic(scalar(format, opcode), d, a, b);
    }

    fn float_sqrt(&mut self, format: FpFormat, d: FloatReg, s: FloatReg) {
        self.logic(scalar(format, 0x51), d, s, s);
    }

    fn float_fused(&mut self, op: FpFusedOp, format: FpFormat, operands: [FloatReg; 3]) {
        let [a, b, c] = operands;
        // d = b × d + c and its kin.
        let opcode = match op {
            FpFusedOp::Madd => 0xa9,
            FpFusedOp::Msub => 0xab,
            FpFusedOp::Nmsub => 0xad,
            FpFusedOp::Nmadd => 0xaf,
        };
        let form = VexForm::two(Prefix::P66, opcode)
            .map(Map::Three38)
            .wide(format == FpFormat::Double);
        self.float_copy(T0, a);
        self.logic(form, T0, b, c);
    }

    fn float_sign(
        &mut self,
        op: FpSignInjectOp,
        format: FpFormat,
        d: FloatReg,
        a: FloatReg,
        b: FloatReg,
    ) {
        if a == b && op == FpSignInjectOp::Copy {
            return self.float_copy(d, a);
        }
        self.sign_mask(format);
        match op {
            FpSignInjectOp::Negate if a == b => self.logic(XORPS, d, a, T2),
            FpSignInjectOp::Xor if a == b => self.logic(ANDNPS, d, T2, a),
            FpSignInjectOp::Copy | FpSignInjectOp::Negate => {
                // Where the signs differ, or don't, the first one's is turned round.
                self.logic(XORPS, T1, a, b);
                let form = match op {
                    FpSignInjectOp::Negate => ANDNPS,
                    FpSignInjectOp::Copy | FpSignInjectOp::Xor => ANDPS,
                };
                self.logic(form, T1, T1, T2);
                self.logic(XORPS, d, a, T1);
            }
            FpSignInjectOp::Xor => {
                self.logic(ANDPS, T1, b, T2);
                self.logic(XORPS, d, a, T1);
            }
        }
    }

    fn float_extreme(
        &mut self,
        op: FpMinMaxOp,
        format: FpFormat,
        d: FloatReg,
        a: FloatReg,
        b: FloatReg,
    ) -> Jump {
        self.ucomis(format, a, b);
        let unordered = self.jump_if(cc::P);
        let equal = self.short(short_if(cc::E));
        let (opcode, of_equals) = match op {
            FpMinMaxOp::Min => (0x5d, ORPS),
            FpMinMaxOp::Max => (0x5f, ANDPS),
        };
        self.logic(scalar(format, opcode), d, a, b);
        let done = self.short(SHORT);
        self.end_short(equal);
        // Zeros of either sign are equal.
        self.logic(of_equals, d, a, b);
        self.end_short(done);
        unordered
    }

    fn float_compare(
        &mut self,
        op: FpCompareOp,
        format: FpFormat,
        d: Reg,
        a: FloatReg,
        b: FloatReg,
    ) {
        // The first is quiet, the others signal.
        let predicate = match op {
            FpCompareOp::Eq => 0,
            FpCompareOp::Lt => 1,
            FpCompareOp::Le => 2,
        };
        self.logic(scalar(format, 0xc2), T2, a, b);
        self.code.put8(predicate);
        self.vex(TO_BITS, x(T2), 0, Rm::R(r(d)));
        self.op_immediate(4, false, Rm::R(r(d)), 1);
    }

    fn float_from_int(&mut self, format: FpFormat, int: IntFormat, d: FloatReg, s: Reg) {
        let (s, wide) = match int {
            IntFormat::Word => (r(s), false),
            IntFormat::WordUnsigned => {
                self.op(0x8b, false, RAX, Rm::R(r(s)));
                (RAX, true)
            }
            IntFormat::Long | IntFormat::LongUnsigned => (r(s), true),
        };
        self.vex(scalar(format, 0x2a).wide(wide), x(d), BOX, Rm::R(s));
    }

    fn branch_unless_fits(
        &mut self,
        int: IntFormat,
        format: FpFormat,
        rounding: Rounding,
        s: FloatReg,
    ) -> Jump {
        // From this exponent on a double is an integer, and so can't be rounded up to what is too large.
        let is_exact = rounding == Rounding::Zero;
        let bits = match int {
            IntFormat::Word => 31 - i32::from(!is_exact),
            IntFormat::WordUnsigned => 32 - i32::from(!is_exact),
            IntFormat::Long | IntFormat::LongUnsigned => 63,
        };
        let (fraction, bias, sign_at) = match format {
            FpFormat::Single => (23, 127, 32),
            FpFormat::Double => (52, 1023, 64),
        };
        let wide = format == FpFormat::Double;
        self.vex(TO_BITS.wide(wide), x(s), 0, Rm::R(RAX));
        // The sign of an unsigned number stays, and makes a negative one too large.
        let mut shift = fraction;
        if is_signed(int) {
            self.op(0x03, wide, RAX, Rm::R(RAX));
            shift += 1;
        }
        debug_assert!(shift < sign_at, "the exponent stays");
        self.op(0xc1, wide, 5, Rm::R(RAX));
        self.code.put8(shift);
        self.op_immediate(7, false, Rm::R(RAX), bias + bits);
        self.jump_if(cc::AE)
    }

    fn float_to_int(
        &mut self,
        int: IntFormat,
        format: FpFormat,
        rounding: Rounding,
        d: Reg,
        s: FloatReg,
    ) {
        let mut s = x(s);
        if let Some(field) = round_field(rounding) {
            let opcode = match format {
                FpFormat::Single => 0x0a,
                FpFormat::Double => 0x0b,
            };
            let form = VexForm::two(Prefix::P66, opcode).map(Map::Three3A);
            self.vex(form, x(T0), s, Rm::R(s));
            self.code.put8(field);
            s = x(T0);
        }
        let opcode = match rounding {
            Rounding::Dynamic => 0x2d,
            Rounding::Zero | Rounding::Nearest | Rounding::Down | Rounding::Up => 0x2c,
        };
        self.vex(scalar(format, opcode).wide(true), r(d), 0, Rm::R(s));
        if int == IntFormat::WordUnsigned {
            self.extend(Extend::I32, d, d);
        }
    }

    fn float_convert(&mut self, to: FpFormat, d: FloatReg, s: FloatReg) {
        let from = match to {
            FpFormat::Single => FpFormat::Double,
            FpFormat::Double => FpFormat::Single,
        };
        self.vex(scalar(from, 0x5a), x(d), BOX, Rm::R(x(s)));
    }
}

//! Integer operations.

use super::encode::{Form, Map, Prefix, Rm, VexForm, cc};
use super::{Emitter, RAX, RCX, RDX, SHORT, r, short_if, source};
use crate::host::{
    Binary, Bit, Condition, Count, Division, Extend, Extreme, IntegerHost, MultiplyHigh, Reg,
    Shift, Source, Width,
};

/// Whether an operation is on double-words.
const fn is_wide(width: Width) -> bool {
    matches!(width, Width::Double)
}

/// The opcode of an operation, and its number in the group of immediates.
const fn opcode(op: Binary) -> (u8, u8) {
    match op {
        Binary::Add => (0x03, 0),
        Binary::Or => (0x0b, 1),
        Binary::And => (0x23, 4),
        Binary::Sub => (0x2b, 5),
        Binary::Xor => (0x33, 6),
    }
}

/// The condition code.
pub(super) const fn condition_code(condition: Condition) -> u8 {
    match condition {
        Condition::Equal => cc::E,
        Condition::NotEqual => cc::NE,
        Condition::Less => cc::L,
        Condition::GreaterEqual => cc::GE,
        Condition::Below => cc::B,
        Condition::AboveEqual => cc::AE,
    }
}

impl Emitter {
    /// Moves what is in `s`, extended if it is a word.
    fn result(&mut self, width: Width, d: u8, s: u8) {
        match width {
            Width::Word => self.extend_word(d, s),
            Width::Double => self.mov(d, Rm::R(s)),
        }
    }

    pub(super) fn compare(&mut self, a: Reg, b: Source) {
        self.op(0x3b, true, r(a), source(b));
    }

    /// `d` = 1 if the condition holds.
    pub(super) fn set_if(&mut self, code: u8, d: u8) {
        self.code.legacy(Form::two(0x90 | code), 0, Rm::R(RAX));
        self.op_movzx8(d, RAX);
    }

    fn op_movzx8(&mut self, d: u8, s: u8) {
        self.code.legacy(Form::two(0xb6).byte(s), d, Rm::R(s));
    }

    pub(super) fn constant_in(&mut self, d: u8, value: i64) {
        if value == 0 {
            self.op(0x33, false, d, Rm::R(d));
        } else if let Ok(word) = u32::try_from(value) {
            let rex = if d >= 8 { 0x41 } else { 0 };
            self.opcode_in(rex, 0xb8 | d & 7);
            self.code.put32(word);
        } else if let Ok(word) = i32::try_from(value) {
            self.op(0xc7, true, 0, Rm::R(d));
            self.code.put32(word.cast_unsigned());
        } else {
            self.opcode_in(0x48 | d >> 3, 0xb8 | d & 7);
            self.code.put(value.cast_unsigned(), 8);
        }
    }

    /// A prefix, if it is one, and an opcode.
    fn opcode_in(&mut self, rex: u8, opcode: u8) {
        match rex {
            0 => self.code.put8(opcode),
            _ => self.code.put(u64::from(opcode) << 8 | u64::from(rex), 2),
        }
    }

    /// `rax` = `a`, rotated by the low bits of `b`. The host wants the amount in `rcx`, which is the
    /// guest's: it comes back before anything else happens.
    fn rotate(&mut self, extension: u8, width: Width, a: u8, b: u8) {
        self.mov(RAX, Rm::R(a));
        let rotate = |this: &mut Self| this.op(0xd3, is_wide(width), extension, Rm::R(RAX));
        match b {
            RCX => rotate(self),
            RDX => {
                self.op(0x87, true, RCX, Rm::R(RDX));
                rotate(self);
                self.op(0x87, true, RCX, Rm::R(RDX));
            }
            _ => {
                self.mov(RDX, Rm::R(RCX));
                self.mov(RCX, Rm::R(b));
                rotate(self);
                self.mov(RCX, Rm::R(RDX));
            }
        }
    }

    /// A shift by an amount in a register, as the second level of bit manipulation has it.
    fn shift_by(&mut self, prefix: Prefix, wide: bool, d: u8, a: u8, b: u8) {
        let form = VexForm::two(prefix, 0xf7).map(Map::Three38).wide(wide);
        self.vex(form, d, b, Rm::R(a));
    }

    /// `rax` and `rdx` = quotient and remainder, signed.
    fn divide_signed(&mut self, wide: bool, b: Rm) {
        // A divisor of −1 or 0 is the host's trouble.
        self.mov(RDX, b);
        self.op(0xff, wide, 0, Rm::R(RDX));
        self.op_immediate(7, wide, Rm::R(RDX), 1);
        let ordinary = self.short(short_if(cc::A));
        let zero = self.short(short_if(cc::E));
        // By −1: the remainder is 0, which the increment left.
        self.op(0xf7, wide, 3, Rm::R(RAX));
        let by_minus_one = self.short(SHORT);
        self.end_short(zero);
        self.divided_by_zero();
        let by_zero = self.short(SHORT);
        self.end_short(ordinary);
        self.code
            .put(if wide { 0x9948 } else { 0x99 }, 1 + usize::from(wide));
        self.op(0xf7, wide, 7, b);
        self.end_short(by_minus_one);
        self.end_short(by_zero);
    }

    /// The same, unsigned.
    fn divide_unsigned(&mut self, wide: bool, b: Rm) {
        self.op_immediate(7, wide, b, 0);
        let ordinary = self.short(short_if(cc::NE));
        self.divided_by_zero();
        let by_zero = self.short(SHORT);
        self.end_short(ordinary);
        self.constant_in(RDX, 0);
        self.op(0xf7, wide, 6, b);
        self.end_short(by_zero);
    }

    fn divided_by_zero(&mut self) {
        self.mov(RDX, Rm::R(RAX));
        self.constant_in(RAX, -1);
    }
}

impl IntegerHost for Emitter {
    fn constant(&mut self, d: Reg, value: i64) {
        self.constant_in(r(d), value);
    }

    fn guest_address(&mut self, d: Reg, address: u64, floats: bool) {
        let d = r(d);
        if !floats {
            return self.constant_in(d, address.cast_signed());
        }
        let end = self.origin + self.code.position() as u64 + 7;
        let distance = address.wrapping_sub(end).cast_signed();
        if let Ok(distance) = i32::try_from(distance) {
            // lea d, [rip + distance]
            let head =
                0x48 | u64::from(d >> 3) << 2 | 0x8d << 8 | u64::from((d & 7) << 3 | 5) << 16;
            self.code.put(head, 3);
            self.code.put32(distance.cast_unsigned());
        } else {
            self.opcode_in(0x48 | d >> 3, 0xb8 | d & 7);
            self.addresses.push(self.code.position() as u32);
            self.code.put(address, 8);
        }
    }

    #[inline]
    fn copy(&mut self, d: Reg, s: Reg) {
        self.mov(r(d), Rm::R(r(s)));
    }

    fn extend(&mut self, kind: Extend, d: Reg, s: Reg) {
        let (d, s) = (r(d), Rm::R(r(s)));
        let form = match kind {
            Extend::I8 => Form::two(0xbe).wide(true),
            Extend::I16 => Form::two(0xbf).wide(true),
            Extend::I32 => Form::one(0x63).wide(true),
            Extend::U16 => Form::two(0xb7),
            Extend::U32 => Form::one(0x8b),
        };
        self.code.legacy(form, d, s);
    }

    fn binary(&mut self, op: Binary, width: Width, d: Reg, a: Reg, b: Source) {
        let (d, a, b) = (r(d), r(a), source(b));
        let (opcode, _) = opcode(op);
        let wide = is_wide(width);
        match b {
            Rm::R(b) if d == b && d != a => {
                if op == Binary::Sub {
                    self.mov(RAX, Rm::R(a));
                    self.op(opcode, wide, RAX, Rm::R(b));
                    return self.result(width, d, RAX);
                }
                self.op(opcode, wide, d, Rm::R(a));
            }
            Rm::R(b) if d != a && op == Binary::Add => {
                let sum = Rm::Indexed {
                    base: a,
                    index: b,
                    scale: 0,
                    displacement: 0,
                };
                self.op(0x8d, wide, d, sum);
            }
            b => {
                self.mov(d, Rm::R(a));
                self.op(opcode, wide, d, b);
            }
        }
        if !wide {
            self.extend_word(d, d);
        }
    }

    fn binary_immediate(&mut self, op: Binary, width: Width, d: Reg, a: Reg, number: i32) {
        let (d, a) = (r(d), r(a));
        let (_, extension) = opcode(op);
        let wide = is_wide(width);
        match (op, number) {
            (Binary::Add, 0) => return self.result(width, d, a),
            (Binary::Add, _) if d != a => {
                let sum = Rm::M {
                    base: a,
                    displacement: number,
                };
                self.op(0x8d, wide, d, sum);
            }
            (Binary::And, 0xff) => self.op_movzx8(d, a),
            _ => {
                self.mov(d, Rm::R(a));
                self.op_immediate(extension, wide, Rm::R(d), number);
            }
        }
        if !wide {
            self.extend_word(d, d);
        }
    }

    fn complement(&mut self, d: Reg, s: Reg) {
        self.copy(d, s);
        self.op(0xf7, true, 2, Rm::R(r(d)));
    }

    fn add_shifted(&mut self, d: Reg, a: Reg, shift: u8, b: Reg) {
        let sum = Rm::Indexed {
            base: r(b),
            index: r(a),
            scale: shift,
            displacement: 0,
        };
        self.op(0x8d, true, r(d), sum);
    }

    fn shift(&mut self, op: Shift, width: Width, d: Reg, a: Reg, b: Reg) {
        let (d, a, b, wide) = (r(d), r(a), r(b), is_wide(width));
        match op {
            Shift::Left => self.shift_by(Prefix::P66, wide, d, a, b),
            Shift::Right => self.shift_by(Prefix::F2, wide, d, a, b),
            Shift::RightSigned => self.shift_by(Prefix::F3, wide, d, a, b),
            Shift::RotateLeft | Shift::RotateRight => {
                self.rotate(u8::from(op == Shift::RotateRight), width, a, b);
                return self.result(width, d, RAX);
            }
        }
        if !wide {
            self.extend_word(d, d);
        }
    }

    fn shift_immediate(&mut self, op: Shift, width: Width, d: Reg, a: Reg, number: u8) {
        let (d, a, wide) = (r(d), r(a), is_wide(width));
        let extension = match op {
            Shift::Left => 4,
            Shift::Right => 5,
            Shift::RightSigned => 7,
            Shift::RotateLeft => 0,
            Shift::RotateRight => 1,
        };
        self.mov(d, Rm::R(a));
        self.op(0xc1, wide, extension, Rm::R(d));
        self.code.put8(number);
        if !wide {
            self.extend_word(d, d);
        }
    }

    fn set(&mut self, condition: Condition, d: Reg, a: Reg, b: Source) {
        self.compare(a, b);
        self.set_if(condition_code(condition), r(d));
    }

    fn set_immediate(&mut self, condition: Condition, d: Reg, a: Reg, number: i32) {
        self.op_immediate(7, true, Rm::R(r(a)), number);
        self.set_if(condition_code(condition), r(d));
    }

    fn extreme(&mut self, which: Extreme, d: Reg, a: Reg, b: Reg) {
        let (d, a, b) = (r(d), r(a), r(b));
        let code = match which {
            Extreme::Min => cc::G,
            Extreme::Max => cc::L,
            Extreme::MinUnsigned => cc::A,
            Extreme::MaxUnsigned => cc::B,
        };
        let (first, other) = if d == b { (b, a) } else { (a, b) };
        self.op(0x3b, true, first, Rm::R(other));
        self.mov(d, Rm::R(first));
        let form = Form::two(0x40 | code).wide(true);
        self.code.legacy(form, d, Rm::R(other));
    }

    fn multiply(&mut self, width: Width, d: Reg, a: Reg, b: Source) {
        let (d, a, mut b) = (r(d), r(a), source(b));
        let wide = is_wide(width);
        if b == Rm::R(d) {
            b = Rm::R(a);
        } else {
            self.mov(d, Rm::R(a));
        }
        self.code.legacy(Form::two(0xaf).wide(wide), d, b);
        if !wide {
            self.extend_word(d, d);
        }
    }

    fn multiply_high(&mut self, kind: MultiplyHigh, d: Reg, a: Source, b: Source) {
        let (a, b) = (source(a), source(b));
        self.mov(RAX, a);
        let extension = match kind {
            MultiplyHigh::Signed => 5,
            MultiplyHigh::SignedUnsigned | MultiplyHigh::Unsigned => 4,
        };
        self.op(0xf7, true, extension, b);
        if kind == MultiplyHigh::SignedUnsigned {
            // A negative first operand was taken for 2⁶⁴ more than it is.
            self.mov(RAX, a);
            self.op(0xc1, true, 7, Rm::R(RAX));
            self.code.put8(63);
            self.op(0x23, true, RAX, b);
            self.op(0x2b, true, RDX, Rm::R(RAX));
        }
        self.mov(r(d), Rm::R(RDX));
    }

    fn divide(&mut self, kind: Division, d: Reg, a: Source, b: Source) {
        let Division {
            remainder,
            signed,
            width,
        } = kind;
        let wide = is_wide(width);
        self.mov(RAX, source(a));
        if signed {
            self.divide_signed(wide, source(b));
        } else {
            self.divide_unsigned(wide, source(b));
        }
        self.result(width, r(d), if remainder { RDX } else { RAX });
    }

    fn bit(&mut self, op: Bit, d: Reg, a: Reg, b: Reg) {
        let (d, a, b) = (r(d), r(a), r(b));
        let opcode = match op {
            Bit::Extract => {
                self.code.legacy(Form::two(0xa3).wide(true), b, Rm::R(a));
                return self.set_if(cc::B, d);
            }
            Bit::Set => 0xab,
            Bit::Clear => 0xb3,
            Bit::Invert => 0xbb,
        };
        self.mov(RAX, Rm::R(a));
        self.code
            .legacy(Form::two(opcode).wide(true), b, Rm::R(RAX));
        self.mov(d, Rm::R(RAX));
    }

    fn bit_immediate(&mut self, op: Bit, d: Reg, a: Reg, number: u8) {
        let (d, a) = (r(d), r(a));
        let (place, extension) = match op {
            Bit::Extract => (a, 4),
            Bit::Set => (d, 5),
            Bit::Clear => (d, 6),
            Bit::Invert => (d, 7),
        };
        self.mov(place, Rm::R(a));
        let form = Form::two(0xba).wide(true);
        self.code.legacy(form, extension, Rm::R(place));
        self.code.put8(number);
        if op == Bit::Extract {
            self.set_if(cc::B, d);
        }
    }

    fn count(&mut self, what: Count, width: Width, d: Reg, s: Reg) {
        let opcode = match what {
            Count::LeadingZeros => 0xbd,
            Count::TrailingZeros => 0xbc,
            Count::Ones => 0xb8,
        };
        let form = Form::two(opcode).prefix(Prefix::F3).wide(is_wide(width));
        self.code.legacy(form, r(d), Rm::R(r(s)));
    }

    fn reverse_bytes(&mut self, d: Reg, s: Reg) {
        self.copy(d, s);
        let d = r(d);
        let bytes = 0x48 | u64::from(d >> 3) | 0x0f << 8 | u64::from(0xc8 | d & 7) << 16;
        self.code.put(bytes, 3);
    }

    fn fill_bytes(&mut self, d: Reg, s: Reg) {
        let (d, s) = (r(d), r(s));
        let (value, zero) = (0, 1);
        let form = VexForm::two(Prefix::P66, 0x6e).wide(true);
        self.vex(form, value, 0, Rm::R(s));
        self.vex(VexForm::two(Prefix::P66, 0xef), zero, zero, Rm::R(zero));
        // Ones where a byte is 0.
        self.vex(VexForm::two(Prefix::P66, 0x74), value, value, Rm::R(zero));
        let form = VexForm::two(Prefix::P66, 0x7e).wide(true);
        self.vex(form, value, 0, Rm::R(d));
        self.op(0xf7, true, 2, Rm::R(d));
    }
}

//! The guest's state and memory.

use rv_isa::{AmoOp, LoadOp, StoreOp};

use super::encode::{Form, Prefix, Rm, cc};
use super::{Emitter, RAX, RDX, RSP, r, short_if, source, state};
use crate::host::{MemoryHost, Reg, Source, Width};
use crate::layout;
use crate::registers::S1;

/// Guest memory.
#[inline]
pub(super) fn at(base: Reg, displacement: i32) -> Rm {
    Rm::M {
        base: r(base),
        displacement,
    }
}

const XADD: Form = Form::two(0xc1).locked();
const CMPXCHG: Form = Form::two(0xb1).locked();
/// `xchg` with memory is locked by itself.
const XCHG: Form = Form::one(0x87);

impl Emitter {
    /// `d` = what is in `rax`, if it is asked for.
    fn old_value(&mut self, width: Width, d: Option<Reg>) {
        match (d, width) {
            (None, _) => {}
            (Some(d), Width::Word) => self.extend_word(r(d), RAX),
            (Some(d), Width::Double) => self.mov(r(d), Rm::R(RAX)),
        }
    }

    /// `rdx` = `rax` op `value`.
    fn combine(&mut self, op: AmoOp, wide: bool, value: Rm) {
        self.mov(RDX, Rm::R(RAX));
        let opcode = match op {
            AmoOp::Swap => return self.mov(RDX, value),
            AmoOp::Add => 0x03,
            AmoOp::Xor => 0x33,
            AmoOp::And => 0x23,
            AmoOp::Or => 0x0b,
            AmoOp::Min => return self.choose(cc::G, wide, value),
            AmoOp::Max => return self.choose(cc::L, wide, value),
            AmoOp::Minu => return self.choose(cc::A, wide, value),
            AmoOp::Maxu => return self.choose(cc::B, wide, value),
        };
        self.op(opcode, wide, RDX, value);
    }

    /// `rdx` = `value` if `rdx` compares so with it.
    fn choose(&mut self, code: u8, wide: bool, value: Rm) {
        self.op(0x3b, wide, RDX, value);
        let form = Form::two(0x40 | code).wide(wide);
        self.code.legacy(form, RDX, value);
    }

    /// Replaces until nobody came between.
    fn atomic_loop(&mut self, op: AmoOp, wide: bool, place: Rm, value: Rm) {
        self.op(0x8b, wide, RAX, place);
        let again = self.code.position();
        self.combine(op, wide, value);
        self.code.legacy(CMPXCHG.wide(wide), RDX, place);
        let after = self.short(short_if(cc::NE));
        let back = i8::try_from(after - again).expect("the loop is short");
        self.code
            .set8(after - 1, back.wrapping_neg().cast_unsigned());
    }
}

impl MemoryHost for Emitter {
    #[inline]
    fn load_state(&mut self, d: Reg, offset: i32) {
        self.mov(r(d), state(offset));
    }

    #[inline]
    fn store_state(&mut self, offset: i32, s: Reg) {
        self.op(0x89, true, r(s), state(offset));
    }

    fn load(&mut self, op: LoadOp, d: Reg, base: Reg, offset: i32) {
        let form = match op {
            LoadOp::Lb => Form::two(0xbe).wide(true),
            LoadOp::Lh => Form::two(0xbf).wide(true),
            LoadOp::Lw => Form::one(0x63).wide(true),
            LoadOp::Ld => Form::one(0x8b).wide(true),
            LoadOp::Lbu => Form::two(0xb6),
            LoadOp::Lhu => Form::two(0xb7),
            LoadOp::Lwu => Form::one(0x8b),
        };
        self.code.legacy(form, r(d), at(base, offset));
    }

    fn store(&mut self, op: StoreOp, base: Reg, offset: i32, s: Reg) {
        let s = r(s);
        let form = match op {
            StoreOp::Sb => Form::one(0x88).byte(s),
            StoreOp::Sh => Form::one(0x89).prefix(Prefix::P66),
            StoreOp::Sw => Form::one(0x89),
            StoreOp::Sd => Form::one(0x89).wide(true),
        };
        self.code.legacy(form, s, at(base, offset));
    }

    fn fence(&mut self) {
        // A locked operation that changes nothing takes half as long as `mfence`.
        let place = Rm::M {
            base: RSP,
            displacement: 0,
        };
        self.code.legacy(Form::one(0x83).locked(), 1, place);
        self.code.put8(0);
    }

    fn atomic(
        &mut self,
        op: AmoOp,
        width: Width,
        d: Option<Reg>,
        address: Reg,
        value: Source,
    ) -> bool {
        let wide = width == Width::Double;
        let (place, value) = (at(address, 0), source(value));
        let plain = match op {
            AmoOp::Swap => Some(XCHG),
            AmoOp::Add => Some(XADD),
            AmoOp::And if d.is_none() => Some(Form::one(0x21).locked()),
            AmoOp::Or if d.is_none() => Some(Form::one(0x09).locked()),
            AmoOp::Xor if d.is_none() => Some(Form::one(0x31).locked()),
            AmoOp::And
            | AmoOp::Or
            | AmoOp::Xor
            | AmoOp::Min
            | AmoOp::Max
            | AmoOp::Minu
            | AmoOp::Maxu => None,
        };
        match plain {
            Some(form) => {
                self.mov(RAX, value);
                self.code.legacy(form.wide(wide), RAX, place);
            }
            // The old value and the new one take both scratch registers.
            None if address == S1 => return false,
            None => self.atomic_loop(op, wide, place, value),
        }
        self.old_value(width, d);
        true
    }

    fn store_conditional(&mut self, width: Width, d: Reg, address: Reg, value: Source) -> bool {
        let wide = width == Width::Double;
        let is_in_state = matches!(value, Source::State(_));
        if is_in_state && address == S1 {
            return false;
        }
        self.op(0x3b, true, r(address), state(layout::RESERVATION_ADDRESS));
        // None of this changes the flags.
        self.op(0xc7, true, 0, state(layout::RESERVATION_ADDRESS));
        self.code.put32(u32::MAX);
        self.constant_in(RAX, 1);
        let other = self.short(short_if(cc::NE));
        self.mov(RAX, state(layout::RESERVATION_VALUE));
        let value = match source(value) {
            Rm::R(register) => register,
            place => {
                self.mov(RDX, place);
                RDX
            }
        };
        self.code.legacy(CMPXCHG.wide(wide), value, at(address, 0));
        self.set_if(cc::NE, RAX);
        self.end_short(other);
        self.mov(r(d), Rm::R(RAX));
        true
    }
}

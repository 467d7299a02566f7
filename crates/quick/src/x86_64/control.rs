//! Jumps, and ways out.

use super::encode::{Form, Rm, cc};
use super::integer::condition_code;
use super::{BIAS, Emitter, RAX, RDX, STATE, r, state};
use crate::host::{Condition, ControlHost, Jump, MemoryHost, Reg, Source, Width};
use crate::registers::S0;

impl Emitter {
    /// How many bytes must come before a field at `position`, so that it doesn't cross eight bytes: then
    /// one store changes it as a whole.
    fn padding(&self, position: usize) -> usize {
        let within = (self.origin + position as u64) % 8;
        if within > 4 { 8 - within as usize } else { 0 }
    }

    /// As many bytes that do nothing, at most three.
    fn pad(&mut self, len: usize) {
        const NOPS: [u64; 4] = [0, 0x90, 0x9066, 0x1f0f];
        self.code.put(NOPS[len], len);
    }

    /// A conditional jump.
    pub(super) fn jump_if(&mut self, code: u8) -> Jump {
        self.code.put(0x0f | u64::from(0x80 | code) << 8, 2);
        self.field()
    }

    /// The field of a jump.
    fn field(&mut self) -> Jump {
        let field = self.code.position() as u32;
        self.code.put32(0);
        Jump { field }
    }

    fn test_or_compare(&mut self, a: Reg, b: Option<Source>) {
        match b {
            Some(b) => self.compare(a, b),
            None => self.op(0x85, true, r(a), Rm::R(r(a))),
        }
    }
}

impl ControlHost for Emitter {
    fn bind(&mut self, jump: Jump) {
        self.bind_to(jump, self.code.position() as u32);
    }

    fn bind_to(&mut self, jump: Jump, position: u32) {
        let distance = position.wrapping_sub(jump.field + 4);
        self.code.set32(jump.field as usize, distance);
    }

    fn jump(&mut self) -> Jump {
        let padding = self.padding(self.code.position() + 1);
        self.pad(padding);
        self.code.put8(0xe9);
        self.field()
    }

    fn branch(&mut self, condition: Condition, a: Reg, b: Option<Source>) -> Jump {
        let start = self.code.position();
        self.test_or_compare(a, b);
        let padding = self.padding(self.code.position() + 2);
        if padding > 0 {
            // Between the comparison and its jump it would keep the host from taking them for one.
            self.code.rewind(start);
            self.pad(padding);
            self.test_or_compare(a, b);
        }
        self.jump_if(condition_code(condition))
    }

    fn branch_misaligned(&mut self, address: Reg, width: Width) -> Jump {
        let address = r(address);
        self.code
            .legacy(Form::one(0xf6).byte(address), 0, Rm::R(address));
        self.code.put8(match width {
            Width::Word => 3,
            Width::Double => 7,
        });
        self.jump_if(cc::NE)
    }

    fn branch_state_differs(&mut self, offset: i32, number: i8) -> Jump {
        self.op_immediate(7, false, state(offset), i32::from(number));
        self.jump_if(cc::NE)
    }

    fn branch_attention(&mut self, offset: i32) -> Jump {
        self.load_state(S0, offset);
        let word = Rm::M {
            base: RAX,
            displacement: 0,
        };
        self.op_immediate(7, false, word, 0);
        self.jump_if(cc::NE)
    }

    fn jump_cached(&mut self, offset: i32) -> Jump {
        // An entry has sixteen bytes: eight times the guest PC without its lowest bit.
        let entry = |displacement| Rm::Indexed {
            base: STATE,
            index: RDX,
            scale: 3,
            displacement: offset - BIAS + displacement,
        };
        self.op(0x8b, false, RDX, Rm::R(RAX));
        self.op_immediate(4, false, Rm::R(RDX), 0x1ffe);
        self.op(0x3b, true, RAX, entry(0));
        let miss = self.jump_if(cc::NE);
        self.op(0xff, false, 4, entry(8));
        miss
    }

    fn field_address(&mut self, jump: Jump) {
        // lea rdx, [rip + distance]
        self.code.put(0x15_8d48, 3);
        let end = self.code.position() as u32 + 4;
        self.code.put32(jump.field.wrapping_sub(end));
    }

    fn leave(&mut self, offset: i32) {
        self.op(0xff, false, 4, state(offset));
    }
}

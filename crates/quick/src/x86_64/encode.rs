//! Bytes of x86-64 instructions.
//!
//! Written by hand: the host code of a guest instruction is ten bytes, and a general assembler takes
//! longer to choose among encodings than it takes to write the only one that is needed here. The tests read what
//! is written with a decoder that others wrote.

/// A register or a place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rm {
    /// A register.
    R(u8),
    /// Memory at a register and a displacement.
    M { base: u8, displacement: i32 },
    /// Memory at a register, another one times eight, and a displacement.
    Indexed {
        base: u8,
        index: u8,
        scale: u8,
        displacement: i32,
    },
}

/// The table of opcodes that an opcode is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Map {
    One,
    Two,
    Three38,
    Three3A,
}

/// The prefix that is a part of an opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    None,
    P66,
    F3,
    F2,
}

/// The condition codes that are used.
pub(super) mod cc {
    pub(in crate::x86_64) const B: u8 = 2;
    pub(in crate::x86_64) const AE: u8 = 3;
    pub(in crate::x86_64) const E: u8 = 4;
    pub(in crate::x86_64) const NE: u8 = 5;
    pub(in crate::x86_64) const A: u8 = 7;
    pub(in crate::x86_64) const P: u8 = 10;
    pub(in crate::x86_64) const L: u8 = 12;
    pub(in crate::x86_64) const GE: u8 = 13;
    pub(in crate::x86_64) const G: u8 = 15;
}

/// Code as it grows.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Longer than what is written by a few bytes at least, so that no write looks at its own length.
    bytes: Vec<u8>,
    at: usize,
}

/// How much is written at once.
const STEP: usize = 8;

impl Buffer {
    pub(super) fn clear(&mut self) {
        self.at = 0;
    }

    pub(super) fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    #[inline]
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[..self.at]
    }

    /// Appends the low `len` bytes, at most eight.
    #[inline]
    pub(super) fn put(&mut self, bytes: u64, len: usize) {
        let end = self.at + STEP;
        if end > self.bytes.len() {
            self.grow();
        }
        self.bytes[self.at..end].copy_from_slice(&bytes.to_le_bytes());
        self.at += len;
    }

    #[cold]
    fn grow(&mut self) {
        let len = (2 * self.bytes.len()).max(1 << 14);
        self.bytes.resize(len, 0);
    }

    pub(super) fn put8(&mut self, byte: u8) {
        self.put(u64::from(byte), 1);
    }

    pub(super) fn put32(&mut self, number: u32) {
        self.put(u64::from(number), 4);
    }

    /// Changes four bytes that were written.
    pub(super) fn set32(&mut self, at: usize, number: u32) {
        self.bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }

    pub(super) fn set8(&mut self, at: usize, byte: u8) {
        self.bytes[at] = byte;
    }

    /// An instruction with one register operand and one that may be memory. `is_byte`: the register is
    /// one of eight bits, which takes a prefix to name.
    #[inline]
    pub(super) fn legacy(&mut self, form: Form, reg: u8, rm: Rm) {
        let Form {
            lock,
            prefix,
            wide,
            map,
            opcode,
            is_byte,
        } = form;
        let (base, index) = parts(rm);
        let mut head = 0_u64;
        let mut len = 0;
        let mut add = |byte: u8| {
            head |= u64::from(byte) << (8 * len);
            len += 1;
        };
        if lock {
            add(0xf0);
        }
        match prefix {
            Prefix::None => {}
            Prefix::P66 => add(0x66),
            Prefix::F3 => add(0xf3),
            Prefix::F2 => add(0xf2),
        }
        let rex = 0x40 | u8::from(wide) << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
        if rex != 0x40 || is_byte {
            add(rex);
        }
        match map {
            Map::One => {}
            Map::Two => add(0x0f),
            Map::Three38 => {
                add(0x0f);
                add(0x38);
            }
            Map::Three3A => {
                add(0x0f);
                add(0x3a);
            }
        }
        add(opcode);
        self.put(head, len);
        self.modrm(reg, rm);
    }

    /// The same with a third operand, a register.
    #[inline]
    pub(super) fn vex(&mut self, form: VexForm, reg: u8, second: u8, rm: Rm) {
        let VexForm {
            prefix,
            wide,
            map,
            opcode,
        } = form;
        let (base, index) = parts(rm);
        let prefix = match prefix {
            Prefix::None => 0,
            Prefix::P66 => 1,
            Prefix::F3 => 2,
            Prefix::F2 => 3,
        };
        let tail = (!second & 15) << 3 | prefix;
        let not = |register: u8| u8::from(register < 8);
        if map == Map::Two && !wide && base < 8 && index < 8 {
            let bytes = [0xc5, not(reg) << 7 | tail, opcode, 0, 0, 0, 0, 0];
            self.put(u64::from_le_bytes(bytes), 3);
        } else {
            let map = match map {
                Map::One | Map::Two => 1,
                Map::Three38 => 2,
                Map::Three3A => 3,
            };
            let first = not(reg) << 7 | not(index) << 6 | not(base) << 5 | map;
            let tail = u8::from(wide) << 7 | tail;
            let bytes = [0xc4, first, tail, opcode, 0, 0, 0, 0];
            self.put(u64::from_le_bytes(bytes), 4);
        }
        self.modrm(reg, rm);
    }

    /// The operands.
    #[inline]
    fn modrm(&mut self, reg: u8, rm: Rm) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::R(register) => self.put8(0xc0 | reg | register & 7),
            Rm::M { base, displacement } => {
                // 4 stands for another byte, which then names the register; 5 wants a displacement.
                let low = base & 7;
                let (mode, len) = displacement_form(low, displacement);
                let (mut bytes, mut at) = (u64::from(mode | reg | low), 1);
                if low == 4 {
                    bytes |= 0x24 << 8;
                    at = 2;
                }
                bytes |= u64::from(displacement.cast_unsigned()) << (8 * at);
                self.put(bytes, at + len);
            }
            Rm::Indexed {
                base,
                index,
                scale,
                displacement,
            } => {
                let (mode, len) = displacement_form(base & 7, displacement);
                let sib = scale << 6 | (index & 7) << 3 | base & 7;
                let bytes = u64::from(mode | reg | 4)
                    | u64::from(sib) << 8
                    | u64::from(displacement.cast_unsigned()) << 16;
                self.put(bytes, 2 + len);
            }
        }
    }
}

/// The mode of a displacement, and its length.
#[inline]
fn displacement_form(base: u8, displacement: i32) -> (u8, usize) {
    if displacement == 0 && base != 5 {
        (0, 0)
    } else if i8::try_from(displacement).is_ok() {
        (0x40, 1)
    } else {
        (0x80, 4)
    }
}

/// The registers of an operand: base and index.
#[inline]
const fn parts(rm: Rm) -> (u8, u8) {
    match rm {
        Rm::R(register) => (register, 0),
        Rm::M { base, .. } => (base, 0),
        Rm::Indexed { base, index, .. } => (base, index),
    }
}

/// All of an instruction but its operands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) lock: bool,
    pub(super) prefix: Prefix,
    pub(super) wide: bool,
    pub(super) map: Map,
    pub(super) opcode: u8,
    pub(super) is_byte: bool,
}

impl Form {
    /// An opcode of one byte, on words.
    pub(super) const fn one(opcode: u8) -> Self {
        Self {
            lock: false,
            prefix: Prefix::None,
            wide: false,
            map: Map::One,
            opcode,
            is_byte: false,
        }
    }

    /// An opcode of two bytes, on words.
    pub(super) const fn two(opcode: u8) -> Self {
        let mut form = Self::one(opcode);
        form.map = Map::Two;
        form
    }

    pub(super) const fn wide(mut self, wide: bool) -> Self {
        self.wide = wide;
        self
    }

    pub(super) const fn prefix(mut self, prefix: Prefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// On a byte in this register.
    pub(super) const fn byte(mut self, register: u8) -> Self {
        self.is_byte = register >= 4;
        self
    }

    pub(super) const fn locked(mut self) -> Self {
        self.lock = true;
        self
    }
}

/// The same of an instruction with three operands.
#[derive(Clone, Copy, Debug)]
pub(super) struct VexForm {
    pub(super) prefix: Prefix,
    pub(super) wide: bool,
    pub(super) map: Map,
    pub(super) opcode: u8,
}

impl VexForm {
    pub(super) const fn two(prefix: Prefix, opcode: u8) -> Self {
        Self {
            prefix,
            wide: false,
            map: Map::Two,
            opcode,
        }
    }

    pub(super) const fn map(mut self, map: Map) -> Self {
        self.map = map;
        self
    }

    pub(super) const fn wide(mut self, wide: bool) -> Self {
        self.wide = wide;
        self
    }
}

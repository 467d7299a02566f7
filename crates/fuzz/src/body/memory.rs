//! Loads and stores: the stack, data of the module and of the host, atomically too.

use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, MemFlagsData, Type, Value, types};

use super::{Body, SLOT_LEN};
use crate::plan::{OBJECT_LEN, SCALARS, VECTORS};

impl Body<'_> {
    pub(super) fn memory(&mut self) {
        match self.random.below(8) {
            0 => self.atomic(),
            1 => self.copy(),
            2 => self.load_narrow(),
            3 => self.follow_pointer(),
            4..6 => self.load(),
            _ => self.store(),
        }
    }

    fn any_type(&mut self) -> Type {
        match self.random.below(4) {
            0 => VECTORS[self.random.below(6)],
            1 if self.random.below(4) == 0 => types::I128,
            _ => SCALARS[self.random.below(6)],
        }
    }

    /// An address from which there are [`OBJECT_LEN`] bytes.
    fn address(&mut self, writable: bool) -> Value {
        const { assert!(SLOT_LEN >= OBJECT_LEN) };
        let usable = |object: &&(_, bool)| object.1 || !writable;
        let count = self.objects.iter().filter(usable).count();
        let choice = self.random.below(count + 2);
        if choice < count {
            let object = self.objects.iter().filter(usable).nth(choice);
            let (object, _) = *object.expect("there are so many");
            return self.builder.ins().symbol_value(types::I64, object);
        }
        if choice == count && !writable {
            return self.builder.ins().symbol_value(types::I64, self.host_table);
        }
        self.builder.ins().stack_addr(types::I64, self.slot, 0)
    }

    /// A place for a value of a type. Without AVX, Cranelift 0.135.8 loads vectors as operands of other
    /// instructions wherever they lie, and those (`cmppd` is one) fault where it isn't a multiple of 16.
    fn place(&mut self, ty: Type) -> i32 {
        let offset = self.offset(ty.bytes());
        match ty.is_vector() && self.aligns_vectors {
            true => offset / 16 * 16,
            false => offset,
        }
    }

    /// A place for so many bytes.
    fn offset(&mut self, len: u32) -> i32 {
        let places = OBJECT_LEN - len as usize + 1;
        let offset = self.random.below(places);
        offset as i32
    }

    fn flags(&mut self) -> MemFlagsData {
        match self.random.below(2) {
            // Nothing is said of alignment.
            0 => MemFlagsData::new(),
            _ => MemFlagsData::new().with_notrap(),
        }
    }

    fn load(&mut self) {
        let ty = self.any_type();
        let address = self.address(false);
        let (offset, flags) = (self.place(ty), self.flags());
        let value = self.builder.ins().load(ty, flags, address, offset);
        self.keep(value);
    }

    fn store(&mut self) {
        let ty = self.any_type();
        let value = self.pick(ty);
        let address = self.address(true);
        let (offset, flags) = (self.place(ty), self.flags());
        self.builder.ins().store(flags, value, address, offset);
    }

    fn load_narrow(&mut self) {
        let address = self.address(false);
        let (offset, flags) = (self.offset(8), self.flags());
        let choice = self.random.below(6);
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.uload8(types::I64, flags, address, offset),
            1 => ins.sload8(types::I32, flags, address, offset),
            2 => ins.uload16(types::I32, flags, address, offset),
            3 => ins.sload16(types::I64, flags, address, offset),
            4 => ins.uload32(flags, address, offset),
            _ => ins.sload32(flags, address, offset),
        };
        self.keep(value);
    }

    fn atomic(&mut self) {
        const OPERATIONS: [AtomicRmwOp; 6] = [
            AtomicRmwOp::Add,
            AtomicRmwOp::Sub,
            AtomicRmwOp::And,
            AtomicRmwOp::Xor,
            AtomicRmwOp::Xchg,
            AtomicRmwOp::Umax,
        ];
        let ty = SCALARS[self.random.below(4)];
        let address = self.address(true);
        let place = self.random.below(OBJECT_LEN / 8) * 8;
        let address = self.builder.ins().iadd_imm_s(address, place as i64);
        let (a, b) = (self.pick(ty), self.pick(ty));
        let operation = OPERATIONS[self.random.below(6)];
        let choice = self.random.below(4);
        let flags = MemFlagsData::new();
        let ins = self.builder.ins();
        let value = match choice {
            0 => ins.atomic_cas(flags, address, a, b),
            1 => ins.atomic_load(ty, flags, address),
            2 => {
                ins.atomic_store(flags, a, address);
                self.builder.ins().fence();
                return;
            }
            _ => ins.atomic_rmw(ty, flags, operation, address, a),
        };
        self.keep(value);
    }

    /// Through a routine of the C library.
    fn copy(&mut self) {
        let to = self.address(true);
        let len = self.random.below(SLOT_LEN) as i64;
        let len = self.builder.ins().iconst(types::I64, len);
        if self.random.below(2) == 0 {
            let byte = self.pick(types::I8);
            return self.builder.call_memset(self.config, to, byte, len);
        }
        let from = self.address(false);
        self.builder.call_memmove(self.config, to, from, len);
    }

    fn follow_pointer(&mut self) {
        if self.pointing.is_empty() {
            return;
        }
        let pointing = self.pointing[self.random.below(self.pointing.len())];
        let flags = MemFlagsData::trusted();
        let address = self.builder.ins().symbol_value(types::I64, pointing);
        let address = self.builder.ins().load(types::I64, flags, address, 0);
        // The first words there may be addresses themselves; the last never are.
        let value = self
            .builder
            .ins()
            .load(types::I64, flags, address, OBJECT_LEN as i32 - 8);
        self.keep(value);
    }
}

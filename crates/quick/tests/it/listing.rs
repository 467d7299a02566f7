//! A host that isn't one: what it is asked for, as lines of text, of four bytes each.

use std::fmt::{Arguments, Write};

use rekindle_quick::{
    Binary, Bit, Condition, ControlHost, Count, Division, Extend, Extreme, FloatHost, FloatReg,
    Host, IntegerHost, Jump, MemoryHost, MultiplyHigh, Reg, Rounding, Shift, Source, Width,
};
use rv_isa::{
    AmoOp, FpBinaryOp, FpCompareOp, FpFormat, FpFusedOp, FpMinMaxOp, FpSignInjectOp, IntFormat,
    LoadOp, StoreOp,
};

/// Writes lines.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    text: String,
    len: u32,
    address: u64,
    /// Jumps that don't know yet where they go.
    open: Vec<Jump>,
}

impl Listing {
    fn line(&mut self, line: Arguments<'_>) {
        writeln!(self.text, "{:4x}: {line}", self.len).expect("there is memory");
        self.len += 4;
    }

    fn jump_line(&mut self, line: Arguments<'_>) -> Jump {
        let jump = Jump { field: self.len };
        self.line(line);
        self.open.push(jump);
        jump
    }

    /// Every jump goes somewhere.
    pub(crate) fn check(&self) {
        assert_eq!(self.open, [], "{}", self.text);
    }
}

impl Host for Listing {
    type Code = str;

    fn begin(&mut self, address: u64) {
        self.text.clear();
        self.open.clear();
        (self.len, self.address) = (0, address);
    }

    fn code(&self) -> &str {
        &self.text
    }

    fn position(&self) -> u32 {
        self.len
    }

    fn addresses(&self) -> &[u32] {
        &[]
    }
}

impl IntegerHost for Listing {
    fn constant(&mut self, d: Reg, value: i64) {
        self.line(format_args!("constant {d:?} {value:?}"));
    }

    fn guest_address(&mut self, d: Reg, address: u64, floats: bool) {
        self.line(format_args!("guest_address {d:?} {address:?} {floats:?}"));
    }

    fn copy(&mut self, d: Reg, s: Reg) {
        self.line(format_args!("copy {d:?} {s:?}"));
    }

    fn extend(&mut self, kind: Extend, d: Reg, s: Reg) {
        self.line(format_args!("extend {kind:?} {d:?} {s:?}"));
    }

    fn binary(&mut self, op: Binary, width: Width, d: Reg, a: Reg, b: Source) {
        self.line(format_args!("binary {op:?} {width:?} {d:?} {a:?} {b:?}"));
    }

    fn binary_immediate(&mut self, op: Binary, width: Width, d: Reg, a: Reg, number: i32) {
        self.line(format_args!(
            "binary_immediate {op:?} {width:?} {d:?} {a:?} {number:?}"
        ));
    }

    fn complement(&mut self, d: Reg, s: Reg) {
        self.line(format_args!("complement {d:?} {s:?}"));
    }

    fn add_shifted(&mut self, d: Reg, a: Reg, shift: u8, b: Reg) {
        self.line(format_args!("add_shifted {d:?} {a:?} {shift:?} {b:?}"));
    }

    fn shift(&mut self, op: Shift, width: Width, d: Reg, a: Reg, b: Reg) {
        self.line(format_args!("shift {op:?} {width:?} {d:?} {a:?} {b:?}"));
    }

    fn shift_immediate(&mut self, op: Shift, width: Width, d: Reg, a: Reg, number: u8) {
        self.line(format_args!(
            "shift_immediate {op:?} {width:?} {d:?} {a:?} {number:?}"
        ));
    }

    fn set(&mut self, condition: Condition, d: Reg, a: Reg, b: Source) {
        self.line(format_args!("set {condition:?} {d:?} {a:?} {b:?}"));
    }

    fn set_immediate(&mut self, condition: Condition, d: Reg, a: Reg, number: i32) {
        self.line(format_args!(
            "set_immediate {condition:?} {d:?} {a:?} {number:?}"
        ));
    }

    fn extreme(&mut self, which: Extreme, d: Reg, a: Reg, b: Reg) {
        self.line(format_args!("extreme {which:?} {d:?} {a:?} {b:?}"));
    }

    fn multiply(&mut self, width: Width, d: Reg, a: Reg, b: Source) {
        self.line(format_args!("multiply {width:?} {d:?} {a:?} {b:?}"));
    }

    fn multiply_high(&mut self, kind: MultiplyHigh, d: Reg, a: Source, b: Source) {
        self.line(format_args!("multiply_high {kind:?} {d:?} {a:?} {b:?}"));
    }

    fn divide(&mut self, kind: Division, d: Reg, a: Source, b: Source) {
        self.line(format_args!("divide {kind:?} {d:?} {a:?} {b:?}"));
    }

    fn bit(&mut self, op: Bit, d: Reg, a: Reg, b: Reg) {
        self.line(format_args!("bit {op:?} {d:?} {a:?} {b:?}"));
    }

    fn bit_immediate(&mut self, op: Bit, d: Reg, a: Reg, number: u8) {
        self.line(format_args!("bit_immediate {op:?} {d:?} {a:?} {number:?}"));
    }

    fn count(&mut self, what: Count, width: Width, d: Reg, s: Reg) {
        self.line(format_args!("count {what:?} {width:?} {d:?} {s:?}"));
    }

    fn reverse_bytes(&mut self, d: Reg, s: Reg) {
        self.line(format_args!("reverse_bytes {d:?} {s:?}"));
    }

    fn fill_bytes(&mut self, d: Reg, s: Reg) {
        self.line(format_args!("fill_bytes {d:?} {s:?}"));
    }
}

impl MemoryHost for Listing {
    fn load_state(&mut self, d: Reg, offset: i32) {
        self.line(format_args!("load_state {d:?} {offset:?}"));
    }

    fn store_state(&mut self, offset: i32, s: Reg) {
        self.line(format_args!("store_state {offset:?} {s:?}"));
    }

    fn load(&mut self, op: LoadOp, d: Reg, base: Reg, offset: i32) {
        self.line(format_args!("load {op:?} {d:?} {base:?} {offset:?}"));
    }

    fn store(&mut self, op: StoreOp, base: Reg, offset: i32, s: Reg) {
        self.line(format_args!("store {op:?} {base:?} {offset:?} {s:?}"));
    }

    fn fence(&mut self) {
        self.line(format_args!("fence"));
    }

    fn atomic(
        &mut self,
        op: AmoOp,
        width: Width,
        d: Option<Reg>,
        address: Reg,
        value: Source,
    ) -> bool {
        self.line(format_args!(
            "atomic {op:?} {width:?} {d:?} {address:?} {value:?}"
        ));
        true
    }

    fn store_conditional(&mut self, width: Width, d: Reg, address: Reg, value: Source) -> bool {
        self.line(format_args!(
            "store_conditional {width:?} {d:?} {address:?} {value:?}"
        ));
        true
    }
}

impl ControlHost for Listing {
    fn bind(&mut self, jump: Jump) {
        self.bind_to(jump, self.len);
    }

    fn bind_to(&mut self, jump: Jump, position: u32) {
        assert!(position <= self.len, "a place that isn't there");
        self.open.retain(|open| *open != jump);
        writeln!(self.text, "      {:x} goes to {position:x}", jump.field).expect("memory");
    }

    fn jump(&mut self) -> Jump {
        self.jump_line(format_args!("jump"))
    }

    fn branch(&mut self, condition: Condition, a: Reg, b: Option<Source>) -> Jump {
        self.jump_line(format_args!("branch {condition:?} {a:?} {b:?}"))
    }

    fn branch_misaligned(&mut self, address: Reg, width: Width) -> Jump {
        self.jump_line(format_args!("branch_misaligned {address:?} {width:?}"))
    }

    fn branch_state_differs(&mut self, offset: i32, number: i8) -> Jump {
        self.jump_line(format_args!("branch_state_differs {offset:?} {number:?}"))
    }

    fn branch_attention(&mut self, offset: i32) -> Jump {
        self.jump_line(format_args!("branch_attention {offset:?}"))
    }

    fn jump_cached(&mut self, offset: i32) -> Jump {
        self.jump_line(format_args!("jump_cached {offset:?}"))
    }

    fn field_address(&mut self, jump: Jump) {
        self.line(format_args!("field_address {jump:?}"));
    }

    fn leave(&mut self, offset: i32) {
        self.line(format_args!("leave {offset:?}"));
    }
}

impl FloatHost for Listing {
    fn float_copy(&mut self, d: FloatReg, s: FloatReg) {
        self.line(format_args!("float_copy {d:?} {s:?}"));
    }

    fn float_load_state(&mut self, d: FloatReg, offset: i32) {
        self.line(format_args!("float_load_state {d:?} {offset:?}"));
    }

    fn float_store_state(&mut self, offset: i32, s: FloatReg) {
        self.line(format_args!("float_store_state {offset:?} {s:?}"));
    }

    fn float_load(&mut self, format: FpFormat, d: FloatReg, base: Reg, offset: i32) {
        self.line(format_args!(
            "float_load {format:?} {d:?} {base:?} {offset:?}"
        ));
    }

    fn float_store(&mut self, format: FpFormat, base: Reg, offset: i32, s: FloatReg) {
        self.line(format_args!(
            "float_store {format:?} {base:?} {offset:?} {s:?}"
        ));
    }

    fn float_to_bits(&mut self, d: Reg, s: FloatReg) {
        self.line(format_args!("float_to_bits {d:?} {s:?}"));
    }

    fn float_from_bits(&mut self, format: FpFormat, d: FloatReg, s: Reg) {
        self.line(format_args!("float_from_bits {format:?} {d:?} {s:?}"));
    }

    fn branch_unless_boxed(&mut self, s: FloatReg) -> Jump {
        self.jump_line(format_args!("branch_unless_boxed {s:?}"))
    }

    fn branch_nan(&mut self, format: FpFormat, s: FloatReg) -> Jump {
        self.jump_line(format_args!("branch_nan {format:?} {s:?}"))
    }

    fn float_binary(
        &mut self,
        op: FpBinaryOp,
        format: FpFormat,
        d: FloatReg,
        a: FloatReg,
        b: FloatReg,
    ) {
        self.line(format_args!(
            "float_binary {op:?} {format:?} {d:?} {a:?} {b:?}"
        ));
    }

    fn float_sqrt(&mut self, format: FpFormat, d: FloatReg, s: FloatReg) {
        self.line(format_args!("float_sqrt {format:?} {d:?} {s:?}"));
    }

    fn float_fused(&mut self, op: FpFusedOp, format: FpFormat, operands: [FloatReg; 3]) {
        self.line(format_args!("float_fused {op:?} {format:?} {operands:?}"));
    }

    fn float_sign(
        &mut self,
        op: FpSignInjectOp,
        format: FpFormat,
        d: FloatReg,
        a: FloatReg,
        b: FloatReg,
    ) {
        self.line(format_args!(
            "float_sign {op:?} {format:?} {d:?} {a:?} {b:?}"
        ));
    }

    fn float_extreme(
        &mut self,
        op: FpMinMaxOp,
        format: FpFormat,
        d: FloatReg,
        a: FloatReg,
        b: FloatReg,
    ) -> Jump {
        self.jump_line(format_args!(
            "float_extreme {op:?} {format:?} {d:?} {a:?} {b:?}"
        ))
    }

    fn float_compare(
        &mut self,
        op: FpCompareOp,
        format: FpFormat,
        d: Reg,
        a: FloatReg,
        b: FloatReg,
    ) {
        self.line(format_args!(
            "float_compare {op:?} {format:?} {d:?} {a:?} {b:?}"
        ));
    }

    fn float_from_int(&mut self, format: FpFormat, int: IntFormat, d: FloatReg, s: Reg) {
        self.line(format_args!(
            "float_from_int {format:?} {int:?} {d:?} {s:?}"
        ));
    }

    fn branch_unless_fits(
        &mut self,
        int: IntFormat,
        format: FpFormat,
        rounding: Rounding,
        s: FloatReg,
    ) -> Jump {
        self.jump_line(format_args!(
            "branch_unless_fits {int:?} {format:?} {rounding:?} {s:?}"
        ))
    }

    fn float_to_int(
        &mut self,
        int: IntFormat,
        format: FpFormat,
        rounding: Rounding,
        d: Reg,
        s: FloatReg,
    ) {
        self.line(format_args!(
            "float_to_int {int:?} {format:?} {rounding:?} {d:?} {s:?}"
        ));
    }

    fn float_convert(&mut self, to: FpFormat, d: FloatReg, s: FloatReg) {
        self.line(format_args!("float_convert {to:?} {d:?} {s:?}"));
    }
}

//! What stands behind the code of the last instruction: ways out, and what is rare.

use rv_isa::FpFormat;

use super::Translator;
use crate::host::{ExitKind, FloatReg, Host, Jump};
use crate::layout;
use crate::piece::DirectExit;
use crate::registers::S0;

/// A jump to something that follows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deferred {
    /// To a guest PC.
    Direct { jump: Jump, target: u64 },
    /// Out, by an indirect jump.
    Indirect { jump: Jump },
    /// Out, before the instruction at a guest PC.
    Before { jump: Jump, pc: u64, kind: ExitKind },
    /// To where `d` becomes the NaN of its format, and back.
    Nan {
        jump: Jump,
        format: FpFormat,
        d: FloatReg,
        back: u32,
    },
}

/// The only NaN that operations return, in a register.
const fn canonical_nan(format: FpFormat) -> i64 {
    match format {
        FpFormat::Single => 0xffff_ffff_7fc0_0000_u64.cast_signed(),
        FpFormat::Double => 0x7ff8_0000_0000_0000,
    }
}

impl<H: Host> Translator<H> {
    /// Where `jump` is taken, the instruction at hand is the interpreter's.
    pub(super) fn interpret_if(&mut self, jump: Jump) {
        let (pc, kind) = (self.pc, ExitKind::Interpret);
        self.deferred.push(Deferred::Before { jump, pc, kind });
    }

    /// Where `jump` is taken, control goes to `target`.
    pub(super) fn go_if(&mut self, jump: Jump, target: u64) {
        match self.piece.entry(target) {
            Some(host) => self.host.bind_to(jump, host),
            None => self.deferred.push(Deferred::Direct { jump, target }),
        }
    }

    /// Control goes to `target`.
    pub(super) fn exit_to(&mut self, target: u64) {
        let jump = self.host.jump();
        self.go_if(jump, target);
    }

    /// Leaves before the instruction at `pc`.
    pub(super) fn leave_before(&mut self, pc: u64, kind: ExitKind) {
        self.host.guest_address(S0, pc, self.floats);
        self.host.leave(layout::exit(kind));
    }

    /// The instruction at hand is the interpreter's.
    pub(super) fn interpret(&mut self) {
        self.leave_before(self.pc, ExitKind::Interpret);
    }

    /// Writes all that was put off.
    pub(super) fn finish_deferred(&mut self) {
        let deferred = std::mem::take(&mut self.deferred);
        let mut latest = None;
        for each in &deferred {
            match *each {
                Deferred::Direct { jump, target } => self.finish_direct(jump, target),
                Deferred::Indirect { jump } => {
                    self.host.bind(jump);
                    self.host.leave(layout::exit(ExitKind::Indirect));
                }
                Deferred::Before { jump, pc, kind } => match latest {
                    Some((same, position)) if same == (pc, kind) => {
                        self.host.bind_to(jump, position);
                    }
                    _ => {
                        latest = Some(((pc, kind), self.host.position()));
                        self.host.bind(jump);
                        self.leave_before(pc, kind);
                    }
                },
                Deferred::Nan {
                    jump,
                    format,
                    d,
                    back,
                } => {
                    self.host.bind(jump);
                    self.host.constant(S0, canonical_nan(format));
                    self.host.float_from_bits(FpFormat::Double, d, S0);
                    let jump = self.host.jump();
                    self.host.bind_to(jump, back);
                }
            }
        }
        self.deferred = deferred;
    }

    fn finish_direct(&mut self, jump: Jump, target: u64) {
        if let Some(host) = self.piece.entry(target) {
            return self.host.bind_to(jump, host);
        }
        self.host.bind(jump);
        self.host.guest_address(S0, target, self.floats);
        if self.looks_up {
            let miss = self.host.jump_cached(layout::JUMP_CACHE);
            self.host.bind(miss);
        }
        self.host.field_address(jump);
        self.host.leave(layout::exit(ExitKind::Direct));
        let field = jump.field;
        self.piece.exits.push(DirectExit { target, field });
    }
}

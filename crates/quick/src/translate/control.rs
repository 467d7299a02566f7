//! Jumps, branches, system calls.
//!
//! Whoever asks for attention must be heard within bounds. All that can go on for ever goes backwards
//! or jumps indirectly time and again, so that is where code looks: at direct jumps and branches
//! that don't go forward, and at indirect jumps.

use rv_isa::{BranchOp, Decoded, Inst, XReg};

use super::defer::Deferred;
use super::{Flow, Translator};
use crate::host::{Binary, Condition, ExitKind, Host, Width};
use crate::layout;
use crate::registers::{S0, S1};

impl<H: Host> Translator<H> {
    /// Leaves if somebody asks for attention.
    fn poll(&mut self) {
        let jump = self.host.branch_attention(layout::ATTENTION);
        let (pc, kind) = (self.pc, ExitKind::Attention);
        self.deferred.push(Deferred::Before { jump, pc, kind });
    }

    /// `auipc`; with a `jalr` behind it that takes its result, a direct jump of any distance.
    pub(super) fn address(&mut self, rd: XReg, imm: i32, follower: Option<Decoded>) -> Flow {
        let address = self.pc.wrapping_add_signed(i64::from(imm));
        if let Some(Decoded {
            inst:
                Inst::Jalr {
                    rd: link,
                    rs1,
                    offset,
                },
            len,
        }) = follower
            && rs1 == rd
            && !rd.is_zero()
        {
            let target = address.wrapping_add_signed(i64::from(offset)) & !1;
            self.poll_unless_forward(target);
            self.next = self.next.wrapping_add(u64::from(len));
            self.piece.instructions += 1;
            if link != rd {
                self.guest_address(rd, address, S0);
            }
            return self.link_and_go(link, target);
        }
        self.guest_address(rd, address, S0);
        Flow::On
    }

    pub(super) fn direct_jump(&mut self, rd: XReg, target: u64) -> Flow {
        self.poll_unless_forward(target);
        self.link_and_go(rd, target)
    }

    fn poll_unless_forward(&mut self, target: u64) {
        if target <= self.pc {
            self.poll();
        }
    }

    fn link_and_go(&mut self, link: XReg, target: u64) -> Flow {
        self.guest_address(link, self.next, S0);
        self.exit_to(target);
        after_jump(link)
    }

    pub(super) fn indirect_jump(&mut self, rd: XReg, rs1: XReg, offset: i32) -> Flow {
        self.poll();
        let base = self.read(rs1, S0);
        self.host
            .binary_immediate(Binary::Add, Width::Double, S0, base, offset);
        // Bit 0 is ignored; and an odd address may be what stands for no code in the jump cache.
        self.host
            .binary_immediate(Binary::And, Width::Double, S0, S0, -2);
        self.guest_address(rd, self.next, S1);
        let jump = self.host.jump_cached(layout::JUMP_CACHE);
        self.deferred.push(Deferred::Indirect { jump });
        after_jump(rd)
    }

    pub(super) fn branch(&mut self, op: BranchOp, rs1: XReg, rs2: XReg, offset: i32) {
        let target = self.pc.wrapping_add_signed(i64::from(offset));
        self.poll_unless_forward(target);
        let condition = match op {
            BranchOp::Eq => Condition::Equal,
            BranchOp::Ne => Condition::NotEqual,
            BranchOp::Lt => Condition::Less,
            BranchOp::Ge => Condition::GreaterEqual,
            BranchOp::Ltu => Condition::Below,
            BranchOp::Geu => Condition::AboveEqual,
        };
        let a = self.read(rs1, S0);
        let b = (!rs2.is_zero()).then(|| self.source(rs2));
        let jump = self.host.branch(condition, a, b);
        self.go_if(jump, target);
    }

    pub(super) fn system_call(&mut self) {
        self.leave_before(self.pc, ExitKind::Syscall);
    }

    /// `fence`. Hosts keep the order of all but a store and a later load, as x86 does; one that keeps less
    /// makes more of [`MemoryHost::fence`](crate::MemoryHost::fence).
    pub(super) fn fence(&mut self, fm: u8, pred: u8, succ: u8) {
        const TSO: u8 = 8;
        const STORES: u8 = 0b0101;
        const LOADS: u8 = 0b1010;
        if fm != TSO && pred & STORES != 0 && succ & LOADS != 0 {
            self.host.fence();
        }
    }
}

/// A call is followed by what it returns to.
fn after_jump(link: XReg) -> Flow {
    if link.is_zero() { Flow::Ends } else { Flow::On }
}

//! From guest instructions to host instructions, one after the other.

mod atomic;
mod control;
mod defer;
mod float;
mod integer;
mod memory;
mod operands;

use rv_isa::{Decoded, Inst};

use crate::host::Host;
use crate::piece::{Entry, Piece};
use defer::Deferred;

/// The most instructions in a piece.
pub const MAX_INSTRUCTIONS: u32 = 64;

/// What is to be translated, and where it will be.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The guest PC of the first instruction.
    pub pc: u64,
    /// Guest code from there on.
    pub bytes: &'a [u8],
    /// Where the host code will be.
    pub host_address: u64,
    /// Whether addresses in the guest code's module are to move with the host code, because the module
    /// may be elsewhere next time.
    pub floats: bool,
    /// Whether a direct exit that isn't linked looks for its target in the jump cache before it leaves:
    /// for who doesn't link.
    pub looks_up: bool,
}

/// Whether what follows an instruction is a part of the piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// It is.
    On,
    /// It isn't: nothing falls through.
    Ends,
}

/// Translates pieces, one at a time.
#[derive(Debug)]
pub struct Translator<H> {
    host: H,
    piece: Piece,
    deferred: Vec<Deferred>,
    floats: bool,
    looks_up: bool,
    /// The guest PC of the instruction at hand, and of the next one.
    pc: u64,
    next: u64,
}

impl<H: Host> Translator<H> {
    /// A translator that writes to `host`.
    pub fn new(host: H) -> Self {
        Self {
            host,
            piece: Piece::default(),
            deferred: Vec::new(),
            floats: false,
            looks_up: false,
            pc: 0,
            next: 0,
        }
    }

    /// The host, which holds the code of the latest piece.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// The tables of the latest piece.
    pub fn piece(&self) -> &Piece {
        &self.piece
    }

    /// Translates a piece. It ends before an instruction other than the first of which `is_known` says
    /// that it has an entry already. Where the first one can't be decoded, the piece leaves it to the
    /// interpreter, which says what is wrong with it.
    pub fn translate(&mut self, request: &Request<'_>, is_known: &dyn Fn(u64) -> bool) -> &Piece {
        self.host.begin(request.host_address);
        self.piece.clear(request.pc);
        self.deferred.clear();
        self.floats = request.floats;
        self.looks_up = request.looks_up;
        self.pc = request.pc;
        loop {
            if self.piece.instructions > 0
                && (self.piece.instructions >= MAX_INSTRUCTIONS || is_known(self.pc))
            {
                self.exit_to(self.pc);
                break;
            }
            let Some(Decoded { inst, len }) = self.decode(request, self.pc) else {
                if self.piece.instructions > 0 {
                    self.exit_to(self.pc);
                } else {
                    self.enter_here();
                    self.interpret();
                }
                break;
            };
            self.next = self.pc.wrapping_add(u64::from(len));
            self.enter_here();
            let follower = match inst {
                Inst::Auipc { .. } => self.decode(request, self.next),
                _ => None,
            };
            let flow = self.instruction(inst, follower);
            self.pc = self.next;
            self.piece.end = self.pc;
            if flow == Flow::Ends {
                break;
            }
        }
        self.piece.body_len = self.host.position();
        self.finish_deferred();
        self.piece
            .addresses
            .extend_from_slice(self.host.addresses());
        &self.piece
    }

    /// The instruction at `pc`.
    fn decode(&self, request: &Request<'_>, pc: u64) -> Option<Decoded> {
        let offset = usize::try_from(pc.wrapping_sub(request.pc)).ok()?;
        let rest = request.bytes.get(offset..)?;
        let half = |at: usize| Some(u16::from_le_bytes([*rest.get(at)?, *rest.get(at + 1)?]));
        let low = half(0)?;
        let high = match rv_isa::instruction_len(low) {
            2 => 0,
            _ => half(2)?,
        };
        rv_isa::decode(u32::from(high) << 16 | u32::from(low))
    }

    /// Notes that the instruction at hand begins here.
    fn enter_here(&mut self) {
        let host = self.host.position();
        self.piece.entries.push(Entry { pc: self.pc, host });
        self.piece.instructions += 1;
    }

    /// Translates one instruction, and `follower` with it where that is a part of it.
    #[expect(
        clippy::too_many_lines,
        reason = "a table: one arm for each shape of instruction"
    )]
    fn instruction(&mut self, inst: Inst, follower: Option<Decoded>) -> Flow {
        match inst {
            Inst::Auipc { rd, imm } => return self.address(rd, imm, follower),
            Inst::Jal { rd, offset } => {
                let target = self.pc.wrapping_add_signed(i64::from(offset));
                return self.direct_jump(rd, target);
            }
            Inst::Jalr { rd, rs1, offset } => return self.indirect_jump(rd, rs1, offset),
            Inst::Branch {
                op,
                rs1,
                rs2,
                offset,
            } => self.branch(op, rs1, rs2, offset),
            Inst::Ecall => self.system_call(),
            Inst::Ebreak => {
                self.interpret();
                return Flow::Ends;
            }
            Inst::FenceI | Inst::Csr { .. } | Inst::FpClass { .. } => self.interpret(),
            Inst::Fence { fm, pred, succ } => self.fence(fm, pred, succ),
            Inst::Lui { rd, imm } => self.constant(rd, i64::from(imm)),
            Inst::AluImm { op, rd, rs1, imm } => self.alu_immediate(op, rd, rs1, imm),
            Inst::Alu { op, rd, rs1, rs2 } => self.alu(op, rd, rs1, rs2),
            Inst::AluUnary { op, rd, rs1 } => self.alu_unary(op, rd, rs1),
            Inst::Load {
                op,
                rd,
                rs1,
                offset,
            } => self.load(op, rd, rs1, offset),
            Inst::Store {
                op,
                rs1,
                rs2,
                offset,
            } => self.store(op, rs1, rs2, offset),
            Inst::LoadReserved {
                width,
                rd,
                rs1,
                ordering: _,
            } => self.load_reserved(width, rd, rs1),
            Inst::StoreConditional {
                width,
                rd,
                rs1,
                rs2,
                ordering: _,
            } => self.store_conditional(width, rd, rs1, rs2),
            Inst::Amo {
                op,
                width,
                rd,
                rs1,
                rs2,
                ordering: _,
            } => self.atomic(op, width, rd, rs1, rs2),
            Inst::FpLoad {
                format,
                rd,
                rs1,
                offset,
            } => self.float_load(format, rd, rs1, offset),
            Inst::FpStore {
                format,
                rs1,
                rs2,
                offset,
            } => self.float_store(format, rs1, rs2, offset),
            Inst::FpBinary {
                op,
                format,
                rm,
                rd,
                rs1,
                rs2,
            } => self.float_binary(op, format, rm, rd, rs1, rs2),
            Inst::FpSqrt {
                format,
                rm,
                rd,
                rs1,
            } => self.float_sqrt(format, rm, rd, rs1),
            Inst::FpFused {
                op,
                format,
                rm,
                rd,
                rs1,
                rs2,
                rs3,
            } => self.float_fused(op, format, rm, rd, [rs1, rs2, rs3]),
            Inst::FpSignInject {
                op,
                format,
                rd,
                rs1,
                rs2,
            } => self.float_sign(op, format, rd, rs1, rs2),
            Inst::FpMinMax {
                op,
                format,
                rd,
                rs1,
                rs2,
            } => self.float_extreme(op, format, rd, rs1, rs2),
            Inst::FpCompare {
                op,
                format,
                rd,
                rs1,
                rs2,
            } => self.float_compare(op, format, rd, rs1, rs2),
            Inst::FpToInt {
                int,
                format,
                rm,
                rd,
                rs1,
            } => self.float_to_int(int, format, rm, rd, rs1),
            Inst::IntToFp {
                format,
                int,
                rm,
                rd,
                rs1,
            } => self.float_from_int(format, int, rm, rd, rs1),
            Inst::FpConvert { to, rm, rd, rs1 } => self.float_convert(to, rm, rd, rs1),
            Inst::FpMoveToInt { format, rd, rs1 } => self.float_to_bits(format, rd, rs1),
            Inst::FpMoveFromInt { format, rd, rs1 } => self.float_from_bits(format, rd, rs1),
        }
        Flow::On
    }
}

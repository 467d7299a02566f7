//! The door between the engine and compiled code: entering it, leaving it, what it calls.
//!
//! Compiled code is entered through one trampoline and left through one of the exits below, which
//! it jumps to like to another region; what they do is in the text of `arch`. Helpers are ordinary
//! functions that compiled code calls with the state's address.
//!
//! Invariants on which this file relies, and which the JIT keeps: a [`RegionCode`] is made only from
//! code whose recorded signature is that of regions, made by our translator and authenticated by
//! the cache; it lives as long as the process, since scopes and their mappings are kept to the end;
//! and slots are inside the zeroed data of such code, which is as long as its tables say.
//!
//! Pieces do go. A [`PieceCode`] is made only from code whose signature is that of pieces, at an entry of its
//! tables. These rules, which the single-pass tier and the dispatch loop keep, say how long it is there:
//!
//! 1. Who removes pieces raises the tier's generation, under the lock under which they are looked up.
//! 2. Who lets go of them has seen under that lock that they were removed, has published a change of
//!    code since, and has waited until every thread was out of guest code, or had entered it having
//!    seen that change.
//! 3. A thread says that it enters before it looks at the generation, and that it has left after its last
//!    use. Where the generation isn't the one that it knows, it forgets its jumps and all else that it
//!    remembers before it uses any of it. What it looks up after that is there until it has left.

#![expect(
    unsafe_code,
    reason = "compiled code is entered, and calls back with raw pointers"
)]

use std::arch::{asm, naked_asm};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};

use rekindle::{Code, HostAddr, SectionKind, Signature};
use rekindle_hart::faults::{self, FaultRecord, OwnFiles};
use rekindle_hart::float::{self, Flags};
use rekindle_hart::{GuestState, offsets};
use rekindle_quick::x86_64::{self, Trampolines};
use rekindle_quick::{ExitKind, registers};
use rv_isa::{Csr, CsrOp};

use crate::arch::x86_64::{
    CARRIED_LEN, MXCSR_FLAGS, MXCSR_MASKED, enter_text, exit_text, flags_from_mxcsr, landing_text,
    rounding_to_mxcsr,
};

/// The signature number of regions: `tail` functions of the carried registers and a word.
pub(crate) const REGION_SIGNATURE: Signature = Signature(0x7265_6769_6f6e_0001);

/// Integer registers that travel between regions in host registers instead of through the state: in
/// the order of the host's first arguments, in which the text of `arch` moves them.
pub(crate) const CARRIED: [usize; CARRIED_LEN] = [1, 2, 10, 11, 15];

/// Why compiled code came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Through the link slot at `state.exit_slot`; the guest PC is in the region's tables.
    Unlinked,
    /// By an indirect jump to `state.pc` that the jump cache doesn't know.
    Indirect,
    /// For the interpreter, at `state.pc`.
    Interpret,
    /// For a system call, at `state.pc`.
    Syscall,
    /// By a fault. The state is not exact, but for what the fault record says.
    Fault,
}

/// The entry point of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegionCode(HostAddr);

impl RegionCode {
    /// Whether it is at this host address.
    pub(crate) fn is_at(self, address: u64) -> bool {
        self.0.0 == address
    }

    /// The entry point of `code`, if it is a region.
    pub(crate) fn of(code: &Code) -> Option<Self> {
        (code.signature() == REGION_SIGNATURE).then(|| Self(code.address()))
    }
}

/// Runs compiled code until it comes back. `state.pc` is exact afterwards, but after
/// [`Left::Unlinked`] and [`Left::Fault`].
pub(crate) fn enter(state: &mut GuestState, code: RegionCode) -> Left {
    let mxcsr = MXCSR_MASKED | rounding_to_mxcsr(state.frm);
    // SAFETY: every exception is masked, and the rounding mode is one of four.
    unsafe { state.set_mxcsr(mxcsr) };
    let landing = fault_landing as *const () as usize as u64;
    let address = (&raw mut *state).expose_provenance() as u64;
    // SAFETY: the thread runs compiled code alone until it is disarmed.
    unsafe { faults::arm(landing, address) };
    // SAFETY: `code` is a region's entry point and `state` is exclusively ours.
    let left = unsafe { enter_region(state, code.0.0) };
    faults::disarm();
    state.fflags |= flags_from_mxcsr(state.mxcsr());
    match left {
        LEFT_UNLINKED => Left::Unlinked,
        LEFT_INDIRECT => Left::Indirect,
        LEFT_SYSCALL => Left::Syscall,
        LEFT_FAULT => Left::Fault,
        _ => Left::Interpret,
    }
}

const LEFT_UNLINKED: u64 = 0;
const LEFT_INDIRECT: u64 = 1;
const LEFT_INTERPRET: u64 = 2;
const LEFT_SYSCALL: u64 = 3;
const LEFT_FAULT: u64 = 4;

/// Offset of a carried register in the state, for assembly text.
const fn carried(position: usize) -> usize {
    offset_of!(GuestState, x) + 8 * CARRIED[position]
}

/// Enters compiled code; returns when an exit or the fault landing returns.
///
/// # Safety
/// `code` is the entry point of a region, and `state` is valid and used by nobody else.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter_region(state: *mut GuestState, code: u64) -> u64 {
    naked_asm!(
        enter_text!(),
        host_stack = const offsets::HOST_STACK,
        mxcsr = const offsets::MXCSR,
        carried_0 = const carried(0),
        carried_1 = const carried(1),
        carried_2 = const carried(2),
        carried_3 = const carried(3),
        carried_4 = const carried(4),
    )
}

/// Where the signal handler continues after a fault in compiled code: as if the region had left.
#[unsafe(naked)]
unsafe extern "sysv64" fn fault_landing(state: *mut GuestState) {
    naked_asm!(
        landing_text!(),
        host_stack = const offsets::HOST_STACK,
        mxcsr = const offsets::MXCSR,
        left = const LEFT_FAULT,
    )
}

macro_rules! exits {
    ($($(#[$doc:meta])* $name:ident = $left:ident, $word:expr;)*) => {$(
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "sysv64" fn $name() {
            naked_asm!(
                exit_text!(),
                left = const $left,
                word = const $word,
                carried_0 = const carried(0),
                carried_1 = const carried(1),
                carried_2 = const carried(2),
                carried_3 = const carried(3),
                carried_4 = const carried(4),
            )
        }
    )*};
}

exits! {
    /// Where every link slot leads at first. The extra argument is the slot's address.
    exit_unlinked = LEFT_UNLINKED, offsets::EXIT_SLOT;
    /// Where indirect jumps go whose target the jump cache doesn't know.
    exit_indirect = LEFT_INDIRECT, offset_of!(GuestState, pc);
    /// Where regions go that want an instruction interpreted.
    exit_interpret = LEFT_INTERPRET, offset_of!(GuestState, pc);
    /// Where regions go for a system call.
    exit_syscall = LEFT_SYSCALL, offset_of!(GuestState, pc);
}

/// The signature number of pieces: code of the single-pass tier, entered by way of its trampolines.
pub(crate) const PIECE_SIGNATURE: Signature = Signature(0x7069_6563_6500_0001);
/// The signature number of those trampolines.
pub(crate) const TRAMPOLINE_SIGNATURE: Signature = Signature(0x7069_6563_6500_0002);

/// The entry of an instruction in a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PieceCode(u64);

impl PieceCode {
    /// That at `offset` in `code`, if it is a piece.
    pub(crate) fn of(code: &Code, offset: u32) -> Option<Self> {
        let is_inside = offset < code.text_len_bytes();
        let is_piece = code.signature() == PIECE_SIGNATURE;
        (is_piece && is_inside).then(|| Self(code.address().0 + u64::from(offset)))
    }
}

/// By what pieces are entered and left.
#[derive(Debug)]
pub(crate) struct PieceDoors {
    enter: u64,
    exits: [u64; offsets::EXITS_LEN],
    landing: u64,
    _code: Code,
}

impl PieceDoors {
    /// Those in `code`, if it is `trampolines`.
    pub(crate) fn of(code: Code, trampolines: &Trampolines) -> Option<Self> {
        let at = |offset: u32| code.address().0 + u64::from(offset);
        let is_theirs = code.signature() == TRAMPOLINE_SIGNATURE
            && code.text_len_bytes() as usize == trampolines.code.len();
        let (enter, landing) = (at(trampolines.enter), at(trampolines.landing));
        let exits = trampolines.exits.map(at);
        is_theirs.then_some(Self {
            enter,
            exits,
            landing,
            _code: code,
        })
    }
}

/// Why a piece came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftPiece {
    /// By an exit, with its guest PC in the state.
    Exit(ExitKind),
    /// By a fault: the guest PC isn't known, and [`restore_landing`] is due.
    Fault,
}

/// Runs translated code until it comes back, or not at all where the host lacks the guest's rounding
/// mode. The state is exact afterwards.
pub(crate) fn enter_piece(
    state: &mut GuestState,
    doors: &PieceDoors,
    code: PieceCode,
) -> Option<LeftPiece> {
    let mxcsr = x86_64::enter_mxcsr(state.frm)?;
    // SAFETY: every exception is masked, and the rounding mode is one of four.
    unsafe { state.set_mxcsr(mxcsr) };
    // SAFETY: these are the exits of the trampolines by which the piece is entered.
    unsafe { state.set_exits(doors.exits) };
    let address = (&raw mut *state).expose_provenance() as u64;
    // SAFETY: the thread runs translated code alone until it is disarmed.
    unsafe { faults::arm(doors.landing, address) };
    let enter = std::ptr::with_exposed_provenance::<()>(doors.enter as usize);
    // SAFETY: it is the trampoline that is a function of this type.
    let enter: unsafe extern "sysv64" fn(u64, u64) -> u64 = unsafe { std::mem::transmute(enter) };
    // SAFETY: `code` is an entry of a piece, by its type, and still there, as are those that the jumps
    // of `state` lead to: by the file's rules, the caller has looked at the generation since it said
    // that it enters. `state` is exclusively ours.
    let left = unsafe { enter(address, code.0) };
    faults::disarm();
    state.fflags |= x86_64::fflags_of(state.mxcsr());
    let exit = usize::try_from(left)
        .ok()
        .and_then(|left| ExitKind::ALL.get(left));
    Some(exit.map_or(LeftPiece::Fault, |kind| LeftPiece::Exit(*kind)))
}

/// Gives the guest back what the landing of a fault overwrote.
pub(crate) fn restore_landing(state: &mut GuestState, record: &FaultRecord) {
    let overwritten = registers::INTEGER[usize::from(x86_64::LANDING_OVERWRITES.0)];
    state.x[overwritten.index()] = record.first_argument;
}

/// Has indirect jumps to `guest_pc` find `code`, which is its entry, without the engine.
pub(crate) fn remember_piece(state: &mut GuestState, guest_pc: u64, code: PieceCode) {
    // SAFETY: it is the entry of `guest_pc`. It may go while this thread is out of guest code; by the
    // file's rules, the generation is another one then, at which the thread looks when it enters next,
    // and forgets its jumps before one is used.
    unsafe { state.remember_jump(guest_pc, code.0) };
}

/// What to do about faults in the cache's images. `rescue` gives, for an instruction of a region, the
/// same instruction of the same region, compiled again; the one caller has such a function.
pub(crate) fn own_files(rescue: fn(u64) -> Option<u64>) -> OwnFiles {
    // SAFETY: `rescue` does what is said above, and `cover_lost_page` is called where reading has just
    // faulted, as `OwnFiles` promises.
    unsafe { OwnFiles::new(rekindle::is_in_image, rekindle::cover_lost_page, rescue) }
}

/// The value of a name that compiled code refers to; the module's base isn't known here.
pub(crate) fn symbol(name: &str) -> Option<u64> {
    let address = match name {
        "rekindle_vm.exit_indirect" => exit_indirect as *const (),
        "rekindle_vm.exit_interpret" => exit_interpret as *const (),
        "rekindle_vm.exit_syscall" => exit_syscall as *const (),
        "rekindle_vm.float_helper" => float_helper as *const (),
        "rekindle_vm.environment_helper" => environment_helper as *const (),
        _ => return None,
    };
    Some(address as usize as u64)
}

/// Has indirect jumps to `guest_pc` find `code`, which is its region, without the engine.
pub(crate) fn remember_jump(state: &mut GuestState, guest_pc: u64, code: RegionCode) {
    // SAFETY: regions are never unmapped, and whoever changes code has the jumps forgotten.
    unsafe { state.remember_jump(guest_pc, code.0.0) };
}

/// The layout on which compiled code relies, as a list of numbers for the cache's environment.
pub(crate) fn state_layout() -> [usize; 15] {
    [
        size_of::<GuestState>(),
        offset_of!(GuestState, x),
        offset_of!(GuestState, f),
        offset_of!(GuestState, pc),
        offset_of!(GuestState, fflags),
        offset_of!(GuestState, frm),
        offset_of!(GuestState, reservation_address),
        offset_of!(GuestState, reservation_value),
        offsets::ATTENTION_ADDRESS,
        offsets::SCRATCH,
        offsets::JUMP_CACHE,
        offsets::JUMP_CACHE_LEN,
        offsets::JUMP_CACHE_ENTRY_LEN,
        offsets::JUMP_GUEST_PC,
        offsets::JUMP_CODE,
    ]
}

/// The link slots of one region's code: words that hold where its direct exits lead.
#[derive(Clone, Debug)]
pub(crate) struct LinkSlots {
    start: HostAddr,
    len: usize,
}

impl LinkSlots {
    /// The `len` slots of `code`, all leading to the exit that asks for their target.
    pub(crate) fn new(code: &Code, len: usize) -> Self {
        let slots = Self {
            start: code.section_address(SectionKind::Bss),
            len,
        };
        for index in 0..len {
            slots.unlink(index);
        }
        slots
    }

    /// Which slot is at `address`.
    pub(crate) fn index_of(&self, address: HostAddr) -> Option<usize> {
        let offset = usize::try_from(address.0.checked_sub(self.start.0)?).ok()?;
        (offset.is_multiple_of(8) && offset / 8 < self.len).then_some(offset / 8)
    }

    /// Where the slots begin.
    pub(crate) fn start(&self) -> HostAddr {
        self.start
    }

    /// Makes a slot lead to `code`.
    pub(crate) fn link(&self, index: usize, code: RegionCode) {
        self.write(index, code.0.0);
    }

    /// Makes a slot lead to the engine.
    pub(crate) fn unlink(&self, index: usize) {
        self.write(index, exit_unlinked as *const () as usize as u64);
    }

    fn write(&self, index: usize, value: u64) {
        assert!(index < self.len, "slot {index} of {}", self.len);
        let address = self.start.0 as usize + 8 * index;
        let slot = std::ptr::with_exposed_provenance::<AtomicU64>(address);
        // SAFETY: the slot is inside the code's zeroed data, by this file's invariant, which is
        // writable, aligned to 8, and otherwise only read, whole, by compiled code.
        unsafe { &*slot }.store(value, Ordering::Release);
    }
}

/// Does one floating-point instruction in software, for compiled code. Operands are bits, singles
/// in the low half; so is the result, or it is an integer register's value.
///
/// # Safety
/// Called by compiled code with the state that it was entered with.
unsafe extern "sysv64" fn float_helper(
    state: *mut GuestState,
    word: u64,
    a: u64,
    b: u64,
    c: u64,
) -> u64 {
    // SAFETY: compiled code passes the state that `enter` lent it, and touches it only after this.
    let state = unsafe { &mut *state };
    let inst = rv_isa::decode(word as u32).map(|decoded| decoded.inst);
    // Regions are not entered with a reserved rounding mode.
    let result = inst.and_then(|inst| float::instruction(inst, state.frm, [a, b, c]));
    debug_assert!(result.is_some(), "compiled code asks for {word:#x}");
    let (result, flags) = result.unwrap_or((0, Flags::NONE));
    state.fflags |= flags.0;
    result
}

/// What [`environment_helper`] is to do, in one number: the CSR, how it changes, whether it does.
pub(crate) fn environment_action(op: CsrOp, csr: Csr, writes: bool) -> u32 {
    let op = match op {
        CsrOp::Write => 0,
        CsrOp::Set => 1,
        CsrOp::Clear => 2,
    };
    u32::from(csr.0) | op << 16 | u32::from(writes) << 24
}

/// Accesses `fflags`, `frm` or `fcsr` for compiled code; returns the old value.
///
/// # Safety
/// Called by compiled code with the state that it was entered with.
unsafe extern "sysv64" fn environment_helper(
    state: *mut GuestState,
    action: u64,
    operand: u64,
) -> u64 {
    // SAFETY: compiled code passes the state that `enter` lent it, and touches it only after this.
    let state = unsafe { &mut *state };
    let mut mxcsr = 0_u32;
    // SAFETY: stores the control register in a word of ours.
    unsafe {
        asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags));
    }
    state.fflags |= flags_from_mxcsr(mxcsr);
    let old = access_environment(state, action as u32, operand as u32);
    // A mode that the host lacks takes effect nowhere: the region ends here, and no region that
    // rounds is entered with it.
    let fresh = (mxcsr & !MXCSR_FLAGS & !(3 << 13)) | rounding_to_mxcsr(state.frm);
    // SAFETY: the value differs from the register's in flags and rounding mode alone, which compiled
    // code, whose register it is until it leaves, expects.
    unsafe {
        asm!("ldmxcsr [{}]", in(reg) &raw const fresh, options(nostack, preserves_flags));
    }
    u64::from(old)
}

fn access_environment(state: &mut GuestState, action: u32, operand: u32) -> u32 {
    let csr = Csr((action & 0xfff) as u16);
    let old = match csr {
        Csr::FFLAGS => state.fflags,
        Csr::FRM => state.frm,
        _ => state.frm << 5 | state.fflags,
    };
    if action >> 24 == 0 {
        return old;
    }
    let new = match action >> 16 & 3 {
        0 => operand,
        1 => old | operand,
        _ => old & !operand,
    };
    match csr {
        Csr::FFLAGS => state.fflags = new & 0x1f,
        Csr::FRM => state.frm = new & 7,
        _ => {
            state.fflags = new & 0x1f;
            state.frm = new >> 5 & 7;
        }
    }
    old
}

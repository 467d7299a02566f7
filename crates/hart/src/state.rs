//! The state of a guest hart, laid out for compiled code.
//!
//! Compiled code receives a pointer to a [`GuestState`] and addresses its fields by
//! `offset_of!`, so the layout is `repr(C)` and part of the translator's version. The fields that are
//! compiled code's alone hold addresses that it jumps to, so they are private: [`offsets`] says where
//! they are, and what Rust may do with them has a name.

#![expect(
    unsafe_code,
    reason = "compiled code believes what its fields hold, so callers answer for it"
)]

use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// Entries of the jump cache; a power of two.
const JUMP_CACHE_LEN: usize = 4096;

/// How many exits the single-pass tier has.
const EXITS_LEN: usize = 5;

/// One hart's registers, and what compiled code needs at hand.
#[repr(C)]
#[derive(Debug)]
pub struct GuestState {
    /// Integer registers; `x[0]` is always 0.
    pub x: [u64; 32],
    /// Floating-point registers as raw bits, singles NaN-boxed.
    pub f: [u64; 32],
    /// The guest PC: exact whenever no compiled code or interpreter is running.
    pub pc: u64,
    /// Accrued exceptions (`NX` = 1, `UF` = 2, `OF` = 4, `DZ` = 8, `NV` = 16).
    pub fflags: u32,
    /// The dynamic rounding mode as encoded: 0 to 4, or a reserved value 5 to 7.
    pub frm: u32,
    /// The address that LR reserved, or `u64::MAX`.
    pub reservation_address: u64,
    /// The value that LR read there, zero-extended.
    pub reservation_value: u64,
    /// The address of the link slot through which compiled code left, or 0.
    exit_slot: u64,
    /// The host stack pointer to which the entry trampoline returns after a fault.
    host_stack: u64,
    /// The floating-point control and status register of the host while compiled code runs.
    mxcsr: u32,
    /// Where compiled code finds the word of [`Self::attention`].
    attention_address: u64,
    /// Where compiled code stores what nobody reads.
    scratch: u64,
    /// Where code of the single-pass tier goes when it leaves.
    exits: [u64; EXITS_LEN],
    /// Where indirect jumps find compiled code, direct-mapped by guest PC.
    jump_cache: [JumpCacheEntry; JUMP_CACHE_LEN],
    /// See [`Self::attention`].
    attention: Arc<AtomicU32>,
}

impl GuestState {
    /// Not 0 where the engine asks that compiled code leave at the next opportunity. Other threads set
    /// it, and signal handlers of this one, while this state is lent to whoever runs the hart: so the
    /// word lies outside.
    pub fn attention(&self) -> &Arc<AtomicU32> {
        &self.attention
    }

    /// A hart as Linux starts it: all registers zero.
    pub fn new() -> Box<Self> {
        let attention = Arc::new(AtomicU32::new(0));
        Box::new(Self {
            x: [0; 32],
            f: [0; 32],
            pc: 0,
            fflags: 0,
            frm: 0,
            reservation_address: u64::MAX,
            reservation_value: 0,
            exit_slot: 0,
            host_stack: 0,
            mxcsr: 0,
            attention_address: Arc::as_ptr(&attention).expose_provenance() as u64,
            scratch: 0,
            exits: [0; EXITS_LEN],
            jump_cache: [JumpCacheEntry::EMPTY; JUMP_CACHE_LEN],
            attention,
        })
    }

    /// The state of a hart that starts with this one's registers, and nothing else of its.
    pub fn copy(&self) -> Box<Self> {
        let mut state = Self::new();
        state.x = self.x;
        state.f = self.f;
        state.pc = self.pc;
        state.fflags = self.fflags;
        state.frm = self.frm;
        state
    }
}

impl GuestState {
    /// The address of the link slot through which compiled code left, or 0.
    #[must_use]
    #[inline]
    pub fn exit_slot(&self) -> u64 {
        self.exit_slot
    }

    /// The host's floating-point control and status register, as compiled code left it.
    #[must_use]
    #[inline]
    pub fn mxcsr(&self) -> u32 {
        self.mxcsr
    }

    /// Sets what the host's register holds while compiled code runs.
    ///
    /// # Safety
    /// It is a value that the host takes, with all exceptions masked.
    #[inline]
    pub unsafe fn set_mxcsr(&mut self, mxcsr: u32) {
        self.mxcsr = mxcsr;
    }

    /// Has code of the single-pass tier leave through `exits`, host addresses in the order of its kinds
    /// of exit.
    ///
    /// # Safety
    /// Each is code that such code may jump to.
    pub unsafe fn set_exits(&mut self, exits: [u64; EXITS_LEN]) {
        self.exits = exits;
    }

    /// Has indirect jumps to `guest_pc` find the code at host address `code`, until another jump takes
    /// its place or [`Self::forget_jumps`].
    ///
    /// # Safety
    /// `code` is compiled code of `guest_pc`, and stays so for as long.
    #[inline]
    pub unsafe fn remember_jump(&mut self, guest_pc: u64, code: u64) {
        let entry = JumpCacheEntry { guest_pc, code };
        self.jump_cache[(guest_pc >> 1) as usize % JUMP_CACHE_LEN] = entry;
    }

    /// Has indirect jumps find no code.
    pub fn forget_jumps(&mut self) {
        self.jump_cache.fill(JumpCacheEntry::EMPTY);
    }
}

/// Where compiled code finds what is its own.
pub mod offsets {
    use super::{GuestState, JumpCacheEntry, offset_of};

    /// Of the address of the link slot through which it left.
    pub const EXIT_SLOT: usize = offset_of!(GuestState, exit_slot);
    /// Of the host stack pointer to which the entry trampoline returns after a fault.
    pub const HOST_STACK: usize = offset_of!(GuestState, host_stack);
    /// Of the floating-point control and status register of the host.
    pub const MXCSR: usize = offset_of!(GuestState, mxcsr);
    /// Of the address of the word by which it is asked to leave.
    pub const ATTENTION_ADDRESS: usize = offset_of!(GuestState, attention_address);
    /// Of a double-word that nobody reads.
    pub const SCRATCH: usize = offset_of!(GuestState, scratch);
    /// Of the addresses through which code of the single-pass tier leaves.
    pub const EXITS: usize = offset_of!(GuestState, exits);
    /// How many of them there are.
    pub const EXITS_LEN: usize = super::EXITS_LEN;
    /// Of the jump cache: entries, found by half the guest PC modulo their number.
    pub const JUMP_CACHE: usize = offset_of!(GuestState, jump_cache);
    /// How many entries it has, a power of two.
    pub const JUMP_CACHE_LEN: usize = super::JUMP_CACHE_LEN;
    /// The size of an entry.
    pub const JUMP_CACHE_ENTRY_LEN: usize = size_of::<JumpCacheEntry>();
    /// In an entry, of the guest PC; `u64::MAX` where it is empty.
    pub const JUMP_GUEST_PC: usize = offset_of!(JumpCacheEntry, guest_pc);
    /// In an entry, of the host address of the code.
    pub const JUMP_CODE: usize = offset_of!(JumpCacheEntry, code);
}

/// A guest PC and the host address of its compiled code.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct JumpCacheEntry {
    /// The guest PC, or `u64::MAX` where the entry is empty.
    guest_pc: u64,
    /// The host address of the region's entry point.
    code: u64,
}

impl JumpCacheEntry {
    /// An entry that no guest PC matches.
    const EMPTY: Self = Self {
        guest_pc: u64::MAX,
        code: 0,
    };
}

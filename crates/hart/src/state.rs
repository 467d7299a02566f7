//! The state of a guest hart, laid out for compiled code.
//!
//! Compiled code receives a pointer to a [`GuestState`] and addresses its fields by
//! `offset_of!`, so the layout is `repr(C)` and part of the translator's version.

use std::sync::atomic::AtomicU32;

/// Entries of the jump cache; a power of two.
pub const JUMP_CACHE_LEN: usize = 4096;

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
    pub exit_slot: u64,
    /// The host stack pointer to which the entry trampoline returns after a fault.
    pub host_stack: u64,
    /// The floating-point control and status register of the host while compiled code runs.
    pub mxcsr: u32,
    /// Not 0 where the engine asks that compiled code leave at the next opportunity. A signal handler
    /// of this thread may set it.
    pub attention: AtomicU32,
    /// Where compiled code stores what nobody reads.
    pub scratch: u64,
    /// Where indirect jumps find compiled code, direct-mapped by guest PC.
    pub jump_cache: [JumpCacheEntry; JUMP_CACHE_LEN],
}

impl GuestState {
    /// A hart as Linux starts it: all registers zero.
    pub fn new() -> Box<Self> {
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
            attention: AtomicU32::new(0),
            scratch: 0,
            jump_cache: [JumpCacheEntry::EMPTY; JUMP_CACHE_LEN],
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

/// A guest PC and the host address of its compiled code.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct JumpCacheEntry {
    /// The guest PC, or `u64::MAX` where the entry is empty.
    pub guest_pc: u64,
    /// The host address of the region's entry point.
    pub code: u64,
}

impl JumpCacheEntry {
    /// An entry that no guest PC matches.
    pub const EMPTY: Self = Self {
        guest_pc: u64::MAX,
        code: 0,
    };
}

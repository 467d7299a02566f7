//! Where in the guest's state things are.

use std::mem::offset_of;

use rekindle_hart::{GuestState, offsets};
use rv_isa::{FReg, XReg};

use crate::host::ExitKind;

/// Of an integer register.
#[inline]
pub(crate) const fn integer(register: XReg) -> i32 {
    (offset_of!(GuestState, x) + 8 * register.index()) as i32
}

/// Of a floating-point register.
#[inline]
pub(crate) const fn float(register: FReg) -> i32 {
    (offset_of!(GuestState, f) + 8 * register.index()) as i32
}

/// Of the guest PC.
pub(crate) const PC: i32 = offset_of!(GuestState, pc) as i32;
/// Of the rounding mode.
pub(crate) const FRM: i32 = offset_of!(GuestState, frm) as i32;
/// Of the address that is reserved.
pub(crate) const RESERVATION_ADDRESS: i32 = offset_of!(GuestState, reservation_address) as i32;
/// Of the value that was there.
pub(crate) const RESERVATION_VALUE: i32 = offset_of!(GuestState, reservation_value) as i32;
/// Of the host's floating-point control and status.
pub(crate) const FLOAT_STATUS: i32 = offsets::MXCSR as i32;
/// Of the address of the place that is to be linked, where an exit has one.
pub(crate) const LINK: i32 = offsets::EXIT_SLOT as i32;
/// Of the address of the word by which code is asked to leave.
pub(crate) const ATTENTION: i32 = offsets::ATTENTION_ADDRESS as i32;
/// Of the jump cache.
pub(crate) const JUMP_CACHE: i32 = offsets::JUMP_CACHE as i32;

/// Of the address to which code goes that leaves.
pub(crate) const fn exit(kind: ExitKind) -> i32 {
    (offsets::EXITS + 8 * kind as usize) as i32
}

const _: () = assert!(ExitKind::ALL.len() == offsets::EXITS_LEN);
// What hosts build into their look-up: entries of two double-words, the guest PC first, by half the PC.
const _: () = assert!(offsets::JUMP_CACHE_ENTRY_LEN == 16 && offsets::JUMP_GUEST_PC == 0);
const _: () = assert!(offsets::JUMP_CODE == 8 && offsets::JUMP_CACHE_LEN == 4096);

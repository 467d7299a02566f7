//! The door to guest memory: accesses that report a fault instead of dying of it.
//!
//! Guest addresses are host addresses. Every function here refuses addresses from [`GUEST_END`] up,
//! where the engine lives, so no access made here can touch the engine's own memory; below it, an
//! address is mapped for the guest or faults: whoever starts a guest makes sure that the host, whose program
//! may be linked at a low address, has nothing there. A fault is turned into an [`AccessFault`] by the
//! handler of `faults.rs`, which must be installed before the first access.

#![expect(
    unsafe_code,
    reason = "guest memory is read and written at addresses that the guest made up"
)]

use std::arch::asm;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::arch::x86_64::fallible_access;

/// The first address that a guest may use.
pub const GUEST_START: u64 = 0x1_0000;
/// The end of the addresses that a guest may use: the user half of Sv39.
pub const GUEST_END: u64 = 1 << 38;

/// An access touched memory that isn't mapped, or not mapped for this kind of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessFault;

/// The fixup table: pairs of self-relative offsets (instruction, stub), one pair for each access.
mod table {
    unsafe extern "C" {
        #[link_name = "__start_rekindle_fixups"]
        pub(super) static START: [i32; 2];
        #[link_name = "__stop_rekindle_fixups"]
        pub(super) static STOP: [i32; 2];
    }
}

/// Where an access that faulted at host address `pc` continues, or `None` where the instruction at
/// `pc` isn't one of ours. Async-signal-safe.
pub(crate) fn fixup(pc: u64) -> Option<u64> {
    let start = (&raw const table::START).cast::<i32>();
    let bytes = (&raw const table::STOP).addr() - start.addr();
    for pair in 0..bytes / 8 {
        let instruction = start.wrapping_add(pair * 2);
        let stub = start.wrapping_add(pair * 2 + 1);
        if self_relative(instruction) == pc {
            return Some(self_relative(stub));
        }
    }
    None
}

/// The address that a table cell denotes.
fn self_relative(cell: *const i32) -> u64 {
    // SAFETY: callers pass cells between the linker's start and stop symbols of the table.
    let offset = unsafe { cell.read() };
    (cell.addr() as u64).wrapping_add_signed(i64::from(offset))
}

/// Whether `address..address + len` lies below the engine.
#[inline(always)]
const fn below_engine(address: u64, len: u64) -> bool {
    address <= GUEST_END - len
}

macro_rules! load {
    ($(#[$doc:meta])* $name:ident, $int:ty, $class:ident, $text:literal) => {
        $(#[$doc])*
        #[inline(always)]
        pub fn $name(address: u64) -> Result<$int, AccessFault> {
            if !below_engine(address, size_of::<$int>() as u64) {
                return Err(AccessFault);
            }
            let value: $int;
            let fault: u32;
            // SAFETY: the address is below the engine, so this reads guest memory or faults, and a
            // fault continues at the stub, which sets `fault`.
            unsafe {
                asm!(
                    fallible_access!($text),
                    address = in(reg) address,
                    value = lateout($class) value,
                    fault = out(reg) fault,
                    options(nostack, readonly),
                );
            }
            if fault == 0 { Ok(value) } else { Err(AccessFault) }
        }
    };
}

macro_rules! store {
    ($(#[$doc:meta])* $name:ident, $int:ty, $class:ident, $text:literal) => {
        $(#[$doc])*
        #[inline(always)]
        pub fn $name(address: u64, value: $int) -> Result<(), AccessFault> {
            if !below_engine(address, size_of::<$int>() as u64) {
                return Err(AccessFault);
            }
            let fault: u32;
            // SAFETY: the address is below the engine, so this writes guest memory or faults, and a
            // fault continues at the stub, which sets `fault`.
            unsafe {
                asm!(
                    fallible_access!($text),
                    address = in(reg) address,
                    value = in($class) value,
                    fault = out(reg) fault,
                    options(nostack),
                );
            }
            if fault == 0 { Ok(()) } else { Err(AccessFault) }
        }
    };
}

load!(/// Loads a byte.
    load8, u8, reg_byte, "mov {value}, byte ptr [{address}]");
load!(/// Loads a half-word, at any alignment.
    load16, u16, reg, "mov {value:x}, word ptr [{address}]");
load!(/// Loads a word, at any alignment.
    load32, u32, reg, "mov {value:e}, dword ptr [{address}]");
load!(/// Loads a double-word, at any alignment.
    load64, u64, reg, "mov {value}, qword ptr [{address}]");
store!(/// Stores a byte.
    store8, u8, reg_byte, "mov byte ptr [{address}], {value}");
store!(/// Stores a half-word, at any alignment.
    store16, u16, reg, "mov word ptr [{address}], {value:x}");
store!(/// Stores a word, at any alignment.
    store32, u32, reg, "mov dword ptr [{address}], {value:e}");
store!(/// Stores a double-word, at any alignment.
    store64, u64, reg, "mov qword ptr [{address}], {value}");

macro_rules! compare_exchange {
    ($(#[$doc:meta])* $name:ident, $int:ty, $accumulator:tt, $text:literal) => {
        $(#[$doc])*
        #[inline]
        pub fn $name(address: u64, expected: $int, new: $int) -> Result<$int, AccessFault> {
            if !below_engine(address, size_of::<$int>() as u64) {
                return Err(AccessFault);
            }
            let found: $int;
            let fault: u32;
            // SAFETY: the address is below the engine, so this touches guest memory or faults, and
            // a fault continues at the stub, which sets `fault`.
            unsafe {
                asm!(
                    fallible_access!($text),
                    address = in(reg) address,
                    new = in(reg) new,
                    fault = out(reg) fault,
                    inlateout($accumulator) expected => found,
                    options(nostack),
                );
            }
            if fault == 0 { Ok(found) } else { Err(AccessFault) }
        }
    };
}

compare_exchange!(/// Atomically replaces a word that equals `expected`; returns what was there.
    compare_exchange32, u32, "eax", "lock cmpxchg dword ptr [{address}], {new:e}");
compare_exchange!(/// Atomically replaces a double-word that equals `expected`; returns what was there.
    compare_exchange64, u64, "rax", "lock cmpxchg qword ptr [{address}], {new}");

/// Copies guest memory at `address` into `destination`; after a fault its contents are unspecified.
pub fn copy_in(destination: &mut [u8], address: u64) -> Result<(), AccessFault> {
    let len = destination.len() as u64;
    if len > GUEST_END || !below_engine(address, len) {
        return Err(AccessFault);
    }
    let fault: u32;
    // SAFETY: the source is below the engine, the destination is a live slice of `len` bytes, and a
    // fault (always the source's) continues at the stub, which sets `fault`.
    unsafe {
        asm!(
            fallible_access!("rep movsb"),
            fault = out(reg) fault,
            inout("rsi") address => _,
            inout("rdi") destination.as_mut_ptr() => _,
            inout("rcx") len => _,
            options(nostack),
        );
    }
    if fault == 0 { Ok(()) } else { Err(AccessFault) }
}

/// Copies `source` to guest memory at `address`; after a fault a part may have been written.
pub fn copy_out(address: u64, source: &[u8]) -> Result<(), AccessFault> {
    let len = source.len() as u64;
    if len > GUEST_END || !below_engine(address, len) {
        return Err(AccessFault);
    }
    let fault: u32;
    // SAFETY: the destination is below the engine, the source is a live slice of `len` bytes, and a
    // fault (always the destination's) continues at the stub, which sets `fault`.
    unsafe {
        asm!(
            fallible_access!("rep movsb"),
            fault = out(reg) fault,
            inout("rsi") source.as_ptr() => _,
            inout("rdi") address => _,
            inout("rcx") len => _,
            options(nostack),
        );
    }
    if fault == 0 { Ok(()) } else { Err(AccessFault) }
}

/// Fills a guest range with zeros; after a fault a part may have been written.
pub fn zero(range: Range<u64>) -> Result<(), AccessFault> {
    let len = range.end.saturating_sub(range.start);
    if len > GUEST_END || !below_engine(range.start, len) {
        return Err(AccessFault);
    }
    let fault: u32;
    // SAFETY: the range is below the engine, so this writes guest memory or faults, and a fault
    // continues at the stub, which sets `fault`.
    unsafe {
        asm!(
            fallible_access!("rep stosb"),
            fault = out(reg) fault,
            in("al") 0u8,
            inout("rdi") range.start => _,
            inout("rcx") len => _,
            options(nostack),
        );
    }
    if fault == 0 { Ok(()) } else { Err(AccessFault) }
}

/// Anonymous pages of guest memory, mapped for as long as this lives: for those who have no address
/// space of a guest, as examples and tests.
#[derive(Debug)]
pub struct Pages(Range<u64>);

impl Pages {
    /// Maps `len` bytes, rounded up to pages: readable, writable, and full of zeros.
    ///
    /// # Errors
    /// If the host gives no memory, or has none free where it is looked for.
    pub fn map(len: u64) -> io::Result<Self> {
        /// Where the next one may go.
        static NEXT: AtomicU64 = AtomicU64::new(1 << 36);
        const PAGE: u64 = 4096;
        const TRIES: u32 = 64;
        let too_long = || io::Error::from(io::ErrorKind::OutOfMemory);
        let len = len
            .checked_next_multiple_of(PAGE)
            .filter(|len| (1..GUEST_END / 4).contains(len))
            .ok_or_else(too_long)?;
        let mut error = too_long();
        for _ in 0..TRIES {
            // A page stays free behind each.
            let start = NEXT.fetch_add(len + PAGE, Ordering::Relaxed);
            if !below_engine(start, len) {
                break;
            }
            match map_anonymous(start, len) {
                Ok(()) => return Ok(Self(start..start + len)),
                Err(taken) => error = taken,
            }
        }
        Err(error)
    }

    /// Where they are.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.0.clone()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let start = std::ptr::without_provenance_mut(self.0.start as usize);
        // SAFETY: the range was mapped by `map` and is nobody else's; nothing in Rust refers to it.
        unsafe { libc::munmap(start, (self.0.end - self.0.start) as usize) };
    }
}

/// Maps `len` bytes at `start`, where nothing may be.
fn map_anonymous(start: u64, len: u64) -> io::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let wanted = std::ptr::without_provenance_mut(start as usize);
    // SAFETY: replaces no mapping, by its flag.
    let mapped = unsafe { libc::mmap(wanted, len as usize, protection, flags, -1, 0) };
    if mapped == wanted {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Reads a NUL-terminated string of at most `limit` bytes, without its NUL.
pub fn read_c_string(address: u64, limit: usize) -> Result<Option<Vec<u8>>, AccessFault> {
    let mut bytes = Vec::new();
    for offset in 0..limit as u64 {
        match load8(address.wrapping_add(offset))? {
            0 => return Ok(Some(bytes)),
            byte => bytes.push(byte),
        }
    }
    Ok(None)
}

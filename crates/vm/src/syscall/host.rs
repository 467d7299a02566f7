//! The door to the host's system calls.
//!
//! Guest pointers are host pointers, so most arguments pass through as they are. What a guest may
//! do to its own memory is checked before by `memory/space.rs`; this file checks nothing.

#![expect(
    unsafe_code,
    reason = "system calls are made with arguments that the guest chose"
)]

use std::ffi::c_long;

use crate::errno::Errno;

/// Makes the host system call `number`.
///
/// The caller answers for what the call does to this process: calls that map, unmap or protect
/// memory name ranges inside the guest's part of the address space, and pointers are the guest's
/// own, so that the kernel writes guest memory or returns `EFAULT`.
#[inline]
pub(crate) fn call(number: c_long, arguments: [u64; 6]) -> Result<u64, Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the kernel checks the pointers; what it writes is the guest's, as the contract above
    // asks of callers.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 {
        Err(last_error())
    } else {
        Ok(result.cast_unsigned())
    }
}

/// The calling thread's `errno`.
fn last_error() -> Errno {
    Errno(
        std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EINVAL),
    )
}

/// The host's auxiliary-vector entry `kind`, or 0.
pub(crate) fn auxiliary_value(kind: u64) -> u64 {
    // SAFETY: `getauxval` reads a table that the kernel wrote and takes any number.
    unsafe { libc::getauxval(kind) }
}

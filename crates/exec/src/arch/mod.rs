//! Making written code visible to instruction fetch: one file per architecture.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as host;
#[cfg(target_arch = "x86_64")]
use x86_64 as host;

/// Makes the bytes just written at `start..start + len` visible to instruction fetch on every
/// core. They must be mapped.
pub(crate) fn make_coherent(start: *const u8, len: usize) {
    host::make_coherent(start, len);
}

/// Has every core forget what it fetched from memory that held other code before. What is there now was
/// made visible, and no core executes it yet.
pub(crate) fn forget_old_code() {
    host::forget_old_code();
}

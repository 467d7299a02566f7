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

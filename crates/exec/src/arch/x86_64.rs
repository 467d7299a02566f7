//! x86-64 keeps instruction caches coherent by itself. A core that executes freshly written bytes
//! for the first time does so after a jump, which is all that the manuals ask (Intel SDM volume 3,
//! 11.6; AMD APM volume 2, 7.6.1). Memory whose code was given back is made writable before other code is
//! written there, for which the kernel interrupts each core that runs the process; returning from
//! that serialises.

pub(super) fn make_coherent(_: *const u8, _: usize) {}

pub(super) fn forget_old_code() {}

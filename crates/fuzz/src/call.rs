//! Calling what was compiled: the one door to unsafe code here.

use crate::entry::Input;

/// Calls an entry.
pub(crate) fn entry(address: *const u8, input: &Input, fuel: i64) -> i64 {
    type Entry = extern "C" fn(*const Input, i64) -> i64;
    #[expect(unsafe_code, reason = "a fuzzer calls what it compiled")]
    // SAFETY: entries are compiled with this type, of code that stays within its data, and their
    // module lives.
    let function = unsafe { core::mem::transmute::<*const u8, Entry>(address) };
    function(input, fuel)
}

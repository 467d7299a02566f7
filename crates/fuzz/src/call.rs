//! Calling what was compiled, and letting go of it: the one door to unsafe code here.

use rekindle_cranelift::JITModule;

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

/// Frees the memory of a module whose code nobody called, and of which no address was kept.
pub(crate) fn free(module: JITModule) {
    #[expect(unsafe_code, reason = "fuzzers make modules by the thousand")]
    // SAFETY: nothing of the module runs, and the caller kept nothing of it.
    unsafe {
        module.free_memory();
    }
}

//! What the running program offers to compiled code: its own symbols.

use std::ffi::CString;

use crate::address::HostAddr;

/// The address of a symbol that this program or a library that it has loaded exports, as the
/// dynamic linker finds it.
pub fn find_symbol(name: &str) -> Option<HostAddr> {
    let name = CString::new(name).ok()?;
    #[expect(unsafe_code, reason = "the one call")]
    // SAFETY: the name is a C string that outlives the call; the result is only an address here.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then(|| HostAddr(address.expose_provenance() as u64))
}

/// Has `action` run when the process ends by returning from `main` or calling `exit`. Not when it
/// is killed. Other threads may still be running then, so `action` must not wait for a lock.
pub fn at_exit(action: extern "C" fn()) {
    #[expect(unsafe_code, reason = "the one call")]
    // SAFETY: the function is a plain `extern "C"` one and lives as long as the program. If this
    // code is unloaded earlier, as part of a shared library, the C library runs it then.
    // A failure means that nothing is run, which callers accept.
    let _ = unsafe { libc::atexit(action) };
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::find_symbol;

    #[test]
    fn finds_what_the_c_library_exports() {
        assert!(find_symbol("malloc").is_some());
        assert_eq!(find_symbol("no_such_symbol_here"), None);
        assert_eq!(find_symbol("nul\0inside"), None);
    }
}

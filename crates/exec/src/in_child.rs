//! What tests of forked processes share.

/// Forks, has the child do `work`, and returns how it ended.
pub(crate) fn in_child(work: impl FnOnce() -> bool) -> i32 {
    #[expect(unsafe_code, reason = "the one call")]
    // SAFETY: the child does what the test says, and ends without unwinding.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let code = i32::from(!work());
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: ends this process, and nothing else.
        unsafe {
            libc::_exit(code)
        }
    }
    let mut status = 0;
    #[expect(unsafe_code, reason = "the one call")]
    // SAFETY: the child is this test's own, and the status outlives the call.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    status
}

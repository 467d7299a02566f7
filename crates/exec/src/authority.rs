//! Whether this process may do more than the user who started it.

/// Whether the system gave this process more authority than its user has: a set-user-id or
/// set-group-id program, or one with file capabilities. What its user says, in files or variables, it
/// mustn't follow.
#[cfg(not(miri))]
pub fn has_more_authority_than_user() -> bool {
    #[expect(unsafe_code, reason = "the one call")]
    // SAFETY: it reads a number that the kernel gave the process when it started.
    let is_secure = unsafe { libc::getauxval(libc::AT_SECURE) };
    is_secure != 0
}

/// Nobody runs Miri so.
#[cfg(miri)]
pub fn has_more_authority_than_user() -> bool {
    false
}

//! Memory that nobody uses and that the system didn't take back.
//!
//! A process may have only so many mappings, and giving one back may take one more for a moment: see
//! `unmap`. What it holds is given back at once; its addresses wait here until others went.

use core::ptr::with_exposed_provenance_mut;
use std::sync::{Mutex, PoisonError};

use super::system;

/// How many that wait are tried again at once: nobody should wait for them.
const RETRIES: usize = 4;

/// Whole mappings to which nothing refers: where they start, and their lengths in bytes.
static LEFT: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Gives a mapping back, now or later.
///
/// # Safety
/// It must be a whole mapping to which nothing refers.
#[expect(unsafe_code, reason = "the caller owns the mapping")]
pub(super) unsafe fn give_back(start: *mut u8, len: usize) {
    // SAFETY: the caller's.
    if unsafe { system::unmap(start, len) }.is_ok() {
        retry();
        return;
    }
    // SAFETY: the caller's.
    unsafe { system::discard(start, len) };
    let _inside = crate::fork_gate::enter();
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    // Without memory for the note, the addresses are lost.
    if left.try_reserve(1).is_ok() {
        left.push((start.expose_provenance(), len));
    }
}

/// Gives back some of what waits.
fn retry() {
    // Whoever has the lock does the same.
    let _inside = crate::fork_gate::enter();
    let Ok(mut left) = LEFT.try_lock() else {
        return;
    };
    for _ in 0..RETRIES {
        let Some((start, len)) = left.pop() else {
            return;
        };
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: `give_back` was promised that it is a whole mapping to which nothing refers.
        let result = unsafe { system::unmap(with_exposed_provenance_mut(start), len) };
        if result.is_err() {
            left.push((start, len));
            return;
        }
    }
}

/// How many mappings wait.
#[cfg(all(test, not(miri)))]
pub(crate) fn waiting() -> usize {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner).len()
}

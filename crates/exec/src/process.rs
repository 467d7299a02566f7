//! Telling a process from those that it was forked from.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::imp::{Memory, page_len};

/// The number of the process that asks: never that of a process that it was forked from, nor zero. What
/// was noted under another number belongs to another process. Quick, and takes no lock.
pub fn process_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let Some(number) = wiped_on_fork() else {
        return std::process::id().into();
    };
    match number.load(Ordering::Relaxed) {
        0 => {
            // A process that was forked counts on from where the other was.
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            let set = number.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed);
            set.map_or_else(|faster| faster, |_zero| new)
        }
        number => number,
    }
}

/// A number that the kernel sets to zero in a process that `fork` makes; none if it can't.
fn wiped_on_fork() -> Option<&'static AtomicU64> {
    static WIPED: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();
    *WIPED.get_or_init(|| {
        let memory = Memory::reserve(page_len()).ok()?;
        memory.wipe_on_fork().ok()?;
        let memory: &'static Memory = Box::leak(Box::new(memory));
        #[expect(unsafe_code, reason = "memory becomes a number")]
        // SAFETY: the memory is page-aligned, readable, writable, zeroed, never given back, and used
        // for nothing else.
        Some(unsafe { AtomicU64::from_ptr(memory.base().cast()) })
    })
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::process_number;
    use crate::in_child::in_child;

    #[test]
    fn a_forked_process_has_another_number() {
        let own = process_number();
        assert!(own != 0 && own == process_number());
        let status = in_child(|| process_number() != own && process_number() != 0);
        assert_eq!(status, 0);
        assert_eq!(process_number(), own);
    }
}

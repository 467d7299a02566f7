//! What a thread's end does to the futexes that others wait on: `exit_robust_list` and
//! `clear_child_tid` of the kernel, whose own twins run when the host thread ends, which is too late
//! for a guest that joins its thread.

use rekindle_hart::guest_memory::{AccessFault, compare_exchange32, load32, load64, store32};

use crate::host;

/// A futex of a dead owner.
const OWNER_DIED: u32 = 0x4000_0000;
/// A futex on which someone waits.
const WAITERS: u32 = 0x8000_0000;
/// The owner's number in a futex.
const OWNER: u32 = 0x3fff_ffff;
/// More entries than this mean that the list is circular.
const ENTRIES_MAX: usize = 2048;

/// Lets go of the robust futexes in the list at `head` (0: none) that thread `owner` holds.
pub(super) fn release(head: u64, owner: i32) {
    if head != 0 {
        // A list that leads nowhere is the guest's fault, and nobody is left to be told.
        let _ = try_release(head, owner.cast_unsigned());
        let _ = host::call(libc::SYS_set_robust_list, [0, 24, 0, 0, 0, 0]);
    }
}

fn try_release(head: u64, owner: u32) -> Result<(), AccessFault> {
    let offset = load64(head.wrapping_add(8))?;
    let pending = load64(head.wrapping_add(16))? & !1;
    let mut entry = load64(head)? & !1;
    for _ in 0..ENTRIES_MAX {
        if entry == head {
            break;
        }
        let next = load64(entry)? & !1;
        if entry != pending {
            mark(entry.wrapping_add(offset), owner)?;
        }
        entry = next;
    }
    if pending != 0 {
        mark(pending.wrapping_add(offset), owner)?;
    }
    Ok(())
}

/// Marks the futex at `address` as one whose owner died, if `owner` owns it, and wakes one waiter.
fn mark(address: u64, owner: u32) -> Result<(), AccessFault> {
    let mut value = load32(address)?;
    while value & OWNER == owner {
        let marked = value & WAITERS | OWNER_DIED;
        match compare_exchange32(address, value, marked)? {
            found if found == value => {
                if value & WAITERS != 0 {
                    wake(address);
                }
                break;
            }
            found => value = found,
        }
    }
    Ok(())
}

/// Writes a zero where a thread asked for it, and wakes who waits for that.
pub(super) fn clear_and_wake(address: u64) {
    if store32(address, 0).is_ok() {
        wake(address);
    }
}

fn wake(address: u64) {
    let arguments = [address, libc::FUTEX_WAKE as u64, 1, 0, 0, 0];
    // Waking nobody is no trouble.
    let _ = host::call(libc::SYS_futex, arguments);
}

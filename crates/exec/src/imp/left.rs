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
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    // Without memory for the note, the addresses are lost.
    if left.try_reserve(1).is_ok() {
        left.push((start.expose_provenance(), len));
    }
}

/// Gives back some of what waits.
fn retry() {
    // Whoever has the lock does the same.
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

#[cfg(all(test, not(miri)))]
mod tests {
    use crate::arena::Arena;
    use crate::block::Demand;
    use crate::imp::{Access, Memory, page_len};
    use std::process::Command;

    const CHILD: &str = "REKINDLE_TEST_OUT_OF_MAPPINGS";

    /// Takes all mappings that this process may have, by pages that differ from their neighbours.
    fn take_all_mappings() -> Memory {
        let page = page_len();
        let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count");
        let limit: usize = limit
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(65530);
        let mut memory = Memory::reserve(2 * (limit + 16) * page).expect("address space");
        for index in 0..limit + 8 {
            if memory
                .protect(2 * index * page, page, Access::Read)
                .is_err()
            {
                return memory;
            }
        }
        panic!("there is no limit");
    }

    /// Runs in a process of its own: with no mapping left, the whole test program would suffer.
    #[test]
    fn running_out_of_mappings_is_an_error_and_never_a_panic() {
        if std::env::var_os(CHILD).is_none() {
            let name = "imp::left::tests::running_out_of_mappings_is_an_error_and_never_a_panic";
            let output = Command::new(std::env::current_exe().expect("this program"))
                .args(["--exact", name, "--test-threads=1"])
                .env(CHILD, "1")
                .output()
                .expect("it runs");
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{text}");
            return;
        }
        let page = page_len();
        // Neighbours of one kind, which are one mapping to the kernel.
        let mut neighbours: Vec<Memory> = (0..32)
            .map(|_| Memory::reserve(page).expect("address space"))
            .collect();
        neighbours.sort_by_key(|memory| memory.base().addr());
        let arena = Arena::new();
        let demand = Demand {
            code_len: 1,
            data_align: 1,
            ..Demand::default()
        };
        let published = arena.reserve(demand).and_then(|block| block.publish());
        let published = published.expect("there is memory so far");

        let all = take_all_mappings();
        let results: Vec<bool> = (0..8)
            .map(|_| {
                Arena::new()
                    .reserve(demand)
                    .and_then(|block| block.publish())
                    .is_ok()
            })
            .collect();
        assert!(results.iter().any(|is_ok| !is_ok), "{results:?}");
        // Each second goes from between two others.
        let mut index = 0;
        neighbours.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        let left = || super::LEFT.lock().expect("nobody panicked").len();
        assert!(left() > 0, "nothing was left: this test shows nothing");
        drop((published, arena));

        drop(all);
        drop(neighbours);
        for _ in 0..32 {
            drop(Memory::reserve(page).expect("there is room again"));
        }
        assert_eq!(left(), 0);
    }
}

//! A process that has all mappings that it may have.

use crate::arena::Arena;
use crate::block::Demand;
use crate::imp::{Access, Memory, page_len, waiting};
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
        let name = "out_of_mappings::running_out_of_mappings_is_an_error_and_never_a_panic";
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
    assert!(waiting() > 0, "nothing was left: this test shows nothing");
    drop((published, arena));

    drop(all);
    drop(neighbours);
    for _ in 0..32 {
        drop(Memory::reserve(page).expect("there is room again"));
    }
    assert_eq!(waiting(), 0);
}

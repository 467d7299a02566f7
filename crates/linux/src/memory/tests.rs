//! The map of mappings against a model that keeps a cell for each page; the address space against
//! the host.

use proptest::prelude::*;
use rekindle_hart::guest_memory::{GUEST_END, GUEST_START, load8, store8};

use super::*;
use crate::errno::Errno;
use crate::signal;

const PAGES: usize = 48;

#[derive(Clone, Debug)]
enum Change {
    Insert(u64, u64, u64, bool),
    Remove(u64, u64),
    Protect(u64, u64, u64),
}

fn change() -> impl Strategy<Value = Change> {
    let page = 0..PAGES as u64;
    let len = 0..12_u64;
    prop_oneof![
        (page.clone(), len.clone(), 0..8_u64, any::<bool>())
            .prop_map(|(page, len, bits, file)| Change::Insert(page, len, bits, file)),
        (page.clone(), len.clone()).prop_map(|(page, len)| Change::Remove(page, len)),
        (page, len, 0..8_u64).prop_map(|(page, len, bits)| Change::Protect(page, len, bits)),
    ]
}

/// What a page of the model holds: protection bits, and the file offset of its first byte.
type Cell = Option<(u64, Option<u64>)>;

fn apply(change: &Change, map: &mut VmaMap, model: &mut [Cell; PAGES]) {
    let range = |page: u64, len: u64| page..(page + len).min(PAGES as u64);
    match *change {
        Change::Insert(page, len, bits, file) => {
            let range = range(page, len);
            let offset = 0x10_0000 + page * 7 * PAGE;
            let backing = FileBacking {
                device: 1,
                inode: 2,
                offset,
                is_shared: false,
            };
            map.insert(Vma {
                start: range.start * PAGE,
                end: range.end * PAGE,
                protection: Protection::from_bits(bits),
                backing: if file {
                    Backing::File(backing)
                } else {
                    Backing::Anonymous
                },
            });
            for (index, at) in range.enumerate() {
                let offset = file.then_some(offset + index as u64 * PAGE);
                model[at as usize] = Some((bits, offset));
            }
        }
        Change::Remove(page, len) => {
            let range = range(page, len);
            let removed = map.remove(range.start * PAGE..range.end * PAGE);
            let bytes: u64 = removed.iter().map(|vma| vma.end - vma.start).sum();
            let held = range
                .clone()
                .filter(|at| model[*at as usize].is_some())
                .count();
            assert_eq!(bytes, held as u64 * PAGE);
            range.for_each(|at| model[at as usize] = None);
        }
        Change::Protect(page, len, bits) => {
            let range = range(page, len);
            let protection = Protection::from_bits(bits);
            map.protect(range.start * PAGE..range.end * PAGE, protection);
            for at in range {
                if let Some((held, _)) = &mut model[at as usize] {
                    *held = bits;
                }
            }
        }
    }
}

fn check(map: &VmaMap, model: &[Cell; PAGES]) {
    for (page, cell) in model.iter().enumerate() {
        let address = page as u64 * PAGE;
        let found = map.find(address + 17).map(|vma| {
            let offset = match vma.backing {
                Backing::File(file) => Some(file.offset + address - vma.start),
                _ => None,
            };
            (vma.protection, offset)
        });
        let wanted = cell.map(|(bits, offset)| (Protection::from_bits(bits), offset));
        assert_eq!(found, wanted, "page {page}");
    }
    let all: Vec<&Vma> = map.iter().collect();
    for pair in all.windows(2) {
        assert!(pair[0].start < pair[0].end && pair[0].end <= pair[1].start);
        let (left, right) = (pair[0], pair[1]);
        let alike = left.protection == right.protection
            && left.backing == Backing::Anonymous
            && right.backing == Backing::Anonymous;
        assert!(
            !(alike && left.end == right.start),
            "neighbours that are alike are merged"
        );
    }
}

/// The highest free run of `len` pages, page by page.
fn find_gap(model: &[Cell; PAGES], len: usize) -> Option<u64> {
    (0..=PAGES - len)
        .rev()
        .find(|start| model[*start..start + len].iter().all(Option::is_none))
        .map(|start| start as u64 * PAGE)
}

proptest! {
    #[test]
    fn the_map_is_its_model(changes in prop::collection::vec(change(), 1..40), len in 1..10_usize) {
        let mut map = VmaMap::default();
        let mut model = [None; PAGES];
        for change in &changes {
            apply(change, &mut map, &mut model);
            check(&map, &model);
        }
        let end = PAGES as u64 * PAGE;
        prop_assert_eq!(map.find_gap(len as u64 * PAGE, 0..end), find_gap(&model, len));
        for page in 0..PAGES - len {
            let range = page as u64 * PAGE..(page + len) as u64 * PAGE;
            let cells = &model[page..page + len];
            prop_assert_eq!(map.is_free(range.clone()), cells.iter().all(Option::is_none));
            prop_assert_eq!(map.is_covered(range), cells.iter().all(Option::is_some));
        }
    }
}

const READ_WRITE: Protection = Protection::READ.union(Protection::WRITE);

fn map_at(space: &mut AddressSpace, placement: Placement, len: u64) -> Result<u64, Errno> {
    space.map(MapRequest::anonymous(placement, len, READ_WRITE))
}

/// One test, since the guest's addresses belong to the whole process.
#[test]
fn the_address_space_follows_the_host() {
    signal::install(None);
    let mut space = AddressSpace::default();
    refuses_the_engine(&mut space);
    maps_and_unmaps(&mut space);
    takes_over_a_copy(&mut space);
    moves(&mut space);
    moves_the_heap(&mut space);
    let left = map_at(&mut space, Placement::Anywhere, PAGE).unwrap();
    drop(space);
    assert!(load8(left).is_err(), "dropping unmaps");
}

fn refuses_the_engine(space: &mut AddressSpace) {
    let engine = std::ptr::from_ref(&PAGES).addr() as u64 & !(PAGE - 1);
    for address in [
        0,
        PAGE,
        GUEST_START - PAGE,
        GUEST_END,
        GUEST_END - PAGE,
        engine,
        !(PAGE - 1),
    ] {
        let len = 2 * PAGE;
        assert!(
            map_at(space, Placement::Fixed(address), len).is_err(),
            "{address:#x}"
        );
        assert!(map_at(space, Placement::FixedIfFree(address), len).is_err());
        assert!(space.unmap(address, len).is_err());
        assert!(space.protect(address, len, Protection::NONE).is_err());
        assert!(
            space
                .advise(address, len, libc::MADV_DONTNEED as u64)
                .is_err()
        );
        assert!(space.remap(address, len, PAGE, 1, 0).is_err());
    }
    assert_eq!(map_at(space, Placement::Anywhere, 0), Err(Errno::EINVAL));
    assert_eq!(
        map_at(space, Placement::Anywhere, u64::MAX),
        Err(Errno::ENOMEM)
    );
    assert_eq!(
        map_at(space, Placement::Anywhere, GUEST_END),
        Err(Errno::ENOMEM)
    );
    assert_eq!(
        map_at(space, Placement::Fixed(GUEST_START + 1), PAGE),
        Err(Errno::EINVAL)
    );
}

fn maps_and_unmaps(space: &mut AddressSpace) {
    let at = map_at(space, Placement::Hint(0x5000_0123), 3 * PAGE).unwrap();
    assert_eq!(at, 0x5000_1000, "a hint is rounded up");
    assert_ne!(
        map_at(space, Placement::Hint(at), PAGE).unwrap(),
        at,
        "and given way to"
    );
    assert_eq!(
        map_at(space, Placement::FixedIfFree(at), PAGE),
        Err(Errno::EEXIST)
    );
    store8(at, 7).unwrap();
    space.protect(at, PAGE, Protection::READ).unwrap();
    assert!(store8(at, 8).is_err());
    assert_eq!(load8(at), Ok(7));
    map_at(space, Placement::Fixed(at), PAGE).unwrap();
    assert_eq!(load8(at), Ok(0), "a fixed mapping replaces");
    space.unmap(at + PAGE, PAGE).unwrap();
    assert!(load8(at + PAGE).is_err());
    assert!(space.find(at + PAGE).is_none());
    assert_eq!(space.protect(at, 3 * PAGE, READ_WRITE), Err(Errno::ENOMEM));

    assert!(space.take_stale_code().is_empty());
    space
        .protect(at, PAGE, Protection::READ.union(Protection::EXEC))
        .unwrap();
    assert_eq!(space.take_stale_code(), vec![at..at + PAGE]);
    space.unmap(at, 3 * PAGE).unwrap();
    assert_eq!(space.take_stale_code(), vec![at..at + PAGE]);
}

fn moves(space: &mut AddressSpace) {
    let at = map_at(space, Placement::Hint(0x6000_0000), 2 * PAGE).unwrap();
    store8(at + PAGE, 9).unwrap();
    assert_eq!(
        space.remap(at, 2 * PAGE, 4 * PAGE, 0, 0),
        Ok(at),
        "grows in place"
    );
    assert_eq!(load8(at + 4 * PAGE - 1), Ok(0));
    let wall = map_at(space, Placement::FixedIfFree(at + 4 * PAGE), PAGE).unwrap();
    assert_eq!(
        space.remap(at, 4 * PAGE, 5 * PAGE, 0, 0),
        Err(Errno::ENOMEM)
    );
    let moved = space.remap(at, 4 * PAGE, 5 * PAGE, 1, 0).unwrap();
    assert_eq!((load8(moved + PAGE), load8(at).is_err()), (Ok(9), true));
    assert_eq!(
        space.remap(moved, 5 * PAGE, PAGE, 0, 0),
        Ok(moved),
        "shrinks"
    );
    assert!(load8(moved + PAGE).is_err());
    assert_eq!(
        space.remap(moved, PAGE, PAGE, 3, wall),
        Ok(wall),
        "moves over another"
    );
    assert!(space.find(moved).is_none());
    assert_eq!(
        space.remap(wall, PAGE, 2 * PAGE, 3, wall + PAGE / 2),
        Err(Errno::EINVAL)
    );
    space.unmap(wall, PAGE).unwrap();
}

fn moves_the_heap(space: &mut AddressSpace) {
    let start = 0x7000_0000;
    space.start_heap(start);
    assert_eq!(space.set_heap_end(0), start);
    assert_eq!(space.set_heap_end(start + 100), start + 100);
    store8(start + PAGE - 1, 1).unwrap();
    assert_eq!(
        space.set_heap_end(start + 3 * PAGE + 1),
        start + 3 * PAGE + 1
    );
    store8(start + 4 * PAGE - 1, 1).unwrap();
    assert_eq!(space.set_heap_end(start + PAGE), start + PAGE);
    assert!(load8(start + PAGE).is_err());
    assert_eq!(space.set_heap_end(start - 1), start + PAGE);
    assert_eq!(space.set_heap_end(GUEST_END), start + PAGE);
    map_at(space, Placement::FixedIfFree(start + 8 * PAGE), PAGE).unwrap();
    assert_eq!(
        space.set_heap_end(start + 9 * PAGE),
        start + PAGE,
        "the heap stops at a mapping"
    );
}

/// A process that `vfork` makes changes a copy.
fn takes_over_a_copy(space: &mut AddressSpace) {
    let code = Protection::READ.union(Protection::EXEC);
    let kept = map_at(space, Placement::Hint(0x5000_0000), PAGE).unwrap();
    let gone = map_at(space, Placement::FixedIfFree(kept + 2 * PAGE), 2 * PAGE).unwrap();
    let mut copy = space.copy();
    copy.unmap(gone, PAGE).unwrap();
    copy.protect(gone + PAGE, PAGE, code).unwrap();
    let new = map_at(&mut copy, Placement::FixedIfFree(kept + 8 * PAGE), PAGE).unwrap();
    assert!(space.find(gone).is_some() && space.find(new).is_none());
    space.take_stale_code();
    space.adopt(&copy);
    drop(copy);
    let agreed: Vec<_> = space.iter().map(|vma| vma.start..vma.end).collect();
    space.reconcile(&agreed);
    assert_eq!(
        space.iter().count(),
        agreed.len(),
        "nothing is lost, nothing more there"
    );
    assert!(space.find(gone).is_none());
    assert_eq!(space.find(gone + PAGE).unwrap().protection, code);
    assert_eq!(space.take_stale_code(), vec![gone + PAGE..gone + 2 * PAGE]);
    assert!(space.find(new).is_some() && load8(kept).is_ok() && load8(new).is_ok());
    // What only the host knows is unmapped, what only the map knows is forgotten.
    let mut copy = space.copy();
    let unknown = map_at(&mut copy, Placement::FixedIfFree(kept + 5 * PAGE), PAGE).unwrap();
    copy.unmap(new, PAGE).unwrap();
    let mut host: Vec<_> = space.iter().map(|vma| vma.start..vma.end).collect();
    host.retain(|range| range.start != new);
    host.push(unknown..unknown + PAGE);
    host.sort_by_key(|range| range.start);
    space.reconcile(&host);
    assert!(load8(unknown).is_err() && space.find(new).is_none());
    assert!(load8(kept).is_ok() && space.find(gone + PAGE).is_some());
    space.unmap(kept, 9 * PAGE).unwrap();
    space.take_stale_code();
}

//! The objects that are loaded into this process, the program and shared libraries, and what of memory is
//! mapped.

use core::ops::Range;
use std::ffi::{c_int, c_void};

/// Type of a note with a build id, whose owner is `GNU`.
const NT_GNU_BUILD_ID: u32 = 3;

/// The program or a shared library, as the dynamic linker loaded it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedObject {
    /// What is added to the addresses in its file.
    pub bias: u64,
    /// The memory of its segments.
    pub segments: Vec<Range<u64>>,
    /// What its linker left to tell builds apart, if it did.
    pub build_id: Option<Vec<u8>>,
}

impl LoadedObject {
    /// Whether an address lies in one of its segments.
    pub fn holds(&self, address: u64) -> bool {
        self.segments.iter().any(|range| range.contains(&address))
    }
}

/// All objects that are loaded now, the program first. None where the system doesn't say.
pub fn loaded_objects() -> Vec<LoadedObject> {
    let mut objects: Vec<LoadedObject> = Vec::new();
    #[expect(unsafe_code, reason = "the one call")]
    // SAFETY: the callback is given the list, which outlives the call, and nothing else uses it.
    unsafe {
        libc::dl_iterate_phdr(Some(visit), (&raw mut objects).cast());
    }
    objects
}

#[expect(unsafe_code, reason = "the C library calls it with pointers")]
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _len: libc::size_t,
    objects: *mut c_void,
) -> c_int {
    // SAFETY: the C library describes an object that stays loaded during the call.
    let info = unsafe { &*info };
    // SAFETY: what iterates was given a list that nobody else uses.
    let objects = unsafe { &mut *objects.cast::<Vec<LoadedObject>>() };
    let headers = match info.dlpi_phdr.is_null() {
        true => &[],
        // SAFETY: the C library says that so many headers are there.
        false => unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) },
    };
    let start = |header: &libc::Elf64_Phdr| info.dlpi_addr.wrapping_add(header.p_vaddr);
    let loads = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD);
    let notes = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_NOTE);
    let id = notes
        .filter(|note| headers.iter().any(|load| contains(load, note)))
        .find_map(|note| {
            let notes = core::ptr::with_exposed_provenance::<u8>(start(note) as usize);
            // SAFETY: the segment lies in one that is loaded, which `contains` checked, and nobody
            // writes notes.
            let notes = unsafe { std::slice::from_raw_parts(notes, note.p_memsz as usize) };
            id_among(notes)
        });
    objects.push(LoadedObject {
        bias: info.dlpi_addr,
        segments: loads
            .map(|load| start(load)..start(load).saturating_add(load.p_memsz))
            .collect(),
        build_id: id.map(<[u8]>::to_vec),
    });
    0
}

/// Whether a segment that is loaded, and may be read, contains another.
fn contains(load: &libc::Elf64_Phdr, part: &libc::Elf64_Phdr) -> bool {
    let offset = part.p_vaddr.wrapping_sub(load.p_vaddr);
    load.p_type == libc::PT_LOAD
        && load.p_flags & libc::PF_R != 0
        && offset
            .checked_add(part.p_memsz)
            .is_some_and(|end| end <= load.p_memsz)
}

/// The build id among some notes.
pub(crate) fn id_among(mut notes: &[u8]) -> Option<&[u8]> {
    loop {
        let (head, rest) = notes.split_first_chunk::<12>()?;
        let [name_len, id_len, kind] = [0, 4, 8].map(|at| {
            let word = [head[at], head[at + 1], head[at + 2], head[at + 3]];
            u32::from_le_bytes(word)
        });
        let (name, rest) = rest.split_at_checked(padded(name_len))?;
        let (id, rest) = rest.split_at_checked(padded(id_len))?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" && id_len > 0 {
            return id.get(..id_len as usize);
        }
        notes = rest;
    }
}

fn padded(len: u32) -> usize {
    (len as usize).next_multiple_of(4)
}

/// Whether there is memory at an address. `None` where the system doesn't say.
pub fn is_mapped(address: u64) -> Option<bool> {
    let page_len = rustix::param::page_size();
    let page = address as usize & !(page_len - 1);
    let mut state = 0_u8;
    #[expect(unsafe_code, reason = "the one call")]
    // SAFETY: the kernel reads nothing at the address, which need not be mapped, and writes one byte
    // for the one page into `state`.
    let result = unsafe {
        libc::mincore(
            core::ptr::without_provenance_mut(page),
            page_len,
            &raw mut state,
        )
    };
    if result == 0 {
        return Some(true);
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ENOMEM) => Some(false),
        _ => None,
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::{is_mapped, loaded_objects};

    static HERE: u64 = 7;

    #[test]
    fn an_address_lies_in_one_object() {
        let here = (&raw const HERE).addr() as u64;
        let objects = loaded_objects();
        let holding = objects.iter().filter(|object| object.holds(here));
        assert_eq!(holding.count(), 1);
        assert!(objects[0].holds(here), "tests are in the program");
        let heap = Box::new(7);
        let heap = (&raw const *heap).addr() as u64;
        assert!(!objects.iter().any(|object| object.holds(heap)));
    }

    #[test]
    fn what_is_mapped_is_told_from_what_is_not() {
        let fresh: Vec<u8> = Vec::with_capacity(64 << 20);
        let fresh = fresh.as_ptr().addr() as u64;
        assert_eq!(is_mapped((&raw const HERE).addr() as u64), Some(true));
        assert_eq!(is_mapped(fresh + (32 << 20)), Some(true));
        assert_eq!(is_mapped(0), Some(false));
        // Below what sanitizers take for themselves.
        assert_eq!(is_mapped(1 << 30 | 5), Some(false));
        assert_eq!(is_mapped(u64::MAX), Some(false));
    }
}

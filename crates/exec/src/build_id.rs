//! The build ids of the running program: what linkers leave in memory to tell builds apart.

use std::ffi::{c_int, c_void};

/// Type of a note with a build id, whose owner is `GNU`.
const NT_GNU_BUILD_ID: u32 = 3;

/// What is looked for, and what was found.
struct Search {
    /// An address in the object that is asked about.
    address: u64,
    /// Whether the next object is the program, and is asked about too.
    wants_first: bool,
    ids: Option<Vec<Vec<u8>>>,
}

/// The build id of the program, and that of the shared library that `code` is in, if it is in one.
/// `None` if one of them has none, or the system doesn't say.
pub fn build_ids(code: fn()) -> Option<Vec<Vec<u8>>> {
    search(code, true)
}

/// The build id of the object, program or shared library, that `code` is in. `None` if it has none, or
/// the system doesn't say.
pub fn build_id(code: fn()) -> Option<Vec<u8>> {
    search(code, false)?.pop()
}

fn search(code: fn(), wants_first: bool) -> Option<Vec<Vec<u8>>> {
    let mut search = Search {
        address: (code as usize) as u64,
        wants_first,
        ids: Some(Vec::new()),
    };
    #[expect(unsafe_code, reason = "the one call")]
    // SAFETY: the callback is given the search, which outlives the call, and nothing else uses it.
    unsafe {
        libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast());
    }
    search.ids.filter(|ids| !ids.is_empty())
}

#[expect(unsafe_code, reason = "the C library calls it with pointers")]
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _len: libc::size_t,
    search: *mut c_void,
) -> c_int {
    // SAFETY: the C library describes an object that stays loaded during the call.
    let info = unsafe { &*info };
    // SAFETY: what iterates was given a search that nobody else uses.
    let search = unsafe { &mut *search.cast::<Search>() };
    let headers = match info.dlpi_phdr.is_null() {
        true => &[],
        // SAFETY: the C library says that so many headers are there.
        false => unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) },
    };
    let start = |header: &libc::Elf64_Phdr| info.dlpi_addr.wrapping_add(header.p_vaddr);
    let holds = |header: &libc::Elf64_Phdr| {
        let offset = search.address.wrapping_sub(start(header));
        header.p_type == libc::PT_LOAD && offset < header.p_memsz
    };
    let is_program = core::mem::take(&mut search.wants_first);
    if !is_program && !headers.iter().any(holds) {
        return 0;
    }
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
    match (&mut search.ids, id) {
        (Some(ids), Some(id)) => ids.push(id.to_vec()),
        (ids, _) => *ids = None,
    }
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

#[cfg(all(test, not(miri)))]
mod tests {
    use super::{build_id, build_ids, id_among};

    #[test]
    fn an_id_is_found_among_notes() {
        let note = |kind: u8, id: &[u8]| {
            let mut note = vec![4, 0, 0, 0, id.len() as u8, 0, 0, 0, kind, 0, 0, 0];
            note.extend_from_slice(b"GNU\0");
            note.extend_from_slice(id);
            note.resize(note.len().next_multiple_of(4), 0);
            note
        };
        let notes = [note(1, b"other"), note(3, b"build")].concat();
        assert_eq!(id_among(&notes), Some(&b"build"[..]));
        assert_eq!(id_among(&note(1, b"other")), None);
        for len in 0..16 {
            assert_eq!(id_among(&note(3, b"build")[..len]), None);
        }
    }

    #[test]
    fn a_program_has_the_same_ids_each_time() {
        fn here() {}
        assert_eq!(build_ids(here), build_ids(here));
        assert_ne!(build_ids(here), Some(Vec::new()));
        // Tests are in the program itself.
        assert_eq!(
            build_ids(here).map(|ids| ids.len()),
            build_id(here).map(|_| 1)
        );
    }

    /// The C library stands for a plug-in, with a function of its own that no sanitizer replaces.
    #[cfg(target_env = "gnu")]
    #[test]
    fn code_of_a_shared_library_has_that_ones_id_beside_the_programs() {
        fn here() {}
        let symbol = crate::host::find_symbol("gnu_get_libc_version");
        let address = symbol.expect("the C library has it").0;
        let address = core::ptr::with_exposed_provenance::<()>(address as usize);
        #[expect(unsafe_code, reason = "code of another object, to ask about")]
        // SAFETY: the address isn't null, and nobody calls it.
        let in_library = unsafe { core::mem::transmute::<*const (), fn()>(address) };
        let (own, library) = (build_id(here), build_id(in_library));
        let both = own.clone().zip(library.clone());
        assert_eq!(
            build_ids(in_library),
            both.map(|(own, library)| vec![own, library])
        );
        assert!(own.is_none() || own != library);
    }
}

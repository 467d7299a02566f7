//! The build ids of the running program: what linkers leave in memory to tell builds apart.

use crate::objects::loaded_objects;

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
    let address = (code as usize) as u64;
    let objects = loaded_objects().into_iter().enumerate();
    let asked = objects.filter(|(number, object)| {
        let is_program = wants_first && *number == 0;
        is_program || object.holds(address)
    });
    let ids: Option<Vec<Vec<u8>>> = asked.map(|(_, object)| object.build_id).collect();
    ids.filter(|ids| !ids.is_empty())
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::{build_id, build_ids};
    use crate::objects::id_among;

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

//! The objects that this process runs: the program, and the shared library that this code is in, if it
//! is in one. Told apart by their build ids, which linkers leave in them, or else by their files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rekindle_store::{Digest, KeyBuilder, Store};

/// The digest of the object that this code is in.
pub(crate) fn own() -> Option<Digest> {
    static OWN: OnceLock<Option<Digest>> = OnceLock::new();
    let _inside = rekindle_exec::fork_gate::enter();
    *OWN.get_or_init(|| match rekindle_exec::build_id(here) {
        Some(id) => Some(of_ids("rekindle/object", &[id])),
        None => Digest::of_reader(&File::open(own_path()?).ok()?).ok(),
    })
}

/// The digest of the program, and of the object that this code is in if that is another. `store`
/// remembers those of files. `None` if they have no build ids, and can't be read.
pub(crate) fn program(store: &Store) -> Option<Digest> {
    static IDS: OnceLock<Option<Digest>> = OnceLock::new();
    let _inside = rekindle_exec::fork_gate::enter();
    let ids = IDS.get_or_init(|| {
        let ids = rekindle_exec::build_ids(here)?;
        Some(of_ids("rekindle/program", &ids))
    });
    ids.or_else(|| {
        let own = own_path()?;
        of_files(store, &[Path::new("/proc/self/exe"), &own])
    })
}

/// A digest that nothing else has: where nothing is known, nothing is found.
pub(crate) fn unlike_any() -> Digest {
    use std::hash::{BuildHasher, RandomState};
    let key = KeyBuilder::new("rekindle/unlike any")
        .str(&format!("{:?}", std::time::SystemTime::now()))
        .u64(std::process::id().into())
        .u64(RandomState::new().hash_one(0))
        .finish();
    Digest(*key.as_bytes())
}

/// Lies in the object that is asked about.
fn here() {}

fn of_ids(domain: &'static str, ids: &[Vec<u8>]) -> Digest {
    let key = ids
        .iter()
        .fold(KeyBuilder::new(domain), |key, id| key.field_bytes(id));
    Digest(*key.finish().as_bytes())
}

fn of_files(store: &Store, paths: &[&Path]) -> Option<Digest> {
    let mut key = KeyBuilder::new("rekindle/program files");
    for path in paths {
        let file = File::open(path).ok()?;
        let digest = store.try_file_digest(&file, || Digest::of_reader(&file));
        key = key.digest(&digest.ok()?);
    }
    Some(Digest(*key.finish().as_bytes()))
}

/// The file that this code was loaded from, which need not be the program's.
fn own_path() -> Option<PathBuf> {
    let own = (here as fn() as usize) as u64;
    // The kernel makes the text anew for each read, so it is read in few.
    let mut maps = Vec::with_capacity(32 << 10);
    let mut file = File::open("/proc/self/maps").ok()?;
    file.read_to_end(&mut maps).ok()?;
    let maps = String::from_utf8_lossy(&maps);
    maps.lines().find_map(|line| path_of(line, own))
}

/// The path of a line of `/proc/self/maps`, if its range holds an address.
fn path_of(line: &str, address: u64) -> Option<PathBuf> {
    let (start, end) = line.split_ascii_whitespace().next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let holds = (number(start)?..number(end)?).contains(&address);
    let path = line.find('/').map(|at| PathBuf::from(&line[at..]));
    holds.then_some(path)?
}

#[cfg(test)]
mod tests {
    use super::{of_files, of_ids, own, own_path, path_of, program, unlike_any};
    use rekindle_store::{Opening, Store};
    use std::fs;

    #[test]
    fn each_object_changes_the_digest() {
        let id = |byte: u8| vec![byte; 20];
        let base = of_ids("d", &[id(1), id(2)]);
        assert_ne!(
            base,
            of_ids("d", &[id(1), id(3)]),
            "the plug-in was built anew"
        );
        assert_ne!(base, of_ids("d", &[id(3), id(2)]), "the program was");
        assert_ne!(base, of_ids("d", &[id(1)]));
        assert_ne!(base, of_ids("d", &[[id(1), id(2)].concat()]));
    }

    #[test]
    fn each_file_changes_the_digest() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store =
            Store::open(&folder.path().join("cache"), Opening::Writing).expect("it can be made");
        let paths = ["program", "plug-in"].map(|name| folder.path().join(name));
        let digest = |texts: [&str; 2]| {
            for (path, text) in paths.iter().zip(texts) {
                fs::write(path, text).expect("space");
            }
            of_files(&store, &[&paths[0], &paths[1]]).expect("they can be read")
        };
        let base = digest(["a", "b"]);
        assert_ne!(base, digest(["a", "c"]));
        assert_ne!(base, digest(["c", "b"]));
        assert_eq!(base, digest(["a", "b"]));
        assert_eq!(of_files(&store, &[&folder.path().join("none")]), None);
    }

    #[test]
    fn this_process_has_both() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store =
            Store::open(&folder.path().join("cache"), Opening::Writing).expect("it can be made");
        assert!(own().is_some() && own() == own());
        let digest = program(&store);
        assert!(digest.is_some() && digest == program(&store));
        assert_eq!(own_path(), std::env::current_exe().ok());
        assert_ne!(unlike_any(), unlike_any());
    }

    #[test]
    fn a_line_of_the_map_is_read() {
        let line = "1000-2000 r-xp 00000000 08:02 173521      /usr/lib/a b.so";
        assert_eq!(path_of(line, 0x1fff), Some("/usr/lib/a b.so".into()));
        assert_eq!(path_of(line, 0x2000), None);
        assert_eq!(path_of("1000-2000 rw-p 00000000 00:00 0 ", 0x1000), None);
    }
}

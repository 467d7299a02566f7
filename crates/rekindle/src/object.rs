//! The objects that this process runs: the program, and the shared library that this code is in, if it
//! is in one. Told apart by their build ids, which linkers leave in them, or else by their files.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use rekindle_store::{Digest, KeyBuilder, Store};

/// The digest of the object that this code is in.
pub(crate) fn own() -> Option<Digest> {
    static OWN: OnceLock<Option<Digest>> = OnceLock::new();
    let _inside = rekindle_exec::fork_gate::enter();
    *OWN.get_or_init(|| match rekindle_exec::build_id(here) {
        Some(id) => Some(of_ids("rekindle/object", &[id])),
        None => Digest::of_reader(&own_file()?).ok(),
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
        let program = File::open(PROGRAM).ok()?;
        of_files(store, &[program, own_file()?])
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

fn of_files(store: &Store, files: &[File]) -> Option<Digest> {
    let mut key = KeyBuilder::new("rekindle/program files");
    for file in files {
        let digest = store.try_file_digest("all of it, 1", file, || Digest::of_reader(file));
        key = key.digest(&digest.ok()?);
    }
    Some(Digest(*key.finish().as_bytes()))
}

/// The file of the program that runs, whatever is at its path by now.
const PROGRAM: &str = "/proc/self/exe";

/// What the kernel adds to the path of a file that was removed, or replaced, since it was mapped.
const REMOVED: &[u8] = b" (deleted)";

/// A file as the kernel says that it is mapped.
#[derive(Debug, PartialEq, Eq)]
struct MappedFile {
    /// Where it is mapped.
    start: u64,
    end: u64,
    path: PathBuf,
}

impl MappedFile {
    /// Opens the very file, be it removed or replaced since.
    fn open(&self) -> Option<File> {
        if std::fs::read_link(PROGRAM).is_ok_and(|program| program == self.path) {
            return File::open(PROGRAM).ok();
        }
        // Only some processes may follow these.
        let link = format!("/proc/self/map_files/{:x}-{:x}", self.start, self.end);
        if let Ok(file) = File::open(link) {
            return Some(file);
        }
        let is_there = !self.path.as_os_str().as_bytes().ends_with(REMOVED);
        is_there.then(|| File::open(&self.path).ok())?
    }
}

/// The file that this code was loaded from, which need not be the program's.
fn own_file() -> Option<File> {
    own_mapping()?.open()
}

fn own_mapping() -> Option<MappedFile> {
    let own = (here as fn() as usize) as u64;
    // The kernel makes the text anew for each read, so it is read in few.
    let mut maps = Vec::with_capacity(32 << 10);
    let mut file = File::open("/proc/self/maps").ok()?;
    file.read_to_end(&mut maps).ok()?;
    let maps = String::from_utf8_lossy(&maps);
    maps.lines().find_map(|line| mapped_file(line, own))
}

/// The file of a line of `/proc/self/maps`, if its range holds an address.
fn mapped_file(line: &str, address: u64) -> Option<MappedFile> {
    let (start, end) = line.split_ascii_whitespace().next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = (number(start)?, number(end)?);
    let path = PathBuf::from(&line[line.find('/')?..]);
    (start..end)
        .contains(&address)
        .then_some(MappedFile { start, end, path })
}

#[cfg(test)]
mod tests {
    use super::{
        MappedFile, mapped_file, of_files, of_ids, own, own_file, own_mapping, program, unlike_any,
    };
    use rekindle_store::{Digest, Opening, Store};
    use std::fs::{self, File};
    use std::process::Command;

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
            let files = paths
                .each_ref()
                .map(|path| File::open(path).expect("it exists"));
            of_files(&store, &files).expect("they can be read")
        };
        let base = digest(["a", "b"]);
        assert_ne!(base, digest(["a", "c"]));
        assert_ne!(base, digest(["c", "b"]));
        assert_eq!(base, digest(["a", "b"]));
    }

    #[test]
    fn this_process_has_both() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store =
            Store::open(&folder.path().join("cache"), Opening::Writing).expect("it can be made");
        assert!(own().is_some() && own() == own());
        let digest = program(&store);
        assert!(digest.is_some() && digest == program(&store));
        let own = own_mapping().map(|mapped| mapped.path);
        assert_eq!(own, std::env::current_exe().ok());
        assert_ne!(unlike_any(), unlike_any());
    }

    #[test]
    fn a_line_of_the_map_is_read() {
        let line = "1000-2000 r-xp 00000000 08:02 173521      /usr/lib/a b.so";
        let file = MappedFile {
            start: 0x1000,
            end: 0x2000,
            path: "/usr/lib/a b.so".into(),
        };
        assert_eq!(mapped_file(line, 0x1fff), Some(file));
        assert_eq!(mapped_file(line, 0x2000), None);
        let anonymous = "1000-2000 rw-p 00000000 00:00 0 ";
        assert_eq!(mapped_file(anonymous, 0x1000), None);
    }

    #[test]
    fn what_is_at_the_path_of_a_file_that_was_removed_is_another() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.so (deleted)");
        fs::write(&path, "").expect("space");
        let (start, end) = (0, 0);
        assert!(MappedFile { start, end, path }.open().is_none());
    }

    /// Runs in a copy of this program, which another replaces.
    #[test]
    #[ignore = "a part of the next"]
    fn replaced() {
        let path = std::env::current_exe().expect("known");
        fs::remove_file(&path).expect("it is a copy");
        fs::write(&path, "another build").expect("space");
        let own = own_mapping().expect("it is mapped").path;
        assert!(own.ends_with("copy (deleted)"), "{}", own.display());
        let digest = Digest::of_reader(&own_file().expect("it is still there"));
        let digest = digest.expect("readable").short_hex();
        assert_eq!(std::env::var("REKINDLE_TEST_DIGEST"), Ok(digest));
    }

    #[test]
    fn a_program_that_was_replaced_while_it_runs_is_known_by_what_runs() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let copy = folder.path().join("copy");
        fs::copy(std::env::current_exe().expect("known"), &copy).expect("space");
        let digest = Digest::of_reader(&File::open(&copy).expect("it exists"));
        let status = Command::new(&copy)
            .args(["--ignored", "--exact", "object::tests::replaced"])
            .env(
                "REKINDLE_TEST_DIGEST",
                digest.expect("readable").short_hex(),
            )
            .output()
            .expect("it can be run");
        let printed = String::from_utf8_lossy(&status.stdout);
        assert!(printed.contains("1 passed"), "{printed}");
    }
}

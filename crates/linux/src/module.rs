//! Guest modules: ELF files in memory, as the translator and messages about faults know them.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rekindle::{Cache, Digest};
use rekindle_hart::guest_memory::copy_in;

use crate::child_heap::ChildHeap;
use crate::elf::{self, ElfProgram, ElfSymbol, Segment};
use crate::elf_head::read_head;
use crate::memory::{page_ceil, page_floor};

/// What a module's digest is of, for the cache, which remembers it for every program: the ranges of its
/// text, and what its file holds there. It changes with the way in which that is hashed.
const DIGEST_OF: &str = "rekindle-linux: a module's text, 1";

/// An ELF file that is mapped for the guest.
#[derive(Clone, Debug)]
pub struct GuestModule {
    path: PathBuf,
    base: u64,
    digest: Digest,
    /// What the file was like before its text was hashed; `None` for an image of the engine's own.
    state: Option<FileState>,
    /// Its text segments.
    texts: Vec<Segment>,
    spans: Vec<Range<u64>>,
    text_ranges: Vec<Range<u64>>,
    symbols: OnceLock<Vec<ElfSymbol>>,
}

/// What changes of a file when somebody writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    place: (u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    fn of(file: &File) -> Option<Self> {
        let metadata = file.metadata().ok()?;
        Some(Self {
            place: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl GuestModule {
    /// The module of `file`, whose `segments` are loaded at `base`. Reads the file's text unless
    /// `cache`, if there is one, remembers what its digest is.
    pub(crate) fn new(
        path: PathBuf,
        file: &File,
        base: u64,
        segments: &[Segment],
        cache: Option<&Cache>,
    ) -> Self {
        // Before the text is hashed, so that a change meanwhile shows.
        let state = FileState::of(file);
        let texts = texts(segments);
        let from_file = |segment: &Segment, done: u64, buffer: &mut [u8]| {
            let read = file.read_at(buffer, segment.file_offset + done);
            read.unwrap_or(0)
        };
        let digest = || text_digest(&texts, from_file);
        Self {
            digest: match cache {
                Some(cache) => cache.file_digest(DIGEST_OF, file, digest),
                None => digest(),
            },
            state,
            texts,
            path,
            base,
            spans: spans(base, segments),
            text_ranges: text_ranges(base, segments),
            symbols: OnceLock::new(),
        }
    }

    /// The module of an ELF file that isn't one of the guest's, but these bytes.
    pub(crate) fn of_image(name: &str, image: &[u8], base: u64, segments: &[Segment]) -> Self {
        let texts = texts(segments);
        let from_image = |segment: &Segment, done: u64, buffer: &mut [u8]| {
            let start = usize::try_from(segment.file_offset + done).unwrap_or(usize::MAX);
            let rest = image.get(start..).unwrap_or_default();
            let len = rest.len().min(buffer.len());
            buffer[..len].copy_from_slice(&rest[..len]);
            len
        };
        Self {
            digest: text_digest(&texts, from_image),
            state: None,
            texts,
            path: PathBuf::from(name),
            base,
            spans: spans(base, segments),
            text_ranges: text_ranges(base, segments),
            symbols: OnceLock::from(elf::function_symbols(image)),
        }
    }

    /// The module of which `mapping`, an executable one of `file` from `offset` on, is the text.
    /// `None` where the file isn't one, or the mapping isn't as a dynamic loader makes it.
    pub(crate) fn of_mapping(
        file: &File,
        path: PathBuf,
        mapping: &Range<u64>,
        offset: u64,
        cache: Option<&Cache>,
    ) -> Option<Self> {
        let len = file.metadata().ok()?.len();
        let head = read_head(file, len).ok()?;
        let program = ElfProgram::parse_loadable(&head, len).ok()?;
        let text = program
            .segments
            .iter()
            .find(|segment| segment.is_text() && page_floor(segment.file_offset) == offset)?;
        let base = mapping.start.checked_sub(page_floor(text.address))?;
        let end = base.checked_add(text.address)?.checked_add(text.file_len)?;
        let covers = program.position_independent && end <= page_ceil(mapping.end)?;
        covers.then(|| Self::new(path, file, base, &program.segments, cache))
    }

    /// What is added to the file's addresses: 0 for a program at fixed addresses.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The file's name, without its folder.
    pub fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// The ranges whose bytes come from the file, that the guest may execute and can't write.
    pub fn text_ranges(&self) -> &[Range<u64>] {
        &self.text_ranges
    }

    /// The digest of everything about the file that translations depend on: where its executable
    /// segments lie, and their bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The name of the region at `head`: the file, the address in it, and the function's name where one
    /// is known. `libc.so.6:0x919d0:malloc+0x1c`.
    pub fn region_name(&self, head: u64) -> String {
        let name = format!("{}:{:#x}", self.name(), head.wrapping_sub(self.base));
        match self.function_at(head) {
            Some((function, 0)) => format!("{name}:{function}"),
            Some((function, offset)) => format!("{name}:{function}+{offset:#x}"),
            None => name,
        }
    }

    /// The function that holds `pc`, and the offset in it; for messages.
    pub(crate) fn function_at(&self, pc: u64) -> Option<(String, u64)> {
        let address = pc.checked_sub(self.base)?;
        let symbols = self.symbols();
        let end = symbols.partition_point(|symbol| symbol.address <= address);
        let symbol = symbols[..end].last()?;
        let offset = address - symbol.address;
        (symbol.len == 0 || offset < symbol.len).then(|| (symbol.name.clone(), offset))
    }

    /// Where the function of this name is.
    pub fn function(&self, name: &str) -> Option<u64> {
        let symbols = self.symbols();
        let symbol = symbols.iter().find(|symbol| symbol.name == name)?;
        self.base.checked_add(symbol.address)
    }

    fn symbols(&self) -> Cow<'_, [ElfSymbol]> {
        let read = || {
            std::fs::read(&self.path)
                .map(|file| elf::function_symbols(&file))
                .unwrap_or_default()
        };
        // A child of `vfork` may be killed on the way, and others would wait for it.
        match self.symbols.get() {
            None if ChildHeap::is_entered() => Cow::Owned(read()),
            _ => Cow::Borrowed(self.symbols.get_or_init(read)),
        }
    }

    /// The device and inode of its file.
    pub(crate) fn place(&self) -> Option<(u64, u64)> {
        self.state.map(|state| state.place)
    }

    /// Opens its file, if that is the same still and nobody has written to it since it was hashed.
    pub(crate) fn open_unchanged(&self) -> Option<File> {
        self.state?;
        let mut options = File::options();
        // Whatever has its name now, opening it doesn't wait.
        options.read(true).custom_flags(libc::O_NONBLOCK);
        let file = options.open(&self.path).ok()?;
        self.is_unchanged(&file).then_some(file)
    }

    /// Whether `file` is what was hashed.
    pub(crate) fn is_unchanged(&self, file: &File) -> bool {
        self.state.is_some() && FileState::of(file) == self.state
    }

    /// Whether all of its text lies in guest memory as its digest says. Reads all of it.
    pub(crate) fn is_whole_in_memory(&self) -> bool {
        let from_memory = |segment: &Segment, done: u64, buffer: &mut [u8]| {
            let start = self.base.wrapping_add(segment.address).wrapping_add(done);
            match copy_in(buffer, start) {
                Ok(()) => buffer.len(),
                Err(_) => 0,
            }
        };
        text_digest(&self.texts, from_memory) == self.digest
    }

    /// Where in the file the `len` bytes of text at `address` are, which counts from the module's base.
    pub(crate) fn file_offset(&self, address: u64, len: u64) -> Option<u64> {
        self.texts.iter().find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            let fits = inside.checked_add(len)? <= segment.file_len;
            fits.then(|| segment.file_offset + inside)
        })
    }

    /// Whether `pc` lies in one of the module's segments.
    fn spans(&self, pc: u64) -> bool {
        self.spans.iter().any(|span| span.contains(&pc))
    }

    /// Whether `pc` lies in its code.
    fn has_code_at(&self, pc: u64) -> bool {
        self.text_ranges.iter().any(|text| text.contains(&pc))
    }

    /// Whether some of its code lies in `range`.
    fn overlaps(&self, range: &Range<u64>) -> bool {
        self.text_ranges
            .iter()
            .any(|text| text.start < range.end && range.start < text.end)
    }
}

fn spans(base: u64, segments: &[Segment]) -> Vec<Range<u64>> {
    let span =
        |segment: &Segment| base + segment.address..base + segment.address + segment.memory_len;
    segments.iter().map(span).collect()
}

fn text_ranges(base: u64, segments: &[Segment]) -> Vec<Range<u64>> {
    let text = segments.iter().filter(|segment| segment.is_text());
    text.map(|segment| base + segment.address..base + segment.address + segment.file_len)
        .collect()
}

fn texts(segments: &[Segment]) -> Vec<Segment> {
    let texts = segments.iter().filter(|segment| segment.is_text());
    texts.copied().collect()
}

/// The digest of text segments, of which `read` reads the bytes from a distance on into a buffer, as many
/// as it can.
fn text_digest(
    texts: &[Segment],
    mut read: impl FnMut(&Segment, u64, &mut [u8]) -> usize,
) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("rekindle guest module text v2");
    let mut buffer = vec![0_u8; 1 << 16];
    for segment in texts {
        let Segment {
            address,
            memory_len,
            file_offset: _,
            file_len,
            protection: _,
        } = *segment;
        for number in [address, memory_len, file_len] {
            hasher.update(&number.to_le_bytes());
        }
        let mut done = 0;
        while done < file_len {
            let len =
                usize::try_from(file_len - done).map_or(buffer.len(), |rest| rest.min(1 << 16));
            match read(segment, done, &mut buffer[..len]) {
                0 => {
                    // The file shrank or fails: what was read is hashed with what it lacks, so the
                    // digest can't be that of a whole file.
                    hasher.update(&(file_len - done).to_le_bytes());
                    break;
                }
                count => {
                    hasher.update(&buffer[..count]);
                    done += count as u64;
                }
            }
        }
    }
    Digest(*hasher.finalize().as_bytes())
}

/// The modules of a guest: its program, its dynamic loader, its libraries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Modules {
    modules: Vec<Arc<GuestModule>>,
}

impl Modules {
    /// Adds a module.
    pub(crate) fn add(&mut self, module: GuestModule) {
        self.modules.push(Arc::new(module));
    }

    /// Whether one of them is the file at this device and inode.
    pub(crate) fn has_file(&self, place: (u64, u64)) -> bool {
        self.modules
            .iter()
            .any(|module| module.place() == Some(place))
    }

    /// Takes the modules of another list over that have text in `range`, for its own. What isn't its own
    /// already is copied: the other is on a heap that ends.
    pub(crate) fn adopt(&mut self, other: &Self, range: &Range<u64>) {
        let known = self.modules.clone();
        self.forget(range);
        let modules = other.modules.iter();
        let there = modules.filter(|module| module.overlaps(range));
        self.modules.extend(there.map(|module| {
            let own = known.iter().find(|it| Arc::ptr_eq(it, module));
            own.map_or_else(|| Arc::new(GuestModule::clone(module)), Arc::clone)
        }));
    }

    /// Forgets the modules of which some text lies in `range`. Returns all of their text: nobody hears any
    /// more of who writes their files, so nothing that was made of it can be relied on.
    pub(crate) fn forget(&mut self, range: &Range<u64>) -> Vec<Range<u64>> {
        let forgotten = self.modules.extract_if(.., |module| module.overlaps(range));
        let text = forgotten.flat_map(|module| module.text_ranges().to_vec());
        text.collect()
    }

    /// The module that holds `pc` in one of its text ranges.
    pub(crate) fn find(&self, pc: u64) -> Option<Arc<GuestModule>> {
        self.modules
            .iter()
            .find(|module| module.has_code_at(pc))
            .cloned()
    }

    /// `pc` for a message: in hexadecimal, with the function's name where one is known.
    pub(crate) fn describe(&self, pc: u64) -> String {
        let module = self.modules.iter().find(|module| module.spans(pc));
        match module.and_then(|module| module.function_at(pc)) {
            Some((name, offset)) => format!("{pc:#x} ({name}+{offset:#x})"),
            None => format!("{pc:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The C library of Debian's cross compilers. It is a program too, whose interpreter's path
    /// stands a megabyte behind its headers.
    const LIBC: &str = "/usr/riscv64-linux-gnu/lib/libc.so.6";

    #[test]
    fn a_mapped_c_library_is_a_module() {
        let file = File::open(LIBC).expect("Debian's libc6-riscv64-cross is installed");
        let len = file.metadata().expect("it has a length").len();
        let mapping = 0x10_0000..0x10_0000 + page_ceil(len).expect("it is small");
        let cache = Cache::in_memory();
        let module = GuestModule::of_mapping(&file, PathBuf::from(LIBC), &mapping, 0, Some(&cache))
            .expect("it is mapped as a dynamic loader does");
        assert_eq!(module.base(), 0x10_0000);
        let [text] = module.text_ranges() else {
            panic!("{:x?}", module.text_ranges());
        };
        assert!(
            text.start == 0x10_0000 && text.end <= mapping.end,
            "{text:x?}"
        );

        let elsewhere = mapping.start..mapping.start + 0x1000;
        let part = GuestModule::of_mapping(&file, PathBuf::from(LIBC), &elsewhere, 0, Some(&cache));
        assert!(part.is_none(), "what isn't mapped can't be relied on");
    }
}

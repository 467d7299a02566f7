//! Machine code to keep, caches to keep it in, and ways to call it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rekindle::{
    Artifact, Cache, CacheConfig, Code, Environment, Key, KeyBuilder, KeyPart, Lookup, MissReason,
    Relocation, RelocationKind, Scope, ScopeId, Section, SectionKind, Signature, SourceLocation,
    Storage, Symbols, System, Target, Trap, UnwindInfo, ZeroSection, signature_of,
};

/// What all test functions are: no parameters, one number.
pub(crate) type Answer = unsafe extern "C" fn() -> u64;

/// Calls code of type [`Answer`].
pub(crate) fn call(code: &Code) -> u64 {
    let entry = code.entry::<Answer>().expect("the same signature");
    #[expect(unsafe_code, reason = "tests call what they compiled")]
    // SAFETY: the test functions below follow the C calling convention and return in `rax`, and
    // `code` keeps them mapped.
    unsafe {
        (entry.function())()
    }
}

/// What Cranelift compiles: a number to a number.
pub(crate) type Unary = unsafe extern "C" fn(u64) -> u64;

/// Calls code of type [`Unary`].
pub(crate) fn call_unary(code: &Code, x: u64) -> u64 {
    let entry = code.entry::<Unary>().expect("the same signature");
    #[expect(unsafe_code, reason = "tests call what they compiled")]
    // SAFETY: the function was compiled with this signature, and `code` keeps it mapped.
    unsafe {
        (entry.function())(x)
    }
}

/// Returns 40 + 2; what `helper` names.
pub(crate) extern "C" fn helper() -> u64 {
    42
}

/// A symbol table with everything that the test functions refer to.
pub(crate) fn symbols() -> Symbols {
    Box::new(|name| match name {
        "value" => Some(1000),
        "helper" => Some(helper as *const () as u64),
        _ => None,
    })
}

pub(crate) fn environment() -> Environment {
    Environment::builder("test").field("version", 1).build()
}

/// A cache in a folder of its own.
pub(crate) struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    pub(crate) fn config(&self) -> CacheConfig {
        config(&self.path())
    }

    pub(crate) fn open(&self) -> Cache {
        Cache::open(&self.config())
    }

    /// The same on a storage that a test has its hands on.
    pub(crate) fn open_on(&self, storage: &Arc<Fake>) -> Cache {
        Cache::open_on(&self.config(), Arc::clone(storage) as Arc<dyn Storage>)
    }

    /// The paths of all images.
    pub(crate) fn images(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect_images(&self.path(), &mut found);
        found.sort();
        found
    }
}

/// A storage on which things go wrong, at a time that a test says. All else is the real thing.
#[derive(Debug)]
pub(crate) struct Fake {
    /// Seconds from the real time; what is written gets the time that results.
    pub(crate) ahead_s: AtomicI64,
    /// Another kind of file system.
    pub(crate) file_system: Option<i64>,
    /// The disk doesn't take what was written.
    pub(crate) loses_writes: bool,
    /// So many files can be written.
    pub(crate) room: AtomicI64,
    /// What happens when there is no room, or instead of failing then.
    pub(crate) when_full: Mutex<Option<Event>>,
}

/// Something that happens once.
pub(crate) struct Event(pub(crate) Box<dyn FnOnce() + Send>);

impl core::fmt::Debug for Event {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Event")
    }
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            ahead_s: AtomicI64::new(0),
            file_system: None,
            loses_writes: false,
            room: AtomicI64::new(i64::MAX),
            when_full: Mutex::default(),
        }
    }
}

impl Fake {
    /// So many seconds from now.
    pub(crate) fn ahead(seconds: i64) -> Arc<Self> {
        Arc::new(Self {
            ahead_s: AtomicI64::new(seconds),
            ..Self::default()
        })
    }
}

impl Storage for Fake {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        if self.room.fetch_sub(1, Ordering::Relaxed) <= 0 {
            match self.when_full.lock().expect("no panic").take() {
                Some(Event(happens)) => happens(),
                None => {
                    file.write_all(&bytes[..bytes.len() / 2])?;
                    return Err(io::ErrorKind::StorageFull.into());
                }
            }
        }
        file.write_all(bytes)?;
        if self.ahead_s.load(Ordering::Relaxed) != 0 {
            let now_s = u64::try_from(self.now_s()).expect("after 1970");
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(now_s))?;
        }
        Ok(())
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        match self.loses_writes {
            true => Err(io::Error::from_raw_os_error(5)),
            false => file.sync_data(),
        }
    }

    fn file_system(&self, folder: BorrowedFd<'_>) -> io::Result<i64> {
        match self.file_system {
            Some(number) => Ok(number),
            None => System.file_system(folder),
        }
    }

    fn now_s(&self) -> i64 {
        System.now_s() + self.ahead_s.load(Ordering::Relaxed)
    }
}

fn collect_images(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect_images(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "img") {
            found.push(path);
        }
    }
}

pub(crate) fn config(path: &Path) -> CacheConfig {
    CacheConfig {
        directory: Some(path.to_owned()),
        // Tests count what is believed.
        verify_one_in: 0,
        // What one module leaves the next one finds.
        write_after: Some(Duration::ZERO),
        ..CacheConfig::default()
    }
}

pub(crate) fn scope(cache: &Cache) -> Scope {
    cache.scope(&environment(), ScopeId::from_name("main"), symbols())
}

pub(crate) fn key(number: u64) -> Key {
    KeyBuilder::new("test/function").u64(number).finish()
}

/// Looks up what must be there.
pub(crate) fn hit(scope: &Scope, key: &Key) -> Code {
    match scope.lookup(key) {
        Lookup::Hit(code) => code,
        Lookup::Miss(ticket) => panic!("a miss: {}", ticket.reason()),
    }
}

/// Looks up what must not be there.
pub(crate) fn miss(scope: &Scope, key: &Key) -> MissReason {
    match scope.lookup(key) {
        Lookup::Hit(code) => panic!("a hit: {code:?}"),
        Lookup::Miss(ticket) => ticket.reason(),
    }
}

/// Compiles on a miss, as a front does.
pub(crate) fn obtain(scope: &Scope, key: &Key, compile: impl FnOnce() -> Artifact) -> Code {
    match scope.lookup(key) {
        Lookup::Hit(code) => code,
        Lookup::Miss(ticket) => scope.insert(ticket, compile()).expect("it can be placed"),
    }
}

/// Returns a constant.
pub(crate) fn constant(number: u32) -> Artifact {
    let mut bytes = vec![0xb8]; // mov eax, number
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.push(0xc3); // ret
    Artifact {
        name: format!("constant{number}"),
        signature: Signature(signature_of::<Answer>()),
        text: Section { bytes, align: 16 },
        compile_time_ns: 1000,
        ..Artifact::default()
    }
}

/// A function that uses everything an artifact can have. Each call returns one more:
/// `value` (1000) + data (200) + rodata (30) + `helper()` (42) + pointed-to (5) + calls so far.
pub(crate) fn rich() -> Artifact {
    let code = rich_text();
    let code_len = code.bytes.len() as u8;
    let mut relocations = code.relocations;
    let mut rodata = vec![0; 24];
    rodata[8] = 30;
    rodata[16] = 5;
    let mut data = vec![0; 16];
    data[0] = 200;
    relocations.push(Relocation {
        section: SectionKind::Data,
        offset: 8,
        kind: RelocationKind::Abs64,
        target: section(SectionKind::Rodata),
        addend: 16,
    });
    Artifact {
        name: "rich@test".to_owned(),
        symbol: Some("rich".to_owned()),
        signature: Signature(signature_of::<Answer>()),
        text: Section {
            bytes: code.bytes,
            align: 16,
        },
        rodata: Section {
            bytes: rodata,
            align: 8,
        },
        data: Section {
            bytes: data,
            align: 8,
        },
        bss: ZeroSection {
            size: 0x200,
            align: 64,
        },
        relocations,
        unwind: Some(UnwindInfo {
            eh_frame: eh_frame(code_len),
            location_field: 32,
        }),
        traps: vec![Trap { offset: 4, code: 7 }],
        source_locations: vec![
            SourceLocation {
                start: 0,
                end: 9,
                location: 100,
            },
            SourceLocation {
                start: 16,
                end: 23,
                location: 50,
            },
        ],
        metadata: b"beside the code".to_vec(),
        compile_time_ns: 123_456,
        key_parts: vec![KeyPart {
            name: "body".into(),
            hash: 17,
            ..KeyPart::default()
        }],
    }
}

/// A CIE and an FDE of 24 bytes each, as compilers write them; the rows say nothing.
fn eh_frame(code_len: u8) -> Vec<u8> {
    let mut eh_frame = vec![20, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0];
    eh_frame.extend([1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0]);
    eh_frame.extend([20, 0, 0, 0, 28, 0, 0, 0, 0, 0, 0, 0]);
    eh_frame.extend([code_len, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    eh_frame
}

fn rich_text() -> Assembler {
    let mut code = Assembler::default();
    code.bytes(&[0x48, 0x83, 0xec, 0x08]); // sub rsp, 8
    code.field(&[0xe8], RelocationKind::X86Plt32, symbol("helper"), 0); // call helper
    code.field(
        &[0x48, 0x03, 0x05],
        RelocationKind::X86GotPc32,
        symbol("value"),
        0,
    ); // add rax, [cell]
    code.field(
        &[0x48, 0x03, 0x05],
        RelocationKind::X86Pc32,
        section(SectionKind::Data),
        0,
    );
    code.field(
        &[0x48, 0x03, 0x05],
        RelocationKind::X86Pc32,
        section(SectionKind::Rodata),
        8,
    );
    code.field(
        &[0x48, 0xff, 0x05],
        RelocationKind::X86Pc32,
        section(SectionKind::Bss),
        0x100,
    );
    code.field(
        &[0x48, 0x03, 0x05],
        RelocationKind::X86Pc32,
        section(SectionKind::Bss),
        0x100,
    );
    // mov rcx, [data + 8]; add rax, [rcx]
    code.field(
        &[0x48, 0x8b, 0x0d],
        RelocationKind::X86Pc32,
        section(SectionKind::Data),
        8,
    );
    code.bytes(&[0x48, 0x03, 0x01]);
    code.bytes(&[0x48, 0x83, 0xc4, 0x08, 0xc3]); // add rsp, 8; ret
    code
}

/// What the first call of [`rich`] returns.
pub(crate) const RICH_FIRST: u64 = 1000 + 200 + 30 + 42 + 5 + 1;

pub(crate) fn symbol(name: &str) -> Target {
    Target::Symbol(name.to_owned())
}

pub(crate) fn section(section: SectionKind) -> Target {
    Target::Section(section)
}

#[derive(Default)]
pub(crate) struct Assembler {
    pub(crate) bytes: Vec<u8>,
    pub(crate) relocations: Vec<Relocation>,
}

impl Assembler {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// An instruction that ends in a 32-bit displacement.
    pub(crate) fn field(
        &mut self,
        opcode: &[u8],
        kind: RelocationKind,
        target: Target,
        addend: i64,
    ) {
        self.bytes(opcode);
        self.relocations.push(Relocation {
            section: SectionKind::Text,
            offset: self.bytes.len() as u32,
            kind,
            target,
            addend: addend - 4,
        });
        self.bytes(&[0xee; 4]);
    }
}

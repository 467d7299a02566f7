//! A small cache with everything in it that images can have.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rekindle::{
    Artifact, Cache, CacheConfig, CacheMode, Environment, Key, KeyBuilder, KeyPart, Lookup,
    ProgramDraft, ProgramDraftSymbol, ProgramPart, Relocation, RelocationKind, Scope, ScopeId,
    Section, SectionKind, SourceLocation, Target, Trap, UnwindInfo, ZeroSection,
};
use rekindle_store::Secret;

/// A cache in a folder of its own.
pub(super) struct Sample {
    folder: tempfile::TempDir,
}

impl Sample {
    /// An empty one.
    pub(super) fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder }
    }

    /// One with an image of entries and one of a program.
    pub(super) fn full() -> Self {
        let sample = Self::empty();
        let cache = sample.open();
        let scope = scope(&cache);
        let parts = (0..6).map(|number| {
            let Lookup::Miss(ticket) = scope.lookup(&key(number)) else {
                panic!("the cache is empty");
            };
            let code = scope.insert(ticket, artifact(number));
            ProgramPart::Code {
                code: code.expect("it can be placed"),
                location_base: 0,
            }
        });
        let mut parts: Vec<_> = parts.collect();
        parts.push(ProgramPart::Data(Arc::new(data())));
        scope.flush();
        scope.keep_program(program_id(), program(parts));
        scope.flush();
        assert_eq!(sample.images().len(), 2, "{:?}", cache.notices());
        sample
    }

    /// The cache.
    pub(super) fn open(&self) -> Cache {
        Cache::open(&self.config())
    }

    /// The cache, which nothing is written to.
    pub(super) fn open_to_read(&self) -> Cache {
        Cache::open(&CacheConfig {
            mode: CacheMode::ReadOnly,
            ..self.config()
        })
    }

    fn config(&self) -> CacheConfig {
        CacheConfig {
            directory: Some(self.path()),
            verify_one_in: 0,
            // What one module leaves the next one finds.
            write_after: Some(std::time::Duration::ZERO),
            ..CacheConfig::default()
        }
    }

    /// Its folder.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Its secret.
    pub(super) fn secret(&self) -> Secret {
        let bytes = fs::read(self.path().join("secret")).expect("it is there");
        Secret::new(bytes[..].try_into().expect("it has 32 bytes"))
    }

    /// The paths of its images, sorted.
    pub(super) fn images(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        files_below(&self.path(), &mut files);
        files.retain(|file| file.extension().is_some_and(|extension| extension == "img"));
        files
    }
}

/// All files below a folder, sorted.
pub(super) fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        match path.is_dir() {
            true => files_below(&path, files),
            false => files.push(path),
        }
    }
}

pub(super) fn environment() -> Environment {
    Environment::builder("fuzz").field("version", 1).build()
}

pub(super) fn scope(cache: &Cache) -> Scope {
    cache.scope_with_late_names(&environment(), ScopeId::from_name("fuzz"))
}

pub(super) fn program_id() -> ScopeId {
    ScopeId::from_name("fuzz program")
}

pub(super) fn key(number: u64) -> Key {
    KeyBuilder::new("fuzz/entry").u64(number).finish()
}

/// Gives every name a value.
pub(super) fn value_of(name: &str) -> Option<u64> {
    Some(name.len() as u64)
}

fn program(parts: Vec<ProgramPart>) -> ProgramDraft {
    let symbol = |number: usize| ProgramDraftSymbol {
        name: (number != 2).then(|| format!("function{number}")),
        reference: format!("function{number}"),
        place: (number < 6).then_some((number, SectionKind::Text)),
        len: 32,
    };
    let object = ProgramDraftSymbol {
        name: Some("object".to_owned()),
        reference: "object".to_owned(),
        place: Some((6, SectionKind::Data)),
        len: 16,
    };
    ProgramDraft {
        parts,
        symbols: (0..7).map(symbol).chain([object]).collect(),
        front: b"what the front keeps".to_vec(),
    }
}

fn data() -> Artifact {
    Artifact {
        name: "object".to_owned(),
        data: Section {
            bytes: vec![7; 16],
            align: 8,
        },
        relocations: vec![absolute(SectionKind::Data, 8, "function1")],
        ..Artifact::default()
    }
}

fn absolute(section: SectionKind, offset: u32, name: &str) -> Relocation {
    Relocation {
        section,
        offset,
        kind: RelocationKind::Abs64,
        target: Target::Symbol(name.to_owned()),
        addend: 0,
    }
}

/// Code that nobody runs. It calls the code of the next number, and reads what `value` stands for.
pub(super) fn artifact(number: u64) -> Artifact {
    let section = |len: u64, align| Section {
        bytes: vec![number as u8; len as usize],
        align,
    };
    let within = |offset, kind, target| Relocation {
        section: SectionKind::Text,
        offset,
        kind,
        target,
        addend: -4,
    };
    let mut relocations = vec![Relocation {
        target: Target::Section(SectionKind::Rodata),
        ..absolute(SectionKind::Data, 0, "")
    }];
    if cfg!(target_arch = "x86_64") {
        let callee = Target::Symbol(format!("function{}", number + 1));
        let value = Target::Symbol("value".to_owned());
        let rodata = Target::Section(SectionKind::Rodata);
        relocations.extend([
            within(4, RelocationKind::X86Plt32, callee),
            within(12, RelocationKind::X86GotPc32, value),
            within(20, RelocationKind::X86Pc32, rodata),
        ]);
    }
    Artifact {
        name: format!("function{number}"),
        symbol: Some(format!("function{number}")),
        text: section(32, 16),
        rodata: section(16 + number, 8),
        data: section(16, 8),
        bss: ZeroSection {
            size: 64,
            align: 16,
        },
        relocations,
        unwind: Some(UnwindInfo {
            eh_frame: eh_frame(32),
            location_field: 32,
        }),
        traps: vec![Trap { offset: 3, code: 9 }, Trap { offset: 9, code: 1 }],
        source_locations: vec![SourceLocation {
            start: 1,
            end: 20,
            location: 7,
        }],
        metadata: vec![2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        compile_time_ns: 1000 + number,
        key_parts: vec![KeyPart {
            name: "body".into(),
            hash: number,
            ..KeyPart::default()
        }],
        ..Artifact::default()
    }
}

/// A CIE and an FDE of 24 bytes each, as compilers write them; the rows say nothing.
pub(super) fn eh_frame(code_len: u8) -> Vec<u8> {
    let mut eh_frame = vec![20, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0];
    eh_frame.extend([1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0]);
    eh_frame.extend([20, 0, 0, 0, 28, 0, 0, 0, 0, 0, 0, 0]);
    eh_frame.extend([code_len, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    eh_frame
}

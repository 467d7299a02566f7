//! Guest modules: ELF files in memory, as the translator and messages about faults know them.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use rekindle::{Cache, Digest};

use crate::elf::{self, ElfSymbol, Segment};

/// An ELF file that is mapped for the guest.
#[derive(Debug)]
pub(crate) struct GuestModule {
    path: PathBuf,
    file: File,
    base: u64,
    segments: Vec<Segment>,
    text_ranges: Vec<Range<u64>>,
    symbols: OnceLock<Vec<ElfSymbol>>,
}

impl GuestModule {
    /// The module of `file`, whose `segments` are loaded at `base`.
    pub(crate) fn new(path: PathBuf, file: File, base: u64, segments: Vec<Segment>) -> Self {
        let text_ranges = segments
            .iter()
            .filter(|segment| segment.is_text())
            .map(|segment| base + segment.address..base + segment.address + segment.file_len)
            .collect();
        Self {
            path,
            file,
            base,
            segments,
            text_ranges,
            symbols: OnceLock::new(),
        }
    }

    /// What is added to the file's addresses: 0 for a program at fixed addresses.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The file's name, without its folder.
    pub(crate) fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// The ranges whose bytes come from the file, that the guest may execute and can't write.
    pub(crate) fn text_ranges(&self) -> &[Range<u64>] {
        &self.text_ranges
    }

    /// The digest of everything about the file that translations depend on: where its executable
    /// segments lie, and their bytes. Reads the file unless `cache` remembers.
    pub(crate) fn digest(&self, cache: &Cache) -> Digest {
        cache.file_digest(&self.file, || self.compute_digest())
    }

    /// The function that holds `pc`, and the offset in it; for messages.
    pub(crate) fn function_at(&self, pc: u64) -> Option<(&str, u64)> {
        let address = pc.checked_sub(self.base)?;
        let symbols = self.symbols.get_or_init(|| {
            std::fs::read(&self.path)
                .map(|file| elf::function_symbols(&file))
                .unwrap_or_default()
        });
        let end = symbols.partition_point(|symbol| symbol.address <= address);
        let symbol = symbols[..end].last()?;
        let offset = address - symbol.address;
        (symbol.len == 0 || offset < symbol.len).then_some((symbol.name.as_str(), offset))
    }

    /// Whether `pc` lies between the module's first and last byte.
    fn spans(&self, pc: u64) -> bool {
        self.segments
            .iter()
            .any(|segment| pc.wrapping_sub(self.base + segment.address) < segment.memory_len)
    }

    fn compute_digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("rekindle guest module text v1");
        let mut buffer = vec![0_u8; 1 << 16];
        for segment in self.segments.iter().filter(|segment| segment.is_text()) {
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
                match self
                    .file
                    .read_at(&mut buffer[..len], segment.file_offset + done)
                {
                    Ok(count) if count > 0 => {
                        hasher.update(&buffer[..count]);
                        done += count as u64;
                    }
                    // The file shrank or fails: what was read is hashed with what it lacks, so the
                    // digest can't be that of a whole file.
                    _ => {
                        hasher.update(&(file_len - done).to_le_bytes());
                        break;
                    }
                }
            }
        }
        Digest(*hasher.finalize().as_bytes())
    }
}

/// The modules of a guest. There is one now: its program.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    modules: Vec<GuestModule>,
}

impl Modules {
    /// Adds a module.
    pub(crate) fn add(&mut self, module: GuestModule) {
        self.modules.push(module);
    }

    /// The module that holds `pc` in one of its text ranges.
    pub(crate) fn find(&self, pc: u64) -> Option<&GuestModule> {
        self.modules
            .iter()
            .find(|module| module.text_ranges.iter().any(|text| text.contains(&pc)))
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

//! Code that can be called.

use core::fmt;
use std::sync::Arc;

use rekindle_artifact::{Artifact, Relocation, SectionKind, Signature, SourceLocation, Trap};
use rekindle_exec::{Entry, EntrySignature, HostAddr, Published, SignatureMismatch};
use rekindle_store::image::{Tables, VerifiedRecord};

use crate::blank::blank_text;
use crate::loaded::LoadedImage;
use crate::sections::SectionAddresses;

/// Published code: verified, bound and executable. A cheap handle that keeps the code mapped.
#[derive(Clone)]
pub struct Code {
    /// The entry point: the first byte of the text.
    address: HostAddr,
    text_len_bytes: u32,
    origin: Origin,
}

/// Where code came from, which keeps it mapped.
#[derive(Clone)]
enum Origin {
    Compiled(Arc<Compiled>),
    /// The entry of this number, which was verified. A program may load thousands, so nothing is
    /// copied out of the image, and nothing allocated.
    Loaded {
        image: Arc<LoadedImage>,
        index: u32,
    },
}

/// What lies in this process's own memory.
struct Compiled {
    artifact: Arc<Artifact>,
    sections: SectionAddresses,
    memory: Published,
    /// Whether it is a copy of what an image holds.
    is_copy: bool,
}

impl Code {
    /// Code in this process's own memory: what it compiled, or a copy of what an image holds.
    pub(crate) fn compiled(
        artifact: Arc<Artifact>,
        memory: Published,
        sections: SectionAddresses,
        text_len_bytes: u32,
        is_copy: bool,
    ) -> Self {
        Self {
            address: sections.text,
            text_len_bytes,
            origin: Origin::Compiled(Arc::new(Compiled {
                artifact,
                sections,
                memory,
                is_copy,
            })),
        }
    }

    /// Code of an image that was verified and bound.
    pub(crate) fn loaded(image: Arc<LoadedImage>, record: &VerifiedRecord) -> Self {
        Self {
            address: image.text_address(record),
            text_len_bytes: record.text_len_bytes(),
            origin: Origin::Loaded {
                image,
                index: record.index(),
            },
        }
    }

    /// The entry point: the first byte of the text.
    pub fn address(&self) -> HostAddr {
        self.address
    }

    /// How many bytes of text there are from [`Self::address`], veneers included.
    pub fn text_len_bytes(&self) -> u32 {
        self.text_len_bytes
    }

    /// Where a section lives in this process. Of an empty section, some address.
    pub fn section_address(&self, section: SectionKind) -> HostAddr {
        let sections = match &self.origin {
            Origin::Compiled(compiled) => compiled.sections,
            Origin::Loaded { image, index } => image.section_addresses(&image.record(*index)),
        };
        match section {
            SectionKind::Text => sections.text,
            SectionKind::Rodata => sections.rodata,
            SectionKind::Data => sections.data,
            SectionKind::Bss => sections.bss,
        }
    }

    /// The entry point as a function pointer.
    ///
    /// # Errors
    /// If the artifact's signature isn't that of `F`.
    pub fn entry<F: EntrySignature>(&self) -> Result<Entry<F>, SignatureMismatch> {
        let code = match &self.origin {
            Origin::Compiled(compiled) => compiled.memory.code_at(0),
            Origin::Loaded { image, index } => image.code_at(&image.record(*index)),
        };
        // What has no text is never inserted, and a record that was verified is of its image's text.
        let code = code.expect("code lies in its memory");
        Entry::new(code, self.signature().0)
    }

    /// The signature that the artifact recorded.
    pub fn signature(&self) -> Signature {
        match &self.origin {
            Origin::Compiled(compiled) => compiled.artifact.signature,
            Origin::Loaded { image, index } => image.record(*index).signature(),
        }
    }

    /// What compiling cost, in nanoseconds, when it was compiled.
    pub fn compile_time_ns(&self) -> u64 {
        match &self.origin {
            Origin::Compiled(compiled) => compiled.artifact.compile_time_ns,
            Origin::Loaded { image, index } => image.record(*index).compile_time_ns(),
        }
    }

    /// Whether the code came from an image, rather than from this process's compiler.
    pub fn is_loaded(&self) -> bool {
        match &self.origin {
            Origin::Compiled(compiled) => compiled.is_copy,
            Origin::Loaded { .. } => true,
        }
    }

    /// What the front kept beside the code.
    pub fn metadata(&self) -> &[u8] {
        match &self.origin {
            Origin::Compiled(compiled) => &compiled.artifact.metadata,
            Origin::Loaded { image, index } => image.metadata(&image.record(*index)),
        }
    }

    /// The artifact's name. Empty if the part of an image that holds it is damaged, which nothing
    /// but this depends on.
    pub fn name(&self) -> String {
        match &self.origin {
            Origin::Compiled(compiled) => compiled.artifact.name.clone(),
            Origin::Loaded { image, index } => image.name(&image.record(*index)),
        }
    }

    /// Instructions that may trap, ascending.
    pub fn traps(&self) -> Vec<Trap> {
        self.with_tables(|traps, _| traps.to_vec())
    }

    /// Where the code came from, ascending and disjoint.
    pub fn source_locations(&self) -> Vec<SourceLocation> {
        self.with_tables(|_, locations| locations.to_vec())
    }

    /// The source location recorded for the instruction at `offset` bytes into the text.
    pub fn source_location(&self, offset: u32) -> Option<u32> {
        self.with_tables(|_, locations| {
            let index = locations.partition_point(|location| location.end <= offset);
            let location = locations.get(index)?;
            (location.start <= offset).then_some(location.location)
        })
    }

    /// The trap code recorded for the instruction that starts at `offset` bytes into the text.
    pub fn trap(&self, offset: u32) -> Option<u16> {
        self.with_tables(|traps, _| {
            let index = traps
                .binary_search_by_key(&offset, |trap| trap.offset)
                .ok()?;
            Some(traps[index].code)
        })
    }

    /// The code as it was compiled, with zeroes in all fields that linking fills, and those fields. `None`
    /// if the parts of an image that only this needs are damaged.
    pub fn unlinked(&self) -> Option<(Vec<u8>, Vec<Relocation>)> {
        let artifact = self.artifact()?;
        let relocations = artifact.relocations.iter();
        let relocations = relocations.filter(|field| field.section == SectionKind::Text);
        let mut relocations: Vec<Relocation> = relocations.cloned().collect();
        relocations.sort_by_key(|field| field.offset);
        Some((blank_text(&artifact), relocations))
    }

    /// The artifact; `None` if the parts of an image that only this needs are damaged.
    pub(crate) fn artifact(&self) -> Option<Arc<Artifact>> {
        match &self.origin {
            Origin::Compiled(compiled) => Some(Arc::clone(&compiled.artifact)),
            Origin::Loaded { image, index } => image.artifact(&image.record(*index)).map(Arc::new),
        }
    }

    /// Says what is at an address, if it lies in this code.
    pub(crate) fn locate(&self, pc: HostAddr) -> Option<Located> {
        let offset = u32::try_from(pc.0.checked_sub(self.address().0)?).ok()?;
        if offset >= self.text_len_bytes {
            return None;
        }
        Some(Located {
            name: self.name(),
            offset,
            source_location: self.source_location(offset),
            trap: self.trap(offset),
        })
    }

    fn with_tables<T>(&self, ask: impl FnOnce(&[Trap], &[SourceLocation]) -> T) -> T {
        match &self.origin {
            Origin::Compiled(compiled) => {
                let Artifact {
                    traps,
                    source_locations,
                    ..
                } = &*compiled.artifact;
                ask(traps, source_locations)
            }
            Origin::Loaded { image, index } => {
                let Tables {
                    traps,
                    source_locations,
                } = image.tables(&image.record(*index));
                ask(&traps, &source_locations)
            }
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code")
            .field("name", &self.name())
            .field("address", &self.address())
            .field("is_loaded", &self.is_loaded())
            .finish_non_exhaustive()
    }
}

/// What is at an address inside published code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The artifact's name.
    pub name: String,
    /// The address's distance from the entry point, in bytes.
    pub offset: u32,
    /// The front's own location for the instruction, where it recorded one.
    pub source_location: Option<u32>,
    /// The front's code for why the instruction that starts at this address may trap.
    pub trap: Option<u16>,
}

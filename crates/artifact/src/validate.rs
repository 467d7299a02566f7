//! What must hold of an artifact before it is linked.

use core::fmt;

use crate::artifact::{Artifact, RelocationKind, SectionKind, UnwindInfo};

/// The largest alignment that a section may ask for: a page.
pub const MAX_ALIGN: u32 = 4096;

/// The most bytes that one section may have: far below what 32-bit distances reach.
pub const MAX_SECTION_LEN: u32 = 256 << 20;

/// An artifact breaks a rule; its maker has a bug.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidArtifact {
    /// There is neither text nor data.
    Empty,
    /// An alignment isn't a power of two, or is larger than a page.
    Alignment {
        /// The section.
        section: SectionKind,
        /// Its alignment.
        align: u32,
    },
    /// A section has more than [`MAX_SECTION_LEN`] bytes.
    TooLarge {
        /// The section.
        section: SectionKind,
    },
    /// A relocation patches bytes that don't exist, or zeroes.
    RelocationOutside {
        /// The section that it patches.
        section: SectionKind,
        /// Where it starts.
        offset: u32,
    },
    /// A relocation of a kind that patches instructions lies outside the text.
    RelocationKind {
        /// The section that it patches.
        section: SectionKind,
        /// Its kind.
        kind: RelocationKind,
    },
    /// Two relocations patch the same bytes.
    RelocationsOverlap {
        /// The section that they patch.
        section: SectionKind,
        /// Where the second starts.
        offset: u32,
    },
    /// The traps don't ascend, or lie outside the text.
    Traps,
    /// The source locations don't ascend, overlap, or lie outside the text.
    SourceLocations,
    /// The unwind information isn't one CIE and one FDE, or the location field isn't the FDE's.
    Unwind,
}

impl fmt::Display for InvalidArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is neither text nor data"),
            Self::Alignment { section, align } => {
                write!(f, "{section}: an alignment of {align} is not possible")
            }
            Self::TooLarge { section } => write!(f, "{section}: too many bytes"),
            Self::RelocationOutside { section, offset } => {
                write!(f, "{section}: a relocation at {offset:#x} lies outside")
            }
            Self::RelocationKind { section, kind } => {
                write!(f, "{section}: {kind:?} patches instructions")
            }
            Self::RelocationsOverlap { section, offset } => {
                write!(f, "{section}: two relocations patch {offset:#x}")
            }
            Self::Traps => f.write_str("the traps don't ascend within the text"),
            Self::SourceLocations => {
                f.write_str("the source locations don't ascend within the text")
            }
            Self::Unwind => f.write_str("the unwind information isn't one CIE and its FDE"),
        }
    }
}

impl core::error::Error for InvalidArtifact {}

impl Artifact {
    /// How many bytes a section has.
    pub fn section_len(&self, section: SectionKind) -> usize {
        match section {
            SectionKind::Text => self.text.bytes.len(),
            SectionKind::Rodata => self.rodata.bytes.len(),
            SectionKind::Data => self.data.bytes.len(),
            SectionKind::Bss => self.bss.size as usize,
        }
    }

    /// The alignment of a section.
    pub fn section_align(&self, section: SectionKind) -> u32 {
        match section {
            SectionKind::Text => self.text.align,
            SectionKind::Rodata => self.rodata.align,
            SectionKind::Data => self.data.align,
            SectionKind::Bss => self.bss.align,
        }
    }

    /// Checks everything that linking relies on.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), InvalidArtifact> {
        if SectionKind::ALL.map(|section| self.section_len(section)) == [0; 4] {
            return Err(InvalidArtifact::Empty);
        }
        for section in SectionKind::ALL {
            let align = self.section_align(section);
            if !align.is_power_of_two() || align > MAX_ALIGN {
                return Err(InvalidArtifact::Alignment { section, align });
            }
            if self.section_len(section) > MAX_SECTION_LEN as usize {
                return Err(InvalidArtifact::TooLarge { section });
            }
        }
        self.validate_relocations()?;
        self.validate_tables()
    }

    fn validate_relocations(&self) -> Result<(), InvalidArtifact> {
        let mut fields = Vec::with_capacity(self.relocations.len());
        for relocation in &self.relocations {
            let (section, offset, kind) = (relocation.section, relocation.offset, relocation.kind);
            let width = kind.field_len_bytes();
            let end = offset as usize + width;
            if section == SectionKind::Bss || end > self.section_len(section) {
                return Err(InvalidArtifact::RelocationOutside { section, offset });
            }
            if section != SectionKind::Text && kind != RelocationKind::Abs64 {
                return Err(InvalidArtifact::RelocationKind { section, kind });
            }
            fields.push((section, offset, width));
        }
        fields.sort_unstable();
        for pair in fields.windows(2) {
            let ((section, offset, width), (next_section, next_offset, _)) = (pair[0], pair[1]);
            if section == next_section && offset as usize + width > next_offset as usize {
                return Err(InvalidArtifact::RelocationsOverlap {
                    section,
                    offset: next_offset,
                });
            }
        }
        Ok(())
    }

    fn validate_tables(&self) -> Result<(), InvalidArtifact> {
        let text_len = self.text.bytes.len();
        let ascend = self
            .traps
            .windows(2)
            .all(|pair| pair[0].offset < pair[1].offset);
        if !ascend
            || self
                .traps
                .last()
                .is_some_and(|trap| trap.offset as usize >= text_len)
        {
            return Err(InvalidArtifact::Traps);
        }
        let locations = &self.source_locations;
        let ascend = locations
            .windows(2)
            .all(|pair| pair[0].end <= pair[1].start)
            && locations
                .iter()
                .all(|location| location.start < location.end);
        if !ascend
            || locations
                .last()
                .is_some_and(|last| last.end as usize > text_len)
        {
            return Err(InvalidArtifact::SourceLocations);
        }
        match &self.unwind {
            Some(unwind) if !unwind.is_one_frame() => Err(InvalidArtifact::Unwind),
            _ => Ok(()),
        }
    }
}

impl UnwindInfo {
    /// Whether there are two records, the second the one whose location field is known, and nothing
    /// behind them: records of several artifacts are put one behind the other, and a gap would end
    /// the list.
    fn is_one_frame(&self) -> bool {
        let record_len = |at: usize| {
            let len = self.eh_frame.get(at..)?.first_chunk()?;
            let len = u32::from_le_bytes(*len) as usize;
            (len > 0 && (at + 4 + len).is_multiple_of(8)).then_some(4 + len)
        };
        let Some(cie_len) = record_len(0) else {
            return false;
        };
        let ends = record_len(cie_len).map(|len| cie_len + len);
        let field = self.location_field as usize;
        ends == Some(self.eh_frame.len())
            && field == cie_len + 8
            && field + 8 <= self.eh_frame.len()
    }
}

//! What one artifact needs around it: cells, veneers, room.

use rekindle_artifact::{Artifact, Relocation, SectionKind, Target};
use rustc_hash::FxHashMap;

use crate::arch::Arch;
use crate::error::LinkError;
use crate::relocation::{Formula, Reference, Row};

/// An artifact that was checked for a machine, and what it needs around it.
///
/// A name that the artifact refers to may live anywhere, so it is reached through a cell in
/// writable data, or called through a veneer that jumps where the cell says. Veneers stand behind
/// the artifact's own text and belong to it. Constants that hold addresses can't be shared between
/// processes: an artifact with such has its `rodata` placed in writable memory.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The names that stand for parts of the same image, and which.
    pub(crate) within: Option<&'a Within<'a>>,
    pub(crate) artifact: &'a Artifact,
    pub(crate) arch: Arch,
    symbols: Vec<&'a str>,
    /// Indices into `symbols`.
    pub(crate) veneers: Vec<usize>,
    calls: Vec<Call>,
    rodata_is_writable: bool,
}

/// A call or jump in an artifact's text to the start of what a name stands for. Linked text leads it
/// to a veneer; who knows where the name is may lead it there, see [`Arch::lead_call`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The index in [`Plan::symbols`] of the name.
    pub symbol: u32,
    /// Where the field with the distance is, in bytes from the start of the text.
    pub field: u32,
    /// Where the veneer is.
    pub veneer: u32,
}

/// The names that stand for sections of artifacts in one image, for good: by name, the number of the
/// artifact and the section. Whoever refers to one needs no cell for it, and no process can give it
/// another meaning.
pub type Within<'a> = FxHashMap<&'a str, (usize, SectionKind)>;

impl<'a> Plan<'a> {
    /// Checks an artifact and finds what it needs.
    ///
    /// # Errors
    /// If the artifact is invalid or refers to something in a way that can't be linked.
    pub fn new(artifact: &'a Artifact, arch: Arch) -> Result<Self, LinkError> {
        Self::make(artifact, arch, None)
    }

    /// The same for an artifact that goes into one image with what `within` names.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_within(
        artifact: &'a Artifact,
        arch: Arch,
        within: &'a Within<'a>,
    ) -> Result<Self, LinkError> {
        Self::make(artifact, arch, Some(within))
    }

    fn make(
        artifact: &'a Artifact,
        arch: Arch,
        within: Option<&'a Within<'a>>,
    ) -> Result<Self, LinkError> {
        artifact.validate()?;
        let mut plan = Self {
            within,
            artifact,
            arch,
            symbols: Vec::new(),
            veneers: Vec::new(),
            calls: Vec::new(),
            rodata_is_writable: false,
        };
        let mut indices = FxHashMap::default();
        let mut ordinals = Vec::new();
        for relocation in &artifact.relocations {
            let Some((symbol, reference)) = plan.check(relocation)? else {
                continue;
            };
            let index = *indices.entry(symbol).or_insert_with(|| {
                plan.symbols.push(symbol);
                ordinals.push(None);
                plan.symbols.len() - 1
            });
            if reference == Reference::Call {
                let ordinal = *ordinals[index].get_or_insert(plan.veneers.len());
                if ordinal == plan.veneers.len() {
                    plan.veneers.push(index);
                }
                plan.note_call(relocation, index, ordinal);
            }
        }
        Ok(plan)
    }

    fn note_call(&mut self, relocation: &Relocation, symbol: usize, ordinal: usize) {
        // Another addend leads elsewhere than to where the name is.
        if relocation.addend == self.arch.call().addend {
            // A section's length fits in 32 bits.
            self.calls.push(Call {
                symbol: symbol as u32,
                field: relocation.offset,
                veneer: self.veneer_offset(ordinal) as u32,
            });
        }
    }

    /// Checks one relocation. Returns the symbol whose cell it needs, if it needs one.
    fn check(
        &mut self,
        relocation: &'a Relocation,
    ) -> Result<Option<(&'a str, Reference)>, LinkError> {
        let Relocation {
            section,
            offset,
            kind,
            target,
            addend: _,
        } = relocation;
        let row = self
            .arch
            .row(*kind)
            .ok_or(LinkError::WrongMachine { kind: *kind })?;
        if row.formula == Formula::Absolute {
            match section {
                SectionKind::Text => {
                    let target = match target {
                        Target::Section(section) => section.to_string(),
                        Target::Symbol(name) => name.clone(),
                    };
                    return Err(LinkError::AbsoluteInText {
                        offset: *offset,
                        target,
                    });
                }
                SectionKind::Rodata => self.rodata_is_writable = true,
                SectionKind::Data | SectionKind::Bss => {}
            }
            return Ok(None);
        }
        match (target, row.reference) {
            (Target::Symbol(symbol), reference)
                if self.part_within(symbol).is_some()
                    && (reference != Reference::Cell || self.relaxes(row, *offset)) =>
            {
                Ok(None)
            }
            (Target::Symbol(symbol), Reference::Direct) => Err(LinkError::NotColocated {
                symbol: symbol.clone(),
                offset: *offset,
            }),
            (Target::Section(section), Reference::Cell) if !self.relaxes(row, *offset) => {
                Err(LinkError::CellOfSection {
                    section: *section,
                    offset: *offset,
                })
            }
            (Target::Symbol(symbol), reference) => Ok(Some((symbol, reference))),
            (Target::Section(_), _) => Ok(None),
        }
    }

    /// Whether the instruction with its field at `offset` of the text can do without its cell.
    fn relaxes(&self, row: &Row, offset: u32) -> bool {
        let Some(relaxation) = row.relaxation else {
            return false;
        };
        // No instruction has more than four bytes before its field.
        let start = offset.saturating_sub(4) as usize;
        let end = offset as usize + row.kind.field_len_bytes();
        let mut window = self.artifact.text.bytes[start..end].to_vec();
        (relaxation.rewrite)(&mut window, offset as usize - start)
    }

    /// The artifact.
    pub fn artifact(&self) -> &'a Artifact {
        self.artifact
    }

    /// The names that need a cell, in the order in which [`Self::link`] expects their addresses.
    pub fn symbols(&self) -> &[&'a str] {
        &self.symbols
    }

    /// The calls of names.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Whether `rodata` holds addresses, and so must lie in writable memory.
    pub fn rodata_is_writable(&self) -> bool {
        self.rodata_is_writable
    }

    /// How many bytes of text there will be, veneers included.
    pub fn text_len_bytes(&self) -> u64 {
        if self.veneers.is_empty() {
            return self.artifact.text.bytes.len() as u64;
        }
        self.veneer_offset(self.veneers.len())
    }

    /// The alignment of the text, which suits the veneers too.
    pub fn text_align(&self) -> u64 {
        u64::from(self.artifact.text.align).max(self.arch.veneer().align)
    }

    /// Where the first veneer stands, in bytes from the start of the text.
    pub(crate) fn veneers_start(&self) -> u64 {
        (self.artifact.text.bytes.len() as u64).next_multiple_of(self.arch.veneer().align)
    }

    /// Where the veneer of this number stands, in bytes from the start of the text.
    pub(crate) fn veneer_offset(&self, ordinal: usize) -> u64 {
        self.veneers_start() + ordinal as u64 * self.arch.veneer().template.len() as u64
    }

    /// Whether the plan is one of [`Self::new_within`].
    pub fn is_within_image(&self) -> bool {
        self.within.is_some()
    }

    /// The artifact and section of the same image that a name stands for.
    pub(crate) fn part_within(&self, name: &str) -> Option<(usize, SectionKind)> {
        self.within?.get(name).copied()
    }

    /// The index of a symbol that needs a cell.
    pub(crate) fn symbol_index(&self, name: &str) -> Option<usize> {
        // Few symbols each, and compared by length first.
        self.symbols.iter().position(|symbol| *symbol == name)
    }
}

//! Linking one artifact: its bytes, patched for where they will live.

use rekindle_artifact::{Relocation, RelocationKind, SectionKind, Target};

use crate::address::Address;
use crate::error::LinkError;
use crate::plan::Plan;
use crate::relocation::{Formula, PatchError, Reference};

/// Where an artifact's sections will live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Of the text.
    pub text: Address,
    /// Of the constants.
    pub rodata: Address,
    /// Of the initialised writable data.
    pub data: Address,
    /// Of the zero-initialised writable data.
    pub bss: Address,
    /// Of the call frame information.
    pub eh_frame: Address,
}

impl Placement {
    /// Where a section will live.
    pub fn of(&self, section: SectionKind) -> Address {
        match section {
            SectionKind::Text => self.text,
            SectionKind::Rodata => self.rodata,
            SectionKind::Data => self.data,
            SectionKind::Bss => self.bss,
        }
    }
}

/// An artifact's bytes, patched for their placement, and what is left to bind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linked<'a> {
    /// Machine code and veneers.
    pub text: Vec<u8>,
    /// Constants.
    pub rodata: Vec<u8>,
    /// Initialised writable data.
    pub data: Vec<u8>,
    /// Call frame information; empty if the artifact has none.
    pub eh_frame: Vec<u8>,
    /// Fields in `rodata` and `data` whose values depend on the process.
    pub bindings: Vec<Binding<'a>>,
}

/// A 64-bit field that takes an address, known only in the process that runs the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The section that holds the field: rodata or data.
    pub section: SectionKind,
    /// Where the field starts in that section, in bytes.
    pub offset: u32,
    /// What the field takes.
    pub value: BindingValue<'a>,
}

/// The value of a [`Binding`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingValue<'a> {
    /// An address within the same link; for an image, relative to its base.
    Local(Address),
    /// The value of a name, plus a number.
    Symbol {
        /// The name.
        name: &'a str,
        /// The number.
        addend: i64,
    },
}

impl<'a> Plan<'a> {
    /// Patches the artifact's bytes for a placement. `cells` are the addresses of the cells of
    /// [`Self::symbols`], in that order.
    ///
    /// # Errors
    /// If a distance doesn't fit its field: the placement is too spread out.
    ///
    /// # Panics
    /// If there aren't as many cells as symbols.
    pub fn link(&self, placement: &Placement, cells: &[Address]) -> Result<Linked<'a>, LinkError> {
        let alone = |_, _| unreachable!("nothing but a plan within an image asks");
        self.link_within(placement, cells, &alone)
    }

    /// The same for a plan of [`Plan::new_within`]; `part_address` says where the sections of the
    /// image's artifacts will live.
    ///
    /// # Errors
    /// As [`Self::link`].
    ///
    /// # Panics
    /// As [`Self::link`].
    pub fn link_within(
        &self,
        placement: &Placement,
        cells: &[Address],
        part_address: &dyn Fn(usize, SectionKind) -> Address,
    ) -> Result<Linked<'a>, LinkError> {
        assert_eq!(
            cells.len(),
            self.symbols().len(),
            "one cell for each symbol"
        );
        let mut linked = Linked {
            text: self.artifact.text.bytes.clone(),
            rodata: self.artifact.rodata.bytes.clone(),
            data: self.artifact.data.bytes.clone(),
            eh_frame: self.link_unwind(placement)?,
            bindings: Vec::new(),
        };
        self.append_veneers(&mut linked.text, placement, cells)?;
        for relocation in &self.artifact.relocations {
            self.apply(relocation, &mut linked, placement, cells, part_address)?;
        }
        Ok(linked)
    }

    fn apply(
        &self,
        relocation: &'a Relocation,
        linked: &mut Linked<'a>,
        placement: &Placement,
        cells: &[Address],
        part_address: &dyn Fn(usize, SectionKind) -> Address,
    ) -> Result<(), LinkError> {
        let Relocation {
            section,
            offset,
            kind,
            target,
            addend,
        } = relocation;
        let row = self
            .arch
            .row(*kind)
            .ok_or(LinkError::WrongMachine { kind: *kind })?;
        let near = match target {
            Target::Section(target) => Some(placement.of(*target)),
            Target::Symbol(name) => self
                .part_within(name)
                .map(|(artifact, section)| part_address(artifact, section)),
        };
        if row.formula == Formula::Absolute {
            let value = match (near, target) {
                (Some(near), _) => BindingValue::Local(near.plus(addend.cast_unsigned())),
                (None, Target::Symbol(name)) => BindingValue::Symbol {
                    name,
                    addend: *addend,
                },
                (None, Target::Section(_)) => unreachable!("sections are near"),
            };
            linked.bindings.push(Binding {
                section: *section,
                offset: *offset,
                value,
            });
            return Ok(());
        }
        // A name in the same image has a cell all the same if its loads can't be rewritten.
        let cell = match target {
            Target::Section(_) => None,
            Target::Symbol(name) => self.symbol_index(name),
        };
        let (referred, is_near) = match (cell, row.reference, near) {
            (Some(index), Reference::Cell, _) => (cells[index], false),
            (_, _, Some(near)) => (near, true),
            (Some(index), Reference::Call | Reference::Direct, None) => {
                (self.veneer_address(placement, index), false)
            }
            (None, _, None) => unreachable!("the plan gathered every symbol"),
        };
        let row = match row.relaxation {
            Some(relaxation) if is_near => {
                let relaxes = (relaxation.rewrite)(&mut linked.text, *offset as usize);
                assert!(relaxes, "the plan checked the instruction");
                self.arch.row(relaxation.kind).expect("of the same machine")
            }
            _ => row,
        };
        // Only text has fields of other formulas: `Artifact::validate` saw to it, and to the range.
        let place = placement.text.plus(u64::from(*offset));
        let start = *offset as usize;
        let field = &mut linked.text[start..start + kind.field_len_bytes()];
        row.patch(field, place, referred.plus(addend.cast_unsigned()))
            .map_err(|error| explain(error, *kind, *offset))
    }

    fn veneer_address(&self, placement: &Placement, symbol: usize) -> Address {
        let ordinal = self
            .veneers
            .iter()
            .position(|veneer| *veneer == symbol)
            .expect("the plan gave every called symbol a veneer");
        placement.text.plus(self.veneer_offset(ordinal))
    }

    fn append_veneers(
        &self,
        text: &mut Vec<u8>,
        placement: &Placement,
        cells: &[Address],
    ) -> Result<(), LinkError> {
        if self.veneers.is_empty() {
            return Ok(());
        }
        text.resize(self.veneers_start() as usize, self.arch.padding());
        for symbol in &self.veneers {
            let veneer = self.arch.veneer();
            let offset = text.len();
            text.extend_from_slice(veneer.template);
            let place = placement.text.plus(offset as u64);
            (veneer.patch)(&mut text[offset..], place, cells[*symbol])
                .map_err(|error| explain(error, RelocationKind::X86Plt32, offset as u32))?;
        }
        Ok(())
    }

    fn link_unwind(&self, placement: &Placement) -> Result<Vec<u8>, LinkError> {
        let Some(unwind) = &self.artifact.unwind else {
            return Ok(Vec::new());
        };
        let mut eh_frame = unwind.eh_frame.clone();
        let offset = unwind.location_field;
        let place = placement.eh_frame.plus(u64::from(offset));
        let field = &mut eh_frame[offset as usize..offset as usize + 4];
        let distance = placement.text.0.wrapping_sub(place.0).cast_signed();
        let value = i32::try_from(distance).map_err(|_| LinkError::OutOfRange {
            kind: RelocationKind::X86Pc32,
            offset,
            value: distance,
            range: i64::from(i32::MIN)..=i64::from(i32::MAX),
        })?;
        field.copy_from_slice(&value.to_le_bytes());
        Ok(eh_frame)
    }
}

fn explain(error: PatchError, kind: RelocationKind, offset: u32) -> LinkError {
    match error {
        PatchError::OutOfRange { value, range } => LinkError::OutOfRange {
            kind,
            offset,
            value,
            range,
        },
        PatchError::Misaligned { value, multiple } => LinkError::Misaligned {
            kind,
            offset,
            value,
            multiple,
        },
    }
}

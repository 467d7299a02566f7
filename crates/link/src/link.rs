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
pub struct Linked {
    /// Machine code and veneers.
    pub text: Vec<u8>,
    /// Constants.
    pub rodata: Vec<u8>,
    /// Initialised writable data.
    pub data: Vec<u8>,
    /// Call frame information; empty if the artifact has none.
    pub eh_frame: Vec<u8>,
    /// Fields in `rodata` and `data` whose values depend on the process.
    pub bindings: Vec<Binding>,
}

/// A 64-bit field that takes an address, known only in the process that runs the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The section that holds the field: rodata or data.
    pub section: SectionKind,
    /// Where the field starts in that section, in bytes.
    pub offset: u32,
    /// What the field takes.
    pub value: BindingValue,
}

/// The value of a [`Binding`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingValue {
    /// An address within the same link; for an image, relative to its base.
    Local(Address),
    /// The value of a name, plus a number.
    Symbol {
        /// The name.
        name: String,
        /// The number.
        addend: i64,
    },
}

impl Plan<'_> {
    /// Patches the artifact's bytes for a placement. `cells` are the addresses of the cells of
    /// [`Self::symbols`], in that order.
    ///
    /// # Errors
    /// If a distance doesn't fit its field: the placement is too spread out.
    ///
    /// # Panics
    /// If there aren't as many cells as symbols.
    pub fn link(&self, placement: &Placement, cells: &[Address]) -> Result<Linked, LinkError> {
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
            self.apply(relocation, &mut linked, placement, cells)?;
        }
        Ok(linked)
    }

    fn apply(
        &self,
        relocation: &Relocation,
        linked: &mut Linked,
        placement: &Placement,
        cells: &[Address],
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
        if row.formula == Formula::Absolute {
            let value = match target {
                Target::Section(target) => {
                    BindingValue::Local(placement.of(*target).plus(addend.cast_unsigned()))
                }
                Target::Symbol(name) => BindingValue::Symbol {
                    name: name.clone(),
                    addend: *addend,
                },
            };
            linked.bindings.push(Binding {
                section: *section,
                offset: *offset,
                value,
            });
            return Ok(());
        }
        let referred = match target {
            Target::Section(target) => placement.of(*target),
            Target::Symbol(name) => {
                let index = self
                    .symbol_index(name)
                    .expect("the plan gathered every symbol");
                match row.reference {
                    Reference::Cell => cells[index],
                    Reference::Call | Reference::Direct => self.veneer_address(placement, index),
                }
            }
        };
        let row = match row.relaxation {
            Some(relaxation) if matches!(target, Target::Section(_)) => {
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
        let len = self.arch.veneer().template.len() as u64;
        placement
            .text
            .plus(self.veneers_start() + ordinal as u64 * len)
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

//! Linking one artifact: its bytes, patched for where they will live.

use core::ops::Range;

use rekindle_artifact::{Relocation, RelocationKind, SectionKind, Target};

use crate::address::Address;
use crate::error::LinkError;
use crate::plan::Plan;
use crate::relocation::{Formula, Reference};

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

/// Memory for an artifact's bytes, patched for their placement: each part as long as they are.
#[derive(Debug)]
pub struct Output<'o> {
    /// Machine code and veneers: [`Plan::text_len_bytes`].
    pub text: &'o mut [u8],
    /// Constants.
    pub rodata: &'o mut [u8],
    /// Initialised writable data.
    pub data: &'o mut [u8],
    /// Call frame information; empty if the artifact has none.
    pub eh_frame: &'o mut [u8],
}

/// Where an artifact's parts go: ranges of bytes of two pieces of memory, one that is never written
/// again and one that code may write.
#[derive(Clone, Debug)]
pub struct Places {
    /// Machine code and veneers, in the first.
    pub text: Range<usize>,
    /// Constants, in the second if they hold addresses.
    pub rodata: Range<usize>,
    /// Initialised writable data, in the second.
    pub data: Range<usize>,
    /// Call frame information, in the first.
    pub eh_frame: Range<usize>,
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
    /// The parts of memory that the artifact's bytes go into. An empty part may be anywhere.
    ///
    /// # Panics
    /// If the memory is too short, or two parts overlap.
    pub fn output<'o>(
        &self,
        readable: &'o mut [u8],
        writable: &'o mut [u8],
        places: Places,
    ) -> Output<'o> {
        let [text, rodata, data, eh_frame] =
            [places.text, places.rodata, places.data, places.eh_frame].map(|place| {
                match place.is_empty() {
                    true => 0..0,
                    false => place,
                }
            });
        let parts = if self.rodata_is_writable() {
            let readable = readable.get_disjoint_mut([text, eh_frame]);
            let writable = writable.get_disjoint_mut([rodata, data]);
            let both = readable.ok().zip(writable.ok());
            both.map(|([text, eh_frame], [rodata, data])| [text, rodata, data, eh_frame])
        } else {
            let readable = readable.get_disjoint_mut([text, rodata, eh_frame]);
            let both = readable.ok().zip(writable.get_mut(data));
            both.map(|([text, rodata, eh_frame], data)| [text, rodata, data, eh_frame])
        };
        let [text, rodata, data, eh_frame] = parts.expect("each part has a place of its own");
        Output {
            text,
            rodata,
            data,
            eh_frame,
        }
    }

    /// Writes the artifact's bytes, patched for a placement. `cells` are the addresses of the cells of
    /// [`Self::symbols`], in that order. Returns the fields in `rodata` and `data` whose values depend
    /// on the process.
    ///
    /// # Errors
    /// If a distance doesn't fit its field: the placement is too spread out.
    ///
    /// # Panics
    /// If there aren't as many cells as symbols, or a part of the output has another length.
    pub fn link(
        &self,
        output: Output<'_>,
        placement: &Placement,
        cells: &[Address],
    ) -> Result<Vec<Binding<'a>>, LinkError> {
        let alone = |_, _| unreachable!("nothing but a plan within an image asks");
        self.link_within(output, placement, cells, &alone)
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
        output: Output<'_>,
        placement: &Placement,
        cells: &[Address],
        part_address: &dyn Fn(usize, SectionKind) -> Address,
    ) -> Result<Vec<Binding<'a>>, LinkError> {
        assert_eq!(
            cells.len(),
            self.symbols().len(),
            "one cell for each symbol"
        );
        let Output {
            text,
            rodata,
            data,
            eh_frame,
        } = output;
        let (code, veneers) = text.split_at_mut(self.artifact.text.bytes.len());
        code.copy_from_slice(&self.artifact.text.bytes);
        rodata.copy_from_slice(&self.artifact.rodata.bytes);
        data.copy_from_slice(&self.artifact.data.bytes);
        self.link_unwind(eh_frame, placement)?;
        self.write_veneers(veneers, placement, cells)?;
        let mut bindings = Vec::new();
        for relocation in &self.artifact.relocations {
            let binding = self.apply(relocation, text, placement, cells, part_address)?;
            bindings.extend(binding);
        }
        Ok(bindings)
    }

    /// Patches the text for a relocation, or says what is to be bound instead.
    fn apply(
        &self,
        relocation: &'a Relocation,
        text: &mut [u8],
        placement: &Placement,
        cells: &[Address],
        part_address: &dyn Fn(usize, SectionKind) -> Address,
    ) -> Result<Option<Binding<'a>>, LinkError> {
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
            return Ok(Some(Binding {
                section: *section,
                offset: *offset,
                value,
            }));
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
                let relaxes = (relaxation.rewrite)(text, *offset as usize);
                assert!(relaxes, "the plan checked the instruction");
                self.arch.row(relaxation.kind).expect("of the same machine")
            }
            _ => row,
        };
        // Only text has fields of other formulas: `Artifact::validate` saw to it, and to the range.
        let place = placement.text.plus(u64::from(*offset));
        let start = *offset as usize;
        let field = &mut text[start..start + kind.field_len_bytes()];
        row.patch(field, place, referred.plus(addend.cast_unsigned()))
            .map_err(|error| error.explain(*kind, *offset))?;
        Ok(None)
    }

    fn veneer_address(&self, placement: &Placement, symbol: usize) -> Address {
        let ordinal = self
            .veneers
            .iter()
            .position(|veneer| *veneer == symbol)
            .expect("the plan gave every called symbol a veneer");
        placement.text.plus(self.veneer_offset(ordinal))
    }

    /// Writes the veneers into what is behind the code: a gap, and they.
    fn write_veneers(
        &self,
        behind: &mut [u8],
        placement: &Placement,
        cells: &[Address],
    ) -> Result<(), LinkError> {
        if self.veneers.is_empty() {
            return Ok(());
        }
        let veneer = self.arch.veneer();
        let gap = self.veneers_start() as usize - self.artifact.text.bytes.len();
        let (gap, veneers) = behind.split_at_mut(gap);
        gap.fill(self.arch.padding());
        let places = veneers.chunks_exact_mut(veneer.template.len());
        for ((ordinal, bytes), symbol) in places.enumerate().zip(&self.veneers) {
            bytes.copy_from_slice(veneer.template);
            let offset = self.veneer_offset(ordinal);
            (veneer.patch)(bytes, placement.text.plus(offset), cells[*symbol])
                .map_err(|error| error.explain(RelocationKind::X86Plt32, offset as u32))?;
        }
        Ok(())
    }

    fn link_unwind(&self, eh_frame: &mut [u8], placement: &Placement) -> Result<(), LinkError> {
        let Some(unwind) = &self.artifact.unwind else {
            return Ok(());
        };
        eh_frame.copy_from_slice(&unwind.eh_frame);
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
        Ok(())
    }
}

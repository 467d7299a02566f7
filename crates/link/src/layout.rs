//! The layout of an image: where everything lies relative to its base.
//!
//! ```text
//! 0               file_base                                         (multiples of a page)
//! | cells data bss | header page | text | rodata eh_frame | whatever the file keeps besides |
//! |<- writable ---->|<- the file, mapped as it is ------------------------------------------|
//! ```
//!
//! The writable part stands *before* the file, so that its distance from the text is known before
//! the rest of the file is: patching needs nothing but this layout. The distance from the image's
//! base to a byte of the file is `file_base` plus the byte's offset, throughout.

use rekindle_artifact::SectionKind;
use rustc_hash::FxHashMap;

use crate::address::Address;
use crate::arch::Arch;
use crate::error::LinkError;
use crate::link::Placement;
use crate::plan::Plan;

/// The most bytes an image may span: half of what a signed 32-bit distance reaches.
const MAX_IMAGE_LEN: u64 = 1 << 30;

/// A part of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Where it starts, relative to the image's base.
    pub start: Address,
    /// Its length in bytes.
    pub len: u64,
}

impl Span {
    /// The address past its last byte.
    pub fn end(&self) -> Address {
        self.start.plus(self.len)
    }
}

/// Where everything in an image lies, relative to its base.
#[derive(Clone, Debug)]
pub struct Layout {
    /// One per plan, in the same order.
    pub entries: Vec<EntryLayout>,
    /// The name behind each cell; each name has one cell in the image.
    pub cells: Vec<String>,
    /// For each cell, the entry in this image that its name stands for, if there is exactly one. In a
    /// process it may stand for another.
    pub definitions: Vec<Option<u32>>,
    /// The cells: 8 bytes each.
    pub got: Span,
    /// Initialised writable data, and constants that hold addresses.
    pub data: Span,
    /// Zero-initialised writable data.
    pub bss: Span,
    /// Where the file starts.
    pub file_base: Address,
    /// Machine code. Starts one page into the file.
    pub text: Span,
    /// Constants. Starts on a page of its own.
    pub rodata: Span,
    /// Call frame information.
    pub eh_frame: Span,
}

/// Where one artifact lies.
#[derive(Clone, Debug)]
pub struct EntryLayout {
    /// Where its sections lie.
    pub placement: Placement,
    /// The indices in [`Layout::cells`] of the symbols that it needs.
    pub cells: Vec<u32>,
}

impl EntryLayout {
    /// The addresses of the cells, as [`Plan::link`] wants them.
    pub fn cell_addresses(&self, layout: &Layout) -> Vec<Address> {
        self.cells
            .iter()
            .map(|cell| layout.got.start.plus(u64::from(*cell) * 8))
            .collect()
    }
}

/// Hands out addresses, ascending.
struct Cursor(u64);

impl Cursor {
    fn take(&mut self, len: u64, align: u64) -> Address {
        let start = self.0.next_multiple_of(align);
        self.0 = start + len;
        Address(start)
    }

    /// Starts a part at a multiple of `align`.
    fn begin(&mut self, align: u64) -> Address {
        self.take(0, align)
    }

    fn span_from(&self, start: Address) -> Span {
        Span {
            start,
            len: self.0 - start.0,
        }
    }
}

impl Layout {
    /// Lays out the image of `plans`, in their order.
    ///
    /// # Errors
    /// If the image would be too large; fewer plans may fit.
    pub fn new(plans: &[Plan<'_>], arch: Arch) -> Result<Self, LinkError> {
        let Cells {
            names: cells,
            mut entries,
            definitions,
        } = assign_cells(plans);
        let page = arch.page_len_bytes();
        let mut cursor = Cursor(0);

        let got = Span {
            start: Address(0),
            len: cells.len() as u64 * 8,
        };
        cursor.take(got.len, 8);
        let start = cursor.begin(64);
        for (plan, entry) in plans.iter().zip(&mut entries) {
            if plan.rodata_is_writable() {
                entry.placement.rodata = place(&mut cursor, plan, SectionKind::Rodata);
            }
            entry.placement.data = place(&mut cursor, plan, SectionKind::Data);
        }
        let data = cursor.span_from(start);
        let start = cursor.begin(64);
        for (plan, entry) in plans.iter().zip(&mut entries) {
            entry.placement.bss = place(&mut cursor, plan, SectionKind::Bss);
        }
        let bss = cursor.span_from(start);

        let file_base = cursor.begin(page);
        cursor.take(page, 1);
        let start = cursor.begin(page);
        for (plan, entry) in plans.iter().zip(&mut entries) {
            entry.placement.text = cursor.take(plan.text_len_bytes(), plan.text_align());
        }
        let text = cursor.span_from(start);
        let start = cursor.begin(page);
        for (plan, entry) in plans.iter().zip(&mut entries) {
            if !plan.rodata_is_writable() {
                entry.placement.rodata = place(&mut cursor, plan, SectionKind::Rodata);
            }
        }
        let rodata = cursor.span_from(start);
        let start = cursor.begin(8);
        for (plan, entry) in plans.iter().zip(&mut entries) {
            let len = plan
                .artifact()
                .unwind
                .as_ref()
                .map_or(0, |unwind| unwind.eh_frame.len());
            entry.placement.eh_frame = cursor.take(len as u64, 8);
        }
        let eh_frame = cursor.span_from(start);

        if cursor.0 > MAX_IMAGE_LEN {
            return Err(LinkError::TooLarge {
                len_bytes: cursor.0,
            });
        }
        Ok(Self {
            entries,
            cells,
            definitions,
            got,
            data,
            bss,
            file_base,
            text,
            rodata,
            eh_frame,
        })
    }

    /// The offset in the file of an address behind [`Self::file_base`].
    pub fn file_offset(&self, address: Address) -> u64 {
        address.0.wrapping_sub(self.file_base.0)
    }
}

fn place(cursor: &mut Cursor, plan: &Plan<'_>, section: SectionKind) -> Address {
    let artifact = plan.artifact();
    cursor.take(
        artifact.section_len(section) as u64,
        u64::from(artifact.section_align(section)),
    )
}

/// Which cells there are, and who uses them.
struct Cells {
    names: Vec<String>,
    entries: Vec<EntryLayout>,
    definitions: Vec<Option<u32>>,
}

fn assign_cells(plans: &[Plan<'_>]) -> Cells {
    let mut names = Vec::new();
    let mut indices = FxHashMap::default();
    let mut assign = |symbol| {
        *indices.entry(symbol).or_insert_with(|| {
            names.push(String::from(symbol));
            // Symbols are at most as many as relocations in 1 GiB.
            names.len() as u32 - 1
        })
    };
    let entries = plans
        .iter()
        .map(|plan| EntryLayout {
            placement: Placement::default(),
            cells: plan
                .symbols()
                .iter()
                .map(|symbol| assign(*symbol))
                .collect(),
        })
        .collect();
    let mut definitions = vec![None; names.len()];
    let mut is_ambiguous = vec![false; names.len()];
    for (entry, plan) in (0..).zip(plans) {
        let symbol = plan.artifact().symbol.as_deref();
        let Some(cell) = symbol.and_then(|symbol| indices.get(symbol)) else {
            continue;
        };
        let cell = *cell as usize;
        is_ambiguous[cell] |= definitions[cell].replace(entry).is_some();
    }
    for (definition, is_ambiguous) in definitions.iter_mut().zip(is_ambiguous) {
        *definition = definition.filter(|_| !is_ambiguous);
    }
    Cells {
        names,
        entries,
        definitions,
    }
}

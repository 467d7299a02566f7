//! Images in this process: opened as a whole, believed entry by entry.

use std::sync::{Arc, Mutex, PoisonError};

use rekindle_exec::{HostAddr, ImageMapping, ImageShape};
use rekindle_store::image::{
    Damaged, ImageHeader, ImageView, StoredBinding, StoredBindings, StoredValue, Tables,
    UnverifiedEntry, VerifiedRecord,
};
use rekindle_store::{ImageFile, Key, Secret};

use crate::code::SectionAddresses;
use crate::miss::MissReason;
use crate::names::{Names, WaitingCell};

/// A mapped image.
#[derive(Debug)]
pub(crate) struct LoadedImage {
    mapping: ImageMapping,
    header: ImageHeader,
    secret: Secret,
    binding: Mutex<Binding>,
}

/// What was done so far to an image's writable memory.
#[derive(Debug, Default)]
struct Binding {
    /// Which cells hold their values. Empty until the first is bound.
    cells_bound: Vec<bool>,
    /// Text offsets of the entries whose data is in place, so that nothing overwrites data that
    /// code may have changed since.
    entries_bound: rustc_hash::FxHashSet<u32>,
}

impl LoadedImage {
    /// Maps an image whose header was authenticated. Costs the same for any size of image.
    pub(crate) fn map(image: &ImageFile, secret: &Secret) -> std::io::Result<Arc<Self>> {
        let ImageFile { file, header, .. } = image;
        let shape = ImageShape {
            writable_len: header.writable_len(),
            file_len: header.file_len(),
            text: header.text(),
            copy_text: false,
        };
        let mapping = ImageMapping::new(file, &shape)?;
        Ok(Arc::new(Self {
            mapping,
            header: header.clone(),
            secret: secret.clone(),
            binding: Mutex::new(Binding::default()),
        }))
    }

    /// Bytes of the file.
    pub(crate) fn file_len(&self) -> u64 {
        self.header.file_len()
    }

    pub(crate) fn view(&self) -> ImageView<'_> {
        ImageView::new(&self.header, self.mapping.bytes(), &self.secret)
            .expect("the mapping is as long as the header says")
    }

    /// Looks a key up.
    pub(crate) fn find(&self, key: &Key) -> Option<UnverifiedEntry<'_>> {
        self.view().find(key)
    }

    /// Verifies an entry of this image, and binds it.
    pub(crate) fn load(
        self: &Arc<Self>,
        entry: &UnverifiedEntry<'_>,
        names: &Names,
    ) -> Result<VerifiedRecord, MissReason> {
        let record = entry.verify().map_err(|Damaged| MissReason::Damaged)?;
        self.bind(&self.view(), &record, names)?;
        Ok(record)
    }

    /// Puts an entry's data in place and its values into cells and fields, once.
    fn bind(
        self: &Arc<Self>,
        view: &ImageView<'_>,
        record: &VerifiedRecord,
        names: &Names,
    ) -> Result<(), MissReason> {
        let bindings = view
            .bindings(record)
            .map_err(|Damaged| MissReason::Damaged)?;
        let writable_len = self.header.writable_len();
        let mut state = self.binding.lock().unwrap_or_else(PoisonError::into_inner);
        if state.entries_bound.contains(&record.text_offset()) {
            return Ok(());
        }
        let values = self.resolve(&bindings, &state, names)?;
        let write = |address: u32, bytes: &[u8]| {
            self.write(address, bytes).map_err(|_| MissReason::Damaged)
        };
        for (source, address) in record.copies(writable_len) {
            let bytes = self
                .mapping
                .bytes()
                .get(source)
                .ok_or(MissReason::Damaged)?;
            write(address, bytes)?;
        }
        for Value {
            address,
            value,
            cell,
        } in &values
        {
            write(*address, &value.to_le_bytes())?;
            if let Some((cell, _)) = cell {
                state.note_cell(*cell, self.header.cell_count());
            }
        }
        // Only now, or a value that another thread binds meanwhile would be overwritten.
        if let Some(late) = names.late() {
            let cells = values.iter().filter_map(|value| Some((value.cell?, value)));
            late.wait(cells.map(|((_, name), value)| {
                (name, WaitingCell::Image(Arc::clone(self), value.address))
            }));
        }
        state.entries_bound.insert(record.text_offset());
        Ok(())
    }

    /// The values to write, all of them before any is written: an entry that lacks one stays
    /// untouched.
    fn resolve<'b>(
        &self,
        bindings: &'b StoredBindings,
        state: &Binding,
        names: &Names,
    ) -> Result<Vec<Value<'b>>, MissReason> {
        let mut values = Vec::with_capacity(bindings.cells.len() + bindings.fields.len());
        for cell in &bindings.cells {
            if state.is_cell_bound(cell.index) {
                continue;
            }
            let value = names.cell_value(&cell.name).ok_or(MissReason::Unbound)?;
            let address = cell.index.checked_mul(8).ok_or(MissReason::Damaged)?;
            values.push(Value {
                address,
                value,
                cell: Some((cell.index, &cell.name)),
            });
        }
        for StoredBinding { address, value } in &bindings.fields {
            let value = match value {
                StoredValue::Local(offset) => self.mapping.base().0.wrapping_add_signed(*offset),
                StoredValue::Symbol { name, addend } => names
                    .field_value(name)
                    .ok_or(MissReason::Unbound)?
                    .wrapping_add_signed(*addend),
            };
            values.push(Value {
                address: *address,
                value,
                cell: None,
            });
        }
        Ok(values)
    }

    /// Writes into the writable memory, at an address from the image's base.
    pub(crate) fn write(&self, address: u32, bytes: &[u8]) -> std::io::Result<()> {
        self.mapping.write(u64::from(address), bytes)
    }

    pub(crate) fn section_addresses(&self, record: &VerifiedRecord) -> SectionAddresses {
        let at = |address: u64| self.mapping.base().offset(address);
        SectionAddresses {
            text: self.text_address(record),
            rodata: at(record.rodata_address().into()),
            data: at(record.data_address().into()),
            bss: at(record.bss_address().into()),
        }
    }

    fn text_address(&self, record: &VerifiedRecord) -> HostAddr {
        let file_base = self.mapping.base().offset(self.header.writable_len());
        file_base.offset(u64::from(record.text_offset()))
    }

    pub(crate) fn metadata(&self, record: &VerifiedRecord) -> &[u8] {
        self.view().metadata(record)
    }

    pub(crate) fn name(&self, record: &VerifiedRecord) -> String {
        self.view().name(record).unwrap_or_default()
    }

    pub(crate) fn tables(&self, record: &VerifiedRecord) -> Tables {
        self.view().tables(record).unwrap_or_default()
    }
}

/// A value and where it goes, from the image's base.
struct Value<'b> {
    address: u32,
    value: u64,
    /// The index and name of the cell, if it is one.
    cell: Option<(u32, &'b str)>,
}

impl Binding {
    fn is_cell_bound(&self, index: u32) -> bool {
        self.cells_bound
            .get(index as usize)
            .copied()
            .unwrap_or(false)
    }

    fn note_cell(&mut self, index: u32, count: u32) {
        if self.cells_bound.is_empty() {
            self.cells_bound = vec![false; count as usize];
        }
        if let Some(bound) = self.cells_bound.get_mut(index as usize) {
            *bound = true;
        }
    }
}

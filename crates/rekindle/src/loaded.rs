//! Images in this process: opened as a whole, believed entry by entry.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rekindle_artifact::Artifact;
use rekindle_exec::{CodeAddress, HostAddr, ImageMapping, ImageShape, process_number};
use rekindle_link::{Address, Arch, CALL_FIELD_LEN};
use rekindle_store::image::{
    Damaged, ImageHeader, ImageView, StoredBinding, StoredBindings, StoredCell, StoredValue,
    Tables, UnverifiedEntry, VerifiedRecord,
};
use rekindle_store::{ImageFile, IntactNote, Key, Secret};
use rustc_hash::FxHashMap;

use crate::bits::Bits;
use crate::map_image::map_image;
use crate::miss::MissReason;
use crate::names::Symbols;
use crate::sections::SectionAddresses;
use crate::wanted::Known;
use crate::wanted::Wanted;

/// A mapped image.
#[derive(Debug)]
pub(crate) struct LoadedImage {
    mapping: Arc<ImageMapping>,
    header: ImageHeader,
    secret: Secret,
    binding: Mutex<Binding>,
    /// The process that mapped it.
    process: u64,
    /// Whether the unwinder knows the call frame information; false if that is damaged.
    unwinds: OnceLock<bool>,
    /// Whether what is said of direct calls is what was written.
    calls_are_sound: OnceLock<bool>,
    /// What is to be noted once all of the image was checked; none if it was, or can't be.
    intact_note: Mutex<Option<IntactNote>>,
}

/// What was done so far to an image's writable memory.
#[derive(Debug, Default)]
pub(crate) struct Binding {
    /// Which cells hold their values.
    cells_bound: Bits,
    /// What they hold, by index; of those of an image that scopes share.
    values: Vec<u64>,
    /// Which entries were used: their data is in place, so that nothing overwrites data that code may have
    /// changed since.
    entries_bound: Bits,
    /// The scopes that use entries with writable memory, by their numbers; of an image that scopes share.
    owners: FxHashMap<u32, u64>,
}

impl Binding {
    /// What a cell holds, if it has a value.
    pub(crate) fn value(&self, index: u32) -> Option<u64> {
        let is_bound = self.cells_bound.contains(index);
        is_bound.then(|| self.values.get(index as usize).copied())?
    }
}

/// A cell without a value, by its index, and where in the file its name is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitingCell {
    pub(crate) index: u32,
    name_start: u32,
    name_len: u32,
    /// What the front knows its name by.
    pub(crate) known: Known,
}

impl LoadedImage {
    /// Maps an image whose header was authenticated. Costs the same for any size of image.
    /// `intact_note` is for [`Self::check_all`].
    pub(crate) fn map(
        image: &ImageFile,
        secret: &Secret,
        intact_note: Option<IntactNote>,
    ) -> io::Result<Arc<Self>> {
        let ImageFile { file, header, .. } = image;
        let shape = ImageShape {
            writable_len: header.writable_len(),
            file_len: header.file_len(),
            text: header.text(),
            is_read_whole: !header.is_intact(),
            edits_text: !header.calls().is_empty(),
            copy_text: false,
            copy_file: !image.is_local,
        };
        let mapping = map_image(file, &shape)?;
        Ok(Arc::new(Self {
            mapping: Arc::new(mapping),
            header: header.clone(),
            secret: secret.clone(),
            binding: Mutex::new(Binding::default()),
            process: process_number(),
            unwinds: OnceLock::new(),
            calls_are_sound: OnceLock::new(),
            intact_note: Mutex::new(intact_note),
        }))
    }

    /// Whether so much of the image was used that checking the rest is worth it.
    pub(crate) fn is_mostly_used(&self) -> bool {
        self.binding().entries_bound.count() * 2 >= self.entry_count()
    }

    /// Checks all of the image, once. Returns what is to be noted then, so that no later process need
    /// do the same.
    pub(crate) fn check_all(&self) -> Option<IntactNote> {
        let note = &self.intact_note;
        let note = note.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        self.view().check_all().ok().map(|()| note)
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.mapping.bytes()
    }

    /// The address from which all of the image's addresses count.
    pub(crate) fn base(&self) -> HostAddr {
        self.mapping.base()
    }

    /// The artifact that an entry was made of.
    pub(crate) fn artifact(&self, record: &VerifiedRecord) -> Option<Artifact> {
        self.view().artifact(record).ok()
    }

    /// What compiling all entries cost, in nanoseconds.
    pub(crate) fn compile_time_ns(&self) -> u64 {
        self.header.compile_time_ns()
    }

    /// Bytes of the file.
    pub(crate) fn file_len(&self) -> u64 {
        self.header.file_len()
    }

    pub(crate) fn view(&self) -> ImageView<'_> {
        ImageView::new(&self.header, self.mapping.bytes(), &self.secret)
            .expect("the mapping is as long as the header says")
    }

    /// How many entries there are.
    pub(crate) fn entry_count(&self) -> u32 {
        self.header.entry_count()
    }

    /// The record of an entry that [`Self::load`] gave the number of.
    pub(crate) fn record(&self, index: u32) -> VerifiedRecord {
        let record = self.view().verified_before(index);
        record.expect("the number came from a record of this image")
    }

    /// Looks a key up.
    pub(crate) fn find(&self, key: &Key) -> Option<UnverifiedEntry<'_>> {
        self.view().find(key)
    }

    /// Verifies an entry of this image, and binds it to names whose values are known.
    pub(crate) fn load(
        &self,
        entry: &UnverifiedEntry<'_>,
        symbols: &Symbols,
        wanted: &Wanted<'_>,
    ) -> Result<VerifiedRecord, MissReason> {
        let record = self.verify(entry, wanted)?;
        self.bind(&record, symbols)?;
        Ok(record)
    }

    /// Verifies an entry of this image, if nobody has yet.
    pub(crate) fn verify(
        &self,
        entry: &UnverifiedEntry<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<VerifiedRecord, MissReason> {
        let record = match self.is_used(entry.index()) {
            true => self.record(entry.index()),
            false => entry.verify().map_err(|Damaged| MissReason::Damaged)?,
        };
        if !wanted.accepts(record.signature()) {
            return Err(MissReason::OtherSignature);
        }
        match self.unwinds() && self.calls_are_sound() {
            true => Ok(record),
            false => Err(MissReason::Damaged),
        }
    }

    fn binding(&self) -> MutexGuard<'_, Binding> {
        self.binding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was done to the writable memory; none in a process that was forked from the one that mapped it.
    pub(crate) fn binding_here(&self) -> Option<MutexGuard<'_, Binding>> {
        (self.process == process_number()).then(|| self.binding())
    }

    /// Makes the image's call frame information known to the unwinder, once. Code that a panic can't
    /// leave isn't what was compiled: without it nothing of the image may run.
    fn unwinds(&self) -> bool {
        *self.unwinds.get_or_init(|| {
            let frames = self.view().frames();
            frames.is_ok_and(|frames| self.register_frames(frames).is_ok())
        })
    }

    /// Checks once what is said of direct calls: without it nobody knows what to do when a name stands
    /// for something else than they took it for.
    fn calls_are_sound(&self) -> bool {
        *self
            .calls_are_sound
            .get_or_init(|| self.view().direct_calls().is_ok())
    }

    /// The same for a program, whose digest covers its call frame information.
    pub(crate) fn register_program_frames(&self) -> Result<(), Damaged> {
        self.register_frames(self.header.frames())
    }

    fn register_frames(&self, frames: Range<usize>) -> Result<(), Damaged> {
        if frames.is_empty() {
            return Ok(());
        }
        let registered = self.mapping.register_frames(frames);
        registered.map_err(|_malformed| Damaged)
    }

    /// Puts an entry's data in place and its values into cells and fields, once.
    fn bind(&self, record: &VerifiedRecord, symbols: &Symbols) -> Result<(), MissReason> {
        let mut state = self.binding();
        if state.entries_bound.contains(record.index()) {
            return Ok(());
        }
        let values = self.resolve(record, &mut state, symbols)?;
        self.fill(record, &values)?;
        state.entries_bound.insert(record.index());
        Ok(())
    }

    /// Writes the initial contents of an entry's writable memory, and then values at their addresses.
    fn fill(&self, record: &VerifiedRecord, values: &[(u32, u64)]) -> Result<(), MissReason> {
        let write = |address: u32, bytes: &[u8]| {
            self.write(address, bytes).map_err(|_| MissReason::Damaged)
        };
        for (source, address) in record.copies(self.header.writable_len()) {
            let bytes = self.mapping.bytes().get(source);
            write(address, bytes.ok_or(MissReason::Damaged)?)?;
        }
        for (address, value) in values {
            write(*address, &value.to_le_bytes())?;
        }
        Ok(())
    }

    /// Tells of each cell that an entry refers to, and its name. Returns the entry's fields.
    pub(crate) fn each_cell(
        &self,
        record: &VerifiedRecord,
        mut each: impl FnMut(WaitingCell, &[u8]),
    ) -> Result<Vec<StoredBinding<'_>>, Damaged> {
        let view = self.view();
        let mut all_exist = true;
        let fields = view.bindings_with(record, |index, name| {
            all_exist &= index < self.header.cell_count();
            if all_exist {
                // A file has less than 2^32 bytes.
                let name_start = (name.as_ptr().addr() - view.bytes().as_ptr().addr()) as u32;
                let name_len = name.len() as u32;
                let cell = WaitingCell {
                    index,
                    name_start,
                    name_len,
                    known: Known::ByName,
                };
                each(cell, name);
            }
        })?;
        all_exist.then_some(fields).ok_or(Damaged)
    }

    /// The name of a cell's value. No name stands for nothing.
    pub(crate) fn name_of(&self, cell: &WaitingCell) -> &str {
        let start = cell.name_start as usize;
        let name = self.bytes().get(start..start + cell.name_len as usize);
        core::str::from_utf8(name.unwrap_or_default()).unwrap_or_default()
    }

    /// Gives a scope an entry's writable memory, if it has any: the first that asks. Returns whether the
    /// scope may use the entry.
    pub(crate) fn claim_data(
        &self,
        record: &VerifiedRecord,
        fields: &[StoredBinding<'_>],
        scope: u64,
    ) -> Result<bool, MissReason> {
        if fields.is_empty() && !record.has_writable_memory(self.header.writable_len()) {
            return Ok(true);
        }
        let mut state = self.binding();
        if let Some(owner) = state.owners.get(&record.index()) {
            return Ok(*owner == scope);
        }
        let values = self.field_values(fields, &|_| None)?;
        self.fill(record, &values)?;
        state.owners.insert(record.index(), scope);
        Ok(true)
    }

    /// Whether this process used an entry.
    pub(crate) fn is_used(&self, index: u32) -> bool {
        self.binding().entries_bound.contains(index)
    }

    /// Notes that an entry is used.
    pub(crate) fn note_use(&self, record: &VerifiedRecord) {
        self.binding().entries_bound.insert(record.index());
    }

    /// Gives cells their values, which they didn't have, by index.
    ///
    /// # Errors
    /// If calls can't be led where they have to; then no cell got its value.
    pub(crate) fn bind_cells(&self, state: &mut Binding, new: &[(u32, u64)]) -> io::Result<()> {
        self.redirect_calls(new)?;
        state.values.resize(self.header.cell_count() as usize, 0);
        for (index, value) in new {
            state.cells_bound.insert(*index);
            state.values[*index as usize] = *value;
            // The cell's index was checked when it was told of.
            if let Err(error) = self.write(index * 8, &value.to_le_bytes()) {
                tracing::error!(%error, "a cell lies outside of its memory");
            }
        }
        Ok(())
    }

    /// The values to write into cells and fields, all of them before any is written: an entry that
    /// lacks one stays untouched.
    fn resolve(
        &self,
        record: &VerifiedRecord,
        state: &mut Binding,
        symbols: &Symbols,
    ) -> Result<Vec<(u32, u64)>, MissReason> {
        let view = self.view();
        let bindings = view.bindings(record);
        let StoredBindings { cells, fields } = bindings.map_err(|Damaged| MissReason::Damaged)?;
        let mut values = self.field_values(&fields, &|name| symbols(name))?;
        let mut new_cells = Vec::new();
        for StoredCell { index, name } in &cells {
            if *index >= self.header.cell_count() {
                return Err(MissReason::Damaged);
            }
            if !state.cells_bound.contains(*index) {
                let value = symbols(name).ok_or(MissReason::Unbound)?;
                new_cells.push((*index, value));
            }
        }
        self.redirect_calls(&new_cells)
            .map_err(|_| MissReason::Unbound)?;
        values.extend(new_cells.iter().map(|(index, value)| (index * 8, *value)));
        for StoredCell { index, .. } in cells {
            state.cells_bound.insert(index);
        }
        Ok(values)
    }

    fn field_values(
        &self,
        fields: &[StoredBinding<'_>],
        value_of: &dyn Fn(&str) -> Option<u64>,
    ) -> Result<Vec<(u32, u64)>, MissReason> {
        let value = |StoredBinding { address, value }: &StoredBinding<'_>| {
            let value = match value {
                StoredValue::Local(offset) => self.mapping.base().0.wrapping_add_signed(*offset),
                StoredValue::Symbol { name, addend } => value_of(name)
                    .ok_or(MissReason::Unbound)?
                    .wrapping_add_signed(*addend),
            };
            Ok((*address, value))
        };
        fields.iter().map(value).collect()
    }

    /// Leads direct calls of names that stand for something else here to their veneers, which jump where
    /// the names' cells say. `values` are those of cells, by index, that get them now.
    fn redirect_calls(&self, values: &[(u32, u64)]) -> io::Result<()> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let view = self.view();
        let direct = view
            .direct_calls_checked_before()
            .map_err(|Damaged| invalid())?;
        let base = self.mapping.base();
        let stands_for_another = |(index, value): &&(u32, u64)| {
            let target = direct.target(*index);
            target.is_some_and(|target| base.offset(target.into()).0 != *value)
        };
        let moved = values.iter().filter(stands_for_another);
        let calls: Vec<_> = moved
            .flat_map(|(index, _)| direct.of_cell(*index))
            .collect();
        let fields = || calls.iter().map(|call| u64::from(call.field));
        let (Some(first), Some(last)) = (fields().min(), fields().max()) else {
            return Ok(());
        };
        let arch = Arch::host().ok_or_else(invalid)?;
        let in_file = |address: u64| {
            let offset = address.checked_sub(self.header.writable_len());
            offset.map(|offset| offset as usize).ok_or_else(invalid)
        };
        let part = in_file(first)?..in_file(last)? + CALL_FIELD_LEN;
        let mut all_lead = true;
        self.mapping.edit_text(part, |text| {
            for call in &calls {
                let offset = (u64::from(call.field) - first) as usize;
                let field = text[offset..].first_chunk_mut();
                let field = field.expect("the part ends behind the last field");
                let (place, veneer) = (Address(call.field.into()), Address(call.veneer.into()));
                all_lead &= arch.lead_call(field, place, veneer);
            }
        })?;
        tracing::debug!(calls = calls.len(), "names stand for something else");
        match all_lead {
            true => Ok(()),
            false => Err(invalid()),
        }
    }

    /// Writes into the writable memory, at an address from the image's base.
    pub(crate) fn write(&self, address: u32, bytes: &[u8]) -> io::Result<()> {
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

    pub(crate) fn text_address(&self, record: &VerifiedRecord) -> HostAddr {
        let file_base = self.mapping.base().offset(self.header.writable_len());
        file_base.offset(u64::from(record.text_offset()))
    }

    /// The entry point, for a typed one.
    pub(crate) fn code_at(&self, record: &VerifiedRecord) -> Option<CodeAddress> {
        self.mapping.code_at(record.text_offset() as usize)
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

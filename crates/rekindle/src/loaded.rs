//! Images in this process: opened as a whole, believed entry by entry.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rekindle_artifact::Artifact;
use rekindle_exec::{CodeAddress, HostAddr, ImageMapping, ImageShape};
use rekindle_link::{Address, Arch, CALL_FIELD_LEN};
use rekindle_store::image::{
    Damaged, ImageHeader, ImageView, StoredBinding, StoredBindings, StoredCell, StoredValue,
    Tables, UnverifiedEntry, VerifiedRecord,
};
use rekindle_store::{ImageFile, IntactNote, Key, Secret};

use crate::bits::Bits;
use crate::map_image::map_image;
use crate::miss::MissReason;
use crate::names::Names;
use crate::sections::SectionAddresses;
use crate::wanted::Wanted;

/// A mapped image.
#[derive(Debug)]
pub(crate) struct LoadedImage {
    mapping: Arc<ImageMapping>,
    header: ImageHeader,
    secret: Secret,
    binding: Mutex<Binding>,
    /// Whether the unwinder knows the call frame information; false if that is damaged.
    unwinds: OnceLock<bool>,
    /// Whether what is said of direct calls is what was written.
    calls_are_sound: OnceLock<bool>,
    /// What is to be noted once all of the image was checked; none if it was, or can't be.
    intact_note: Mutex<Option<IntactNote>>,
}

/// What was done so far to an image's writable memory.
#[derive(Debug, Default)]
struct Binding {
    /// Which cells hold their values, or wait for them.
    cells_bound: Bits,
    /// Which entries' data is in place, so that nothing overwrites data that code may have changed
    /// since.
    entries_bound: Bits,
    /// In a scope with late names: cells without a value.
    waiting: Vec<WaitingCell>,
}

/// A cell without a value, by its index, and where in the file its name is.
#[derive(Clone, Copy, Debug)]
struct WaitingCell {
    index: u32,
    name_start: u32,
    name_len: u32,
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
            unwinds: OnceLock::new(),
            calls_are_sound: OnceLock::new(),
            intact_note: Mutex::new(intact_note),
        }))
    }

    /// Whether so much of the image was used that checking the rest is worth it.
    pub(crate) fn is_mostly_used(&self) -> bool {
        let state = self.binding.lock().unwrap_or_else(PoisonError::into_inner);
        state.entries_bound.count() * 2 >= self.entry_count()
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

    /// Verifies an entry of this image, and binds it.
    pub(crate) fn load(
        self: &Arc<Self>,
        entry: &UnverifiedEntry<'_>,
        names: &Names,
        wanted: &Wanted<'_>,
    ) -> Result<VerifiedRecord, MissReason> {
        let record = entry.verify().map_err(|Damaged| MissReason::Damaged)?;
        if !wanted.accepts(record.signature()) {
            return Err(MissReason::OtherSignature);
        }
        if !self.unwinds() || !self.calls_are_sound() {
            return Err(MissReason::Damaged);
        }
        self.bind(&self.view(), &record, names, wanted)?;
        Ok(record)
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
    fn bind(
        self: &Arc<Self>,
        view: &ImageView<'_>,
        record: &VerifiedRecord,
        names: &Names,
        wanted: &Wanted<'_>,
    ) -> Result<(), MissReason> {
        let mut state = self.binding.lock().unwrap_or_else(PoisonError::into_inner);
        if state.entries_bound.contains(record.index()) {
            return Ok(());
        }
        let values = match names.late() {
            Some(_) => self.let_cells_wait(view, record, &mut state, names, wanted)?,
            None => self.resolve(view, record, &mut state, names)?,
        };
        let write = |address: u32, bytes: &[u8]| {
            self.write(address, bytes).map_err(|_| MissReason::Damaged)
        };
        for (source, address) in record.copies(self.header.writable_len()) {
            let bytes = self
                .mapping
                .bytes()
                .get(source)
                .ok_or(MissReason::Damaged)?;
            write(address, bytes)?;
        }
        for (address, value) in values {
            write(address, &value.to_le_bytes())?;
        }
        state.entries_bound.insert(record.index());
        Ok(())
    }

    /// Has an entry's cells wait for their values; until then they hold zero, as all writable memory
    /// does at first. Returns the values to write into fields.
    fn let_cells_wait(
        &self,
        view: &ImageView<'_>,
        record: &VerifiedRecord,
        state: &mut Binding,
        names: &Names,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<(u32, u64)>, MissReason> {
        let Binding {
            cells_bound,
            waiting,
            ..
        } = state;
        let waited = waiting.len();
        let (mut all_exist, mut all_known) = (true, true);
        let fields = view.bindings_with(record, |index, name| {
            all_exist &= index < self.header.cell_count();
            if all_exist && cells_bound.insert(index) {
                all_known &= core::str::from_utf8(name).is_ok_and(|name| wanted.knows(name));
                // A file has less than 2^32 bytes.
                let name_start = (name.as_ptr().addr() - view.bytes().as_ptr().addr()) as u32;
                let name_len = name.len() as u32;
                waiting.push(WaitingCell {
                    index,
                    name_start,
                    name_len,
                });
            }
        });
        let values = match fields {
            Ok(_) if all_exist && !all_known => Err(MissReason::OtherNames),
            Ok(fields) if all_exist => self.field_values(&fields, names),
            _ => Err(MissReason::Damaged),
        };
        if values.is_err() {
            // The entry isn't used, so nothing needs what only its cells name.
            for cell in waiting.drain(waited..) {
                cells_bound.remove(cell.index);
            }
        }
        values
    }

    /// The values to write into cells and fields, all of them before any is written: an entry that
    /// lacks one stays untouched.
    fn resolve(
        &self,
        view: &ImageView<'_>,
        record: &VerifiedRecord,
        state: &mut Binding,
        names: &Names,
    ) -> Result<Vec<(u32, u64)>, MissReason> {
        let StoredBindings { cells, fields } = view
            .bindings(record)
            .map_err(|Damaged| MissReason::Damaged)?;
        let mut values = self.field_values(&fields, names)?;
        let mut new_cells = Vec::new();
        for StoredCell { index, name } in &cells {
            if *index >= self.header.cell_count() {
                return Err(MissReason::Damaged);
            }
            if !state.cells_bound.contains(*index) {
                let value = names.cell_value(name).ok_or(MissReason::Unbound)?;
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
        names: &Names,
    ) -> Result<Vec<(u32, u64)>, MissReason> {
        let value = |StoredBinding { address, value }: &StoredBinding<'_>| {
            let value = match value {
                StoredValue::Local(offset) => self.mapping.base().0.wrapping_add_signed(*offset),
                StoredValue::Symbol { name, addend } => names
                    .field_value(name)
                    .ok_or(MissReason::Unbound)?
                    .wrapping_add_signed(*addend),
            };
            Ok((*address, value))
        };
        fields.iter().map(value).collect()
    }

    /// Fills the cells that wait and whose names `value_of` knows. The other names are added to
    /// `unknown`.
    ///
    /// # Errors
    /// If calls can't be led where they have to; then no cell was filled.
    pub(crate) fn bind_names(
        &self,
        value_of: &mut dyn FnMut(&str) -> Option<u64>,
        unknown: &mut Vec<String>,
    ) -> io::Result<()> {
        let mut state = self.binding.lock().unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            return Ok(());
        }
        let bytes = self.mapping.bytes();
        let mut values = Vec::with_capacity(state.waiting.len());
        let mut still_waiting = Vec::new();
        for cell in &state.waiting {
            let start = cell.name_start as usize;
            let name = &bytes[start..start + cell.name_len as usize];
            // No name stands for nothing.
            let name = core::str::from_utf8(name).unwrap_or_default();
            match value_of(name) {
                Some(value) => values.push((cell.index, value)),
                None => {
                    unknown.push(name.to_owned());
                    still_waiting.push(*cell);
                }
            }
        }
        self.redirect_calls(&values)?;
        state.waiting = still_waiting;
        for (index, value) in values {
            // The cell's index was checked when it was told to wait.
            if let Err(error) = self.write(index * 8, &value.to_le_bytes()) {
                tracing::error!(%error, "a cell lies outside of its memory");
            }
        }
        Ok(())
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

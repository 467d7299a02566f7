//! Reading an image: its index, and its entries before and after they were verified.

use constant_time_eq::constant_time_eq_16;
use rekindle_artifact::tables;
use rekindle_artifact::wire::Reader;
use rekindle_artifact::{Artifact, KeyPart};

use crate::image::bindings::{StoredBinding, StoredBindings};
use crate::image::calls::DirectCalls;
use crate::image::digest::{Digested, kept_digest, part_digest};
use crate::image::entry::{Damaged, EntryRecord, Kept, Tables, VerifiedRecord, slice};
use crate::image::header::{ImageHeader, SLOT_LEN};
use crate::image::program::ProgramPlaces;
use crate::key::Key;
use crate::secret::{Secret, ShortDigest, Use};

/// An image's bytes under its authenticated header.
#[derive(Clone, Copy, Debug)]
pub struct ImageView<'a> {
    header: &'a ImageHeader,
    bytes: &'a [u8],
    secret: &'a Secret,
}

/// An entry that was found under its key, and of which nothing else is known yet.
#[derive(Clone, Copy, Debug)]
pub struct UnverifiedEntry<'a> {
    view: ImageView<'a>,
    record: &'a [u8; EntryRecord::LEN],
    index: u32,
}

/// What stands in a slot of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Some bits of the key.
    pub(crate) tag: u32,
    /// The record's index plus one; zero in an empty slot.
    pub(crate) record: u32,
}

/// The slot at which the search for a key starts, before it is reduced to the index's size, and
/// the tag by which other keys' slots are passed over.
pub(crate) fn slot_start_and_tag(key: &Key) -> (u32, u32) {
    let prefix = key.prefix();
    (prefix as u32, (prefix >> 32) as u32)
}

impl<'a> ImageView<'a> {
    /// The image in `bytes`, the whole file.
    ///
    /// # Errors
    /// If there aren't as many bytes as the header says.
    pub fn new(
        header: &'a ImageHeader,
        bytes: &'a [u8],
        secret: &'a Secret,
    ) -> Result<Self, Damaged> {
        if bytes.len() as u64 == header.file_len() {
            Ok(Self {
                header,
                bytes,
                secret,
            })
        } else {
            Err(Damaged)
        }
    }

    /// The whole file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The record of an entry that was verified before, and of which the caller kept the number
    /// alone. `None` for a number that no entry has.
    pub fn verified_before(&self, index: u32) -> Option<VerifiedRecord> {
        let entry = self.entry(index)?;
        let record = EntryRecord::decode(entry.record);
        Some(VerifiedRecord { record, index })
    }

    /// Looks a key up in the index. Costs one or two cache misses.
    pub fn find(&self, key: &Key) -> Option<UnverifiedEntry<'a>> {
        let mask = self.header.fields.slot_count - 1;
        let (start, tag) = slot_start_and_tag(key);
        // A damaged index may have no empty slot left, hence the bound.
        for step in 0..self.header.fields.slot_count {
            let slot = self.slot(start.wrapping_add(step) & mask)?;
            if slot.record == 0 {
                return None;
            }
            if slot.tag == tag
                && let Some(entry) = self.entry(slot.record - 1)
                && entry.record[..32] == key.as_bytes()[..]
            {
                return Some(entry);
            }
        }
        None
    }

    /// Checks the digest of the image's program, over all that it needs to run. `None` if the image
    /// isn't a program.
    ///
    /// # Errors
    /// If anything differs from what was written.
    pub fn program(&self) -> Result<Option<ProgramPlaces>, Damaged> {
        let fields = &self.header.fields;
        if fields.program_len == 0 {
            return Ok(None);
        }
        // The header was checked: all of it lies in the file.
        let start = fields.program_offset as usize;
        let end = start + fields.program_len as usize;
        let covered = &self.bytes[fields.text_offset as usize..end];
        self.check(&fields.program_digest, || {
            part_digest(self.secret, Use::Program, &fields.image_id, covered)
        })?;
        let head = self.bytes[start..].first_chunk().ok_or(Damaged)?;
        ProgramPlaces::read(head, start, end, self.bytes.len()).map(Some)
    }

    /// Checks the digest of the call frame information of all entries. Returns where it is, with
    /// its terminator; empty if no entry has any.
    ///
    /// # Errors
    /// If anything differs from what was written.
    pub fn frames(&self) -> Result<core::ops::Range<usize>, Damaged> {
        let range = self.header.frames();
        if range.is_empty() {
            return Ok(range);
        }
        let fields = &self.header.fields;
        let bytes = self.bytes.get(range.clone()).ok_or(Damaged)?;
        self.check(&fields.frames_digest, || {
            part_digest(self.secret, Use::Frames, &fields.image_id, bytes)
        })?;
        Ok(range)
    }

    /// Checks the digest of the direct calls of all entries.
    ///
    /// # Errors
    /// If anything differs from what was written.
    pub fn direct_calls(&self) -> Result<DirectCalls<'a>, Damaged> {
        let bytes = self.bytes.get(self.header.calls()).ok_or(Damaged)?;
        if !bytes.is_empty() {
            let fields = &self.header.fields;
            self.check(&fields.calls_digest, || {
                part_digest(self.secret, Use::Calls, &fields.image_id, bytes)
            })?;
        }
        self.direct_calls_checked_before()
    }

    /// The same of an image whose direct calls were checked before.
    ///
    /// # Errors
    /// If they can't be read, which checking makes all but impossible.
    pub fn direct_calls_checked_before(&self) -> Result<DirectCalls<'a>, Damaged> {
        let bytes = self.bytes.get(self.header.calls()).ok_or(Damaged)?;
        DirectCalls::read(bytes, self.header.cell_count())
    }

    /// Checks the digests of all that anything of the image needs to run, whatever is known of it. What
    /// only a merge needs is checked by whoever reads it, always.
    ///
    /// # Errors
    /// If anything differs from what was written.
    pub fn check_all(&self) -> Result<(), Damaged> {
        let header = ImageHeader {
            is_intact: false,
            ..self.header.clone()
        };
        let view = ImageView {
            header: &header,
            ..*self
        };
        view.program()?;
        view.frames()?;
        view.direct_calls()?;
        for entry in view.entries() {
            entry.verify()?;
        }
        Ok(())
    }

    /// Compares a digest with what it should be, unless the image is known to be intact.
    fn check(
        &self,
        expected: &ShortDigest,
        digest: impl FnOnce() -> ShortDigest,
    ) -> Result<(), Damaged> {
        match self.header.is_intact || constant_time_eq_16(&digest(), expected) {
            true => Ok(()),
            false => Err(Damaged),
        }
    }

    /// All entries, in the order of their records.
    pub fn entries(&self) -> impl Iterator<Item = UnverifiedEntry<'a>> {
        let view = *self;
        (0..self.header.entry_count()).filter_map(move |index| view.entry(index))
    }

    fn slot(&self, index: u32) -> Option<Slot> {
        let offset = self.header.fields.slots_offset + u64::from(index) * SLOT_LEN;
        let start = usize::try_from(offset).ok()?;
        let [a, b, c, d, e, f, g, h] = *self.bytes.get(start..)?.first_chunk()?;
        Some(Slot {
            tag: u32::from_le_bytes([a, b, c, d]),
            record: u32::from_le_bytes([e, f, g, h]),
        })
    }

    fn entry(&self, index: u32) -> Option<UnverifiedEntry<'a>> {
        if index >= self.header.entry_count() {
            return None;
        }
        let len = EntryRecord::LEN as u64;
        let offset = self.header.fields.records_offset + u64::from(index) * len;
        let record = self
            .bytes
            .get(usize::try_from(offset).ok()?..)?
            .first_chunk()?;
        Some(UnverifiedEntry {
            view: *self,
            record,
            index,
        })
    }

    /// What a verified entry needs before it can run.
    ///
    /// # Errors
    /// If the bytes don't decode, which verification makes all but impossible.
    pub fn bindings(&self, record: &VerifiedRecord) -> Result<StoredBindings<'a>, Damaged> {
        let (bindings, _, _) = record.side();
        Ok(StoredBindings::decode(
            self.bytes.get(bindings).ok_or(Damaged)?,
        )?)
    }

    /// The same, its cells one by one, by index and name; the fields are returned.
    ///
    /// # Errors
    /// As [`Self::bindings`]; some cells may have been told of by then.
    pub fn bindings_with(
        &self,
        record: &VerifiedRecord,
        each_cell: impl FnMut(u32, &'a [u8]),
    ) -> Result<Vec<StoredBinding<'a>>, Damaged> {
        let (bindings, _, _) = record.side();
        let bytes = self.bytes.get(bindings).ok_or(Damaged)?;
        Ok(StoredBindings::decode_with(bytes, each_cell)?)
    }

    /// A verified entry's traps and source locations.
    ///
    /// # Errors
    /// As [`Self::bindings`].
    pub fn tables(&self, record: &VerifiedRecord) -> Result<Tables, Damaged> {
        let (_, tables, _) = record.side();
        let bytes = self.bytes.get(tables).ok_or(Damaged)?;
        if bytes.is_empty() {
            return Ok(Tables::default());
        }
        let mut reader = Reader::new(bytes);
        let traps = tables::read_traps(&mut reader)?;
        let source_locations = tables::read_source_locations(&mut reader)?;
        reader.finish()?;
        Ok(Tables {
            traps,
            source_locations,
        })
    }

    /// What the front kept beside a verified entry.
    pub fn metadata(&self, record: &VerifiedRecord) -> &'a [u8] {
        let (_, _, metadata) = record.side();
        self.bytes.get(metadata).unwrap_or_default()
    }

    /// A verified entry's name.
    ///
    /// # Errors
    /// If the kept parts, which have a digest of their own, are damaged.
    pub fn name(&self, record: &VerifiedRecord) -> Result<String, Damaged> {
        Ok(self.kept(record)?.name)
    }

    /// What a verified entry's key was made of.
    ///
    /// # Errors
    /// As [`Self::name`].
    pub fn key_parts(&self, record: &VerifiedRecord) -> Result<Vec<KeyPart>, Damaged> {
        Ok(self.kept(record)?.key_parts)
    }

    /// The artifact that a verified entry was made of. Fields that linking patches hold what was
    /// patched in; linking overwrites them.
    ///
    /// # Errors
    /// If the kept parts are damaged.
    pub fn artifact(&self, verified: &VerifiedRecord) -> Result<Artifact, Damaged> {
        let record = &verified.record;
        let Kept {
            name,
            symbol,
            relocations,
            unwind,
            key_parts,
        } = self.kept(verified)?;
        let Tables {
            traps,
            source_locations,
        } = self.tables(verified)?;
        let [text_align, rodata_align, data_align, _] = record.aligns;
        let text = slice(self.bytes, record.text_offset, record.code_len)?;
        let rodata = slice(self.bytes, record.rodata_offset, record.rodata_len)?;
        let data = slice(self.bytes, record.data_offset, record.data_len)?;
        Ok(Artifact {
            name,
            symbol,
            signature: verified.signature(),
            text: VerifiedRecord::section(text, text_align)?,
            rodata: VerifiedRecord::section(rodata, rodata_align)?,
            data: VerifiedRecord::section(data, data_align)?,
            bss: verified.bss()?,
            relocations,
            unwind,
            traps,
            source_locations,
            metadata: self.metadata(verified).to_vec(),
            compile_time_ns: record.compile_time_ns,
            key_parts,
        })
    }

    fn kept(&self, verified: &VerifiedRecord) -> Result<Kept, Damaged> {
        let record = &verified.record;
        let bytes = slice(self.bytes, record.kept_offset, record.kept_len)?;
        let image_id = &self.header.fields.image_id;
        let digest = kept_digest(self.secret, image_id, &verified.key(), bytes);
        if !constant_time_eq_16(&digest, &record.kept_digest) {
            return Err(Damaged);
        }
        Ok(Kept::decode(bytes)?)
    }
}

impl UnverifiedEntry<'_> {
    /// The entry's number in its image.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The key under which the entry claims to be.
    pub fn key(&self) -> Key {
        Key::from_bytes(EntryRecord::decode(self.record).key)
    }

    /// Checks the entry's digest over all that it needs to run.
    ///
    /// # Errors
    /// If anything differs from what was written.
    pub fn verify(&self) -> Result<VerifiedRecord, Damaged> {
        let record = EntryRecord::decode(self.record);
        let ImageView {
            header,
            bytes,
            secret,
        } = self.view;
        let text = slice(bytes, record.text_offset, record.text_len)?;
        let within = header.text();
        let end = u64::from(record.text_offset) + u64::from(record.text_len);
        if u64::from(record.text_offset) < within.start || end > within.end {
            return Err(Damaged);
        }
        let side_len = record
            .bindings_len
            .checked_add(record.tables_len)
            .and_then(|len| len.checked_add(record.metadata_len))
            .ok_or(Damaged)?;
        let digested = Digested {
            image_id: &header.fields.image_id,
            record: self.record,
            text,
            rodata: slice(bytes, record.rodata_offset, record.rodata_len)?,
            data: slice(bytes, record.data_offset, record.data_len)?,
            side: slice(bytes, record.side_offset, side_len)?,
        };
        self.view
            .check(&record.digest, || digested.digest(secret))?;
        Ok(VerifiedRecord {
            record,
            index: self.index,
        })
    }
}

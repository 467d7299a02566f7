//! Building an image's bytes from linked code.
//!
//! The linker decided where everything lies relative to the image's base; here it becomes a file.
//! Behind the text and constants the file keeps the initial contents of the writable memory, then
//! our own parts: index, records, what each entry needs to run, and last what only a merge needs.

use std::time::{SystemTime, UNIX_EPOCH};

use rekindle_artifact::SectionKind;
use rekindle_artifact::wire::Writer;

use crate::environment::FORMAT_VERSION;
use crate::image::digest::{Digested, kept_digest, part_digest};
use crate::image::elf;
use crate::image::entry::{EntryRecord, Kept, write_tables};
use crate::image::header::{
    HEADER_OFFSET, HeaderFields, MAGIC, PREFIX_LEN, SLOT_LEN, label_of, seal,
};
use crate::image::plan::{Area, BuildError, DraftEntry, FilePlan, ImageDraft, OwnParts};
use crate::image::view::{Slot, slot_start_and_tag};
use crate::secret::{Secret, Use, random};

/// What the entries keep beside their sections, one behind the other.
struct SideParts {
    /// Bindings, tables and metadata of each.
    side: Vec<u8>,
    kept: Vec<u8>,
    lens: Vec<SideLens>,
}

/// Bytes of what one entry keeps.
struct SideLens {
    bindings: u32,
    tables: u32,
    metadata: u32,
    kept: u32,
}

impl ImageDraft<'_> {
    /// The image file's bytes.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(mut self, secret: &Secret) -> Result<Vec<u8>, BuildError> {
        let image_id = random()?;
        let sides = SideParts::of(&self.entries)?;
        let calls = self.direct_calls.encode();
        let (plan, program) = self.plan_file(&sides, calls.len() as u64)?;
        let records = self.build_records(&sides, &plan, &image_id, secret)?;
        let SideParts { side, kept, .. } = sides;
        let (program_len, calls_len) = (program.len(), calls.len());
        let front = std::mem::take(&mut self.front);
        let own = OwnParts {
            program,
            calls,
            slots: self.build_index(),
            records,
            side,
            kept,
        };
        elf::write(&self, &plan, front, &own, |file| {
            self.build_header(&plan, image_id, file, (program_len, calls_len), secret)
        })
    }

    /// The offset in the file of an address behind the file's base.
    fn file_offset(&self, address: u64) -> Result<u64, BuildError> {
        address
            .checked_sub(self.file_base)
            .ok_or(BuildError::Layout)
    }

    /// Where everything lies in the file, and the program part, which says so itself.
    fn plan_file(
        &self,
        sides: &SideParts,
        calls_len: u64,
    ) -> Result<(FilePlan, Vec<u8>), BuildError> {
        let text = self.file_offset(self.text.address)?;
        let rodata = self.file_offset(self.rodata.address)?;
        let eh_frame = self.file_offset(self.eh_frame.address)?;
        let is_whole = self.front.len() as u64 == eh_frame + self.eh_frame.len
            && self.initial.len() as u64 == self.data.address + self.data.len;
        if text < PREFIX_LEN as u64 || rodata < text + self.text.len || !is_whole {
            return Err(BuildError::Layout);
        }
        // The call frame information ends in a terminator, four zero bytes.
        let initial = (eh_frame + self.eh_frame.len + 4).next_multiple_of(self.page_len);
        let initial_len = self.data.address + self.data.len;
        let program_part = match &self.program {
            None => Vec::new(),
            Some(program) => program
                .encode(initial, initial_len)
                .ok_or(BuildError::Layout)?,
        };
        let program = (initial + initial_len).next_multiple_of(64);
        let calls = (program + program_part.len() as u64).next_multiple_of(64);
        let slots = (calls + calls_len).next_multiple_of(64);
        let records = (slots + u64::from(self.slot_count()) * SLOT_LEN).next_multiple_of(64);
        let side = records + (self.entries.len() * EntryRecord::LEN) as u64;
        let kept = side + sides.side.len() as u64;
        let end = kept + sides.kept.len() as u64;
        // Symbol tables follow; leave room for them below the limit of 32-bit offsets.
        if end > u64::from(u32::MAX / 2) {
            return Err(BuildError::Layout);
        }
        let plan = FilePlan {
            text,
            rodata,
            eh_frame,
            initial,
            program,
            calls,
            slots,
            records,
            side,
            kept,
            end,
        };
        Ok((plan, program_part))
    }

    /// Twice as many slots as entries at least, so that searches end soon.
    fn slot_count(&self) -> u32 {
        (self.entries.len().max(1) as u32 * 2).next_power_of_two()
    }

    fn build_index(&self) -> Vec<u8> {
        let count = self.slot_count();
        let mut slots = vec![Slot { tag: 0, record: 0 }; count as usize];
        for (record, entry) in (1..).zip(&self.entries) {
            let (start, tag) = slot_start_and_tag(&entry.key);
            let free = (0..count)
                .map(|step| (start.wrapping_add(step) & (count - 1)) as usize)
                .find(|index| slots[*index].record == 0)
                .expect("there are more slots than entries");
            slots[free] = Slot { tag, record };
        }
        slots
            .iter()
            .flat_map(|slot| [slot.tag.to_le_bytes(), slot.record.to_le_bytes()])
            .flatten()
            .collect()
    }

    /// What an entry has in an area: of writable memory, in its initial contents.
    fn bytes(&self, area: Area) -> Result<&[u8], BuildError> {
        let (bytes, start) = match area.address.checked_sub(self.file_base) {
            Some(offset) => (&self.front, offset),
            None => (&self.initial, area.address),
        };
        let range = start as usize..(start + area.len) as usize;
        bytes.get(range).ok_or(BuildError::Layout)
    }

    fn build_records(
        &self,
        sides: &SideParts,
        plan: &FilePlan,
        image_id: &[u8; 16],
        secret: &Secret,
    ) -> Result<Vec<u8>, BuildError> {
        let mut records = Vec::with_capacity(self.entries.len() * EntryRecord::LEN);
        let (mut side, mut kept) = (&sides.side[..], &sides.kept[..]);
        for (entry, lens) in self.entries.iter().zip(&sides.lens) {
            let own_side = (lens.bindings + lens.tables + lens.metadata) as usize;
            let parts = Sides {
                lens,
                side: &side[..own_side],
                side_offset: plan.kept - side.len() as u64,
                kept: &kept[..lens.kept as usize],
                kept_offset: plan.end - kept.len() as u64,
            };
            let record = self.build_record(entry, &parts, plan, image_id, secret)?;
            records.extend_from_slice(&record);
            side = &side[own_side..];
            kept = &kept[lens.kept as usize..];
        }
        Ok(records)
    }

    fn build_record(
        &self,
        entry: &DraftEntry<'_>,
        parts: &Sides<'_>,
        plan: &FilePlan,
        image_id: &[u8; 16],
        secret: &Secret,
    ) -> Result<[u8; EntryRecord::LEN], BuildError> {
        let narrow = |value: u64| u32::try_from(value).map_err(|_| BuildError::Layout);
        // What lies in writable memory has its initial contents in the file's copy of it.
        let place = |area: Area| {
            let offset = area.address.checked_sub(self.file_base);
            narrow(offset.unwrap_or(plan.initial + area.address))
        };
        let DraftEntry {
            key,
            artifact,
            text,
            rodata,
            data,
            ..
        } = entry;
        let align = |section| artifact.section_align(section).trailing_zeros() as u8;
        let mut record = EntryRecord {
            key: *key.as_bytes(),
            digest: [0; 16],
            kept_digest: kept_digest(secret, image_id, key, parts.kept),
            signature: artifact.signature.0,
            compile_time_ns: artifact.compile_time_ns,
            text_offset: narrow(self.file_offset(text.address)?)?,
            text_len: narrow(text.len)?,
            code_len: narrow(artifact.text.bytes.len() as u64)?,
            rodata_offset: place(*rodata)?,
            rodata_len: narrow(rodata.len)?,
            rodata_address: narrow(rodata.address)?,
            data_offset: place(*data)?,
            data_len: narrow(data.len)?,
            data_address: narrow(data.address)?,
            bss_len: artifact.bss.size,
            bss_address: narrow(entry.bss_address)?,
            side_offset: narrow(parts.side_offset)?,
            bindings_len: parts.lens.bindings,
            tables_len: parts.lens.tables,
            metadata_len: parts.lens.metadata,
            kept_offset: narrow(parts.kept_offset)?,
            kept_len: parts.lens.kept,
            aligns: SectionKind::ALL.map(align),
            reserved: [0; 8],
        };
        record.digest = Digested {
            image_id,
            record: &record.encode(),
            text: self.bytes(*text)?,
            rodata: self.bytes(*rodata)?,
            data: self.bytes(*data)?,
            side: parts.side,
        }
        .digest(secret);
        Ok(record.encode())
    }

    fn build_header(
        &self,
        plan: &FilePlan,
        image_id: [u8; 16],
        file: &[u8],
        (program_len, calls_len): (usize, usize),
        secret: &Secret,
    ) -> [u8; HeaderFields::LEN] {
        let program_end = plan.program as usize + program_len;
        let program_digest = match program_len {
            0 => [0; 16],
            _ => part_digest(
                secret,
                Use::Program,
                &image_id,
                &file[plan.text as usize..program_end],
            ),
        };
        // The terminator belongs to it.
        let frames_len = match self.eh_frame.len {
            0 => 0,
            len => len as usize + 4,
        };
        let calls = plan.calls as usize..plan.calls as usize + calls_len;
        let frames = plan.eh_frame as usize..plan.eh_frame as usize + frames_len;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let payload = |entry: &DraftEntry<'_>| entry.text.len + entry.rodata.len + entry.data.len;
        let fields = HeaderFields {
            magic: MAGIC,
            format_version: FORMAT_VERSION,
            machine: self.identity.machine,
            reserved: 0,
            file_len: file.len() as u64,
            image_id,
            environment: self.identity.environment.0,
            scope: self.identity.scope.0,
            label: label_of(self.scope),
            created_s: now.map_or(0, |elapsed| elapsed.as_secs()),
            compile_time_ns: self
                .entries
                .iter()
                .map(|entry| entry.artifact.compile_time_ns)
                .fold(0, u64::saturating_add),
            writable_len: self.file_base,
            page_len: self.page_len as u32,
            cell_count: self.cells.len() as u32,
            text_offset: plan.text,
            text_len: self.text.len,
            slots_offset: plan.slots,
            records_offset: plan.records,
            slot_count: self.slot_count(),
            record_count: self.entries.len() as u32,
            payload_len: self.entries.iter().map(payload).sum(),
            // Checked by `plan_file`.
            program_offset: plan.program as u32,
            program_len: program_len as u32,
            program_digest,
            frames_offset: frames.start as u32,
            frames_len: frames_len as u32,
            frames_digest: part_digest(secret, Use::Frames, &image_id, &file[frames]),
            calls_offset: calls.start as u32,
            calls_len: calls_len as u32,
            calls_digest: part_digest(secret, Use::Calls, &image_id, &file[calls]),
            reserved_tail: [0; 16],
            digest: [0; 32],
        };
        seal(fields, secret)
    }
}

/// What one entry keeps, and where in the file.
struct Sides<'a> {
    lens: &'a SideLens,
    side: &'a [u8],
    side_offset: u64,
    kept: &'a [u8],
    kept_offset: u64,
}

impl SideParts {
    fn of(entries: &[DraftEntry<'_>]) -> Result<Self, BuildError> {
        let (mut side, mut kept) = (Writer::new(), Writer::new());
        let mut lens = Vec::with_capacity(entries.len());
        for DraftEntry {
            artifact, bindings, ..
        } in entries
        {
            let written = |writer: &Writer, start: usize| {
                u32::try_from(writer.len() - start).map_err(|_| BuildError::Layout)
            };
            let start = side.len();
            bindings.write(&mut side);
            let bindings = written(&side, start)?;
            let start = side.len();
            write_tables(&mut side, artifact);
            let tables = written(&side, start)?;
            let start = side.len();
            side.raw(&artifact.metadata);
            let metadata = written(&side, start)?;
            let start = kept.len();
            Kept::write(&mut kept, artifact);
            lens.push(SideLens {
                bindings,
                tables,
                metadata,
                kept: written(&kept, start)?,
            });
        }
        Ok(Self {
            side: side.into_bytes(),
            kept: kept.into_bytes(),
            lens,
        })
    }
}

const _: () = assert!(HEADER_OFFSET + HeaderFields::LEN <= 4096);

//! What fuzzers of images need and nobody else does: where an image's numbers are, and making its
//! digests right again once bytes were changed, so that what lies behind them is reached.

use core::ops::Range;

use rekindle_artifact::tables;
use rekindle_artifact::wire::Reader;

use crate::image::bindings::StoredBindings;
use crate::image::calls::DirectCalls;
use crate::image::digest::{Digested, kept_digest, part_digest};
use crate::image::entry::{EntryRecord, Kept, slice};
use crate::image::header::{self, HEADER_OFFSET, HeaderFields, SLOT_LEN};
use crate::image::program::ProgramHead;
use crate::key::Key;
use crate::secret::{Secret, Use};

/// Where an image's numbers are, as far as its header tells: header, index, records, the start of the
/// program part, direct calls.
pub fn numbers(image: &[u8]) -> Vec<Range<usize>> {
    let Some(fields) = header_of(image) else {
        return Vec::new();
    };
    let records = fields.records_offset as usize;
    let slots = fields.slots_offset as usize;
    let (program, calls) = (fields.program_offset as usize, fields.calls_offset as usize);
    let parts = [
        HEADER_OFFSET..HEADER_OFFSET + HeaderFields::LEN,
        slots..slots.saturating_add(fields.slot_count as usize * SLOT_LEN as usize),
        records..records.saturating_add(fields.record_count as usize * EntryRecord::LEN),
        program..program + ProgramHead::LEN,
        calls..calls + fields.calls_len as usize,
    ];
    let within = |part: &Range<usize>| part.start < part.end && part.end <= image.len();
    parts.into_iter().filter(within).collect()
}

/// Where an image's program part is, as far as its header tells.
pub fn program(image: &[u8]) -> Option<Range<usize>> {
    let fields = header_of(image)?;
    let start = fields.program_offset as usize;
    let part = start..start + fields.program_len as usize;
    (part.end <= image.len() && !part.is_empty()).then_some(part)
}

/// Makes the digests of an image right, of all parts that lie in it, and its length.
pub fn seal(image: &mut [u8], secret: &Secret) {
    let Some(mut fields) = header_of(image) else {
        return;
    };
    fields.file_len = image.len() as u64;
    for index in 0..fields.record_count as usize {
        let start = usize::try_from(fields.records_offset).unwrap_or(usize::MAX);
        let start = start.saturating_add(index * EntryRecord::LEN);
        if seal_record(image, start, &fields.image_id, secret).is_none() {
            break;
        }
    }
    let part = |offset: u32, len: u32, usage| {
        let bytes = slice(image, offset, len).ok()?;
        Some(part_digest(secret, usage, &fields.image_id, bytes))
    };
    let program_end = fields.program_offset.saturating_add(fields.program_len);
    let text = u32::try_from(fields.text_offset).unwrap_or(u32::MAX);
    let program = part(text, program_end.saturating_sub(text), Use::Program);
    let frames = part(fields.frames_offset, fields.frames_len, Use::Frames);
    let calls = part(fields.calls_offset, fields.calls_len, Use::Calls);
    fields.program_digest = program.unwrap_or_default();
    fields.frames_digest = frames.unwrap_or_default();
    fields.calls_digest = calls.unwrap_or_default();
    let sealed = header::seal(fields, secret);
    image[HEADER_OFFSET..HEADER_OFFSET + HeaderFields::LEN].copy_from_slice(&sealed);
}

/// `None` if there is no whole record.
fn seal_record(image: &mut [u8], start: usize, image_id: &[u8; 16], secret: &Secret) -> Option<()> {
    let bytes = image.get(start..)?.first_chunk::<{ EntryRecord::LEN }>()?;
    let mut record = EntryRecord::decode(bytes);
    if let Ok(kept) = slice(image, record.kept_offset, record.kept_len) {
        record.kept_digest = kept_digest(secret, image_id, &Key::from_bytes(record.key), kept);
    }
    let side = record.bindings_len.saturating_add(record.tables_len);
    let side = side.saturating_add(record.metadata_len);
    let encoded = record.encode();
    let part = |offset, len| slice(image, offset, len).ok();
    let digest = || {
        let digested = Digested {
            image_id,
            record: &encoded,
            text: part(record.text_offset, record.text_len)?,
            rodata: part(record.rodata_offset, record.rodata_len)?,
            data: part(record.data_offset, record.data_len)?,
            side: part(record.side_offset, side)?,
        };
        Some(digested.digest(secret))
    };
    record.digest = digest().unwrap_or_default();
    image[start..start + EntryRecord::LEN].copy_from_slice(&record.encode());
    Some(())
}

/// Decodes the parts of entries from any bytes. Says which of them the bytes are.
pub fn parts(bytes: &[u8]) -> [bool; 4] {
    let mut reader = Reader::new(bytes);
    let tables = tables::read_traps(&mut reader)
        .and_then(|_| tables::read_source_locations(&mut reader))
        .and_then(|_| reader.finish());
    let cells = u32::from(bytes.first().copied().unwrap_or(0));
    let calls = DirectCalls::read(bytes.get(1..).unwrap_or_default(), cells);
    if let Ok(calls) = &calls {
        for cell in 0..=cells {
            let of_cell = calls.of_cell(cell).count();
            assert!(of_cell <= bytes.len() && calls.target(cell) != Some(0));
        }
    }
    [
        StoredBindings::decode(bytes).is_ok(),
        Kept::decode(bytes).is_ok(),
        tables.is_ok(),
        calls.is_ok(),
    ]
}

fn header_of(image: &[u8]) -> Option<HeaderFields> {
    let bytes = image.get(HEADER_OFFSET..)?.first_chunk()?;
    Some(HeaderFields::decode(bytes))
}

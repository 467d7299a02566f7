//! Entry records: what an image says of one piece of code.

use core::ops::Range;

use rekindle_artifact::tables;
use rekindle_artifact::wire::{DecodeError, Reader, Writer};
use rekindle_artifact::{
    Artifact, KeyPart, Relocation, Section, Signature, SourceLocation, Trap, UnwindInfo,
    ZeroSection,
};

use crate::fixed::fixed;
use crate::key::Key;

fixed! {
    /// An entry as it is on disk. Offsets count from the file's start, addresses from the image's
    /// base.
    pub(crate) struct EntryRecord: 160 {
        /// The key.
        0 => key: [u8; 32],
        /// Keyed BLAKE3, shortened, of everything that the entry needs to run.
        32 => digest: [u8; 16],
        /// The same of what only a merge needs.
        48 => kept_digest: [u8; 16],
        /// The entry point's type.
        64 => signature: u64,
        /// What compiling cost, in nanoseconds.
        72 => compile_time_ns: u64,
        /// Where the text starts.
        80 => text_offset: u32,
        /// Bytes of text, veneers included.
        84 => text_len: u32,
        /// Bytes of text without veneers.
        88 => code_len: u32,
        /// Where the constants start.
        92 => rodata_offset: u32,
        /// Bytes of constants.
        96 => rodata_len: u32,
        /// Where the constants live: in the file, or in writable memory if they hold addresses.
        100 => rodata_address: u32,
        /// Where the initial contents of the data start.
        104 => data_offset: u32,
        /// Bytes of data.
        108 => data_len: u32,
        /// Where the data lives.
        112 => data_address: u32,
        /// Bytes of zero-initialised data.
        116 => bss_len: u32,
        /// Where it lives.
        120 => bss_address: u32,
        /// Where the entry's bindings start.
        124 => side_offset: u32,
        /// Bytes of bindings.
        128 => bindings_len: u32,
        /// Bytes of tables, behind the bindings.
        132 => tables_len: u32,
        /// Bytes of metadata, behind the tables.
        136 => metadata_len: u32,
        /// Where the parts start that only a merge needs.
        140 => kept_offset: u32,
        /// Bytes of those.
        144 => kept_len: u32,
        /// Binary logarithms of the alignments of text, rodata, data and bss.
        148 => aligns: [u8; 4],
        /// Zero.
        152 => reserved: [u8; 8],
    }
}

/// An entry's bytes aren't the ones that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entry's bytes aren't the ones that were written")]
pub struct Damaged;

impl From<DecodeError> for Damaged {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

/// The bytes of a file at an offset, if they exist.
pub(crate) fn slice(bytes: &[u8], offset: u32, len: u32) -> Result<&[u8], Damaged> {
    let start = offset as usize;
    start
        .checked_add(len as usize)
        .and_then(|end| bytes.get(start..end))
        .ok_or(Damaged)
}

/// What only a merge, or a person, needs: name, symbol, relocations, unwind information, and what the key
/// was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) symbol: Option<String>,
    pub(crate) relocations: Vec<Relocation>,
    pub(crate) unwind: Option<UnwindInfo>,
    pub(crate) key_parts: Vec<KeyPart>,
}

impl Kept {
    /// Adds what is kept of an artifact.
    pub(crate) fn write(writer: &mut Writer, artifact: &Artifact) {
        writer.bytes(artifact.name.as_bytes());
        tables::write_symbol(writer, artifact.symbol.as_deref(), &artifact.name);
        tables::write_relocations(writer, &artifact.relocations);
        tables::write_unwind(writer, artifact.unwind.as_ref());
        tables::write_key_parts(writer, &artifact.key_parts);
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let name = reader.text()?.to_owned();
        let kept = Self {
            symbol: tables::read_symbol(&mut reader, &name)?,
            name,
            relocations: tables::read_relocations(&mut reader)?,
            unwind: tables::read_unwind(&mut reader)?,
            key_parts: tables::read_key_parts(&mut reader)?,
        };
        reader.finish()?;
        Ok(kept)
    }
}

/// Adds traps and source locations; none as no bytes.
pub(crate) fn write_tables(writer: &mut Writer, artifact: &Artifact) {
    if artifact.traps.is_empty() && artifact.source_locations.is_empty() {
        return;
    }
    tables::write_traps(writer, &artifact.traps);
    tables::write_source_locations(writer, &artifact.source_locations);
}

/// Traps and source locations of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Instructions that may trap, by offset, ascending.
    pub traps: Vec<Trap>,
    /// Where the code came from, ascending and disjoint.
    pub source_locations: Vec<SourceLocation>,
}

/// A record whose digest was found right, so that all of it may be believed. It belongs to the
/// image that gave it.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedRecord {
    pub(crate) record: EntryRecord,
    pub(crate) index: u32,
}

impl VerifiedRecord {
    /// The entry's number in its image.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The key.
    pub fn key(&self) -> Key {
        Key::from_bytes(self.record.key)
    }

    /// The entry point's type.
    pub fn signature(&self) -> Signature {
        Signature(self.record.signature)
    }

    /// What compiling cost, in nanoseconds.
    pub fn compile_time_ns(&self) -> u64 {
        self.record.compile_time_ns
    }

    /// Where the text starts in the file.
    pub fn text_offset(&self) -> u32 {
        self.record.text_offset
    }

    /// Bytes of text, veneers included.
    pub fn text_len_bytes(&self) -> u32 {
        self.record.text_len
    }

    /// Where the constants live, from the image's base.
    pub fn rodata_address(&self) -> u32 {
        self.record.rodata_address
    }

    /// Where the data lives, from the image's base.
    pub fn data_address(&self) -> u32 {
        self.record.data_address
    }

    /// Where the zero-initialised data lives, from the image's base.
    pub fn bss_address(&self) -> u32 {
        self.record.bss_address
    }

    /// The initial contents of writable memory, as places in the file and addresses from the
    /// image's base: what must be copied before the entry runs.
    pub fn copies(&self, writable_len: u64) -> impl Iterator<Item = (Range<usize>, u32)> {
        let EntryRecord {
            rodata_offset,
            rodata_len,
            rodata_address,
            ..
        } = self.record;
        let EntryRecord {
            data_offset,
            data_len,
            data_address,
            ..
        } = self.record;
        let parts = [
            (rodata_offset, rodata_len, rodata_address),
            (data_offset, data_len, data_address),
        ];
        parts
            .into_iter()
            .filter(move |(_, len, address)| *len > 0 && u64::from(*address) < writable_len)
            .map(|(offset, len, address)| {
                (offset as usize..offset as usize + len as usize, address)
            })
    }

    /// Whether the entry has writable memory: what code writes there is its own, and must not be another's.
    pub fn has_writable_memory(&self, writable_len: u64) -> bool {
        self.record.bss_len > 0 || self.copies(writable_len).next().is_some()
    }

    /// The places of metadata and tables in the file.
    pub(crate) fn side(&self) -> (Range<usize>, Range<usize>, Range<usize>) {
        let EntryRecord {
            side_offset,
            bindings_len,
            tables_len,
            metadata_len,
            ..
        } = self.record;
        let bindings = side_offset as usize;
        let tables = bindings + bindings_len as usize;
        let metadata = tables + tables_len as usize;
        (
            bindings..tables,
            tables..metadata,
            metadata..metadata + metadata_len as usize,
        )
    }

    pub(crate) fn section(bytes: &[u8], align: u8) -> Result<Section, Damaged> {
        Ok(Section {
            bytes: bytes.to_vec(),
            align: align_of(align)?,
        })
    }

    pub(crate) fn bss(&self) -> Result<ZeroSection, Damaged> {
        let [.., align] = self.record.aligns;
        Ok(ZeroSection {
            size: self.record.bss_len,
            align: align_of(align)?,
        })
    }
}

fn align_of(log2: u8) -> Result<u32, Damaged> {
    1u32.checked_shl(u32::from(log2)).ok_or(Damaged)
}

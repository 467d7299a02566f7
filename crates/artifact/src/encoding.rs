//! The byte encoding of a whole artifact.
//!
//! Images don't use it: they keep the parts apart. It serves tests, and whoever hands artifacts
//! from one process to another.

use crate::artifact::{Artifact, Section, Signature, ZeroSection};
use crate::tables;
use crate::wire::{DecodeError, Reader, Writer};

/// Version of this encoding, its first number.
const ENCODING_VERSION: u64 = 4;

impl Artifact {
    /// The artifact as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Self {
            name,
            symbol,
            signature,
            text,
            rodata,
            data,
            bss,
            relocations,
            unwind,
            traps,
            source_locations,
            metadata,
            compile_time_ns,
            key_parts,
        } = self;
        let mut writer = Writer::new();
        writer.number(ENCODING_VERSION);
        writer.bytes(name.as_bytes());
        tables::write_symbol(&mut writer, symbol.as_deref(), name);
        writer.number(signature.0);
        for section in [text, rodata, data] {
            writer.number(u64::from(section.align));
            writer.bytes(&section.bytes);
        }
        writer.number(u64::from(bss.align));
        writer.number(u64::from(bss.size));
        tables::write_relocations(&mut writer, relocations);
        tables::write_unwind(&mut writer, unwind.as_ref());
        tables::write_traps(&mut writer, traps);
        tables::write_source_locations(&mut writer, source_locations);
        writer.bytes(metadata);
        writer.number(*compile_time_ns);
        tables::write_key_parts(&mut writer, key_parts);
        writer.into_bytes()
    }

    /// The artifact that [`Self::encode`] made bytes of. It is not validated.
    ///
    /// # Errors
    /// If the bytes don't decode, or their version is another.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        match reader.number()? {
            ENCODING_VERSION => {}
            version => return Err(DecodeError::Version(version)),
        }
        let name = reader.text()?.to_owned();
        let artifact = Self {
            symbol: tables::read_symbol(&mut reader, &name)?,
            name,
            signature: Signature(reader.number()?),
            text: read_section(&mut reader)?,
            rodata: read_section(&mut reader)?,
            data: read_section(&mut reader)?,
            bss: ZeroSection {
                align: reader.u32()?,
                size: reader.u32()?,
            },
            relocations: tables::read_relocations(&mut reader)?,
            unwind: tables::read_unwind(&mut reader)?,
            traps: tables::read_traps(&mut reader)?,
            source_locations: tables::read_source_locations(&mut reader)?,
            metadata: reader.bytes()?.to_vec(),
            compile_time_ns: reader.number()?,
            key_parts: tables::read_key_parts(&mut reader)?,
        };
        reader.finish()?;
        Ok(artifact)
    }
}

fn read_section(reader: &mut Reader<'_>) -> Result<Section, DecodeError> {
    Ok(Section {
        align: reader.u32()?,
        bytes: reader.bytes()?.to_vec(),
    })
}

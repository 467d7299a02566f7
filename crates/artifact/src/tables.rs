//! Byte encodings of an artifact's parts: tables by offset, relocations, unwind information.
//!
//! Offsets ascend, so tables keep differences. The parts are separate so that an image can keep
//! each where it is needed: what a fault needs, apart from what only a merge needs.

use crate::artifact::{
    KeyItem, KeyItems, KeyPart, Relocation, RelocationKind, SectionKind, SourceLocation, Target,
    Trap, UnwindInfo,
};
use crate::wire::{DecodeError, Reader, Writer};

/// Adds a table of traps.
pub fn write_traps(writer: &mut Writer, traps: &[Trap]) {
    writer.number(traps.len() as u64);
    let mut last = 0;
    for Trap { offset, code } in traps {
        writer.signed(i64::from(*offset) - i64::from(last));
        writer.number(u64::from(*code));
        last = *offset;
    }
}

/// Takes a table of traps.
///
/// # Errors
/// If the bytes don't decode.
pub fn read_traps(reader: &mut Reader<'_>) -> Result<Vec<Trap>, DecodeError> {
    let mut last = 0;
    reader.list(|reader| {
        last = advance(last, reader.signed()?)?;
        Ok(Trap {
            offset: last,
            code: reader.u16()?,
        })
    })
}

const NO_SYMBOL: u8 = 0;
const OTHER_SYMBOL: u8 = 1;
const SYMBOL_ENDS_IN_NAME: u8 = 2;

/// Adds the symbol of code with a name, in which most symbols end.
pub fn write_symbol(writer: &mut Writer, symbol: Option<&str>, name: &str) {
    let Some(symbol) = symbol else {
        writer.u8(NO_SYMBOL);
        return;
    };
    let (tag, text) = match symbol.strip_suffix(name) {
        Some(prefix) => (SYMBOL_ENDS_IN_NAME, prefix),
        None => (OTHER_SYMBOL, symbol),
    };
    writer.u8(tag);
    writer.bytes(text.as_bytes());
}

/// Takes the symbol of code with a name.
///
/// # Errors
/// If the bytes don't decode.
pub fn read_symbol(reader: &mut Reader<'_>, name: &str) -> Result<Option<String>, DecodeError> {
    Ok(match reader.u8()? {
        NO_SYMBOL => None,
        OTHER_SYMBOL => Some(reader.text()?.to_owned()),
        SYMBOL_ENDS_IN_NAME => Some([reader.text()?, name].concat()),
        tag => {
            return Err(DecodeError::UnknownTag {
                what: "symbol",
                tag: u64::from(tag),
            });
        }
    })
}

/// Adds what a key was made of.
pub fn write_key_parts(writer: &mut Writer, parts: &[KeyPart]) {
    writer.number(parts.len() as u64);
    for KeyPart { name, hash, items } in parts {
        writer.bytes(name.as_bytes());
        writer.raw(&hash.to_le_bytes());
        write_key_items(writer, items);
    }
}

fn write_key_items(writer: &mut Writer, items: &KeyItems) {
    let KeyItems {
        texts,
        items,
        stride,
    } = items;
    writer.number(u64::from(*stride));
    if *stride == 0 {
        return;
    }
    writer.number(texts.len() as u64);
    for text in texts {
        writer.bytes(text.as_bytes());
    }
    writer.number(items.len() as u64);
    for KeyItem { text, hash } in items {
        writer.number(u64::from(*text));
        writer.u8(*hash);
    }
}

/// Takes what a key was made of.
///
/// # Errors
/// If the bytes don't decode.
pub fn read_key_parts(reader: &mut Reader<'_>) -> Result<Vec<KeyPart>, DecodeError> {
    reader.list(|reader| {
        let name = reader.text()?.to_owned().into();
        let hash = reader.raw(8)?.first_chunk().ok_or(DecodeError::Truncated)?;
        Ok(KeyPart {
            name,
            hash: u64::from_le_bytes(*hash),
            items: read_key_items(reader)?,
        })
    })
}

fn read_key_items(reader: &mut Reader<'_>) -> Result<KeyItems, DecodeError> {
    let stride = reader.u32()?;
    if stride == 0 {
        return Ok(KeyItems::default());
    }
    let texts = reader.list(|reader| Ok(reader.text()?.to_owned().into()))?;
    let items = reader.list(|reader| {
        Ok(KeyItem {
            text: reader.u32()?,
            hash: reader.u8()?,
        })
    })?;
    Ok(KeyItems {
        texts,
        items,
        stride,
    })
}

/// Adds a table of source locations.
pub fn write_source_locations(writer: &mut Writer, locations: &[SourceLocation]) {
    writer.number(locations.len() as u64);
    let mut last = SourceLocation {
        start: 0,
        end: 0,
        location: 0,
    };
    for location in locations {
        writer.signed(i64::from(location.start) - i64::from(last.end));
        writer.signed(i64::from(location.end) - i64::from(location.start));
        writer.signed(i64::from(location.location) - i64::from(last.location));
        last = *location;
    }
}

/// Takes a table of source locations.
///
/// # Errors
/// If the bytes don't decode.
pub fn read_source_locations(reader: &mut Reader<'_>) -> Result<Vec<SourceLocation>, DecodeError> {
    let mut last = SourceLocation {
        start: 0,
        end: 0,
        location: 0,
    };
    reader.list(|reader| {
        let start = advance(last.end, reader.signed()?)?;
        let end = advance(start, reader.signed()?)?;
        let location = advance(last.location, reader.signed()?)?;
        last = SourceLocation {
            start,
            end,
            location,
        };
        Ok(last)
    })
}

/// Adds relocations.
pub fn write_relocations(writer: &mut Writer, relocations: &[Relocation]) {
    writer.number(relocations.len() as u64);
    for Relocation {
        section,
        offset,
        kind,
        target,
        addend,
    } in relocations
    {
        writer.u8(section_tag(*section));
        writer.number(u64::from(*offset));
        writer.u8(kind_tag(*kind));
        match target {
            Target::Section(section) => writer.u8(section_tag(*section)),
            Target::Symbol(name) => {
                writer.u8(SYMBOL_TAG);
                writer.bytes(name.as_bytes());
            }
        }
        writer.signed(*addend);
    }
}

/// Takes relocations.
///
/// # Errors
/// If the bytes don't decode.
pub fn read_relocations(reader: &mut Reader<'_>) -> Result<Vec<Relocation>, DecodeError> {
    reader.list(|reader| {
        let section = section_of(reader.u8()?)?;
        let offset = reader.u32()?;
        let kind = kind_of(reader.u8()?)?;
        let target = match reader.u8()? {
            SYMBOL_TAG => Target::Symbol(reader.text()?.to_owned()),
            tag => Target::Section(section_of(tag)?),
        };
        Ok(Relocation {
            section,
            offset,
            kind,
            target,
            addend: reader.signed()?,
        })
    })
}

/// Adds unwind information, or that there is none.
pub fn write_unwind(writer: &mut Writer, unwind: Option<&UnwindInfo>) {
    match unwind {
        None => writer.u8(0),
        Some(UnwindInfo {
            eh_frame,
            location_field,
        }) => {
            writer.u8(1);
            writer.number(u64::from(*location_field));
            writer.bytes(eh_frame);
        }
    }
}

/// Takes unwind information, if there is some.
///
/// # Errors
/// If the bytes don't decode.
pub fn read_unwind(reader: &mut Reader<'_>) -> Result<Option<UnwindInfo>, DecodeError> {
    match reader.u8()? {
        0 => Ok(None),
        1 => {
            let location_field = reader.u32()?;
            Ok(Some(UnwindInfo {
                eh_frame: reader.bytes()?.to_vec(),
                location_field,
            }))
        }
        tag => Err(DecodeError::UnknownTag {
            what: "unwind information",
            tag: u64::from(tag),
        }),
    }
}

/// A value that lies `difference` after `value`, in 32 bits.
fn advance(value: u32, difference: i64) -> Result<u32, DecodeError> {
    i64::from(value)
        .checked_add(difference)
        .and_then(|value| u32::try_from(value).ok())
        .ok_or(DecodeError::TooLarge)
}

const SYMBOL_TAG: u8 = 255;

const fn section_tag(section: SectionKind) -> u8 {
    match section {
        SectionKind::Text => 0,
        SectionKind::Rodata => 1,
        SectionKind::Data => 2,
        SectionKind::Bss => 3,
    }
}

fn section_of(tag: u8) -> Result<SectionKind, DecodeError> {
    SectionKind::ALL
        .into_iter()
        .find(|section| section_tag(*section) == tag)
        .ok_or(DecodeError::UnknownTag {
            what: "section",
            tag: u64::from(tag),
        })
}

/// Tags are part of the format: a new kind takes a new number.
const fn kind_tag(kind: RelocationKind) -> u8 {
    match kind {
        RelocationKind::Abs64 => 0,
        RelocationKind::X86Pc32 => 1,
        RelocationKind::X86Plt32 => 2,
        RelocationKind::X86GotPc32 => 3,
        RelocationKind::Arm64Call26 => 4,
        RelocationKind::Arm64AdrGotPage => 5,
        RelocationKind::Arm64Ld64GotLo12 => 6,
        RelocationKind::Arm64AdrPage => 7,
        RelocationKind::Arm64AddLo12 => 8,
    }
}

fn kind_of(tag: u8) -> Result<RelocationKind, DecodeError> {
    RelocationKind::ALL
        .into_iter()
        .find(|kind| kind_tag(*kind) == tag)
        .ok_or(DecodeError::UnknownTag {
            what: "relocation kind",
            tag: u64::from(tag),
        })
}

//! The program part of an image: what a program consists of, for who takes all of it at once.
//!
//! An image with this part is one program. Its functions and data refer to each other directly,
//! so none of them means anything alone; one digest, over everything from the text to the end of
//! this part, vouches for all of it. Symbols are found by number or by name where they lie, and
//! nothing is done for each of them before someone asks.
//!
//! ```text
//! head | symbols | name slots | bindings | the front's own bytes | names
//! ```

use rekindle_artifact::wire::Writer;

use crate::fixed::fixed;
use crate::image::bindings::StoredBindings;
use crate::image::entry::Damaged;
use crate::name_hash::name_hash;

fixed! {
    /// The start of a program part.
    pub(crate) struct ProgramHead: 32 {
        /// Number of symbols.
        0 => symbol_count: u32,
        /// Number of slots of the index of names; a power of two.
        4 => name_slot_count: u32,
        /// Bytes of bindings.
        8 => bindings_len: u32,
        /// Bytes of the front's own.
        12 => front_len: u32,
        /// Bytes of names.
        16 => names_len: u32,
        /// Where the initial contents of the writable memory start in the file.
        20 => initial_offset: u32,
        /// Bytes of those.
        24 => initial_len: u32,
        /// Zero.
        28 => reserved: u32,
    }
}

fixed! {
    /// A symbol of a program.
    pub(crate) struct SymbolRecord: 16 {
        /// Where it is, from the image's base; all ones if it isn't in the image.
        0 => address: u32,
        /// Its length in bytes.
        4 => len: u32,
        /// Where its name starts among the names.
        8 => name_offset: u32,
        /// The length of its name in bytes; all ones if it has none.
        12 => name_len: u32,
    }
}

/// Bytes of a slot of the index of names: some bits of a name's hash, and the symbol's number plus
/// one, or zero in an empty slot.
const SLOT_LEN: usize = 8;

const SYMBOL_LEN: usize = SymbolRecord::LEN;

const NONE: u32 = u32::MAX;

/// A symbol of a program that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DraftSymbol<'a> {
    /// By what it can be found. No two symbols share a name.
    pub name: Option<&'a str>,
    /// Where it is, from the image's base, if it is in the image.
    pub address: Option<u64>,
    /// Its length in bytes.
    pub len: u32,
}

/// A program that is to be written.
#[derive(Clone, Debug)]
pub struct ProgramPartDraft<'a> {
    /// The symbols, by number.
    pub symbols: Vec<DraftSymbol<'a>>,
    /// What is to be bound before anything of the program runs.
    pub bindings: StoredBindings<'a>,
    /// The front's own.
    pub front: &'a [u8],
}

/// Where the parts of a program whose digest was found right lie in its file.
#[derive(Clone, Copy, Debug)]
pub struct ProgramPlaces {
    initial: (usize, usize),
    symbols: (usize, usize),
    slots: (usize, usize),
    bindings: (usize, usize),
    front: (usize, usize),
    names: (usize, usize),
}

/// A program whose digest was found right.
#[derive(Clone, Copy, Debug)]
pub struct ProgramView<'a> {
    initial: &'a [u8],
    symbols: &'a [[u8; SYMBOL_LEN]],
    bindings: &'a [u8],
    front: &'a [u8],
    names: &'a [u8],
}

/// A symbol of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramSymbol<'a> {
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// Where it is, from the image's base, if it is in the image.
    pub address: Option<u32>,
    /// Its length in bytes.
    pub len: u32,
}

impl ProgramPartDraft<'_> {
    /// The part's bytes; `None` if there is too much for its numbers.
    pub(crate) fn encode(&self, initial_offset: u64, initial_len: u64) -> Option<Vec<u8>> {
        let narrow = |number: u64| u32::try_from(number).ok().filter(|number| *number < NONE);
        let count = |len: usize| narrow(len as u64);
        let slots = self.index();
        let bindings = self.bindings.encode();
        let mut names = Vec::new();
        let mut records = Vec::new();
        for DraftSymbol { name, address, len } in &self.symbols {
            let record = SymbolRecord {
                address: address.map_or(Some(NONE), narrow)?,
                len: *len,
                name_offset: count(names.len())?,
                name_len: name.map_or(Some(NONE), |name| count(name.len()))?,
            };
            records.extend_from_slice(&record.encode());
            names.extend_from_slice(name.unwrap_or_default().as_bytes());
        }
        let head = ProgramHead {
            symbol_count: count(self.symbols.len())?,
            name_slot_count: count(slots.len())?,
            bindings_len: count(bindings.len())?,
            front_len: count(self.front.len())?,
            names_len: count(names.len())?,
            initial_offset: narrow(initial_offset)?,
            initial_len: narrow(initial_len)?,
            reserved: 0,
        };
        const { assert!(ProgramHead::LEN == 32) };
        let mut writer = Writer::new();
        writer.raw(&head.encode());
        writer.raw(&records);
        for (tag, number) in slots {
            writer.raw(&tag.to_le_bytes());
            writer.raw(&number.to_le_bytes());
        }
        for bytes in [&bindings, self.front, &names] {
            writer.raw(bytes);
        }
        Some(writer.into_bytes())
    }

    fn index(&self) -> Vec<(u32, u32)> {
        let named = self.symbols.iter().filter(|symbol| symbol.name.is_some());
        let count = (named.count().max(1) * 2).next_power_of_two();
        let mut slots = vec![(0, 0); count];
        for (number, symbol) in (1..).zip(&self.symbols) {
            let Some(name) = symbol.name else { continue };
            let hash = name_hash(name);
            let start = hash as usize;
            let free = (0..count)
                .map(|step| start.wrapping_add(step) & (count - 1))
                .find(|slot| slots[*slot].1 == 0)
                .expect("there are more slots than names");
            slots[free] = ((hash >> 32) as u32, number);
        }
        slots
    }
}

impl ProgramPlaces {
    /// Reads the head of the program part that starts at `start` and ends at `end` of a file of
    /// `file_len` bytes.
    pub(crate) fn read(
        head: &[u8; ProgramHead::LEN],
        start: usize,
        end: usize,
        file_len: usize,
    ) -> Result<Self, Damaged> {
        let head = ProgramHead::decode(head);
        let mut at = start as u64 + ProgramHead::LEN as u64;
        let mut take = |len: u64| {
            let part = (at as usize, (at + len) as usize);
            at += len;
            part
        };
        let places = Self {
            initial: (
                head.initial_offset as usize,
                head.initial_offset as usize + head.initial_len as usize,
            ),
            symbols: take(u64::from(head.symbol_count) * SYMBOL_LEN as u64),
            slots: take(u64::from(head.name_slot_count) * SLOT_LEN as u64),
            bindings: take(head.bindings_len.into()),
            front: take(head.front_len.into()),
            names: take(head.names_len.into()),
        };
        let fits = at == end as u64 && places.initial.1 <= file_len && end <= file_len;
        if fits && head.name_slot_count.is_power_of_two() {
            Ok(places)
        } else {
            Err(Damaged)
        }
    }

    /// The address, from the image's base, of the symbol of this number; as from a view, of which
    /// only this part is made.
    ///
    /// # Panics
    /// If it is another file.
    pub fn address(&self, file: &[u8], number: u32) -> Option<u32> {
        let (start, end) = self.symbols;
        let symbols: &[[u8; SYMBOL_LEN]] = file[start..end].as_chunks().0;
        let record = SymbolRecord::decode(symbols.get(number as usize)?);
        (record.address != NONE).then_some(record.address)
    }

    /// The number of the symbol of this name; as [`Self::address`] does.
    ///
    /// # Panics
    /// If it is another file.
    pub fn find(&self, file: &[u8], name: &str) -> Option<u32> {
        let part = |(start, end): (usize, usize)| &file[start..end];
        let slots: &[[u8; SLOT_LEN]] = part(self.slots).as_chunks().0;
        let symbols: &[[u8; SYMBOL_LEN]] = part(self.symbols).as_chunks().0;
        let names = part(self.names);
        let hash = name_hash(name);
        let mask = slots.len() - 1;
        for step in 0..slots.len() {
            let [a, b, c, d, e, f, g, h] = slots[(hash as usize).wrapping_add(step) & mask];
            let number = u32::from_le_bytes([e, f, g, h]).checked_sub(1)?;
            if u32::from_le_bytes([a, b, c, d]) == (hash >> 32) as u32 {
                let record = SymbolRecord::decode(symbols.get(number as usize)?);
                if name_bytes(names, &record) == Some(name.as_bytes()) {
                    return Some(number);
                }
            }
        }
        None
    }

    /// The program in its file's bytes.
    ///
    /// # Panics
    /// If it is another file.
    pub fn view<'a>(&self, file: &'a [u8]) -> ProgramView<'a> {
        let part = |(start, end): (usize, usize)| &file[start..end];
        ProgramView {
            initial: part(self.initial),
            symbols: part(self.symbols).as_chunks().0,
            bindings: part(self.bindings),
            front: part(self.front),
            names: part(self.names),
        }
    }
}

impl<'a> ProgramView<'a> {
    /// How many symbols there are.
    pub fn symbol_count(&self) -> u32 {
        self.symbols.len() as u32
    }

    /// The symbol of this number.
    pub fn symbol(&self, number: u32) -> Option<ProgramSymbol<'a>> {
        let record = SymbolRecord::decode(self.symbols.get(number as usize)?);
        Some(ProgramSymbol {
            name: self.name(&record),
            address: (record.address != NONE).then_some(record.address),
            len: record.len,
        })
    }

    /// What is to be bound before anything of the program runs.
    ///
    /// # Errors
    /// If the bytes don't decode, which verification makes all but impossible.
    pub fn bindings(&self) -> Result<StoredBindings<'a>, Damaged> {
        Ok(StoredBindings::decode(self.bindings)?)
    }

    /// The initial contents of the writable memory, from its start.
    pub fn initial(&self) -> &'a [u8] {
        self.initial
    }

    /// The front's own.
    pub fn front(&self) -> &'a [u8] {
        self.front
    }

    fn name(&self, record: &SymbolRecord) -> Option<&'a str> {
        core::str::from_utf8(name_bytes(self.names, record)?).ok()
    }
}

fn name_bytes<'a>(names: &'a [u8], record: &SymbolRecord) -> Option<&'a [u8]> {
    if record.name_len == NONE {
        return None;
    }
    let start = record.name_offset as usize;
    names.get(start..start.checked_add(record.name_len as usize)?)
}

#[cfg(test)]
mod tests {
    use super::{DraftSymbol, ProgramPartDraft, ProgramPlaces, ProgramSymbol};
    use crate::image::bindings::{StoredBindings, StoredCell};

    #[test]
    fn programs_read_back() {
        let names: Vec<String> = (0..100).map(|index| format!("function{index}")).collect();
        let symbols = names.iter().enumerate().map(|(index, name)| DraftSymbol {
            name: (index % 7 != 0).then_some(name),
            address: (index % 5 != 0).then_some(index as u64 * 16),
            len: index as u32,
        });
        let bindings = StoredBindings {
            cells: vec![StoredCell {
                index: 3,
                name: "host",
            }],
            fields: Vec::new(),
        };
        let draft = ProgramPartDraft {
            symbols: symbols.collect(),
            bindings: bindings.clone(),
            front: b"declarations",
        };
        let mut file = draft.encode(2, 7).expect("it fits");
        file.splice(0..0, *b"..initial");
        let read = |end: usize, file_len: usize| {
            let head = file[9..].first_chunk().expect("there is one");
            ProgramPlaces::read(head, 9, end, file_len)
        };
        let places = read(file.len(), file.len()).expect("it is whole");
        let view = places.view(&file);
        assert_eq!(view.symbol_count(), 100);
        for (number, symbol) in (0..).zip(&draft.symbols) {
            let DraftSymbol { name, address, len } = *symbol;
            let address = address.map(|address| address as u32);
            assert_eq!(
                view.symbol(number),
                Some(ProgramSymbol { name, address, len })
            );
            assert_eq!(places.address(&file, number), address);
        }
        for (number, name) in (0..).zip(&names) {
            let found = (number % 7 != 0).then_some(number);
            assert_eq!(places.find(&file, name), found);
        }
        assert_eq!(places.find(&file, "other"), None);
        assert_eq!(view.symbol(100), None);
        assert_eq!(view.bindings(), Ok(bindings));
        assert_eq!(
            (view.front(), view.initial()),
            (&b"declarations"[..], &b"initial"[..])
        );
        assert!(read(file.len() - 1, file.len()).is_err());
        assert!(read(file.len() + 1, file.len() + 1).is_err());
        assert!(read(file.len(), file.len() - 1).is_err());
    }
}

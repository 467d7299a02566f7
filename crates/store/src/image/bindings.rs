//! What an entry needs from the process before it can run.

use rekindle_artifact::wire::{DecodeError, Reader, Writer};

/// A field of 8 bytes in writable memory that takes a value known only in the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBinding<'a> {
    /// Where the field is, from the image's base.
    pub address: u32,
    /// What it takes.
    pub value: StoredValue<'a>,
}

/// What a [`StoredBinding`] takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredValue<'a> {
    /// The image's base plus this.
    Local(i64),
    /// The value of a name, plus a number.
    Symbol {
        /// The name.
        name: &'a str,
        /// The number.
        addend: i64,
    },
}

/// A cell that an entry's code reads, and the name whose value it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCell<'a> {
    /// The cell's index from the start of the writable memory.
    pub index: u32,
    /// The name.
    pub name: &'a str,
}

/// The values that an entry needs before it can run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredBindings<'a> {
    /// Cells.
    pub cells: Vec<StoredCell<'a>>,
    /// Fields in its own data.
    pub fields: Vec<StoredBinding<'a>>,
}

impl<'a> StoredBindings<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.into_bytes()
    }

    /// Adds the bindings; none as no bytes.
    pub(crate) fn write(&self, writer: &mut Writer) {
        if self.cells.is_empty() && self.fields.is_empty() {
            return;
        }
        writer.number(self.cells.len() as u64);
        for StoredCell { index, name } in &self.cells {
            writer.number(u64::from(*index));
            writer.bytes(name.as_bytes());
        }
        writer.number(self.fields.len() as u64);
        for StoredBinding { address, value } in &self.fields {
            writer.number(u64::from(*address));
            match value {
                StoredValue::Local(offset) => {
                    writer.u8(0);
                    writer.signed(*offset);
                }
                StoredValue::Symbol { name, addend } => {
                    writer.u8(1);
                    writer.bytes(name.as_bytes());
                    writer.signed(*addend);
                }
            }
        }
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut cells = Vec::new();
        let mut all_are_text = true;
        let fields = Self::decode_with(bytes, |index, name| match core::str::from_utf8(name) {
            Ok(name) => cells.push(StoredCell { index, name }),
            Err(_) => all_are_text = false,
        })?;
        match all_are_text {
            true => Ok(Self { cells, fields }),
            false => Err(DecodeError::NotText),
        }
    }

    /// The fields; the cells one by one, by their indices and names, since there are few fields, and
    /// cells by the thousand. Whether a name is a text is left to whoever reads it.
    pub(crate) fn decode_with(
        bytes: &'a [u8],
        mut each_cell: impl FnMut(u32, &'a [u8]),
    ) -> Result<Vec<StoredBinding<'a>>, DecodeError> {
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = Reader::new(bytes);
        // A list of nothing takes no memory.
        reader.list(|reader| {
            each_cell(reader.u32()?, reader.bytes()?);
            Ok(())
        })?;
        let fields = reader.list(|reader| {
            let address = reader.u32()?;
            let value = match reader.u8()? {
                0 => StoredValue::Local(reader.signed()?),
                1 => {
                    let name = reader.text()?;
                    StoredValue::Symbol {
                        name,
                        addend: reader.signed()?,
                    }
                }
                tag => {
                    return Err(DecodeError::UnknownTag {
                        what: "binding",
                        tag: u64::from(tag),
                    });
                }
            };
            Ok(StoredBinding { address, value })
        })?;
        reader.finish()?;
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::{StoredBinding, StoredBindings, StoredCell, StoredValue};
    use proptest::prelude::*;

    fn bindings() -> impl Strategy<Value = StoredBindings<'static>> {
        let name = || prop::sample::select(vec!["", "a", ":name", "a much longer name"]);
        let cell = (any::<u32>(), name()).prop_map(|(index, name)| StoredCell { index, name });
        let value = prop_oneof![
            any::<i64>().prop_map(StoredValue::Local),
            (name(), any::<i64>()).prop_map(|(name, addend)| StoredValue::Symbol { name, addend }),
        ];
        let field =
            (any::<u32>(), value).prop_map(|(address, value)| StoredBinding { address, value });
        (
            prop::collection::vec(cell, 0..4),
            prop::collection::vec(field, 0..4),
        )
            .prop_map(|(cells, fields)| StoredBindings { cells, fields })
    }

    proptest! {
        #[test]
        fn bindings_round_trip(bindings in bindings()) {
            let bytes = bindings.encode();
            prop_assert_eq!(StoredBindings::decode(&bytes), Ok(bindings));
        }

        #[test]
        fn arbitrary_bindings_never_panic(bytes: Vec<u8>) {
            let _ = StoredBindings::decode(&bytes);
        }
    }
}

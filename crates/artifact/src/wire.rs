//! Checked little-endian reading and writing of small structures.
//!
//! A [`Reader`] never panics and never allocates more than its input could fill, whatever the
//! bytes are. Numbers are LEB128 (seven bits a byte, low ones first), signed ones zigzag.

use core::fmt;

/// Bytes don't decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end early.
    Truncated,
    /// A number doesn't fit its type.
    TooLarge,
    /// A tag has no meaning.
    UnknownTag {
        /// What the tag chooses.
        what: &'static str,
        /// The tag.
        tag: u64,
    },
    /// A name isn't UTF-8.
    NotText,
    /// The encoding's version is another.
    Version(u64),
    /// Bytes are left over.
    Trailing,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end early"),
            Self::TooLarge => f.write_str("a number doesn't fit its type"),
            Self::UnknownTag { what, tag } => write!(f, "there is no {what} {tag}"),
            Self::NotText => f.write_str("a name isn't UTF-8"),
            Self::Version(version) => write!(f, "the encoding's version is {version}"),
            Self::Trailing => f.write_str("bytes are left over"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Collects bytes.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty writer with room for so many bytes.
    pub fn with_capacity(len: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(len),
        }
    }

    /// How many bytes there are so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Adds one byte.
    #[inline]
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Adds a number.
    #[inline]
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Adds a signed number.
    pub fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Adds bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds bytes with their length before them.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.raw(bytes);
    }
}

/// Takes bytes apart.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Says that nothing may be left.
    ///
    /// # Errors
    /// If something is.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Trailing)
        }
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// If there is none.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    /// Takes a number.
    ///
    /// # Errors
    /// If it is cut short or has more than 64 bits.
    #[inline]
    pub fn number(&mut self) -> Result<u64, DecodeError> {
        // Most are small.
        match self.rest.split_first() {
            Some((first, rest)) if *first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::TooLarge);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::TooLarge)
    }

    /// Takes a number of 32 bits.
    ///
    /// # Errors
    /// If it is cut short or larger.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.number()?).map_err(|_| DecodeError::TooLarge)
    }

    /// Takes a number of 16 bits.
    ///
    /// # Errors
    /// If it is cut short or larger.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        u16::try_from(self.number()?).map_err(|_| DecodeError::TooLarge)
    }

    /// Takes a signed number.
    ///
    /// # Errors
    /// If it is cut short or has more than 64 bits.
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Takes as many bytes as asked.
    ///
    /// # Errors
    /// If there are fewer.
    #[inline]
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes bytes with their length before them.
    ///
    /// # Errors
    /// If they are cut short.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(self.number()?).map_err(|_| DecodeError::TooLarge)?;
        self.raw(len)
    }

    /// Takes a text with its length before it.
    ///
    /// # Errors
    /// If it is cut short or isn't UTF-8.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        core::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::NotText)
    }

    /// Takes a count, and as many elements, each by `element`.
    ///
    /// # Errors
    /// The first error of an element. A count larger than the bytes left is cut short at once.
    pub fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = usize::try_from(self.number()?).map_err(|_| DecodeError::TooLarge)?;
        if count > self.rest.len() {
            return Err(DecodeError::Truncated);
        }
        // Each element takes a byte at least. Not reserved up front: an element may be larger in
        // memory than in bytes.
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::{DecodeError, Reader, Writer};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip(unsigned: u64, signed: i64) {
            let mut writer = Writer::new();
            writer.number(unsigned);
            writer.signed(signed);
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.number(), Ok(unsigned));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.list(|reader| reader.text().map(str::len));
            let _ = reader.signed();
        }
    }

    #[test]
    fn extremes() {
        for value in [0, 1, u64::MAX] {
            let mut writer = Writer::new();
            writer.number(value);
            assert_eq!(Reader::new(&writer.into_bytes()).number(), Ok(value));
        }
        assert_eq!(
            Reader::new(&[0xff; 10]).number(),
            Err(DecodeError::TooLarge)
        );
        assert_eq!(
            Reader::new(&[0xff; 3]).number(),
            Err(DecodeError::Truncated)
        );
        assert_eq!(
            Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x10]).u32(),
            Err(DecodeError::TooLarge)
        );
    }
}

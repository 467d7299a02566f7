//! Keys: everything that can change a compilation's output, as 32 bytes.
//!
//! A key is the BLAKE3 hash of an encoding that is ours: a version, a domain, and fields that each
//! carry their type and, where that leaves it open, their length, so that no two lists of fields
//! encode alike (`"ab", "c"` against `"a", "bc"`; the number 1 against the text `"\x01"`).
//! `std::hash::Hash` is not a format and never enters here.

use core::fmt;

use rekindle_artifact::wire::Writer;

use crate::digest::{Digest, hex};

/// Version of the encoding below; it is the first thing hashed.
const KEY_FORMAT_VERSION: u8 = 2;

/// The identity of one compilation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 32]);

impl Key {
    /// The key's bytes, as images keep them.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key whose bytes these are; for readers of images.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Eight of the key's bytes as a number, for hash tables: a key is uniformly distributed.
    pub fn prefix(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// The type of a field, hashed before it.
#[derive(Clone, Copy)]
enum FieldType {
    Bytes = 1,
    Text = 2,
    U64 = 3,
    Digest = 4,
}

/// Makes a [`Key`] from fields, in order.
///
/// ```
/// # use rekindle_store::KeyBuilder;
/// let key = |optimise: bool| {
///     KeyBuilder::new("calculator/expression")
///         .str("1 + 2")
///         .u64(u64::from(optimise))
///         .finish()
/// };
/// assert_eq!(key(true), key(true));
/// assert_ne!(key(true), key(false));
/// ```
#[derive(Clone, Debug)]
pub struct KeyBuilder {
    /// Encoded and not hashed yet: hashing all at once is faster, and the builder, which moves from
    /// call to call, stays small.
    pending: Writer,
    /// There once more was added than should wait.
    hasher: Option<Box<blake3::Hasher>>,
}

/// Most keys are made of less than this.
const USUAL_LEN: usize = 512;

/// More than this doesn't wait to be hashed.
const PENDING_LEN: usize = 64 << 10;

impl KeyBuilder {
    /// Starts a key. `domain` says what kind of thing is keyed, so that different kinds with equal
    /// fields differ: `"vm/region"`.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        let mut pending = Writer::with_capacity(USUAL_LEN);
        pending.raw(b"rekindle key");
        pending.u8(KEY_FORMAT_VERSION);
        let builder = Self {
            pending,
            hasher: None,
        };
        builder.str(domain)
    }

    /// Adds bytes.
    #[must_use]
    pub fn field_bytes(self, bytes: &[u8]) -> Self {
        self.field(FieldType::Bytes, Some(bytes.len()), bytes)
    }

    /// Adds a text.
    #[must_use]
    pub fn str(self, text: &str) -> Self {
        self.field(FieldType::Text, Some(text.len()), text.as_bytes())
    }

    /// Adds a number.
    #[must_use]
    pub fn u64(self, number: u64) -> Self {
        self.field(FieldType::U64, None, &number.to_le_bytes())
    }

    /// Adds the digest of something larger.
    #[must_use]
    pub fn digest(self, digest: &Digest) -> Self {
        self.field(FieldType::Digest, None, &digest.0)
    }

    /// The key of the fields so far.
    pub fn finish(self) -> Key {
        let pending = self.pending.into_bytes();
        let hash = match self.hasher {
            None => blake3::hash(&pending),
            Some(mut hasher) => hasher.update(&pending).finalize(),
        };
        Key(*hash.as_bytes())
    }

    /// Adds a field; `len` if its type doesn't say how long it is. Short keys are hashed by the block
    /// of 64 bytes, so nothing is written that says nothing.
    fn field(mut self, field_type: FieldType, len: Option<usize>, bytes: &[u8]) -> Self {
        self.pending.u8(field_type as u8);
        if let Some(len) = len {
            self.pending.number(len as u64);
        }
        if self.pending.len().saturating_add(bytes.len()) <= PENDING_LEN {
            self.pending.raw(bytes);
            return self;
        }
        let pending = core::mem::take(&mut self.pending).into_bytes();
        let hasher = self.hasher.get_or_insert_default();
        hasher.update(&pending).update(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, Key, KeyBuilder};

    fn base() -> Key {
        KeyBuilder::new("d")
            .str("ab")
            .str("c")
            .u64(1)
            .field_bytes(b"x")
            .finish()
    }

    #[test]
    fn each_input_changes_the_key() {
        let others = [
            KeyBuilder::new("e")
                .str("ab")
                .str("c")
                .u64(1)
                .field_bytes(b"x")
                .finish(),
            KeyBuilder::new("d")
                .str("a")
                .str("bc")
                .u64(1)
                .field_bytes(b"x")
                .finish(),
            KeyBuilder::new("d")
                .str("ab")
                .str("")
                .u64(1)
                .field_bytes(b"x")
                .finish(),
            KeyBuilder::new("d")
                .str("ab")
                .str("c")
                .u64(2)
                .field_bytes(b"x")
                .finish(),
            KeyBuilder::new("d")
                .str("ab")
                .str("c")
                .u64(1)
                .field_bytes(b"y")
                .finish(),
            KeyBuilder::new("d").str("ab").str("c").u64(1).finish(),
            KeyBuilder::new("d")
                .str("c")
                .str("ab")
                .u64(1)
                .field_bytes(b"x")
                .finish(),
        ];
        for other in others {
            assert_ne!(base(), other);
        }
        assert_eq!(base(), base());
    }

    #[test]
    fn the_type_of_a_field_counts() {
        let number = KeyBuilder::new("d").u64(7).finish();
        let bytes = KeyBuilder::new("d")
            .field_bytes(&7u64.to_le_bytes())
            .finish();
        assert_ne!(number, bytes);
        let digest = KeyBuilder::new("d").digest(&Digest([1; 32])).finish();
        assert_ne!(digest, KeyBuilder::new("d").field_bytes(&[1; 32]).finish());
        assert_ne!(
            KeyBuilder::new("d").str("x").finish(),
            KeyBuilder::new("d").field_bytes(b"x").finish()
        );
    }

    #[test]
    fn long_keys_are_hashed_as_they_grow() {
        let long = vec![7; 3 * super::PENDING_LEN];
        let key = KeyBuilder::new("d").str("a").field_bytes(&long).u64(3);
        let mut encoded = Vec::new();
        let mut field = |head: &[u8], bytes: &[u8]| {
            encoded.extend_from_slice(head);
            encoded.extend_from_slice(bytes);
        };
        field(&[2, 1], b"d");
        field(&[2, 1], b"a");
        assert_eq!(long.len(), 12 << 14);
        field(&[1, 0b1000_0000, 0b1000_0000, 0b0000_1100], &long);
        field(&[3], &3_u64.to_le_bytes());
        let head = b"rekindle key\x02";
        let expected = blake3::hash(&[&head[..], &encoded].concat());
        assert_eq!(key.finish().as_bytes(), expected.as_bytes());
    }

    #[test]
    fn the_encoding_is_pinned() {
        // A changed encoding must come with a new KEY_FORMAT_VERSION.
        assert_eq!(
            base().to_string(),
            "3468052438f49737f47c4c6c94137a83837af3bc2ffe9981f7d021ac5d34041e"
        );
    }
}

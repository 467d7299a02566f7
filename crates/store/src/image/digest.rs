//! The digests by which entries authenticate themselves.

use crate::image::entry::EntryRecord;
use crate::key::Key;
use crate::secret::{Secret, ShortDigest, Use, short_digest};

/// What an entry's digest covers: everything that it needs to run, whole.
///
/// BLAKE3 hashes several chunks of 1 KiB as fast as one, if it is given them at once and their
/// number is a power of two. So the parts are gathered, and filled up with zeroes: a typical
/// entry of 1.5 KiB takes 1.5 µs that way instead of 2.1, one of 8 KiB 2.5 instead of 6.5.
pub(crate) struct Digested<'a> {
    pub(crate) image_id: &'a [u8; 16],
    pub(crate) record: &'a [u8; EntryRecord::LEN],
    pub(crate) text: &'a [u8],
    pub(crate) rodata: &'a [u8],
    pub(crate) data: &'a [u8],
    /// Bindings, tables and metadata, which stand together.
    pub(crate) side: &'a [u8],
}

/// A chunk of BLAKE3, and how many it can hash at once on the widest machines that matter.
const CHUNK_LEN: usize = 1024;
const CHUNKS_AT_ONCE: usize = 8;

/// More than this is hashed without gathering: copying would cost more than it saves.
const GATHER_LEN: usize = 64 << 10;

impl Digested<'_> {
    /// The lengths of all parts are in the record, so neither the order nor the zeroes leave
    /// anything ambiguous.
    pub(crate) fn digest(&self, secret: &Secret) -> ShortDigest {
        let Self {
            image_id,
            record,
            text,
            rodata,
            data,
            side,
        } = *self;
        let parts = [
            &image_id[..],
            &record[..32],
            &record[48..],
            text,
            rodata,
            data,
            side,
        ];
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let filled_len = filled_len(len);
        if filled_len <= GATHER_LEN {
            let mut gathered = Vec::with_capacity(filled_len);
            for part in parts {
                gathered.extend_from_slice(part);
            }
            gathered.resize(filled_len, 0);
            return secret.short_digest(Use::Entry, &gathered);
        }
        let mut hasher = secret.hasher(Use::Entry);
        for part in parts {
            hasher.update(part);
        }
        let mut missing = filled_len - len;
        while missing > 0 {
            let zeroes = &[0; CHUNK_LEN][..missing.min(CHUNK_LEN)];
            hasher.update(zeroes);
            missing -= zeroes.len();
        }
        short_digest(&hasher)
    }
}

/// The length to which `len` bytes are filled up: one chunk not at all; of more, those beyond a
/// multiple of [`CHUNKS_AT_ONCE`] to a power of two.
fn filled_len(len: usize) -> usize {
    let chunks = len.div_ceil(CHUNK_LEN);
    if chunks <= 1 {
        return len;
    }
    let groups = chunks / CHUNKS_AT_ONCE * CHUNKS_AT_ONCE;
    let rest = match chunks - groups {
        0 => 0,
        rest => rest.next_power_of_two(),
    };
    (groups + rest) * CHUNK_LEN
}

/// The digest of what only a merge needs.
pub(crate) fn kept_digest(
    secret: &Secret,
    image_id: &[u8; 16],
    key: &Key,
    kept: &[u8],
) -> ShortDigest {
    let mut hasher = secret.hasher(Use::Kept);
    hasher.update(image_id).update(key.as_bytes()).update(kept);
    short_digest(&hasher)
}

#[cfg(test)]
mod tests {
    use super::{Digested, EntryRecord, GATHER_LEN, filled_len};
    use crate::secret::Secret;

    #[test]
    fn lengths_are_filled_up() {
        let lengths = [
            (5, 5),
            (1024, 1024),
            (1025, 2048),
            (2049, 4096),
            (4097, 8192),
        ];
        for (len, filled) in lengths {
            assert_eq!(filled_len(len), filled);
        }
        assert_eq!(filled_len(8193), 9 << 10);
        assert_eq!(filled_len((10 << 10) + 1), 12 << 10);
        assert_eq!(filled_len(16 << 10), 16 << 10);
    }

    #[test]
    fn gathering_changes_no_digest() {
        let secret = Secret::new(&[7; 32]);
        let text: Vec<u8> = (0..3 * GATHER_LEN)
            .map(|index| (index % 251) as u8)
            .collect();
        let digested = |len: usize| Digested {
            image_id: &[1; 16],
            record: &[2; EntryRecord::LEN],
            text: &text[..len],
            rodata: b"constants",
            data: b"data",
            side: b"side",
        };
        for len in [
            1,
            1000,
            5000,
            GATHER_LEN - 200,
            GATHER_LEN,
            GATHER_LEN + 5000,
        ] {
            let digested = digested(len);
            let mut all = Vec::new();
            all.extend_from_slice(digested.image_id);
            all.extend_from_slice(&digested.record[..32]);
            all.extend_from_slice(&digested.record[48..]);
            for part in [digested.text, digested.rodata, digested.data, digested.side] {
                all.extend_from_slice(part);
            }
            all.resize(filled_len(all.len()), 0);
            let expected = secret.short_digest(crate::secret::Use::Entry, &all);
            assert_eq!(digested.digest(&secret), expected, "{len}");
        }
    }
}

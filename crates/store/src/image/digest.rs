//! The digests by which entries authenticate themselves.

use crate::image::entry::EntryRecord;
use crate::key::Key;
use crate::secret::{Secret, ShortDigest, Use};

/// What an entry's digest covers: everything that it needs to run, whole.
pub(crate) struct Digested<'a> {
    pub(crate) image_id: &'a [u8; 16],
    pub(crate) record: &'a [u8; EntryRecord::LEN],
    pub(crate) text: &'a [u8],
    pub(crate) rodata: &'a [u8],
    pub(crate) data: &'a [u8],
    /// Bindings, tables and metadata, which stand together.
    pub(crate) side: &'a [u8],
}

impl Digested<'_> {
    /// The lengths of all parts are in the record, which has a fixed length, so their order leaves
    /// nothing ambiguous.
    pub(crate) fn digest(&self, secret: &Secret) -> ShortDigest {
        let Self {
            image_id,
            record,
            text,
            rodata,
            data,
            side,
        } = *self;
        let mut mac = secret.mac(Use::Entry, image_id);
        mac.update(&record[..32]).update(&record[48..]).update(text);
        for part in [rodata, data, side] {
            if !part.is_empty() {
                mac.update(part);
            }
        }
        mac.finish()
    }
}

/// The digest of what only a merge needs.
pub(crate) fn kept_digest(
    secret: &Secret,
    image_id: &[u8; 16],
    key: &Key,
    kept: &[u8],
) -> ShortDigest {
    let mut mac = secret.mac(Use::Kept, image_id);
    mac.update(key.as_bytes()).update(kept);
    mac.finish()
}

/// The digest of a part of an image: of a program, everything from the text to the end of the program
/// part; of all entries, their direct calls or their call frame information.
pub(crate) fn part_digest(
    secret: &Secret,
    usage: Use,
    image_id: &[u8; 16],
    bytes: &[u8],
) -> ShortDigest {
    let mut mac = secret.mac(usage, image_id);
    mac.update(bytes);
    mac.finish()
}

#[cfg(test)]
mod tests {
    use super::{Digested, EntryRecord, kept_digest};
    use crate::key::Key;
    use crate::secret::Secret;

    #[test]
    fn every_part_counts_but_the_digest_itself() {
        let secret = Secret::new(&[7; 32]);
        let record = [2; EntryRecord::LEN];
        let base = || Digested {
            image_id: &[1; 16],
            record: &record,
            text: b"text",
            rodata: b"constants",
            data: b"data",
            side: b"side",
        };
        let digest = base().digest(&secret);
        for place in 0..EntryRecord::LEN {
            let mut other = record;
            other[place] ^= 1;
            let changed = Digested {
                record: &other,
                ..base()
            };
            let is_digest = (32..48).contains(&place);
            assert_eq!(changed.digest(&secret) == digest, is_digest, "{place}");
        }
        let others = [
            Digested {
                image_id: &[2; 16],
                ..base()
            },
            Digested {
                text: b"texT",
                ..base()
            },
            Digested {
                rodata: b"",
                ..base()
            },
            Digested {
                data: b"dat",
                ..base()
            },
            Digested {
                side: b"sid\0",
                ..base()
            },
        ];
        for other in others {
            assert_ne!(other.digest(&secret), digest);
        }
    }

    #[test]
    fn kept_parts_belong_to_a_key_of_an_image() {
        let secret = Secret::new(&[7; 32]);
        let digest = |image, key, kept: &[u8]| {
            kept_digest(&secret, &[image; 16], &Key::from_bytes([key; 32]), kept)
        };
        assert_eq!(digest(1, 2, b"kept"), digest(1, 2, b"kept"));
        assert_ne!(digest(1, 2, b"kept"), digest(2, 2, b"kept"));
        assert_ne!(digest(1, 2, b"kept"), digest(1, 3, b"kept"));
        assert_ne!(digest(1, 2, b"kept"), digest(1, 2, b"kepT"));
    }
}

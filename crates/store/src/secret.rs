//! The per-user secret, and the keyed digests made with it.
//!
//! Cache contents are code. Digests keyed with a secret that only the user's processes can read
//! make a planted or damaged file a miss. (Someone with the user's own authority can do worse than
//! plant files; that is out of scope.)

use core::fmt;
use core::hash::Hasher as _;
use std::io;
use std::sync::OnceLock;

use constant_time_eq::constant_time_eq_32;
use highway::{HighwayHash, HighwayHasher};
use siphasher::sip::SipHasher24;

/// The length of the secret, and of the keys derived from it.
pub(crate) const SECRET_LEN: usize = 32;

/// A digest of an entry: long enough that no accident and no guess makes one.
pub(crate) type ShortDigest = [u8; 16];

/// What a keyed digest is for. Each use has a key of its own, so that bytes which are right in one
/// place prove nothing in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Header,
    Entry,
    Kept,
    Program,
    Frames,
    Calls,
    FileDigest,
    Intact,
    Names,
}

impl Use {
    const ALL: [Self; 9] = [
        Self::Header,
        Self::Entry,
        Self::Kept,
        Self::Program,
        Self::Frames,
        Self::Calls,
        Self::FileDigest,
        Self::Intact,
        Self::Names,
    ];

    fn context(self) -> &'static str {
        match self {
            Self::Header => "rekindle 2026 image header v1",
            Self::Entry => "rekindle 2026 image entry v3",
            Self::Kept => "rekindle 2026 image kept parts v3",
            Self::Program => "rekindle 2026 image program v3",
            Self::Frames => "rekindle 2026 image call frames v4",
            Self::Calls => "rekindle 2026 image direct calls v6",
            Self::FileDigest => "rekindle 2026 file digest memo v2",
            Self::Intact => "rekindle 2026 intact image memo v2",
            Self::Names => "rekindle 2026 tags of names v2",
        }
    }
}

/// Keys derived from the per-user secret. Never printed.
#[derive(Clone)]
pub struct Secret {
    keys: [[u8; SECRET_LEN]; Use::ALL.len()],
}

impl Secret {
    /// The keys of a secret.
    pub fn new(secret: &[u8; SECRET_LEN]) -> Self {
        Self {
            keys: Use::ALL.map(|usage| blake3::derive_key(usage.context(), secret)),
        }
    }

    /// The keys of a secret that this process has alone.
    pub fn of_process() -> &'static Self {
        static SECRET: OnceLock<Secret> = OnceLock::new();
        // Nothing is kept under it: where there is no randomness, any will do.
        SECRET.get_or_init(|| Self::new(&random().unwrap_or_default()))
    }

    /// Whether the other was made of the same secret.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let keys = self.keys.iter().zip(&other.keys);
        keys.fold(true, |same, (left, right)| {
            same & constant_time_eq_32(left, right)
        })
    }

    /// A hasher whose result only holders of the secret can make.
    pub(crate) fn hasher(&self, usage: Use) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.keys[usage as usize])
    }

    /// A number that tells names of all kinds apart. Who doesn't know the secret can't choose names that
    /// have the same. It is SipHash-2-4: names are short, and one is asked about at each look-up.
    pub fn name_tag(&self, kind: u8, name: &[u8]) -> u64 {
        let (key, _) = self.keys[Use::Names as usize]
            .split_first_chunk()
            .expect("a key has 32 bytes");
        let mut hasher = SipHasher24::new_with_key(key);
        hasher.write(&[kind]);
        hasher.write(name);
        hasher.finish()
    }

    /// A digest in the making of what an image with this random number holds.
    pub(crate) fn mac(&self, usage: Use, image_id: &[u8; 16]) -> Mac {
        let (words, _) = self.keys[usage as usize].as_chunks();
        let words = core::array::from_fn(|index| u64::from_le_bytes(words[index]));
        let mut mac = Mac(HighwayHasher::new(highway::Key(words)));
        mac.update(image_id);
        mac
    }
}

/// The digest of what is checked each time that code is used.
///
/// HighwayHash (Alakuijala, Cox and Wassenberg, 2016), a keyed pseudo-random function, in Rust and with the
/// vector instructions that the machine has. Over an entry of 1 KiB it takes 0.17 µs where keyed BLAKE3,
/// which is fast over many KiB at once, takes 1.25; over 2.5 MB it takes 0.21 ms where BLAKE3 takes 0.67.
/// AEGIS-128X2 takes 0.1 µs and 0.07 ms, but is fast only if a C compiler builds it. For whoever knows the
/// secret its tags are no digests that would keep two contents apart; nothing here needs that.
pub(crate) struct Mac(HighwayHasher);

impl Mac {
    /// Adds bytes. Where one part ends and the next starts leaves no trace.
    pub(crate) fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.append(bytes);
        self
    }

    pub(crate) fn finish(self) -> ShortDigest {
        let mut digest = ShortDigest::default();
        let (words, _) = digest.as_chunks_mut();
        for (place, word) in words.iter_mut().zip(self.0.finalize128()) {
            *place = word.to_le_bytes();
        }
        digest
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Bytes from the system's random number generator.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Secret, Use, random};

    #[test]
    fn every_use_and_every_secret_has_its_own_digests() {
        let digest = |secret: u8, usage, image: u8| {
            let mut mac = Secret::new(&[secret; 32]).mac(usage, &[image; 16]);
            mac.update(b"code");
            mac.finish()
        };
        assert_eq!(digest(1, Use::Entry, 0), digest(1, Use::Entry, 0));
        assert_ne!(digest(1, Use::Entry, 0), digest(2, Use::Entry, 0));
        assert_ne!(digest(1, Use::Entry, 0), digest(1, Use::Kept, 0));
        assert_ne!(digest(1, Use::Entry, 0), digest(1, Use::Entry, 1));
        let hash = |usage| Secret::new(&[1; 32]).hasher(usage).finalize();
        assert_ne!(hash(Use::Header), hash(Use::FileDigest));
        let tag = |secret: u8, name: &[u8]| Secret::new(&[secret; 32]).name_tag(0, name);
        assert_eq!(tag(1, b"name"), tag(1, b"name"));
        assert_ne!(tag(1, b"name"), tag(1, b"names"));
        assert_ne!(tag(1, b"name"), tag(2, b"name"), "nobody can foresee it");
        let secret = Secret::new(&[1; 32]);
        assert_ne!(secret.name_tag(0, b"name"), secret.name_tag(1, b"name"));
        assert_eq!(format!("{:?}", Secret::new(&[1; 32])), "Secret(…)");
        for (index, usage) in Use::ALL.into_iter().enumerate() {
            assert_eq!(usage as usize, index);
        }
    }

    #[test]
    fn random_bytes_differ() {
        assert_ne!(
            random::<32>().expect("random bytes"),
            random::<32>().expect("random bytes")
        );
    }
}

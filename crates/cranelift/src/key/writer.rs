//! The buffer that CLIF is written into before it is hashed.
//!
//! Half words, not bytes: one bounds check and one store a field, and most fields are numbers that fit.
//! A full block goes to BLAKE3 at once, which over kilobytes runs several times faster than over the
//! trickle of two- and four-byte writes that a `derive(Hash)` feeds it.

use std::hash::{Hash, Hasher};

use cranelift_codegen::ir::Type;
use rekindle::KeyPart;
use zerocopy::IntoBytes;

/// Half words that are gathered before they are hashed: 16 KiB.
const BLOCK_LEN: usize = 8192;

/// What stands before a number that doesn't fit in a half word.
const LARGE: u16 = u16::MAX;

/// Half words, one after another. Every variable-length field has its length in front, so that two
/// different sequences of fields never give the same.
///
/// They are hashed as this machine lays them out. Keys never leave the machine's byte order:
/// the target stands in the environment.
pub(crate) struct Writer {
    hasher: blake3::Hasher,
    /// Made when something is written: who opens a program needs none.
    block: Box<[u16]>,
    len: usize,
    /// The parts of what is being written, in order.
    parts: Vec<Part>,
    /// How much of the block the last digest covered.
    finished_len: usize,
}

/// A part of a key, for people who wonder what differs.
struct Part {
    name: &'static str,
    /// Where in the block it starts.
    start: usize,
    /// Of what of it is no longer in the block.
    hash: u64,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self {
            hasher: blake3::Hasher::new(),
            block: Box::default(),
            len: 0,
            parts: Vec::new(),
            finished_len: 0,
        }
    }

    /// Starts a key whose parts can be told apart.
    pub(crate) fn begin(&mut self) {
        self.parts.clear();
    }

    /// What follows is a part of this name.
    #[inline]
    pub(crate) fn part(&mut self, name: &'static str) {
        self.parts.push(Part {
            name,
            start: self.len,
            hash: 0,
        });
    }

    /// The parts of the key that was finished last. Nothing but a miss needs them, so nothing but a
    /// miss pays for them.
    pub(crate) fn key_parts(&mut self) -> Vec<KeyPart> {
        self.fold_parts(self.finished_len);
        let part = |part: &Part| KeyPart {
            name: part.name.into(),
            hash: part.hash,
            ..KeyPart::default()
        };
        self.parts.iter().map(part).collect()
    }

    /// Takes what the block has of all parts into their hashes; the block may then be used anew.
    fn fold_parts(&mut self, len: usize) {
        let ends = self.parts.iter().skip(1).map(|part| part.start);
        let ends: Vec<usize> = ends.chain([len]).collect();
        for (part, end) in self.parts.iter_mut().zip(ends) {
            part.hash = hash_of(&self.block[part.start.min(end)..end], part.hash);
            part.start = 0;
        }
    }

    /// The digest of everything written; the writer is as new afterwards.
    pub(crate) fn finish(&mut self) -> [u8; 32] {
        let digest = if self.hasher.count() == 0 {
            blake3::hash(self.block[..self.len].as_bytes())
        } else {
            self.flush();
            let digest = self.hasher.finalize();
            self.hasher.reset();
            digest
        };
        self.finished_len = self.len;
        self.len = 0;
        digest.into()
    }

    /// A small hash of everything written; the writer is as new afterwards.
    pub(crate) fn finish_small(&mut self) -> u64 {
        if self.hasher.count() > 0 {
            let [a, b, c, d, e, f, g, h, ..] = self.finish();
            return u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        }
        let hash = hash_of(&self.block[..self.len], 0);
        self.len = 0;
        hash
    }

    fn flush(&mut self) {
        if self.block.is_empty() {
            self.block = vec![0; BLOCK_LEN].into_boxed_slice();
            return;
        }
        self.hasher.update(self.block[..self.len].as_bytes());
        self.fold_parts(self.len);
        self.len = 0;
    }

    /// Two bytes.
    #[inline]
    pub(crate) fn half(&mut self, half: u16) {
        self.halves([half]);
    }

    /// Some times two bytes, with one check for all of them.
    #[inline]
    pub(crate) fn halves<const N: usize>(&mut self, halves: [u16; N]) {
        let places = self.block.get_mut(self.len..);
        match places.and_then(<[u16]>::first_chunk_mut) {
            Some(places) => {
                *places = halves;
                self.len += N;
            }
            None => self.put_in_next_block(halves),
        }
    }

    #[cold]
    fn put_in_next_block<const N: usize>(&mut self, halves: [u16; N]) {
        self.flush();
        self.block[..N].copy_from_slice(&halves);
        self.len = N;
    }

    /// Four bytes, the low half first.
    #[inline]
    pub(crate) fn u32(&mut self, word: u32) {
        self.halves([word as u16, (word >> 16) as u16]);
    }

    /// Some times four bytes.
    #[inline]
    pub(crate) fn put<const N: usize>(&mut self, words: [u32; N]) {
        for word in words {
            self.u32(word);
        }
    }

    /// Eight bytes, the low half first.
    #[inline]
    pub(crate) fn u64(&mut self, value: u64) {
        self.u32(value as u32);
        self.u32((value >> 32) as u32);
    }

    /// A number that is nearly always small: two bytes then, and six else.
    #[inline]
    pub(crate) fn number(&mut self, number: u32) {
        match u16::try_from(number) {
            Ok(half) if half != LARGE => self.half(half),
            _ => self.large_number(number),
        }
    }

    /// Some numbers, each as [`Self::number`] does.
    #[inline]
    pub(crate) fn numbers<const N: usize>(&mut self, numbers: [u32; N]) {
        let bits = numbers.iter().fold(0, |bits, number| bits | number);
        if bits < u32::from(LARGE) {
            self.halves(numbers.map(|number| number as u16));
        } else {
            for number in numbers {
                self.number(number);
            }
        }
    }

    #[cold]
    fn large_number(&mut self, number: u32) {
        self.half(LARGE);
        self.u32(number);
    }

    /// A type: what its lanes are, how wide, how many, and whether their number is scaled.
    #[inline]
    pub(crate) fn ty(&mut self, ty: Type) {
        self.half(type_number(ty));
    }

    /// A count of things that follow.
    ///
    /// # Panics
    ///
    /// If `count` exceeds 32 bits, which no entity list of Cranelift can.
    #[inline]
    pub(crate) fn count(&mut self, count: usize) {
        self.number(u32::try_from(count).expect("entity lists are indexed by 32 bits"));
    }

    /// A length and that many bytes, the last word filled up with zeroes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.padded(bytes);
    }

    fn padded(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            self.u32(u32::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 4];
            last[..rest.len()].copy_from_slice(rest);
            self.u32(u32::from_le_bytes(last));
        }
    }

    /// Bytes whose number is always the same.
    pub(crate) fn fixed(&mut self, bytes: &[u8; 32]) {
        self.words(bytes);
    }

    /// Whole words, whose number is always the same.
    pub(crate) fn words(&mut self, bytes: &[u8]) {
        for word in bytes.as_chunks::<4>().0 {
            self.u32(u32::from_le_bytes(*word));
        }
    }

    /// A string, whose length takes one word and is never all ones.
    ///
    /// # Panics
    ///
    /// If the string has 4 GiB.
    pub(crate) fn short_str(&mut self, text: &str) {
        let len = u32::try_from(text.len()).ok().filter(|len| *len < u32::MAX);
        self.u32(len.expect("names are shorter than 4 GiB"));
        self.padded(text.as_bytes());
    }

    /// A string as its bytes.
    pub(crate) fn str(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// The text that `value` displays as. For the rare parts of a function only: it is slow.
    pub(crate) fn display(&mut self, value: &dyn std::fmt::Display) {
        self.str(&value.to_string());
    }
}

/// A number in which each bit depends on all of another's.
pub(super) fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (number ^ number >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// Goes on with a hash of half words: a polynomial, so that many are multiplied at once and it makes
/// no difference where one call ends and the next goes on. It tells apart what nobody chose.
fn hash_of(halves: &[u16], mut hash: u64) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    const POWERS: [u64; 9] = {
        let mut powers = [1; 9];
        let mut power = 1;
        while power < powers.len() {
            powers[power] = FACTOR.wrapping_mul(powers[power - 1]);
            power += 1;
        }
        powers
    };
    let (chunks, rest) = halves.as_chunks::<8>();
    for chunk in chunks {
        let terms = chunk.iter().zip(POWERS[..8].iter().rev());
        let sum = terms.fold(0, |sum: u64, (half, power)| {
            sum.wrapping_add(u64::from(*half).wrapping_mul(*power))
        });
        hash = hash.wrapping_mul(POWERS[8]).wrapping_add(sum);
    }
    for half in rest {
        hash = hash.wrapping_mul(FACTOR).wrapping_add(u64::from(*half));
    }
    hash
}

/// A type as a number; no two types have the same.
///
/// Cranelift keeps the number that a type is to itself, and asking a type for its lanes instead
/// would be the slowest part of the walk. Hashing a type feeds the hasher that number and nothing
/// else.
#[inline]
pub(super) fn type_number(ty: Type) -> u16 {
    sole_number(&ty)
}

/// The number that a value is, which it keeps to itself, and which is all that it feeds a hasher.
#[inline]
pub(super) fn sole_number(value: &impl Hash) -> u16 {
    struct Capture(u16);
    impl Hasher for Capture {
        fn finish(&self) -> u64 {
            u64::from(self.0)
        }
        fn write(&mut self, bytes: &[u8]) {
            for &byte in bytes {
                self.0 = self.0 << 8 | u16::from(byte);
            }
        }
        #[inline]
        fn write_u16(&mut self, number: u16) {
            self.0 = number;
        }
    }
    let mut capture = Capture(0);
    value.hash(&mut capture);
    capture.0
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_LEN, Writer, hash_of, type_number};
    use crate::types::all_types;
    use std::collections::HashSet;

    #[test]
    fn a_part_differs_where_its_words_do() {
        let parts = |change: usize, len: usize| {
            let mut writer = Writer::new();
            writer.begin();
            for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
                writer.part(name);
                for word in 0..len {
                    writer.u32(u32::from(number == change && word == len / 2));
                }
            }
            writer.finish();
            writer.key_parts()
        };
        for len in [3, BLOCK_LEN / 2, BLOCK_LEN * 2] {
            let base = parts(3, len);
            for change in 0..3 {
                let differs = |(part, other): (_, _)| part != other;
                let changed = parts(change, len);
                let differing = base.iter().zip(&changed).map(differs);
                let expected: Vec<bool> = (0..3).map(|part| part == change).collect();
                assert_eq!(differing.collect::<Vec<_>>(), expected, "{len}");
            }
        }
    }

    #[test]
    fn a_hash_is_the_same_wherever_it_is_interrupted() {
        let words: Vec<u16> = (0..100).map(|half| half * half).collect();
        let whole = hash_of(&words, 7);
        for middle in 0..words.len() {
            let (front, back) = words.split_at(middle);
            assert_eq!(hash_of(back, hash_of(front, 7)), whole);
        }
        for place in 0..words.len() {
            let mut other = words.clone();
            other[place] ^= 1 << 15;
            assert_ne!(hash_of(&other, 7), whole);
        }
    }

    #[test]
    fn types_have_numbers_of_their_own() {
        let all = all_types();
        let numbers: HashSet<u16> = all.iter().map(|&ty| type_number(ty)).collect();
        assert_eq!(numbers.len(), all.len());
    }
}

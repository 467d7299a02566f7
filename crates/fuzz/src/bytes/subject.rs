//! What is fuzzed: a decoder, inputs that it takes, and what must hold of any input.

use std::ops::Range;

/// A decoder of bytes from disk.
pub(crate) trait Subject {
    /// Inputs that are right: what mutation starts from.
    fn seeds(&self) -> Vec<Vec<u8>>;

    /// Where the numbers of an input are: they are changed more often than the rest.
    fn numbers(&self, _: &[u8]) -> Vec<Range<usize>> {
        Vec::new()
    }

    /// Makes right again what is checked first, so that what lies behind it is reached.
    fn repair(&self, _: &mut Vec<u8>) {}

    /// Decodes an input. Returns a number that tells one way of going from another: an input that goes
    /// a new way is mutated further.
    ///
    /// # Panics
    /// If what must hold of any input doesn't.
    fn check(&mut self, input: &[u8]) -> u64;
}

/// A subject, by its name.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name, for the command line.
    pub name: &'static str,
    /// Whether inputs are mapped, so that one could end the process.
    pub is_mapped: bool,
    /// Makes the subject.
    pub(crate) subject: fn() -> Box<dyn Subject>,
}

impl core::fmt::Debug for Target {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

/// One number of several, each of which matters.
pub(crate) fn mixed(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, |mixed: u64, number| {
        (mixed ^ number)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    })
}

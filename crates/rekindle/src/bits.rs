//! Sets of small numbers.

/// A set of small numbers, empty at first.
#[derive(Debug, Default)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn contains(&self, number: u32) -> bool {
        let word = self.0.get(number as usize / 64);
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// The numbers, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.0.len() as u32 * 64).filter(|number| self.contains(*number))
    }

    /// How many numbers there are.
    pub(crate) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    pub(crate) fn remove(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(number as usize / 64) {
            *word &= !(1 << (number % 64));
        }
    }

    /// Adds a number. Returns whether it is new.
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        let (index, bit) = (number as usize / 64, 1 << (number % 64));
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        let is_new = self.0[index] & bit == 0;
        self.0[index] |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn bits_hold_what_was_inserted() {
        let mut bits = Bits::default();
        for number in [0, 63, 64, 1000] {
            assert!(!bits.contains(number));
            assert!(bits.insert(number));
            assert!(!bits.insert(number));
        }
        for number in 0..1100 {
            assert_eq!(bits.contains(number), [0, 63, 64, 1000].contains(&number));
        }
        for number in [63, 5, 9999] {
            bits.remove(number);
            assert!(!bits.contains(number));
        }
        assert!(bits.contains(64));
        assert_eq!(bits.count(), 3);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 64, 1000]);
    }
}

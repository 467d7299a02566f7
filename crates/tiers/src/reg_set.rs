//! Sets of registers of one file, as bits.

/// A set of register numbers, 0 to 31.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RegSet(pub u32);

impl RegSet {
    /// No register.
    pub(crate) const EMPTY: Self = Self(0);
    /// Every register.
    pub(crate) const ALL: Self = Self(u32::MAX);

    /// The set of these registers.
    pub(crate) const fn of(numbers: &[usize]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < numbers.len() {
            bits |= 1 << numbers[index];
            index += 1;
        }
        Self(bits)
    }

    /// Adds a register.
    pub(crate) fn insert(&mut self, number: usize) {
        self.0 |= 1 << number;
    }

    /// Takes a register out.
    pub(crate) fn remove(&mut self, number: usize) {
        self.0 &= !(1 << number);
    }

    /// Adds the register where `present`, else takes it out.
    pub(crate) fn set(&mut self, number: usize, present: bool) {
        if present {
            self.insert(number);
        } else {
            self.remove(number);
        }
    }

    /// Whether the register is there.
    pub(crate) const fn contains(self, number: usize) -> bool {
        self.0 & (1 << number) != 0
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of either.
    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of both.
    pub(crate) const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of this set that the other hasn't.
    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The numbers, ascending.
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            if bits == 0 {
                return None;
            }
            let number = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            Some(number)
        })
    }
}

impl std::fmt::Debug for RegSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

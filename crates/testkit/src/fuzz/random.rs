//! Random numbers that are the same for the same seed, and values with the awkward ones more often
//! than chance has them.

/// A small generator; its sequence is fixed by its seed.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// One of `all`.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// An integer: often small, at an edge, or a word.
    pub fn integer(&mut self) -> u64 {
        let edges = [
            0,
            1,
            u64::MAX,
            1 << 63,
            (1 << 63) - 1,
            1 << 31,
            (1 << 31) - 1,
            0xffff_ffff,
        ];
        match self.below(4) {
            0 => self.pick(&edges),
            1 => self.number() % 64,
            2 => self.number() as i32 as u64,
            _ => self.number(),
        }
    }

    /// The contents of a floating-point register.
    pub fn float(&mut self) -> u64 {
        let singles = [
            0,
            0x8000_0000,
            0x3f80_0000,
            0xbf80_0000,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_0000,
            0xffc0_1234,
            0x7f80_0001,
            0x0000_0001,
            0x8040_0000,
            0x7f7f_ffff,
            0x4f00_0000,
            0xcf00_0000,
            0x4f80_0000,
            0xbf00_0000,
            0x4efc_0001,
            0x5f00_0000,
        ];
        let doubles = [
            0,
            1 << 63,
            0x3ff0_0000_0000_0000,
            0xbff0_0000_0000_0000,
            0x7ff0_0000_0000_0000,
            0xfff0_0000_0000_0000,
            0x7ff8_0000_0000_0000,
            0xfff8_0000_0000_0001,
            0x7ff0_0000_0000_0001,
            1,
            0x800f_ffff_ffff_ffff,
            0x7fef_ffff_ffff_ffff,
            0x41e0_0000_0000_0000,
            0xc1e0_0000_0020_0000,
            0x41ef_ffff_fff0_0000,
            0x43e0_0000_0000_0000,
            0xbfe0_0000_0000_0000,
            0x41df_ffff_ffe0_0000,
        ];
        let near_one = |random: &mut Self, shift: u32, one: u64| {
            one.wrapping_add((random.number() as i64 >> shift) as u64)
        };
        const BOX: u64 = 0xffff_ffff_0000_0000;
        match self.below(8) {
            0 | 1 => BOX | self.pick(&singles),
            2 => BOX | near_one(self, 35, 0x3f80_0000) & 0xffff_ffff,
            3 => BOX | self.number() & 0xffff_ffff,
            4 => self.pick(&doubles),
            5 => near_one(self, 6, 0x3ff0_0000_0000_0000),
            _ => self.number(),
        }
    }
}

//! Numbers taken apart, and the one place where results are rounded.

use rv_isa::{FpFormat, RoundingMode};

use super::{Flags, Rounded};

/// A rounding mode that is decided: `dyn` has been looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// To nearest, ties to even.
    NearestEven,
    /// Towards zero.
    TowardsZero,
    /// Towards −∞.
    Down,
    /// Towards +∞.
    Up,
    /// To nearest, ties away from zero.
    NearestAway,
}

impl Rounding {
    /// The mode of an instruction, given `frm`; `None` where `frm` holds a reserved value.
    #[inline]
    pub(crate) const fn resolve(mode: RoundingMode, frm: u32) -> Option<Self> {
        match (mode, frm) {
            (RoundingMode::Rne, _) | (RoundingMode::Dyn, 0) => Some(Self::NearestEven),
            (RoundingMode::Rtz, _) | (RoundingMode::Dyn, 1) => Some(Self::TowardsZero),
            (RoundingMode::Rdn, _) | (RoundingMode::Dyn, 2) => Some(Self::Down),
            (RoundingMode::Rup, _) | (RoundingMode::Dyn, 3) => Some(Self::Up),
            (RoundingMode::Rmm, _) | (RoundingMode::Dyn, 4) => Some(Self::NearestAway),
            (RoundingMode::Dyn, _) => None,
        }
    }

    /// Whether a magnitude whose kept part is odd or even, and whose dropped part compares to a
    /// half of the last kept bit as `dropped` says, is rounded up.
    const fn rounds_up(self, negative: bool, odd: bool, dropped: Dropped) -> bool {
        match self {
            Self::NearestEven => match dropped {
                Dropped::Half => odd,
                Dropped::AboveHalf => true,
                Dropped::Nothing | Dropped::BelowHalf => false,
            },
            Self::NearestAway => matches!(dropped, Dropped::Half | Dropped::AboveHalf),
            Self::TowardsZero => false,
            Self::Down => negative && !matches!(dropped, Dropped::Nothing),
            Self::Up => !negative && !matches!(dropped, Dropped::Nothing),
        }
    }
}

/// How what rounding drops compares to half a unit in the last place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    Nothing,
    BelowHalf,
    Half,
    AboveHalf,
}

/// The parameters of a format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Significand bits, the implicit one included.
    pub(super) precision: u32,
    /// The exponent of the largest numbers; that of the least normal number is `1 - max_exponent`.
    pub(super) max_exponent: i32,
    /// The position of the sign bit.
    pub(super) sign_bit: u32,
}

impl Layout {
    /// Of a format.
    pub(super) const fn of(format: FpFormat) -> Self {
        match format {
            FpFormat::Single => Self {
                precision: 24,
                max_exponent: 127,
                sign_bit: 31,
            },
            FpFormat::Double => Self {
                precision: 53,
                max_exponent: 1023,
                sign_bit: 63,
            },
        }
    }

    /// The stored exponent of infinities and NaNs.
    const fn top_exponent(self) -> u64 {
        (2 * self.max_exponent + 1) as u64
    }

    /// The bits of a signed infinity.
    pub(super) const fn infinity(self, negative: bool) -> u64 {
        self.zero(negative) | self.top_exponent() << (self.precision - 1)
    }

    /// The bits of a signed zero.
    pub(super) const fn zero(self, negative: bool) -> u64 {
        (negative as u64) << self.sign_bit
    }

    /// The bits of the canonical NaN: quiet, positive, nothing else set.
    pub(super) const fn nan(self) -> u64 {
        self.infinity(false) | 1 << (self.precision - 2)
    }
}

/// The bits of a format's canonical NaN.
pub(crate) const fn canonical_nan(format: FpFormat) -> u64 {
    Layout::of(format).nan()
}

/// A finite number other than zero: `significand × 2^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finite {
    /// The sign.
    pub(super) negative: bool,
    /// The exponent of the significand's lowest bit.
    pub(super) exponent: i32,
    /// The significand, an integer with as many bits as the format's precision.
    pub(super) significand: u64,
}

/// A value by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Zero { negative: bool },
    Finite(Finite),
    Infinity { negative: bool },
    Nan { signalling: bool },
}

impl Number {
    /// Takes the bits of a format apart.
    pub(super) const fn unpack(format: FpFormat, bits: u64) -> Self {
        let layout = Layout::of(format);
        let negative = bits >> layout.sign_bit & 1 != 0;
        let fraction_bits = layout.precision - 1;
        let fraction = bits & ((1 << fraction_bits) - 1);
        let stored = bits >> fraction_bits & layout.top_exponent();
        let bottom = 2 - layout.max_exponent - layout.precision as i32;
        if stored == layout.top_exponent() {
            if fraction == 0 {
                Self::Infinity { negative }
            } else {
                Self::Nan {
                    signalling: fraction >> (fraction_bits - 1) == 0,
                }
            }
        } else if stored != 0 {
            let significand = fraction | 1 << fraction_bits;
            Self::Finite(Finite {
                negative,
                exponent: bottom + stored as i32 - 1,
                significand,
            })
        } else if fraction == 0 {
            Self::Zero { negative }
        } else {
            let shift = fraction.leading_zeros() - (64 - layout.precision);
            let exponent = bottom - shift as i32;
            Self::Finite(Finite {
                negative,
                exponent,
                significand: fraction << shift,
            })
        }
    }

    /// Whether this is a NaN.
    pub(super) const fn is_nan(self) -> bool {
        matches!(self, Self::Nan { .. })
    }

    /// The exception that a signalling NaN raises wherever it is an operand.
    pub(super) const fn signals(self) -> Flags {
        Flags::INVALID.when(matches!(self, Self::Nan { signalling: true }))
    }

    /// The sign; NaNs have none that matters.
    pub(super) const fn is_negative(self) -> bool {
        match self {
            Self::Zero { negative } | Self::Infinity { negative } => negative,
            Self::Finite(finite) => finite.negative,
            Self::Nan { .. } => false,
        }
    }
}

/// A magnitude before rounding: `significand × 2^exponent`, plus something less than the
/// significand's last bit where that bit is `sticky`. The significand isn't 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact {
    pub(super) negative: bool,
    pub(super) exponent: i32,
    pub(super) significand: u128,
    pub(super) sticky: bool,
}

/// Rounds to `format`, once.
///
/// Where `sticky` is set the significand must have at least two bits more than the format.
pub(super) fn round(format: FpFormat, rounding: Rounding, exact: Exact) -> Rounded {
    let layout = Layout::of(format);
    let precision = layout.precision as i32;
    let min_exponent = 1 - layout.max_exponent;
    let negative = exact.negative;
    // The leading bit moves to bit 127; `exponent` becomes its weight.
    let shift = exact.significand.leading_zeros();
    let significand = exact.significand << shift;
    let exponent = exact.exponent - shift as i32 + 127;

    let (kept, inexact) = keep_bits(significand, exact.sticky, precision, rounding, negative);
    let carried = kept >> precision != 0;
    if exponent + i32::from(carried) >= min_exponent {
        let (kept, exponent) = if carried {
            (kept >> 1, exponent + 1)
        } else {
            (kept, exponent)
        };
        if exponent > layout.max_exponent {
            return overflow(layout, rounding, negative);
        }
        if exponent_before_is_normal(exponent, carried, min_exponent) {
            let stored = (exponent + layout.max_exponent) as u64;
            let fraction = kept & ((1 << (precision - 1)) - 1);
            let bits = layout.zero(negative) | stored << (precision - 1) | fraction;
            return (bits, Flags::INEXACT.when(inexact));
        }
    }
    // The magnitude before rounding lies below the least normal number. It is tiny unless rounding
    // with an unbounded exponent, as above, reaches that number.
    let tiny = exponent + i32::from(carried) < min_exponent;
    let bits_kept = precision - (min_exponent - exponent);
    let (kept, inexact) = keep_bits(significand, exact.sticky, bits_kept, rounding, negative);
    let flags = Flags::INEXACT
        .when(inexact)
        .union(Flags::UNDERFLOW.when(inexact && tiny));
    // A carry out of the fraction makes the stored exponent 1, as it should.
    (layout.zero(negative) | kept, flags)
}

/// Whether a result of `exponent` was normal before a carry made it so.
const fn exponent_before_is_normal(exponent: i32, carried: bool, min_exponent: i32) -> bool {
    exponent - carried as i32 >= min_exponent
}

/// The top `count` bits of `significand`, whose bit 127 is set, rounded; and whether that lost
/// anything. `count` may be zero or negative, then only a bit rounded up can remain.
fn keep_bits(
    significand: u128,
    sticky: bool,
    count: i32,
    rounding: Rounding,
    negative: bool,
) -> (u64, bool) {
    let (kept, dropped) = if count < 0 {
        (0, Dropped::BelowHalf)
    } else {
        let dropped_bits = 128 - count.unsigned_abs();
        let (kept, rest) = match dropped_bits {
            128 => (0, significand),
            bits => (significand >> bits, significand << (128 - bits)),
        };
        // `rest` is what is dropped, as a fraction of the last kept bit times 2^128.
        let half = 1_u128 << 127;
        let dropped = match (rest.cmp(&half), sticky) {
            (std::cmp::Ordering::Less, false) if rest == 0 => Dropped::Nothing,
            (std::cmp::Ordering::Less, _) => Dropped::BelowHalf,
            (std::cmp::Ordering::Equal, false) => Dropped::Half,
            _ => Dropped::AboveHalf,
        };
        (kept as u64, dropped)
    };
    let up = rounding.rounds_up(negative, kept & 1 != 0, dropped);
    (kept + u64::from(up), dropped != Dropped::Nothing)
}

/// The result of a magnitude beyond the largest finite number.
const fn overflow(layout: Layout, rounding: Rounding, negative: bool) -> Rounded {
    let to_infinity = match rounding {
        Rounding::NearestEven | Rounding::NearestAway => true,
        Rounding::TowardsZero => false,
        Rounding::Down => negative,
        Rounding::Up => !negative,
    };
    let infinity = layout.infinity(negative);
    // The largest finite number comes right before infinity.
    let bits = if to_infinity { infinity } else { infinity - 1 };
    (bits, Flags::OVERFLOW.union(Flags::INEXACT))
}

/// Shifts right; bits that fall out leave a trace in the lowest bit.
pub(super) const fn shift_right_sticky(value: u128, shift: u32) -> u128 {
    if shift == 0 {
        value
    } else if shift < 128 {
        value >> shift | (value << (128 - shift) != 0) as u128
    } else {
        (value != 0) as u128
    }
}

//! Rounding: the one place where precision is lost and flags about it are raised.

use std::ops::{BitOr, BitOrAssign};

use super::format::Layout;

/// Exceptions, as bits of `fflags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// No exception.
    pub const NONE: Self = Self(0);
    /// The result is rounded.
    pub const INEXACT: Self = Self(1);
    /// The result is rounded and tiny.
    pub const UNDERFLOW: Self = Self(2);
    /// The result is too large for the format.
    pub const OVERFLOW: Self = Self(4);
    /// A finite value was divided by zero.
    pub const DIVIDE_BY_ZERO: Self = Self(8);
    /// The operation has no meaning for these operands.
    pub const INVALID: Self = Self(16);

    /// `self` if `condition` holds, else no exception.
    pub(super) const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// A rounding mode that is settled: `dyn` has been looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// To nearest, ties to even.
    Rne,
    /// Towards zero.
    Rtz,
    /// Down.
    Rdn,
    /// Up.
    Rup,
    /// To nearest, ties away from zero.
    Rmm,
}

impl Rounding {
    /// The mode that `frm` encodes as `field`; `None` for the reserved values.
    pub(crate) const fn from_field(field: u32) -> Option<Self> {
        match field {
            0 => Some(Self::Rne),
            1 => Some(Self::Rtz),
            2 => Some(Self::Rdn),
            3 => Some(Self::Rup),
            4 => Some(Self::Rmm),
            _ => None,
        }
    }

    /// Whether a magnitude goes up to the next, given what was cut off below `kept`.
    pub(super) const fn goes_up(self, sign: bool, kept: u64, rest: Rest) -> bool {
        match self {
            Self::Rne => {
                matches!(rest, Rest::AboveHalf) || matches!(rest, Rest::Half) && kept & 1 == 1
            }
            Self::Rmm => matches!(rest, Rest::AboveHalf | Rest::Half),
            Self::Rtz => false,
            Self::Rdn => sign && !matches!(rest, Rest::Zero),
            Self::Rup => !sign && !matches!(rest, Rest::Zero),
        }
    }

    /// Whether an overflow gives infinity; otherwise it gives the largest finite value.
    const fn overflows_to_infinity(self, sign: bool) -> bool {
        match self {
            Self::Rne | Self::Rmm => true,
            Self::Rtz => false,
            Self::Rdn => sign,
            Self::Rup => !sign,
        }
    }
}

/// What was cut off, in units of the last place kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Zero,
    BelowHalf,
    Half,
    AboveHalf,
}

/// Cuts off the low `shift` bits of a non-zero `significand`; `shift` is at least 1, and the rest
/// fits in 64 bits whenever `shift` is at least 64.
pub(super) fn cut(significand: u128, shift: u32) -> (u64, Rest) {
    if shift > 128 {
        return (0, Rest::BelowHalf);
    }
    let (kept, rest) = match shift {
        128 => (0, significand),
        _ => (significand >> shift, significand & ((1 << shift) - 1)),
    };
    let half = 1u128 << (shift - 1);
    let rest = if rest == 0 {
        Rest::Zero
    } else if rest < half {
        Rest::BelowHalf
    } else if rest == half {
        Rest::Half
    } else {
        Rest::AboveHalf
    };
    (kept as u64, rest)
}

/// Shifts right and keeps in the lowest bit whether a one was lost, which is all that rounding
/// needs to know.
pub(super) const fn shift_right_sticky(value: u128, shift: u32) -> u128 {
    if shift == 0 {
        value
    } else if shift >= 128 {
        (value != 0) as u128
    } else {
        value >> shift | (value << (128 - shift) != 0) as u128
    }
}

/// Rounds `±significand / 2^126 × 2^exponent` to the layout. The significand is not zero; its
/// lowest bit may stand for any lower ones.
pub(super) fn round(
    layout: Layout,
    sign: bool,
    exponent: i32,
    significand: u128,
    rounding: Rounding,
) -> (u64, Flags) {
    let lead = significand.leading_zeros();
    let significand = significand << lead;
    let exponent = exponent + 1 - lead as i32;
    let precision_shift = 128 - (layout.fraction_bits + 1);
    let least_exponent = 1 - layout.bias();
    if exponent < least_exponent {
        return round_subnormal(layout, sign, exponent, significand, rounding);
    }
    let (mut kept, rest) = cut(significand, precision_shift);
    kept += u64::from(rounding.goes_up(sign, kept, rest));
    // The leading one is added to the exponent field below it; a carry out of the fraction
    // raises the field by one more, as it should.
    let field = (exponent + layout.bias() - 1) as u64;
    let magnitude = (field << layout.fraction_bits) + kept;
    if magnitude >= layout.infinity(false) {
        let bits = match rounding.overflows_to_infinity(sign) {
            true => layout.infinity(sign),
            false => layout.largest_finite(sign),
        };
        return (bits, Flags::OVERFLOW | Flags::INEXACT);
    }
    (
        layout.with_sign(sign, magnitude),
        Flags::INEXACT.when(rest != Rest::Zero),
    )
}

/// As [`round`], for a normalised significand below the least normal exponent.
fn round_subnormal(
    layout: Layout,
    sign: bool,
    exponent: i32,
    significand: u128,
    rounding: Rounding,
) -> (u64, Flags) {
    let precision_shift = 128 - (layout.fraction_bits + 1);
    let below = (1 - layout.bias() - exponent) as u32;
    let (mut kept, rest) = cut(significand, precision_shift.saturating_add(below));
    kept += u64::from(rounding.goes_up(sign, kept, rest));
    // Tininess after rounding: would the value, rounded to full precision with an unbounded
    // exponent, still be below the least normal number?
    let tiny = below > 1 || {
        let (full, rest) = cut(significand, precision_shift);
        full + u64::from(rounding.goes_up(sign, full, rest)) < 2 << layout.fraction_bits
    };
    let inexact = rest != Rest::Zero;
    let flags = Flags::INEXACT.when(inexact) | Flags::UNDERFLOW.when(inexact && tiny);
    // A carry into the exponent field makes this the least normal number, as it should.
    (layout.with_sign(sign, kept), flags)
}

//! Conversions between formats, and to and from integers.

use rv_isa::{FpFormat, IntFormat};

use super::number::{Exact, Layout, Number, Rounding, round};
use super::{Flags, Rounded};

/// A number of format `from` in format `to`.
pub(crate) fn between_formats(
    from: FpFormat,
    to: FpFormat,
    rounding: Rounding,
    bits: u64,
) -> Rounded {
    let layout = Layout::of(to);
    let number = Number::unpack(from, bits);
    match number {
        Number::Nan { .. } => (layout.nan(), number.signals()),
        Number::Infinity { negative } => (layout.infinity(negative), Flags::NONE),
        Number::Zero { negative } => (layout.zero(negative), Flags::NONE),
        Number::Finite(finite) => round(
            to,
            rounding,
            Exact {
                negative: finite.negative,
                exponent: finite.exponent,
                significand: u128::from(finite.significand),
                sticky: false,
            },
        ),
    }
}

/// An integer register as a number.
pub(crate) fn from_int(
    int: IntFormat,
    format: FpFormat,
    rounding: Rounding,
    value: u64,
) -> Rounded {
    let value = match int {
        IntFormat::Word => i128::from(value as i32),
        IntFormat::WordUnsigned => i128::from(value as u32),
        IntFormat::Long => i128::from(value.cast_signed()),
        IntFormat::LongUnsigned => i128::from(value),
    };
    if value == 0 {
        return (0, Flags::NONE);
    }
    round(
        format,
        rounding,
        Exact {
            negative: value < 0,
            exponent: 0,
            significand: value.unsigned_abs(),
            sticky: false,
        },
    )
}

/// A number as an integer register: rounded, or saturated where that is out of range.
pub(crate) fn to_int(int: IntFormat, format: FpFormat, rounding: Rounding, bits: u64) -> Rounded {
    let (least, greatest) = match int {
        IntFormat::Word => (i128::from(i32::MIN), i128::from(i32::MAX)),
        IntFormat::WordUnsigned => (0, i128::from(u32::MAX)),
        IntFormat::Long => (i128::from(i64::MIN), i128::from(i64::MAX)),
        IntFormat::LongUnsigned => (0, i128::from(u64::MAX)),
    };
    let register = |value: i128| match int {
        // Words are sign-extended, unsigned ones too.
        IntFormat::Word | IntFormat::WordUnsigned => value as i32 as i64 as u64,
        IntFormat::Long | IntFormat::LongUnsigned => value as u64,
    };
    let saturated = |value: i128| (register(value), Flags::INVALID);
    match Number::unpack(format, bits) {
        Number::Nan { .. } | Number::Infinity { negative: false } => saturated(greatest),
        Number::Infinity { negative: true } => saturated(least),
        Number::Zero { .. } => (0, Flags::NONE),
        Number::Finite(finite) => {
            // Beyond 2^64 in magnitude whatever the rounding.
            if finite.exponent > 63 {
                return saturated(if finite.negative { least } else { greatest });
            }
            let (magnitude, inexact) = round_to_integer(
                finite.significand,
                finite.exponent,
                rounding,
                finite.negative,
            );
            let value = if finite.negative {
                -magnitude
            } else {
                magnitude
            };
            if value < least {
                saturated(least)
            } else if value > greatest {
                saturated(greatest)
            } else {
                (register(value), Flags::INEXACT.when(inexact))
            }
        }
    }
}

/// `significand × 2^exponent`, with an exponent of at most 63, as an integer; and whether it was
/// rounded.
fn round_to_integer(
    significand: u64,
    exponent: i32,
    rounding: Rounding,
    negative: bool,
) -> (i128, bool) {
    let significand = i128::from(significand);
    if exponent >= 0 {
        return (significand << exponent, false);
    }
    // A significand has at most 53 bits: from a shift of 64 on, less than a half remains.
    let shift = exponent.unsigned_abs().min(64);
    let whole = significand >> shift;
    let rest = significand - (whole << shift);
    let half = 1_i128 << (shift - 1);
    let up = match rounding {
        Rounding::NearestEven => rest > half || (rest == half && whole & 1 != 0),
        Rounding::NearestAway => rest >= half,
        Rounding::TowardsZero => false,
        Rounding::Down => negative && rest != 0,
        Rounding::Up => !negative && rest != 0,
    };
    (whole + i128::from(up), rest != 0)
}

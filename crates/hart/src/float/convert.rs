//! Conversions between the formats and to and from integers.

use rv_isa::{FpFormat, IntFormat};

use super::format::{Class, Layout};
use super::round::{Flags, Rest, Rounding, cut, round};

/// The value as an integer, in a register's form: a word, signed or not, is sign-extended. What is
/// out of range or not a number saturates and is invalid.
pub(crate) fn to_int(int: IntFormat, format: FpFormat, a: u64, rounding: Rounding) -> (u64, Flags) {
    let value = Layout::of(format).unpack(a);
    let (least, greatest) = range(int);
    let (integer, rest) = match value.class {
        Class::Zero => (0, Rest::Zero),
        Class::Nan { .. } => return (register(int, greatest), Flags::INVALID),
        Class::Finite {
            exponent,
            significand,
        } if exponent < 64 => {
            // 2^(127 − exponent) is the weight of one; below −1, everything is less than a half.
            let shift = (127 - exponent).cast_unsigned();
            let (kept, rest) = cut(u128::from(significand) << 64, shift);
            let magnitude = i128::from(kept) + i128::from(rounding.goes_up(value.sign, kept, rest));
            (if value.sign { -magnitude } else { magnitude }, rest)
        }
        Class::Finite { .. } | Class::Infinity if value.sign => (i128::MIN, Rest::Zero),
        Class::Finite { .. } | Class::Infinity => (i128::MAX, Rest::Zero),
    };
    if integer < least {
        (register(int, least), Flags::INVALID)
    } else if integer > greatest {
        (register(int, greatest), Flags::INVALID)
    } else {
        (
            register(int, integer),
            Flags::INEXACT.when(rest != Rest::Zero),
        )
    }
}

/// The least and greatest value of an integer format.
const fn range(int: IntFormat) -> (i128, i128) {
    match int {
        IntFormat::Word => (i32::MIN as i128, i32::MAX as i128),
        IntFormat::WordUnsigned => (0, u32::MAX as i128),
        IntFormat::Long => (i64::MIN as i128, i64::MAX as i128),
        IntFormat::LongUnsigned => (0, u64::MAX as i128),
    }
}

/// An integer in range as a register holds it.
const fn register(int: IntFormat, integer: i128) -> u64 {
    match int {
        IntFormat::Word | IntFormat::WordUnsigned => integer as i32 as i64 as u64,
        IntFormat::Long | IntFormat::LongUnsigned => integer as u64,
    }
}

/// A register's integer as a floating-point value.
pub(crate) fn from_int(
    format: FpFormat,
    int: IntFormat,
    x: u64,
    rounding: Rounding,
) -> (u64, Flags) {
    let layout = Layout::of(format);
    let integer = match int {
        IntFormat::Word => i128::from(x as i32),
        IntFormat::WordUnsigned => i128::from(x as u32),
        IntFormat::Long => i128::from(x.cast_signed()),
        IntFormat::LongUnsigned => i128::from(x),
    };
    match integer {
        0 => (layout.zero(false), Flags::NONE),
        _ => round(layout, integer < 0, 126, integer.unsigned_abs(), rounding),
    }
}

/// A value of the other format as one of `to`.
pub(crate) fn convert(to: FpFormat, a: u64, rounding: Rounding) -> (u64, Flags) {
    let (from, to) = match to {
        FpFormat::Single => (FpFormat::Double, Layout::of(FpFormat::Single)),
        FpFormat::Double => (FpFormat::Single, Layout::of(FpFormat::Double)),
    };
    let value = Layout::of(from).unpack(a);
    match value.class {
        Class::Zero => (to.zero(value.sign), Flags::NONE),
        Class::Infinity => (to.infinity(value.sign), Flags::NONE),
        Class::Nan { signalling } => (to.canonical_nan(), Flags::INVALID.when(signalling)),
        Class::Finite {
            exponent,
            significand,
        } => round(
            to,
            value.sign,
            exponent,
            u128::from(significand) << 63,
            rounding,
        ),
    }
}

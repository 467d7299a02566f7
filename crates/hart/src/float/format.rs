//! The two formats: how bits divide into sign, exponent and fraction, and what they mean.

use rv_isa::FpFormat;

/// The layout of a binary interchange format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Bits of the fraction field; the precision is one more.
    pub(super) fraction_bits: u32,
    /// Bits of the exponent field.
    pub(super) exponent_bits: u32,
}

const SINGLE: Layout = Layout {
    fraction_bits: 23,
    exponent_bits: 8,
};
const DOUBLE: Layout = Layout {
    fraction_bits: 52,
    exponent_bits: 11,
};

/// A value taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unpacked {
    /// Whether the sign bit is set.
    pub(super) sign: bool,
    /// The rest.
    pub(super) class: Class,
}

/// What a value is, sign apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Zero.
    Zero,
    /// `significand / 2^63 × 2^exponent`, with bit 63 of the significand set.
    Finite {
        /// The binary exponent.
        exponent: i32,
        /// The significand, its leading one in bit 63; subnormals are normalised too.
        significand: u64,
    },
    /// Infinity.
    Infinity,
    /// Not a number.
    Nan {
        /// Whether it raises the invalid flag wherever it is used.
        signalling: bool,
    },
}

impl Layout {
    pub(super) const fn of(format: FpFormat) -> Self {
        match format {
            FpFormat::Single => SINGLE,
            FpFormat::Double => DOUBLE,
        }
    }

    /// The exponent of one's predecessor's binade is −1: `field = exponent + bias`.
    pub(super) const fn bias(self) -> i32 {
        (1 << (self.exponent_bits - 1)) - 1
    }

    const fn exponent_mask(self) -> u64 {
        (1 << self.exponent_bits) - 1
    }

    const fn fraction_mask(self) -> u64 {
        (1 << self.fraction_bits) - 1
    }

    pub(super) const fn sign_bit(self) -> u64 {
        1 << (self.fraction_bits + self.exponent_bits)
    }

    pub(super) const fn infinity(self, sign: bool) -> u64 {
        self.with_sign(sign, self.exponent_mask() << self.fraction_bits)
    }

    pub(super) const fn largest_finite(self, sign: bool) -> u64 {
        self.infinity(sign) - 1
    }

    pub(super) const fn zero(self, sign: bool) -> u64 {
        self.with_sign(sign, 0)
    }

    /// The NaN that every operation returns: positive, quiet, no payload.
    pub(super) const fn canonical_nan(self) -> u64 {
        self.infinity(false) | 1 << (self.fraction_bits - 1)
    }

    pub(super) const fn with_sign(self, sign: bool, magnitude: u64) -> u64 {
        if sign {
            magnitude | self.sign_bit()
        } else {
            magnitude
        }
    }

    pub(super) const fn is_subnormal(self, bits: u64) -> bool {
        bits >> self.fraction_bits & self.exponent_mask() == 0 && bits & self.fraction_mask() != 0
    }

    pub(super) fn unpack(self, bits: u64) -> Unpacked {
        let sign = bits & self.sign_bit() != 0;
        let field = bits >> self.fraction_bits & self.exponent_mask();
        let fraction = bits & self.fraction_mask();
        let class = if field == self.exponent_mask() {
            match fraction {
                0 => Class::Infinity,
                _ => Class::Nan {
                    signalling: fraction >> (self.fraction_bits - 1) == 0,
                },
            }
        } else if field != 0 {
            let significand = (fraction | 1 << self.fraction_bits) << (63 - self.fraction_bits);
            Class::Finite {
                exponent: field as i32 - self.bias(),
                significand,
            }
        } else if fraction != 0 {
            let shift = fraction.leading_zeros();
            let exponent = 1 - self.bias() - (shift as i32 - (63 - self.fraction_bits as i32));
            Class::Finite {
                exponent,
                significand: fraction << shift,
            }
        } else {
            Class::Zero
        };
        Unpacked { sign, class }
    }
}

impl Unpacked {
    pub(super) const fn is_nan(self) -> bool {
        matches!(self.class, Class::Nan { .. })
    }

    pub(super) const fn is_signalling(self) -> bool {
        matches!(self.class, Class::Nan { signalling: true })
    }

    pub(super) const fn negated_if(self, negate: bool) -> Self {
        Self {
            sign: self.sign != negate,
            class: self.class,
        }
    }
}

/// The bits that an operation of `format` reads from a register: a single that isn't NaN-boxed
/// reads as the canonical NaN.
#[inline]
pub(crate) const fn unbox(format: FpFormat, register: u64) -> u64 {
    match format {
        FpFormat::Double => register,
        FpFormat::Single if register >> 32 == 0xffff_ffff => register & 0xffff_ffff,
        FpFormat::Single => SINGLE.canonical_nan(),
    }
}

/// What a register holds after an operation of `format` wrote `bits` to it.
#[inline]
pub(crate) const fn boxed(format: FpFormat, bits: u64) -> u64 {
    match format {
        FpFormat::Double => bits,
        FpFormat::Single => bits | 0xffff_ffff << 32,
    }
}

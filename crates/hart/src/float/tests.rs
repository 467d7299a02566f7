//! Held against the host's unit where it does the same, and against `rustc_apfloat` elsewhere.

use proptest::prelude::*;
use rustc_apfloat::ieee::{Double, Single};
use rustc_apfloat::{Float, Round, Status};
use rv_isa::{FpBinaryOp, FpFormat, FpFusedOp, IntFormat};

use super::*;

const MODES: [(Rounding, Round); 5] = [
    (Rounding::Rne, Round::NearestTiesToEven),
    (Rounding::Rtz, Round::TowardZero),
    (Rounding::Rdn, Round::TowardNegative),
    (Rounding::Rup, Round::TowardPositive),
    (Rounding::Rmm, Round::NearestTiesToAway),
];

/// Bits that meet the edges often: few distinct exponents, fractions of long runs.
fn operand(format: FpFormat) -> impl Strategy<Value = u64> {
    let (fraction_bits, exponent_bits) = match format {
        FpFormat::Single => (23, 8),
        FpFormat::Double => (52, 11),
    };
    let top = (1u64 << exponent_bits) - 1;
    let bias = top >> 1;
    let exponent = prop_oneof![
        Just(0),
        Just(1),
        Just(top),
        Just(top - 1),
        bias - 4..bias + 60,
        0..=top,
        Just(fraction_bits),
        Just(bias / 2),
    ];
    let fraction = prop_oneof![
        Just(0),
        any::<u64>(),
        (0..64u32).prop_map(|bit| 1 << bit),
        (0..64u32).prop_map(|bit| u64::MAX << bit),
        (0..64u32).prop_map(|bit| u64::MAX >> bit),
    ];
    (any::<bool>(), exponent, fraction).prop_map(move |(sign, exponent, fraction)| {
        u64::from(sign) << (fraction_bits + exponent_bits)
            | exponent << fraction_bits
            | fraction & ((1 << fraction_bits) - 1)
    })
}

fn flags_of(status: Status) -> Flags {
    let mut flags = Flags::NONE;
    for (bit, flag) in [
        (Status::INVALID_OP, Flags::INVALID),
        (Status::DIV_BY_ZERO, Flags::DIVIDE_BY_ZERO),
        (Status::OVERFLOW, Flags::OVERFLOW),
        (Status::UNDERFLOW, Flags::UNDERFLOW),
        (Status::INEXACT, Flags::INEXACT),
    ] {
        flags |= flag.when(status.contains(bit));
    }
    flags
}

/// Compares with what `rustc_apfloat` computed. It keeps NaN payloads and their signs; it says
/// underflow only where the delivered result is subnormal, which differs at one value (the least
/// normal number, rounded up to), and overflow only where the result is infinite, which differs at
/// one more (the largest number, rounded down to).
fn agrees<F: Float>(ours: (u64, Flags), theirs: rustc_apfloat::StatusAnd<F>) -> Result<(), String> {
    let (bits, mut flags) = ours;
    let mut wanted = flags_of(theirs.status);
    if theirs.value.is_nan() {
        let canonical = if F::BITS == 32 {
            0x7fc0_0000
        } else {
            0x7ff8_0000_0000_0000
        };
        if bits != canonical {
            return Err(format!("{bits:#x} isn't the canonical NaN"));
        }
    } else if u128::from(bits) != theirs.value.to_bits() {
        return Err(format!("{bits:#x}, not {:#x}", theirs.value.to_bits()));
    }
    if theirs.value.is_smallest_normalized() {
        flags.0 &= !Flags::UNDERFLOW.0;
        wanted.0 &= !Flags::UNDERFLOW.0;
    }
    if theirs.value.is_largest() {
        flags.0 &= !Flags::OVERFLOW.0;
    }
    if flags != wanted {
        return Err(format!("{bits:#x} with flags {flags:?}, not {wanted:?}"));
    }
    Ok(())
}

fn check_binary<F: Float>(format: FpFormat, a: u64, b: u64) -> Result<(), String> {
    let (left, right) = (F::from_bits(a.into()), F::from_bits(b.into()));
    for (rounding, round) in MODES {
        for op in FpBinaryOp::ALL {
            let theirs = match op {
                FpBinaryOp::Add => left.add_r(right, round),
                FpBinaryOp::Sub => left.sub_r(right, round),
                FpBinaryOp::Mul => left.mul_r(right, round),
                FpBinaryOp::Div => left.div_r(right, round),
            };
            agrees(binary(*op, format, a, b, rounding), theirs)
                .map_err(|error| format!("{op:?} {rounding:?}: {error}"))?;
        }
    }
    Ok(())
}

fn check_fused<F: Float>(format: FpFormat, a: u64, b: u64, c: u64) -> Result<(), String> {
    let [x, y, z] = [a, b, c].map(|bits| F::from_bits(bits.into()));
    for (rounding, round) in MODES {
        for op in FpFusedOp::ALL {
            let (x, z) = match op {
                FpFusedOp::Madd => (x, z),
                FpFusedOp::Msub => (x, -z),
                FpFusedOp::Nmsub => (-x, z),
                FpFusedOp::Nmadd => (-x, -z),
            };
            // With a quiet NaN as addend, ∞ × 0 is invalid to RISC-V and may not be to IEEE 754.
            if z.is_nan() && (x.is_infinite() && y.is_zero() || x.is_zero() && y.is_infinite()) {
                let (bits, flags) = fused(*op, format, (a, b, c), rounding);
                let (canonical, _) = binary(FpBinaryOp::Add, format, bits, bits, rounding);
                assert_eq!((bits, flags), (canonical, Flags::INVALID));
                continue;
            }
            agrees(
                fused(*op, format, (a, b, c), rounding),
                x.mul_add_r(y, z, round),
            )
            .map_err(|error| format!("{op:?} {rounding:?}: {error}"))?;
        }
    }
    Ok(())
}

fn check_to_int<F: Float>(format: FpFormat, a: u64) -> Result<(), String> {
    let value = F::from_bits(a.into());
    for (rounding, round) in MODES {
        for &int in IntFormat::ALL {
            let mut exact = false;
            let (wanted, status) = match int {
                IntFormat::Word => {
                    let theirs = value.to_i128_r(32, round, &mut exact);
                    (theirs.value as i32 as u64, theirs.status)
                }
                IntFormat::WordUnsigned => {
                    let theirs = value.to_u128_r(32, round, &mut exact);
                    (theirs.value as i32 as u64, theirs.status)
                }
                IntFormat::Long => {
                    let theirs = value.to_i128_r(64, round, &mut exact);
                    (theirs.value as u64, theirs.status)
                }
                IntFormat::LongUnsigned => {
                    let theirs = value.to_u128_r(64, round, &mut exact);
                    (theirs.value as u64, theirs.status)
                }
            };
            let (ours, flags) = to_int(int, format, a, rounding);
            // They turn a NaN into 0; the specification says the greatest integer.
            if flags != flags_of(status) || ours != wanted && !value.is_nan() {
                return Err(format!(
                    "{int:?} {rounding:?}: {ours:#x} {flags:?}, not {wanted:#x}"
                ));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn singles_agree(
        a in operand(FpFormat::Single),
        b in operand(FpFormat::Single),
        c in operand(FpFormat::Single),
    ) {
        check_binary::<Single>(FpFormat::Single, a, b).map_err(TestCaseError::fail)?;
        check_fused::<Single>(FpFormat::Single, a, b, c).map_err(TestCaseError::fail)?;
        check_to_int::<Single>(FpFormat::Single, a).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn doubles_agree(
        a in operand(FpFormat::Double),
        b in operand(FpFormat::Double),
        c in operand(FpFormat::Double),
    ) {
        check_binary::<Double>(FpFormat::Double, a, b).map_err(TestCaseError::fail)?;
        check_fused::<Double>(FpFormat::Double, a, b, c).map_err(TestCaseError::fail)?;
        check_to_int::<Double>(FpFormat::Double, a).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn roots_agree_with_the_host(a in operand(FpFormat::Double), s in operand(FpFormat::Single)) {
        let wanted = f64::from_bits(a).sqrt();
        let (ours, flags) = sqrt(FpFormat::Double, a, Rounding::Rne);
        if wanted.is_nan() {
            prop_assert_eq!(ours, 0x7ff8_0000_0000_0000);
        } else {
            prop_assert_eq!(ours, wanted.to_bits());
            // Exact if and only if the square is: a fused multiply-add shows the difference, but
            // for squares so small that it would be lost itself.
            if wanted > 1e-100 {
                let exact = wanted.is_infinite()
                    || wanted.mul_add(wanted, -f64::from_bits(a)) == 0.0;
                prop_assert_eq!(flags, Flags::INEXACT.when(!exact));
            }
        }
        let wanted = f32::from_bits(s as u32).sqrt();
        let (ours, _) = sqrt(FpFormat::Single, s, Rounding::Rne);
        prop_assert!(wanted.is_nan() && ours == 0x7fc0_0000 || ours == u64::from(wanted.to_bits()));
    }

    #[test]
    fn directed_roots_bracket_the_exact_one(a in operand(FpFormat::Double)) {
        let (down, flags) = sqrt(FpFormat::Double, a, Rounding::Rdn);
        let (up, _) = sqrt(FpFormat::Double, a, Rounding::Rup);
        let inexact = flags == Flags::INEXACT;
        prop_assert_eq!(up, down + u64::from(inexact));
    }

    #[test]
    fn integers_agree_with_the_host(x in any::<u64>(), shift in 0..64u32) {
        let x = x >> shift;
        let cases = [
            (IntFormat::Word, f64::from(x as i32), x as i32 as f32),
            (IntFormat::WordUnsigned, f64::from(x as u32), x as u32 as f32),
            (IntFormat::Long, x.cast_signed() as f64, x.cast_signed() as f32),
            (IntFormat::LongUnsigned, x as f64, x as f32),
        ];
        for (int, double, single) in cases {
            let (ours, _) = from_int(FpFormat::Double, int, x, Rounding::Rne);
            prop_assert_eq!(ours, double.to_bits());
            let (ours, _) = from_int(FpFormat::Single, int, x, Rounding::Rne);
            prop_assert_eq!(ours, u64::from(single.to_bits()));
        }
    }

    #[test]
    fn conversions_agree_with_the_host(a in operand(FpFormat::Double), s in operand(FpFormat::Single)) {
        let (ours, _) = convert(FpFormat::Single, a, Rounding::Rne);
        let wanted = f64::from_bits(a) as f32;
        prop_assert!(wanted.is_nan() && ours == 0x7fc0_0000 || ours == u64::from(wanted.to_bits()));
        let (ours, flags) = convert(FpFormat::Double, s, Rounding::Rne);
        let wanted = f64::from(f32::from_bits(s as u32));
        prop_assert!(wanted.is_nan() || flags == Flags::NONE && ours == wanted.to_bits());
    }
}

#[test]
fn tininess_is_detected_after_rounding() {
    // 2^-1022 × (1 − 2^-53) rounds to the least normal number at subnormal precision, and at full
    // precision too (ties to even), so it isn't tiny; a quarter of an ulp lower it is.
    let least_normal = 0x0010_0000_0000_0000;
    let factor = 0x3fef_ffff_ffff_ffff; // 1 − 2^-53
    let (bits, flags) = binary(
        FpBinaryOp::Mul,
        FpFormat::Double,
        least_normal,
        factor,
        Rounding::Rne,
    );
    assert_eq!(
        (bits, flags),
        (least_normal, Flags::INEXACT | Flags::UNDERFLOW)
    );
    // (1 + 2^-52) × (1 − 2^-53) = 1 + 2^-53 − 2^-105: at full precision this is above 1.
    let (bits, flags) = binary(
        FpBinaryOp::Mul,
        FpFormat::Double,
        least_normal + 1,
        factor,
        Rounding::Rne,
    );
    assert_eq!(bits, least_normal);
    assert_eq!(flags, Flags::INEXACT);
}

#[test]
fn minimum_prefers_numbers_and_orders_zeros() {
    use rv_isa::FpMinMaxOp::{Max, Min};
    let double = FpFormat::Double;
    let (minus_zero, quiet, signalling) = (1 << 63, 0x7ff8_0000_0000_0001, 0x7ff0_0000_0000_0001);
    assert_eq!(
        min_max(Min, double, 0, minus_zero),
        (minus_zero, Flags::NONE)
    );
    assert_eq!(min_max(Max, double, minus_zero, 0), (0, Flags::NONE));
    assert_eq!(min_max(Min, double, quiet, 5), (5, Flags::NONE));
    assert_eq!(min_max(Max, double, 5, signalling), (5, Flags::INVALID));
    assert_eq!(min_max(Max, double, quiet, quiet).0, 0x7ff8_0000_0000_0000);
}

#[test]
fn classes_are_told_apart() {
    let bits = [
        0xff80_0000u64,
        0xbf80_0000,
        0x8000_0001,
        0x8000_0000,
        0,
        1,
        0x3f80_0000,
        0x7f80_0000,
        0x7f80_0001,
        0xffc0_0000,
    ];
    for (class, bits) in bits.into_iter().enumerate() {
        assert_eq!(classify(FpFormat::Single, bits), 1 << class);
    }
}

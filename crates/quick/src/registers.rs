//! Which of the guest's registers live in host registers.
//!
//! By how often instructions of real programs name them. The host says which of its registers is
//! number 0, 1 and so on; numbers behind those of the guest's registers are scratch registers.

use rv_isa::{FReg, XReg};

use crate::host::{FloatReg, Reg};

/// How many integer registers of the guest live in host registers.
pub const PINNED: usize = 12;
/// How many floating-point registers of the guest do.
pub const FLOAT_PINNED: usize = 12;

/// The guest's integer registers that live in host registers, in the order of these:
/// `a5 sp a0 a4 ra s0 a1 s1 a3 a2 s2 s3`.
pub const INTEGER: [XReg; PINNED] = [
    XReg::new(15),
    XReg::new(2),
    XReg::new(10),
    XReg::new(14),
    XReg::new(1),
    XReg::new(8),
    XReg::new(11),
    XReg::new(9),
    XReg::new(13),
    XReg::new(12),
    XReg::new(18),
    XReg::new(19),
];

/// The same of floating-point registers: `fa0` to `fa7`, `fs0`, `fs1`, `ft0`, `ft1`.
pub const FLOAT: [FReg; FLOAT_PINNED] = [
    FReg::new(10),
    FReg::new(11),
    FReg::new(12),
    FReg::new(13),
    FReg::new(14),
    FReg::new(15),
    FReg::new(16),
    FReg::new(17),
    FReg::new(8),
    FReg::new(9),
    FReg::new(0),
    FReg::new(1),
];

/// The first scratch register. Any method of a host may overwrite it, but where it is an operand.
pub const S0: Reg = Reg(PINNED as u8);
/// The second scratch register. Methods that say so overwrite it.
pub const S1: Reg = Reg(PINNED as u8 + 1);

/// The first floating-point scratch register. Any method of a host may overwrite it, but where it is
/// an operand.
pub const T0: FloatReg = FloatReg(FLOAT_PINNED as u8);
/// The second one.
pub const T1: FloatReg = FloatReg(FLOAT_PINNED as u8 + 1);
/// The third one.
pub const T2: FloatReg = FloatReg(FLOAT_PINNED as u8 + 2);

const NOWHERE: u8 = u8::MAX;

const fn integer_places() -> [u8; 32] {
    let mut places = [NOWHERE; 32];
    let mut index = 0;
    while index < PINNED {
        places[INTEGER[index].index()] = index as u8;
        index += 1;
    }
    places
}

const fn float_places() -> [u8; 32] {
    let mut places = [NOWHERE; 32];
    let mut index = 0;
    while index < FLOAT_PINNED {
        places[FLOAT[index].index()] = index as u8;
        index += 1;
    }
    places
}

/// The host register in which `register` lives, if it lives in one.
#[inline]
pub(crate) fn pinned(register: XReg) -> Option<Reg> {
    const PLACES: [u8; 32] = integer_places();
    let place = PLACES[register.index()];
    (place != NOWHERE).then_some(Reg(place))
}

/// The same of a floating-point register.
#[inline]
pub(crate) fn float_pinned(register: FReg) -> Option<FloatReg> {
    const PLACES: [u8; 32] = float_places();
    let place = PLACES[register.index()];
    (place != NOWHERE).then_some(FloatReg(place))
}

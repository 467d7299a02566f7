//! Register numbers. An integer register and a floating-point register do not fit into one another.

use core::fmt;

macro_rules! register_file {
    ($(#[$doc:meta])* $name:ident, $names:ident, [$($abi:literal),* $(,)?]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u8);

        const $names: [&str; 32] = [$($abi),*];

        impl $name {
            /// The register numbered `number`, of which only the low five bits count.
            #[inline]
            pub const fn new(number: u8) -> Self {
                Self(number & 31)
            }

            /// The register's number, 0 to 31. The compiler sees that it can't be more, so an array
            /// of 32 is indexed unchecked.
            #[inline]
            pub const fn index(self) -> usize {
                (self.0 & 31) as usize
            }

            /// The register's number as the five-bit field of an encoding.
            #[inline]
            pub const fn field(self) -> u32 {
                self.0 as u32
            }

            /// The name that the psABI gives this register.
            pub const fn abi_name(self) -> &'static str {
                $names[self.0 as usize]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.abi_name())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.abi_name())
            }
        }
    };
}

register_file! {
    /// An integer register, `x0` to `x31`.
    XReg, X_NAMES, [
        "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3",
        "a4", "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11",
        "t3", "t4", "t5", "t6",
    ]
}

register_file! {
    /// A floating-point register, `f0` to `f31`.
    FReg, F_NAMES, [
        "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1",
        "fa2", "fa3", "fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7",
        "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
    ]
}

impl XReg {
    /// The register that always reads as zero.
    pub const ZERO: Self = Self(0);
    /// The return address.
    pub const RA: Self = Self(1);
    /// The stack pointer.
    pub const SP: Self = Self(2);
    /// The thread pointer.
    pub const TP: Self = Self(4);
    /// The alternate link register.
    pub const T0: Self = Self(5);
    /// The first argument and result.
    pub const A0: Self = Self(10);
    /// The number of a system call.
    pub const A7: Self = Self(17);

    /// Whether this is `x0`, which reads as zero and ignores writes.
    #[inline]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

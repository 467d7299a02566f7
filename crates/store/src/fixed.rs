//! Structures of fixed size on disk: one table says the fields, and encoding, decoding and the
//! offsets that `docs/format.md` is held against all follow from it.

/// A field of a fixed number of bytes, little-endian.
pub(crate) trait Field: Sized + Copy {
    const LEN: usize;

    /// Writes into exactly `LEN` bytes.
    fn put(self, bytes: &mut [u8]);

    /// Reads from exactly `LEN` bytes.
    fn take(bytes: &[u8]) -> Self;
}

macro_rules! integer_fields {
    ($($type:ty),*) => {$(
        impl Field for $type {
            const LEN: usize = size_of::<$type>();

            fn put(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn take(bytes: &[u8]) -> Self {
                let mut raw = [0; size_of::<$type>()];
                raw.copy_from_slice(bytes);
                Self::from_le_bytes(raw)
            }
        }
    )*};
}

integer_fields! { u8, u16, u32, u64, i64 }

impl<const N: usize> Field for [u8; N] {
    const LEN: usize = N;

    fn put(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self);
    }

    fn take(bytes: &[u8]) -> Self {
        let mut raw = [0; N];
        raw.copy_from_slice(bytes);
        raw
    }
}

/// Name, offset and length of a field.
#[cfg(test)]
pub(crate) type FieldSpan = (&'static str, usize, usize);

/// Defines a structure with its bytes: `offset => name: type`. Fields stand in ascending order
/// without gaps; a compile-time check says so.
macro_rules! fixed {
    (
        $(#[$doc:meta])*
        $vis:vis struct $name:ident: $len:literal {
            $($(#[$field_doc:meta])* $offset:literal => $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis struct $name {
            $($(#[$field_doc])* $vis $field: $type,)*
        }

        impl $name {
            /// The length in bytes.
            $vis const LEN: usize = $len;

            #[cfg(test)]
            $vis const FIELDS: &[$crate::fixed::FieldSpan] = &[
                $((stringify!($field), $offset, <$type as $crate::fixed::Field>::LEN),)*
            ];

            const GAPLESS: () = {
                let mut end = 0;
                $(
                    assert!(end == $offset, "a gap or an overlap");
                    end += <$type as $crate::fixed::Field>::LEN;
                )*
                assert!(end == $len, "the fields don't make up the length");
            };

            /// The structure as bytes.
            $vis fn encode(&self) -> [u8; $len] {
                let () = Self::GAPLESS;
                let mut bytes = [0; $len];
                $({
                    let len = <$type as $crate::fixed::Field>::LEN;
                    $crate::fixed::Field::put(self.$field, &mut bytes[$offset..$offset + len]);
                })*
                bytes
            }

            /// The structure that the bytes hold; every pattern of bytes holds one.
            $vis fn decode(bytes: &[u8; $len]) -> Self {
                Self {
                    $($field: {
                        let len = <$type as $crate::fixed::Field>::LEN;
                        <$type as $crate::fixed::Field>::take(&bytes[$offset..$offset + len])
                    },)*
                }
            }
        }
    };
}

pub(crate) use fixed;

#[cfg(test)]
mod tests {
    fixed! {
        /// A structure to test with.
        pub(crate) struct Sample: 15 {
            0 => number: u32,
            4 => bytes: [u8; 3],
            7 => signed: i64,
        }
    }

    #[test]
    fn round_trips() {
        let sample = Sample {
            number: 0x0102_0304,
            bytes: [9, 8, 7],
            signed: -2,
        };
        let bytes = sample.encode();
        assert_eq!(bytes[..7], [4, 3, 2, 1, 9, 8, 7]);
        assert_eq!(Sample::decode(&bytes), sample);
        assert_eq!(Sample::FIELDS[2], ("signed", 7, 8));
        assert_eq!(Sample::LEN, 15);
    }
}

//! A byte buffer that CLIF is written into before it is hashed.
//!
//! One pass writes everything into one contiguous buffer, and one call hashes it: BLAKE3 is several
//! times faster over kilobytes than over the trickle of two- and four-byte writes that a
//! `derive(Hash)` feeds it.

use cranelift_codegen::ir::Type;

/// Little-endian fields, one after another. Every variable-length field has its length in front,
/// so that two different sequences of fields never give the same bytes.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Forgets what was written and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// What was written since the last [`Self::clear`].
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    #[inline]
    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A type: what its lanes are, how wide, how many, and whether their number is scaled.
    #[inline]
    pub(crate) fn ty(&mut self, ty: Type) {
        let lane = ty.lane_type();
        let bits = lane.log2_lane_bits()
            | u32::from(lane.is_float()) << 4
            | u32::from(ty.is_dynamic_vector()) << 5
            | ty.log2_min_lane_count() << 8;
        self.u32(bits);
    }

    /// A count of things that follow.
    ///
    /// # Panics
    ///
    /// If `count` exceeds 32 bits, which no entity list of Cranelift can.
    #[inline]
    pub(crate) fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).expect("entity lists are indexed by 32 bits"));
    }

    /// A length and that many bytes.
    pub(crate) fn bytes_field(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// A length and a string's bytes.
    pub(crate) fn str_field(&mut self, text: &str) {
        self.bytes_field(text.as_bytes());
    }

    /// The text that `value` displays as. For the rare parts of a function only: it is slow.
    pub(crate) fn display_field(&mut self, value: &dyn std::fmt::Display) {
        self.str_field(&value.to_string());
    }
}

//! Relocations of code and data that live in this process alone.
//!
//! What an embedder hands over as bytes, and what its data objects refer to, is never cached: it
//! is patched in place, as `cranelift-jit` does. Compiled functions don't come here; their
//! relocations are the linker's.

use cranelift_codegen::binemit::Reloc;
use cranelift_module::{ModuleReloc, ModuleRelocTarget};

/// Bytes behind a piece of code for each call that may have to reach further than its field: a
/// jump through an address that stands behind it.
pub(crate) const VENEER_LEN: usize = 24;

/// A relocation can't be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RelocateError {
    /// The kind isn't known here.
    #[error("relocation {kind} at offset {offset:#x} isn't supported")]
    Unsupported { kind: String, offset: u32 },
    /// The field lies outside of the bytes.
    #[error("relocation at offset {offset:#x} lies outside of {len} bytes")]
    OutOfBounds { offset: u32, len: usize },
    /// The value doesn't fit in its field.
    #[error("relocation {kind} at offset {offset:#x} can't reach {target:#x}")]
    OutOfReach {
        kind: String,
        offset: u32,
        target: u64,
    },
}

/// How many veneers some relocations may need.
pub(crate) fn veneer_count(relocs: &[ModuleReloc]) -> usize {
    relocs.iter().filter(|reloc| is_call(reloc.kind)).count()
}

fn is_call(kind: Reloc) -> bool {
    matches!(
        kind,
        Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 | Reloc::Arm64Call
    )
}

/// Bytes to be patched, with where they will live.
pub(crate) struct Patch<'a> {
    /// The code or data, and behind it room for [`veneer_count`] veneers.
    pub(crate) bytes: &'a mut [u8],
    /// How many of the bytes are code or data.
    pub(crate) len: usize,
    /// The address of the first byte.
    pub(crate) address: u64,
}

impl Patch<'_> {
    /// Applies all of `relocs`.
    pub(crate) fn apply(
        &mut self,
        relocs: &[ModuleReloc],
        value_of: &dyn Fn(&ModuleRelocTarget) -> u64,
    ) -> Result<(), RelocateError> {
        let mut veneer = self.len.next_multiple_of(8);
        for reloc in relocs {
            let ModuleReloc {
                offset,
                kind,
                name,
                addend,
            } = reloc;
            let target = value_of(name);
            let written = match kind {
                Reloc::Abs8 => {
                    let value = target.wrapping_add_signed(*addend);
                    self.put(*offset, value.to_le_bytes())?;
                    true
                }
                Reloc::Abs4 => match u32::try_from(target.wrapping_add_signed(*addend)) {
                    Ok(value) => {
                        self.put(*offset, value.to_le_bytes())?;
                        true
                    }
                    Err(_) => false,
                },
                Reloc::X86PCRel4 | Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 => {
                    let near = self.put_relative(*offset, target.wrapping_add_signed(*addend))?;
                    near || is_call(*kind) && {
                        let jump = self.put_veneer(&mut veneer, &X86_JUMP, target)?;
                        self.put_relative(*offset, jump.wrapping_add_signed(*addend))?
                    }
                }
                Reloc::Arm64Call => {
                    let near = self.put_branch(*offset, target.wrapping_add_signed(*addend))?;
                    near || {
                        let jump = self.put_veneer(&mut veneer, &ARM64_JUMP, target)?;
                        self.put_branch(*offset, jump)?
                    }
                }
                _ => {
                    return Err(RelocateError::Unsupported {
                        kind: kind.to_string(),
                        offset: *offset,
                    });
                }
            };
            if !written {
                return Err(RelocateError::OutOfReach {
                    kind: kind.to_string(),
                    offset: *offset,
                    target,
                });
            }
        }
        Ok(())
    }

    fn field<const N: usize>(&mut self, offset: u32) -> Result<&mut [u8; N], RelocateError> {
        let len = self.bytes.len();
        self.bytes
            .get_mut(offset as usize..)
            .and_then(|bytes| bytes.first_chunk_mut())
            .ok_or(RelocateError::OutOfBounds { offset, len })
    }

    fn put<const N: usize>(&mut self, offset: u32, value: [u8; N]) -> Result<(), RelocateError> {
        *self.field(offset)? = value;
        Ok(())
    }

    fn place(&self, offset: u32) -> u64 {
        self.address.wrapping_add(u64::from(offset))
    }

    /// A signed 32-bit distance. Returns whether it fits.
    fn put_relative(&mut self, offset: u32, target: u64) -> Result<bool, RelocateError> {
        let distance = target.wrapping_sub(self.place(offset)).cast_signed();
        match i32::try_from(distance) {
            Ok(distance) => self.put(offset, distance.to_le_bytes()).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// The 26 bits of an AArch64 branch. Returns whether they suffice.
    fn put_branch(&mut self, offset: u32, target: u64) -> Result<bool, RelocateError> {
        let distance = target.wrapping_sub(self.place(offset)).cast_signed() >> 2;
        if !(-(1 << 25)..1 << 25).contains(&distance) {
            return Ok(false);
        }
        let field = self.field::<4>(offset)?;
        let instruction = u32::from_le_bytes(*field) & !0x03ff_ffff;
        *field = (instruction | distance as u32 & 0x03ff_ffff).to_le_bytes();
        Ok(true)
    }

    /// Writes the next veneer. Returns its address.
    fn put_veneer(
        &mut self,
        next: &mut usize,
        jump: &[u8; 8],
        target: u64,
    ) -> Result<u64, RelocateError> {
        let offset = u32::try_from(*next).unwrap_or(u32::MAX);
        *next += 16;
        self.put(offset, *jump)?;
        self.put(offset.saturating_add(8), target.to_le_bytes())?;
        Ok(self.place(offset))
    }
}

/// `jmp *2(%rip); ud2`: the address stands eight bytes further on.
static X86_JUMP: [u8; 8] = [0xff, 0x25, 2, 0, 0, 0, 0x0f, 0x0b];

/// `ldr x16, 8; br x16`.
static ARM64_JUMP: [u8; 8] = [0x50, 0, 0, 0x58, 0, 0x02, 0x1f, 0xd6];

#[cfg(test)]
mod tests {
    use super::{Patch, RelocateError, VENEER_LEN, veneer_count};
    use cranelift_codegen::binemit::Reloc;
    use cranelift_module::{ModuleReloc, ModuleRelocTarget};

    fn patch(kind: Reloc, addend: i64, target: u64) -> Result<Vec<u8>, RelocateError> {
        let relocs = [ModuleReloc {
            offset: 4,
            kind,
            name: ModuleRelocTarget::user(0, 0),
            addend,
        }];
        let mut bytes = vec![0; 16 + veneer_count(&relocs) * VENEER_LEN];
        let mut patch = Patch {
            bytes: &mut bytes,
            len: 16,
            address: 0x1000,
        };
        patch.apply(&relocs, &|_| target).map(|()| bytes)
    }

    #[test]
    fn fields() {
        let absolute = patch(Reloc::Abs8, -1, 0x1122_3344_5566_7789).expect("fits");
        assert_eq!(absolute[4..12], 0x1122_3344_5566_7788_u64.to_le_bytes());
        let near = patch(Reloc::X86CallPCRel4, -4, 0x2000).expect("fits");
        assert_eq!(near[4..8], (0x2000_i32 - 0x1004 - 4).to_le_bytes());
        assert!(patch(Reloc::X86PCRel4, -4, 1 << 40).is_err());
        assert!(patch(Reloc::Abs4, 0, 1 << 40).is_err());
        assert!(patch(Reloc::Aarch64TlsDescCall, 0, 0).is_err());
    }

    #[test]
    fn far_calls_go_through_a_veneer() {
        let far = patch(Reloc::X86CallPLTRel4, -4, 1 << 40).expect("there is a veneer");
        assert_eq!(far[4..8], (0x1010_i32 - 0x1004 - 4).to_le_bytes());
        assert_eq!(far[16..18], [0xff, 0x25]);
        assert_eq!(far[24..32], (1_u64 << 40).to_le_bytes());
        let arm = patch(Reloc::Arm64Call, 0, 1 << 40).expect("there is a veneer");
        assert_eq!(arm[4..8], (0x0c_u32 / 4).to_le_bytes());
        assert_eq!(arm[24..32], (1_u64 << 40).to_le_bytes());
    }

    #[test]
    fn offsets_are_checked() {
        let relocs = [ModuleReloc {
            offset: u32::MAX,
            kind: Reloc::Abs8,
            name: ModuleRelocTarget::user(0, 0),
            addend: 0,
        }];
        let mut bytes = [0; 8];
        let mut patch = Patch {
            bytes: &mut bytes,
            len: 8,
            address: 0,
        };
        let error = patch.apply(&relocs, &|_| 0).expect_err("outside");
        assert!(matches!(error, RelocateError::OutOfBounds { .. }));
    }
}

//! Relocations of code and data that live in this process alone.
//!
//! What an embedder hands over as bytes, and what its data objects refer to, is never cached: it
//! is patched in place, as `cranelift-jit` does. Compiled functions don't come here; their
//! relocations are the linker's.

use cranelift_codegen::binemit::Reloc;
use cranelift_module::{ModuleReloc, ModuleRelocTarget};
use rekindle::RelocationKind;
use rekindle_link::{Address, Arch, LinkError};

/// Bytes behind a piece of code for each call that may have to reach further than its field: the
/// linker's veneer, and the address that it jumps to.
pub(crate) const VENEER_LEN: usize = VENEER_ADDRESS + 8;

/// Where in a veneer's room its address stands.
const VENEER_ADDRESS: usize = 16;

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
    #[error("relocation at offset {offset:#x} can't reach {target:#x}: {error}")]
    OutOfReach {
        offset: u32,
        target: u64,
        error: LinkError,
    },
    /// An address of 64 bits doesn't fit in 32.
    #[error("relocation at offset {offset:#x} has no room for {target:#x}")]
    TooLarge { offset: u32, target: u64 },
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

/// What the linker calls a relocation.
fn linkers_kind(kind: Reloc) -> Option<RelocationKind> {
    Some(match kind {
        Reloc::Abs8 => RelocationKind::Abs64,
        Reloc::X86PCRel4 => RelocationKind::X86Pc32,
        Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 => RelocationKind::X86Plt32,
        Reloc::Arm64Call => RelocationKind::Arm64Call26,
        _ => return None,
    })
}

/// Bytes to be patched, with where they will live.
pub(crate) struct Patch<'a> {
    pub(crate) arch: Arch,
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
            let target = value_of(&reloc.name);
            match self.apply_one(reloc, target) {
                Err(RelocateError::OutOfReach {
                    error: LinkError::OutOfRange { .. },
                    ..
                }) if is_call(reloc.kind) => {
                    let jump = self.put_veneer(veneer, target)?;
                    veneer += VENEER_LEN;
                    self.apply_one(reloc, jump)?;
                }
                applied => applied?,
            }
        }
        Ok(())
    }

    fn apply_one(&mut self, reloc: &ModuleReloc, target: u64) -> Result<(), RelocateError> {
        let ModuleReloc {
            offset,
            kind,
            name: _,
            addend,
        } = reloc;
        let (offset, referred) = (*offset, target.wrapping_add_signed(*addend));
        if *kind == Reloc::Abs4 {
            let value = u32::try_from(referred);
            let value = value.map_err(|_| RelocateError::TooLarge { offset, target })?;
            self.field(offset, 4)?.copy_from_slice(&value.to_le_bytes());
            return Ok(());
        }
        let linkers = linkers_kind(*kind).ok_or_else(|| RelocateError::Unsupported {
            kind: kind.to_string(),
            offset,
        })?;
        let (arch, place) = (self.arch, Address(self.place(offset)));
        let field = self.field(offset, linkers.field_len_bytes())?;
        let patched = arch.patch(linkers, field, place, Address(referred));
        patched.map_err(|error| RelocateError::OutOfReach {
            offset,
            target,
            error,
        })
    }

    fn field(&mut self, offset: u32, field_len: usize) -> Result<&mut [u8], RelocateError> {
        let len = self.bytes.len();
        self.bytes
            .get_mut(offset as usize..)
            .and_then(|bytes| bytes.get_mut(..field_len))
            .ok_or(RelocateError::OutOfBounds { offset, len })
    }

    fn place(&self, offset: u32) -> u64 {
        self.address.wrapping_add(u64::from(offset))
    }

    /// Writes a veneer at an offset. Returns its address.
    fn put_veneer(&mut self, offset: usize, target: u64) -> Result<u64, RelocateError> {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let (arch, place) = (self.arch, self.place(offset));
        let room = self.field(offset, VENEER_LEN)?;
        let (veneer, address) = room.split_at_mut(VENEER_ADDRESS);
        address.copy_from_slice(&target.to_le_bytes());
        let cell = Address(place.wrapping_add(VENEER_ADDRESS as u64));
        let written = arch.write_veneer(veneer, Address(place), cell);
        written.map_err(|error| RelocateError::OutOfReach {
            offset,
            target,
            error,
        })?;
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::{Patch, RelocateError, VENEER_LEN, veneer_count};
    use cranelift_codegen::binemit::Reloc;
    use cranelift_module::{ModuleReloc, ModuleRelocTarget};
    use rekindle_link::Arch;

    fn patch(kind: Reloc, addend: i64, target: u64) -> Result<Vec<u8>, RelocateError> {
        let arch = match kind {
            Reloc::Arm64Call => Arch::Aarch64,
            _ => Arch::X86_64,
        };
        let relocs = [ModuleReloc {
            offset: 4,
            kind,
            name: ModuleRelocTarget::user(0, 0),
            addend,
        }];
        let mut bytes = vec![0; 16 + veneer_count(&relocs) * VENEER_LEN];
        let mut patch = Patch {
            arch,
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
        // `jmp *10(%rip)`: the address stands 16 bytes behind the veneer's start.
        assert_eq!(far[18..22], 10_u32.to_le_bytes());
        assert_eq!(far[32..40], (1_u64 << 40).to_le_bytes());
        let arm = patch(Reloc::Arm64Call, 0, 1 << 40).expect("there is a veneer");
        assert_eq!(arm[4..8], (0x0c_u32 / 4).to_le_bytes());
        assert_eq!(arm[32..40], (1_u64 << 40).to_le_bytes());
        // Halfway into an instruction is nowhere.
        assert!(patch(Reloc::Arm64Call, 0, 0x2002).is_err());
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
            arch: Arch::X86_64,
            bytes: &mut bytes,
            len: 8,
            address: 0,
        };
        let error = patch.apply(&relocs, &|_| 0).expect_err("outside");
        assert!(matches!(error, RelocateError::OutOfBounds { .. }));
    }
}

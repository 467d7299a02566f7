//! Memory that an embedder's provider gives: code lies there as `cranelift-jit` puts it, and none of it is
//! kept or found, since what is found lies where its image is mapped.

use std::io;

use cranelift_module::{ModuleReloc, ModuleRelocTarget};
use rekindle_exec::HostAddr;
use rekindle_link::Arch;

use crate::data::{Contents, Kind, Object, PublishError};
use crate::memory::{self, BranchProtection, JITMemoryKind, JITMemoryProvider};
use crate::relocate::{Patch, VENEER_LEN, veneer_count};

/// A provider, and what waits to be written where it said.
pub(crate) struct ProvidedMemory {
    provider: Box<dyn JITMemoryProvider + Send>,
    pending: Vec<Pending>,
    /// Whether [`Self::publish`] was left before its end.
    is_unfinished: bool,
}

struct Pending {
    address: HostAddr,
    /// The object, and room for its veneers.
    bytes: Vec<u8>,
    len: usize,
    relocs: Vec<ModuleReloc>,
}

impl ProvidedMemory {
    pub(crate) fn new(provider: Box<dyn JITMemoryProvider + Send>) -> Self {
        Self {
            provider,
            pending: Vec::new(),
            is_unfinished: false,
        }
    }

    /// Gives an object its place. It can be used once [`Self::publish`] ran.
    pub(crate) fn add(&mut self, object: Object<'_>) -> io::Result<HostAddr> {
        let Object {
            kind,
            align,
            contents,
            relocs,
        } = object;
        let mut bytes = match contents {
            Contents::Bytes(bytes) => bytes.to_vec(),
            Contents::Zeros(len) => vec![0; len],
        };
        let len = bytes.len();
        let (kind, veneers, align) = match kind {
            // Veneers hold an address.
            Kind::Code => (
                JITMemoryKind::Executable,
                veneer_count(&relocs),
                align.max(8),
            ),
            Kind::Constant => (JITMemoryKind::ReadOnly, 0, align),
            Kind::Writable => (JITMemoryKind::Writable, 0, align),
        };
        // One byte at least, so that two objects never share an address.
        let room = len.max(1).next_multiple_of(8) + veneers * VENEER_LEN;
        bytes.resize(room, 0);
        let start = memory::allocate(&mut *self.provider, room, align.max(1), kind)?;
        let address = HostAddr(start.expose_provenance() as u64);
        let ends = address.0.checked_add(room as u64).is_some();
        if address.0 == 0 || !ends || !address.0.is_multiple_of(align.max(1)) {
            return Err(io::Error::other("the memory provider gave no such memory"));
        }
        self.pending.push(Pending {
            address,
            bytes,
            len,
            relocs,
        });
        Ok(address)
    }

    /// Writes what was added since the last time, and has the provider protect it.
    ///
    /// # Errors
    /// If a relocation can't be applied, or the provider refuses.
    pub(crate) fn publish(
        &mut self,
        value_of: &dyn Fn(&ModuleRelocTarget) -> u64,
        protection: BranchProtection,
    ) -> Result<(), PublishError> {
        let arch = Arch::host().ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
        if self.is_unfinished {
            return Err(PublishError::Unfinished);
        }
        self.is_unfinished = true;
        for mut pending in std::mem::take(&mut self.pending) {
            let mut patch = Patch {
                arch,
                bytes: &mut pending.bytes,
                len: pending.len,
                address: pending.address.0,
            };
            patch.apply(&pending.relocs, value_of)?;
            write(&pending);
        }
        let finalized = self.provider.finalize(protection);
        finalized.map_err(|error| PublishError::Provider(error.to_string()))?;
        self.is_unfinished = false;
        Ok(())
    }

    /// Frees all memory.
    ///
    /// # Safety
    /// Nothing may use the memory any more.
    #[expect(unsafe_code, reason = "the interface of cranelift-jit")]
    pub(crate) unsafe fn free(&mut self) {
        // SAFETY: the caller's.
        unsafe { self.provider.free_memory() }
    }
}

/// Writes an object where it is to be.
#[expect(unsafe_code, reason = "a provider gives memory as a pointer")]
fn write(pending: &Pending) {
    let Pending { address, bytes, .. } = pending;
    let to = core::ptr::with_exposed_provenance_mut::<u8>(address.0 as usize);
    // SAFETY: a provider promises that the memory is as large as was asked for, and writable until it is
    // finalized; nobody else knows of it before. That its trait is safe to implement all the same is the price
    // of cranelift-jit's interface, as the trait's documentation says.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) }
}

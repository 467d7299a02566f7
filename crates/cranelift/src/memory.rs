//! The memory types of `cranelift-jit`'s interface: see
//! [`JITBuilder::memory_provider`](crate::JITBuilder::memory_provider).

use std::io;

use cranelift_module::{ModuleError, ModuleResult};
use rekindle_exec::{Arena, Block, Demand, Published};

/// Type of branch protection to apply to executable memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BranchProtection {
    /// No protection.
    None,
    /// Use the Branch Target Identification extension of the Arm architecture.
    BTI,
}

/// The kind of memory that a [`JITMemoryProvider`] is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JITMemoryKind {
    /// Memory that becomes executable.
    Executable,
    /// Memory that stays writable.
    Writable,
    /// Memory that becomes read-only.
    ReadOnly,
}

/// A provider of memory for compiled code.
///
/// The interface is `cranelift-jit`'s, and has its price: the trait is safe to implement, yet the module
/// writes where [`Self::allocate`] says, and what is written there is executed. A null pointer, one that isn't
/// aligned and one with less room before the end of the address space are refused; that the memory is there,
/// as large as was asked for, and nobody else's, only the provider knows. One that gives other memory has
/// undefined behaviour, whether or not it says `unsafe`.
#[expect(unsafe_code, reason = "the interface of cranelift-jit")]
pub trait JITMemoryProvider {
    /// Allocates memory: `size` bytes at a multiple of `align`, which are the caller's until
    /// [`Self::free_memory`], and writable until [`Self::finalize`].
    ///
    /// # Errors
    /// If there is none.
    #[cfg(since_0_129)]
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8>;

    /// Allocates memory that becomes executable.
    ///
    /// # Errors
    /// If there is none.
    #[cfg(not(since_0_129))]
    fn allocate_readexec(&mut self, size: usize, align: u64) -> io::Result<*mut u8>;

    /// Allocates memory that stays writable.
    ///
    /// # Errors
    /// If there is none.
    #[cfg(not(since_0_129))]
    fn allocate_readwrite(&mut self, size: usize, align: u64) -> io::Result<*mut u8>;

    /// Allocates memory that becomes read-only.
    ///
    /// # Errors
    /// If there is none.
    #[cfg(not(since_0_129))]
    fn allocate_readonly(&mut self, size: usize, align: u64) -> io::Result<*mut u8>;

    /// Frees all memory.
    ///
    /// # Safety
    /// Nothing may use the memory any more.
    unsafe fn free_memory(&mut self);

    /// Applies protections.
    ///
    /// # Errors
    /// If the system refuses.
    fn finalize(&mut self, branch_protection: BranchProtection) -> ModuleResult<()>;

    /// Whether any memory of the system's will do, as that of images.
    #[doc(hidden)]
    fn is_the_system(&self) -> bool {
        false
    }
}

/// Asks a provider for memory.
///
/// # Errors
/// If there is none.
pub(crate) fn allocate(
    provider: &mut dyn JITMemoryProvider,
    size: usize,
    align: u64,
    kind: JITMemoryKind,
) -> io::Result<*mut u8> {
    #[cfg(since_0_129)]
    {
        provider.allocate(size, align, kind)
    }
    #[cfg(not(since_0_129))]
    match kind {
        JITMemoryKind::Executable => provider.allocate_readexec(size, align),
        JITMemoryKind::Writable => provider.allocate_readwrite(size, align),
        JITMemoryKind::ReadOnly => provider.allocate_readonly(size, align),
    }
}

/// No memory, as a module's error.
pub(crate) fn no_memory(err: io::Error) -> ModuleError {
    ModuleError::Allocation {
        #[cfg(not(since_0_129))]
        message: "no memory for code",
        err,
    }
}

/// Memory that the system gives on demand.
#[derive(Debug, Default)]
pub struct SystemMemoryProvider(SystemMemory);

impl SystemMemoryProvider {
    /// A provider that gave nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Memory of one region. Nothing is reserved: code and data are always within reach of each other,
/// whatever the distance.
#[derive(Debug)]
pub struct ArenaMemoryProvider(SystemMemory);

impl ArenaMemoryProvider {
    /// A provider that gave nothing yet.
    ///
    /// # Errors
    /// None; the result is part of the interface.
    pub fn new_with_size(reserve_size: usize) -> Result<Self, region::Error> {
        let _ = reserve_size;
        Ok(Self(SystemMemory::default()))
    }
}

/// Memory for embedders whose own provider asks one of the two above. A module that is given one of these
/// itself uses its own.
#[derive(Debug, Default)]
struct SystemMemory {
    open: Vec<Block>,
    published: Vec<Published>,
}

/// What all of them are given.
static ARENA: Arena = Arena::new();

/// The largest alignment that blocks have.
const PAGE_LEN: usize = 4096;

impl SystemMemory {
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
        let align = usize::try_from(align).unwrap_or(usize::MAX);
        if !align.is_power_of_two() || align > PAGE_LEN {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let is_code = kind != JITMemoryKind::Writable;
        let (code_len, data_len) = if is_code { (size, 0) } else { (0, size) };
        let mut block = match kind {
            JITMemoryKind::ReadOnly => ARENA.reserve_constants(size),
            JITMemoryKind::Executable | JITMemoryKind::Writable => ARENA.reserve(Demand {
                code_len,
                data_len,
                data_align: align,
                ..Demand::default()
            }),
        }?;
        let start = match is_code {
            true => block.code_mut().as_mut_ptr(),
            false => block.data_mut().as_mut_ptr(),
        };
        self.open.push(block);
        Ok(start)
    }

    fn finalize(&mut self) -> ModuleResult<()> {
        for block in std::mem::take(&mut self.open) {
            let published = block.publish();
            let published = published.map_err(no_memory)?;
            self.published.push(published);
        }
        Ok(())
    }
}

impl Drop for SystemMemory {
    fn drop(&mut self) {
        // Function pointers outlive the module.
        std::mem::forget(std::mem::take(&mut self.published));
        std::mem::forget(std::mem::take(&mut self.open));
    }
}

macro_rules! system_provider {
    ($provider:ty) => {
        #[expect(unsafe_code, reason = "the interface of cranelift-jit")]
        impl JITMemoryProvider for $provider {
            #[cfg(since_0_129)]
            fn allocate(
                &mut self,
                size: usize,
                align: u64,
                kind: JITMemoryKind,
            ) -> io::Result<*mut u8> {
                self.0.allocate(size, align, kind)
            }

            #[cfg(not(since_0_129))]
            fn allocate_readexec(&mut self, size: usize, align: u64) -> io::Result<*mut u8> {
                self.0.allocate(size, align, JITMemoryKind::Executable)
            }

            #[cfg(not(since_0_129))]
            fn allocate_readwrite(&mut self, size: usize, align: u64) -> io::Result<*mut u8> {
                self.0.allocate(size, align, JITMemoryKind::Writable)
            }

            #[cfg(not(since_0_129))]
            fn allocate_readonly(&mut self, size: usize, align: u64) -> io::Result<*mut u8> {
                self.0.allocate(size, align, JITMemoryKind::ReadOnly)
            }

            unsafe fn free_memory(&mut self) {
                self.0.open.clear();
                self.0.published.clear();
            }

            fn finalize(&mut self, _: BranchProtection) -> ModuleResult<()> {
                self.0.finalize()
            }

            fn is_the_system(&self) -> bool {
                true
            }
        }
    };
}

system_provider!(SystemMemoryProvider);
system_provider!(ArenaMemoryProvider);

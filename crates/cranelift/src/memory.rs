//! The memory types of `cranelift-jit`'s interface.
//!
//! They exist so that embedders compile unchanged: see
//! [`JITBuilder::memory_provider`](crate::JITBuilder::memory_provider).

use std::io;

use cranelift_module::ModuleResult;

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
#[expect(unsafe_code, reason = "the interface of cranelift-jit")]
pub trait JITMemoryProvider {
    /// Allocates memory.
    ///
    /// # Errors
    /// If there is none.
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8>;

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
}

/// Stands for memory that the system gives on demand.
#[derive(Debug, Default)]
pub struct SystemMemoryProvider(());

impl SystemMemoryProvider {
    /// Says that memory comes from the system.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Stands for memory that is reserved up front.
#[derive(Debug)]
pub struct ArenaMemoryProvider(());

impl ArenaMemoryProvider {
    /// Says that memory comes from one region. Nothing is reserved: code and data are always
    /// within reach of each other, whatever the distance.
    ///
    /// # Errors
    /// None; the result is part of the interface.
    pub fn new_with_size(reserve_size: usize) -> Result<Self, region::Error> {
        let _ = reserve_size;
        Ok(Self(()))
    }
}

macro_rules! unused_provider {
    ($provider:ty) => {
        #[expect(unsafe_code, reason = "the interface of cranelift-jit")]
        impl JITMemoryProvider for $provider {
            fn allocate(&mut self, _: usize, _: u64, _: JITMemoryKind) -> io::Result<*mut u8> {
                Err(io::ErrorKind::Unsupported.into())
            }

            unsafe fn free_memory(&mut self) {}

            fn finalize(&mut self, _: BranchProtection) -> ModuleResult<()> {
                Ok(())
            }
        }
    };
}

unused_provider!(SystemMemoryProvider);
unused_provider!(ArenaMemoryProvider);

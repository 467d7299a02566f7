//! Where the sections of an artifact live in this process.

use rekindle_exec::HostAddr;

/// Where an artifact's sections live in this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SectionAddresses {
    pub(crate) text: HostAddr,
    pub(crate) rodata: HostAddr,
    pub(crate) data: HostAddr,
    pub(crate) bss: HostAddr,
}

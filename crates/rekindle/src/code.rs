//! Code that can be called.

use std::sync::Arc;

use rekindle_artifact::{SectionKind, Signature};
use rekindle_exec::{Entry, EntrySignature, HostAddr, SignatureMismatch};

/// Published code: verified, bound and executable. A cheap handle that keeps the code mapped.
#[derive(Clone, Debug)]
pub struct Code {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    text: HostAddr,
    text_len_bytes: u32,
    rodata: HostAddr,
    data: HostAddr,
    bss: HostAddr,
    signature: Signature,
    compile_time_ns: u64,
    loaded: bool,
    metadata: Vec<u8>,
}

impl Code {
    /// The entry point: the first byte of the text.
    pub fn address(&self) -> HostAddr {
        self.inner.text
    }

    /// How many bytes of text there are from [`Self::address`], veneers included.
    pub fn text_len_bytes(&self) -> u32 {
        self.inner.text_len_bytes
    }

    /// Where a section lives in this process. Of an empty section, some address.
    pub fn section_address(&self, section: SectionKind) -> HostAddr {
        match section {
            SectionKind::Text => self.inner.text,
            SectionKind::Rodata => self.inner.rodata,
            SectionKind::Data => self.inner.data,
            SectionKind::Bss => self.inner.bss,
        }
    }

    /// The entry point as a function pointer.
    ///
    /// # Errors
    /// If the artifact's signature isn't that of `F`.
    pub fn entry<F: EntrySignature>(&self) -> Result<Entry<F>, SignatureMismatch> {
        let memory: Arc<dyn core::any::Any + Send + Sync> = Arc::clone(&self.inner) as _;
        Entry::new(self.inner.text, memory, self.inner.signature.0)
    }

    /// The signature that the artifact recorded.
    pub fn signature(&self) -> Signature {
        self.inner.signature
    }

    /// What the front kept beside the code.
    pub fn metadata(&self) -> &[u8] {
        &self.inner.metadata
    }

    /// What compiling cost, in nanoseconds, when it was compiled.
    pub fn compile_time_ns(&self) -> u64 {
        self.inner.compile_time_ns
    }

    /// Whether the code came from an image, rather than from this process's compiler.
    pub fn is_loaded(&self) -> bool {
        self.inner.loaded
    }
}

/// What is at an address inside published code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The artifact's name.
    pub name: String,
    /// The address's distance from the entry point, in bytes.
    pub offset: u32,
    /// The front's own location for the instruction, where it recorded one.
    pub source_location: Option<u32>,
    /// The front's code for why the instruction at exactly this address may trap.
    pub trap: Option<u16>,
}

//! What an image is built from: what the linker laid out, and where what it knows nothing of goes.

use rekindle_artifact::Artifact;

use crate::environment::ScopeId;
use crate::image::bindings::StoredBindings;
use crate::image::calls::DirectCallsDraft;
use crate::image::header::Identity;
use crate::image::program::ProgramPartDraft;
use crate::key::Key;

/// A part of an image's memory, or what lies there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// Where it starts, from the image's base.
    pub address: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// One piece of linked code.
#[derive(Clone, Debug)]
pub struct DraftEntry<'a> {
    /// The key.
    pub key: Key,
    /// What was linked.
    pub artifact: &'a Artifact,
    /// Patched text with its veneers.
    pub text: Area,
    /// Constants; in writable memory if they hold addresses.
    pub rodata: Area,
    /// Initial contents of the data.
    pub data: Area,
    /// Where the zero-initialised data will live.
    pub bss_address: u64,
    /// What is to be bound before the entry runs.
    pub bindings: StoredBindings<'a>,
}

/// Everything that goes into an image.
#[derive(Clone, Debug)]
pub struct ImageDraft<'a> {
    /// Environment, scope and machine.
    pub identity: Identity,
    /// The scope, for its label.
    pub scope: &'a ScopeId,
    /// The bytes of a page.
    pub page_len: u64,
    /// Where the file starts in memory: behind the writable part.
    pub file_base: u64,
    /// The name behind each cell. Cells start at the image's base.
    pub cells: &'a [String],
    /// Initialised writable data.
    pub data: Area,
    /// Zero-initialised writable data.
    pub bss: Area,
    /// Machine code.
    pub text: Area,
    /// Constants.
    pub rodata: Area,
    /// Call frame information.
    pub eh_frame: Area,
    /// The file from its start to the end of the call frame information, all of it linked. What stands
    /// before the text is overwritten.
    pub front: Vec<u8>,
    /// The initial contents of the writable memory, from its first byte to the end of the data.
    pub initial: Vec<u8>,
    /// The code.
    pub entries: Vec<DraftEntry<'a>>,
    /// Calls of the entries that lead straight to other entries.
    pub direct_calls: DirectCallsDraft,
    /// The program that the entries make, if they make one.
    pub program: Option<ProgramPartDraft<'a>>,
}

/// An image can't be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] std::io::Error),
    /// There is too much for 32-bit offsets, or the layout contradicts itself.
    #[error("the image's layout is impossible")]
    Layout,
}

/// Where the parts of the file lie that the linker knows nothing of.
pub(crate) struct FilePlan {
    pub(crate) text: u64,
    pub(crate) rodata: u64,
    pub(crate) eh_frame: u64,
    /// The initial contents of the writable memory, from its first byte to the end of the data.
    pub(crate) initial: u64,
    pub(crate) program: u64,
    pub(crate) calls: u64,
    pub(crate) slots: u64,
    pub(crate) records: u64,
    pub(crate) side: u64,
    pub(crate) kept: u64,
    pub(crate) end: u64,
}

/// The parts of the file that the linker knows nothing of.
pub(crate) struct OwnParts {
    pub(crate) program: Vec<u8>,
    pub(crate) calls: Vec<u8>,
    pub(crate) slots: Vec<u8>,
    pub(crate) records: Vec<u8>,
    pub(crate) side: Vec<u8>,
    pub(crate) kept: Vec<u8>,
}

//! Images: files of linked code. `docs/format.md` draws the bytes.

mod bindings;
mod calls;
mod digest;
mod draft;
mod elf;
mod entry;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod header;
mod plan;
mod program;
mod view;

pub use bindings::{StoredBinding, StoredBindings, StoredCell, StoredValue};
#[cfg(test)]
pub(crate) use calls::CallRecord;
pub use calls::{DirectCalls, DirectCallsDraft, StoredCall};
#[cfg(test)]
pub(crate) use entry::EntryRecord;
pub use entry::{Damaged, Tables, VerifiedRecord};
#[cfg(test)]
pub(crate) use header::HeaderFields;
pub use header::{HEADER_OFFSET, Identity, ImageHeader, PREFIX_LEN, Refusal};
pub use plan::{Area, BuildError, DraftEntry, ImageDraft};
pub use program::{DraftSymbol, ProgramPartDraft, ProgramPlaces, ProgramSymbol, ProgramView};
#[cfg(test)]
pub(crate) use program::{ProgramHead, SymbolRecord};
pub use view::{ImageView, UnverifiedEntry};

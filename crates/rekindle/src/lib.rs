//! A persistent machine-code cache for just-in-time compilers.
//!
//! Look a key up; on a hit there is code to call, mapped from an earlier process. On a miss,
//! compile, and hand the result in with the ticket that came with the miss: it runs at once, and
//! [`Scope::flush`] keeps it for the next process. Whatever is wrong with the files is an outcome
//! ([`MissReason`]), never an error that the caller must handle.
//!
//! ```
//! use rekindle::{Artifact, Cache, Environment, KeyBuilder, Lookup, ScopeId, Section};
//!
//! let cache = Cache::in_memory();
//! let environment = Environment::builder("example").field("version", 1).build();
//! let scope = cache.scope(&environment, ScopeId::from_name("main"), Box::new(|_| None));
//! let key = KeyBuilder::new("example/function").str("return 42").finish();
//! let code = match scope.lookup(&key) {
//!     Lookup::Hit(code) => code,
//!     Lookup::Miss(ticket) => {
//!         let artifact = Artifact {
//!             name: "answer".to_owned(),
//!             text: Section { bytes: vec![0xb8, 42, 0, 0, 0, 0xc3], align: 16 },
//!             ..Artifact::default()
//!         };
//!         scope.insert(ticket, artifact).expect("there is executable memory")
//!     }
//! };
//! assert!(!code.is_loaded());
//! ```

#![deny(unsafe_code)]

mod bits;
mod blank;
mod cache;
mod claim;
mod code;
mod config;
mod correct;
mod environment;
mod flush;
mod inspect;
mod loaded;
mod made_by;
mod map_image;
mod merge;
mod miss;
mod names;
mod notice;
mod object;
mod opened;
mod own;
mod place;
mod program;
mod publish;
mod reordered;
mod resident;
mod sample;
mod schedule;
mod scope;
mod scope_state;
mod sections;
mod shared;
mod shelf;
mod statistics;
mod ticket;
mod variables;
mod verify;
mod wanted;
mod why;
mod writer;

pub use cache::Cache;
pub use code::{Code, Located};
pub use config::{CacheConfig, CacheMode, parse_size};
pub use environment::{Environment, EnvironmentBuilder};
pub use flush::FlushReport;
pub use inspect::{ClearError, DiskUsage};
pub use miss::MissReason;
pub use names::Symbols;
pub use notice::Notice;
pub use place::InsertError;
pub use program::{Program, ProgramDraft, ProgramDraftSymbol, ProgramPart};
pub use rekindle_artifact::{
    Artifact, KeyItem, KeyItems, KeyPart, Relocation, RelocationKind, Section, SectionKind,
    Signature, SourceLocation, Target, Trap, UnwindInfo, ZeroSection,
};
pub use rekindle_exec::{
    Entry, EntrySignature, HostAddr, Plain, SignatureMismatch, cover_lost_page, is_in_image,
    may_have_run_zeroes, signature_of,
};
pub use rekindle_store::{
    Digest, EntryInfo, EnvironmentDescription, EnvironmentInfo, FileSystem, Garbage, HeaderInfo,
    ImageCheck, ImageInfo, Key, KeyBuilder, OpenError, ScopeId, Storage, System, name_hash,
};
pub use reordered::ORDER_ASIDE;
pub use scope::{Moved, Scope, VerifyingProgram};
pub use shelf::Judges;
pub use statistics::Statistics;
pub use ticket::{Lookup, Ticket, Verification};
pub use variables::{default_directory, variable};
pub use wanted::{Asked, Known, Knows, Wanted};
pub use why::{FieldDifference, ItemDifference, Why};
pub use writer::in_silence;

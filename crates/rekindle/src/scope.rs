//! A scope: the code that is loaded together.

use core::fmt;
use std::sync::Arc;

use rekindle_artifact::Artifact;
use rekindle_exec::HostAddr;
use rekindle_store::{Key, ScopeId};

use crate::code::{Code, Located};
use crate::miss::MissReason;

/// Gives the value of a name that code refers to, if it has one in this process.
pub type Symbols = Box<dyn Fn(&str) -> Option<u64> + Send + Sync>;

/// A handle on a scope; clones share it, from any thread. Code lives at least as long as the scope.
#[derive(Clone)]
pub struct Scope {
    inner: Arc<Inner>,
}

struct Inner {
    id: ScopeId,
    #[expect(dead_code, reason = "the linker will ask it")]
    symbols: Symbols,
}

/// What a look-up found.
#[derive(Debug)]
pub enum Lookup {
    /// Code that is callable now.
    Hit(Code),
    /// Nothing usable; compile, and hand the result to [`Scope::insert`].
    Miss(Ticket),
}

/// Says that a key was looked up and missed. The only thing that [`Scope::insert`] accepts.
#[derive(Debug)]
pub struct Ticket {
    key: Key,
    reason: MissReason,
}

impl Ticket {
    /// Why the look-up found nothing usable.
    pub fn reason(&self) -> MissReason {
        self.reason
    }

    /// The key that was looked up.
    pub fn key(&self) -> &Key {
        &self.key
    }
}

/// An artifact can't be inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InsertError {
    /// The system gives no executable memory.
    NoExecutableMemory,
}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system gives no executable memory")
    }
}

impl core::error::Error for InsertError {}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushReport {
    /// Entries written.
    pub entries_written: u64,
    /// Bytes of the image file written.
    pub bytes_written: u64,
}

impl Scope {
    pub(crate) fn new(id: ScopeId, symbols: Symbols) -> Self {
        Self {
            inner: Arc::new(Inner { id, symbols }),
        }
    }

    /// Looks a key up, first among the code of this process, then in the scope's images.
    pub fn lookup(&self, key: &Key) -> Lookup {
        Lookup::Miss(Ticket {
            key: *key,
            reason: MissReason::CacheOff,
        })
    }

    /// Places an artifact in this process's memory, callable at once, and queues it for
    /// [`Self::flush`]. If another thread inserted the key meanwhile, its code is returned.
    ///
    /// # Errors
    /// See [`InsertError`]; nothing is inserted, and the caller goes without this code.
    pub fn insert(&self, ticket: Ticket, artifact: Artifact) -> Result<Code, InsertError> {
        let _ = (ticket, artifact);
        Err(InsertError::NoExecutableMemory)
    }

    /// What is at a host address, if it lies in code of this scope. Not for signal handlers: it
    /// takes a lock.
    pub fn locate(&self, pc: HostAddr) -> Option<Located> {
        let _ = pc;
        None
    }

    /// Writes the queued artifacts as one new image. Trouble with the disk is a
    /// [`Notice`](crate::Notice).
    pub fn flush(&self) -> FlushReport {
        FlushReport::default()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("id", &self.inner.id)
            .finish_non_exhaustive()
    }
}

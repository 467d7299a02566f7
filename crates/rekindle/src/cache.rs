//! The cache: a folder of images, or memory alone.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rekindle_artifact::Signature;
use rekindle_exec::fork_gate::enter;
use rekindle_exec::has_more_authority_than_user;
use rekindle_store::{Digest, OpenError, Opening, ScopeId, Secret, Storage, Store, System};

use crate::config::{CacheConfig, CacheMode};
use crate::environment::Environment;
use crate::flush::FlushReport;
use crate::made_by;
use crate::names::{LateNames, Names, Symbols};
use crate::notice::{Notice, UNKNOWN_BUILD};
use crate::scope::Scope;
use crate::shared::Shared;
use crate::statistics::Statistics;
use crate::variables::default_directory;
use crate::writer;

/// A handle on a cache; clones share it.
#[derive(Clone, Debug)]
pub struct Cache {
    pub(crate) shared: Arc<Shared>,
}

impl Cache {
    /// Opens the cache that `config` names. Never fails: trouble becomes a [`Notice`], and a cache
    /// in memory alone. It is one, too, in a process that has more authority than its user (a
    /// set-user-id program, one with file capabilities), since the user may write the cache.
    pub fn open(config: &CacheConfig) -> Self {
        Self::open_on(config, Arc::new(System))
    }

    /// The same on another storage than the system's, for tests.
    #[doc(hidden)]
    pub fn open_on(config: &CacheConfig, storage: Arc<dyn Storage>) -> Self {
        let _inside = enter();
        let CacheConfig {
            directory,
            mode,
            budget_bytes,
            verify_one_in,
            write_after,
        } = config;
        let mut notices = Vec::new();
        let opening = match mode {
            CacheMode::Off => return Self::in_memory(),
            CacheMode::ReadOnly => Opening::Reading,
            CacheMode::ReadWrite => Opening::Writing,
        };
        if !made_by::is_known() {
            return Self::new(None, 0, 0, None, vec![Notice::new(UNKNOWN_BUILD)]);
        }
        let store = open_store(directory.clone(), opening, storage);
        let store = store
            .map_err(|error| {
                tracing::debug!(%error, "no persistent cache");
                notices.push(Notice::new(format!(
                    "nothing is kept between runs: {error}"
                )));
            })
            .ok();
        if let Some(store) = &store {
            writer::write_folder(store.path());
        }
        Self::new(store, *budget_bytes, *verify_one_in, *write_after, notices)
    }

    /// A cache without a persistent layer.
    pub fn in_memory() -> Self {
        Self::new(None, 0, 0, None, Vec::new())
    }

    fn new(
        store: Option<Store>,
        budget_bytes: u64,
        verify_one_in: u32,
        write_after: Option<Duration>,
        notices: Vec<Notice>,
    ) -> Self {
        let shared = Shared::new(store, budget_bytes, verify_one_in, write_after, notices);
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Whether anything is kept between processes.
    pub fn is_persistent(&self) -> bool {
        self.shared.store.is_some()
    }

    /// What a person should hear about this cache.
    pub fn notices(&self) -> Vec<Notice> {
        let _inside = enter();
        self.shared.notices()
    }

    /// A number that tells names of all kinds apart, for a front that has a name where a [`Signature`]
    /// stands. It is the same in every process that uses this cache, and no others can choose names that
    /// share one.
    pub fn name_tag(&self, kind: u8, name: &[u8]) -> Signature {
        let secret = match &self.shared.store {
            Some(store) => store.secret(),
            None => Secret::of_process(),
        };
        Signature(secret.name_tag(kind, name))
    }

    /// Counts code that holds an address of this process as a constant, so that no other process
    /// will find it. Returns whether it is the first.
    pub fn note_baked_address(&self, name: &str) -> bool {
        let _inside = enter();
        self.shared.note_baked_address(name)
    }

    /// The names of code that [`Self::note_baked_address`] counted, the first of them.
    pub fn baked_addresses(&self) -> Vec<String> {
        let _inside = enter();
        self.shared.baked_addresses()
    }

    /// Code whose kept form wasn't what its front compiled under the same key, and in which parts it
    /// differed: the first of them. [`Statistics::hits_differing`] counts all. The key of such code
    /// doesn't cover all that the code is made from.
    pub fn differing(&self) -> Vec<String> {
        let _inside = enter();
        self.shared.sample.differing()
    }

    /// Adds a notice of the front's own, unless there is the same already.
    pub fn notice(&self, text: &str) {
        let _inside = enter();
        self.shared.notice(text.to_owned());
    }

    /// Opens a scope: the code of one environment that is loaded together.
    ///
    /// `symbols` gives the values of the names that code refers to: addresses, or plain numbers
    /// such as the base of a guest module. A value is asked for when code that refers to it is
    /// first used, and must not change while the scope lives. `symbols` must not look code up in
    /// the same scope: it is asked while the scope holds a lock.
    pub fn scope(&self, environment: &Environment, scope: ScopeId, symbols: Symbols) -> Scope {
        Scope::open(
            Arc::clone(&self.shared),
            Arc::clone(environment.stored()),
            scope,
            Names::Given(symbols),
        )
    }

    /// Opens a scope whose code may refer to names that have no values yet. No code of it may be
    /// called before [`Scope::bind_names`] gave all of them theirs: until then, what was inserted
    /// isn't even executable, so that what is inserted together is published together.
    pub fn scope_with_late_names(&self, environment: &Environment, scope: ScopeId) -> Scope {
        Scope::open(
            Arc::clone(&self.shared),
            Arc::clone(environment.stored()),
            scope,
            Names::Late(LateNames::default()),
        )
    }

    /// Writes what waits of scopes with late names: see [`CacheConfig::write_after`]. Trouble with the disk is
    /// a [`Notice`].
    pub fn flush(&self) -> FlushReport {
        writer::flush_all_of(&self.shared)
    }

    /// The same for all caches of this process, as its end does.
    pub fn flush_all() {
        writer::write_all();
    }

    /// Figures of this process's use of the cache.
    pub fn statistics(&self) -> Statistics {
        self.shared.counters.snapshot()
    }

    /// The digest of the running program, and of the shared library that this code is in, if it is in
    /// one: what a front whose input alone makes its keys puts into them or its [`Environment`], so that
    /// another build of it doesn't take this one's code for its own. It is made of their build ids or,
    /// where linkers left none, of their files, remembered as by [`Self::file_digest`]. `None` where
    /// neither can be read, or nothing is kept between runs anyway.
    pub fn program_digest(&self) -> Option<Digest> {
        let _inside = enter();
        self.shared.program_digest()
    }

    /// The digest of a file's contents as `compute` finds it, remembered under the file's device,
    /// inode, size, and times of change in nanoseconds, until the machine is started anew. Applications
    /// share what is remembered: `what` says what the digest is of, in words that nobody else uses, and
    /// changes when `compute` does.
    pub fn file_digest(
        &self,
        what: &'static str,
        file: &File,
        compute: impl FnOnce() -> Digest,
    ) -> Digest {
        match &self.shared.store {
            Some(store) => store.file_digest(what, file, compute),
            None => compute(),
        }
    }
}

/// Opens the store in a folder, or in the default one.
pub(crate) fn open_store(
    directory: Option<PathBuf>,
    opening: Opening,
    storage: Arc<dyn Storage>,
) -> Result<Store, OpenError> {
    if has_more_authority_than_user() {
        return Err(OpenError::MoreAuthority);
    }
    let path = directory.or_else(default_directory);
    Store::open_on(&path.ok_or(OpenError::NoDirectory)?, opening, storage)
}

//! What the handles on a scope share: the code that it uses, and where it finds and leaves code.

use std::io;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use rekindle_artifact::{Artifact, Relocation, Target};
use rekindle_exec::fork_gate::enter;
use rekindle_exec::{Batch, PerProcess};
use rekindle_store::image::UnverifiedEntry;
use rekindle_store::{Environment, Key, ScopeId};

use crate::code::Code;
use crate::flush::{self, FlushReport};
use crate::loaded::LoadedImage;
use crate::miss::MissReason;
use crate::names::Names;
use crate::opened::OpenedImages;
use crate::place::place;
use crate::resident::Resident;
use crate::shared::Shared;
use crate::shelf::Shelf;
use crate::ticket::{Lookup, Ticket};
use crate::wanted::Wanted;
use crate::writer;

/// Of so many loads, one is timed.
const TIMED_ONE_IN: u32 = 16;

/// What the handles on a scope share.
pub(crate) struct ScopeState {
    /// Tells this scope from every other of the process, for tickets.
    pub(crate) number: u64,
    pub(crate) cache: Arc<Shared>,
    pub(crate) environment: Arc<Environment>,
    pub(crate) id: ScopeId,
    pub(crate) names: Names,
    /// Images, and what waits for being written.
    pub(crate) shelf: ShelfOf,
    /// What was inserted since names were bound, in memory that all scopes of the cache share.
    pub(crate) batch: Batch,
    pub(crate) resident: RwLock<Resident>,
    /// How many programs are being made to be compared.
    pub(crate) verifying: AtomicU32,
}

/// Where a scope has its shelf from.
pub(crate) enum ShelfOf {
    /// It is the scope's own.
    Own(Arc<Shelf>),
    /// It is the cache's, for each process.
    Cache(PerProcess<OnceLock<Arc<Shelf>>>),
}

impl ScopeState {
    pub(crate) fn shelf(&self) -> &Shelf {
        match &self.shelf {
            ShelfOf::Own(shelf) => shelf,
            ShelfOf::Cache(shelves) => shelves.get().get_or_init(|| {
                writer::register(&self.cache);
                self.cache.shelf(&self.environment, &self.id)
            }),
        }
    }

    /// The shelf, if the scope ever had to do with it in this process: without a cache it never has.
    pub(crate) fn shelf_if_used(&self) -> Option<&Shelf> {
        match &self.shelf {
            ShelfOf::Own(shelf) => Some(shelf),
            ShelfOf::Cache(shelves) => shelves.get().get().map(Arc::as_ref),
        }
    }

    pub(crate) fn opened(&self) -> &OpenedImages {
        self.shelf().opened.get_or_init(|| {
            let start = Instant::now();
            let opened = self.cache.open_images(&self.environment, &self.id);
            self.cache.counters.load_ns.add_elapsed(start);
            opened
        })
    }

    /// Looks a key up, first among the code of the scope.
    pub(crate) fn find(&self, key: &Key, wanted: &Wanted<'_>) -> Lookup {
        let compiled = self.read().compiled(key).cloned();
        let found = match compiled {
            Some(code) if wanted.accepts(code.signature()) => Ok(code),
            Some(_) => Err(MissReason::OtherSignature),
            None => self.load(key, wanted),
        };
        match found {
            Ok(code) => Lookup::Hit(code),
            Err(reason) => Lookup::Miss(Ticket {
                key: *key,
                reason,
                scope: self.number,
            }),
        }
    }

    /// Looks a key up in the images, newest first, until one has a usable entry, and among what other
    /// scopes of the process compiled.
    fn load(&self, key: &Key, wanted: &Wanted<'_>) -> Result<Code, MissReason> {
        if self.cache.store.is_none() {
            return Err(MissReason::CacheOff);
        }
        let shelf = self.shelf();
        let opened = self.opened();
        let found = shelf.images(key);
        let (older, mut reason) = match found.is_corrected {
            false => (&*opened.images, opened.absent),
            true => (&[][..], MissReason::Refused),
        };
        for image in found.own.iter().chain(older) {
            let Some(entry) = image.find(key) else {
                continue;
            };
            match self.load_from(image, &entry, wanted) {
                // What is older was replaced, perhaps since it was wrong.
                Err(why @ (MissReason::OtherNames | MissReason::Damaged)) => return Err(why),
                Err(why) => reason = why,
                found => return found,
            }
        }
        if let Some(artifact) = shelf.queued(key) {
            return self.load_queued(key, artifact, wanted);
        }
        let open = |number| self.cache.open_own(&self.environment, &self.id, number);
        if let Some(image) = shelf.open_own(key, open)
            && let Some(entry) = image.find(key)
        {
            return self.load_from(&image, &entry, wanted);
        }
        Err(reason)
    }

    fn load_from(
        &self,
        image: &Arc<LoadedImage>,
        entry: &UnverifiedEntry<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<Code, MissReason> {
        let index = entry.index();
        if self.read().is_loaded(image, index) {
            let record = image.record(index);
            return match wanted.accepts(record.signature()) {
                true => Ok(Code::loaded(Arc::clone(image), &record)),
                false => Err(MissReason::OtherSignature),
            };
        }
        let counters = &self.cache.counters;
        let is_timed = index.is_multiple_of(TIMED_ONE_IN);
        let start = is_timed.then(Instant::now);
        let result = self.claim(image, entry, wanted);
        if let Some(start) = start {
            let elapsed = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            counters
                .load_ns
                .add(elapsed.saturating_mul(TIMED_ONE_IN.into()));
        }
        let (code, is_new) = result?;
        if is_new {
            counters.entries_loaded.add(1);
            counters.compile_ns_avoided.add(code.compile_time_ns());
        }
        Ok(code)
    }

    /// Verifies an entry, and has the scope use it, or a copy of it. Returns the code, and whether the scope
    /// didn't have it yet: another thread may have been faster.
    fn claim(
        &self,
        image: &Arc<LoadedImage>,
        entry: &UnverifiedEntry<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<(Code, bool), MissReason> {
        let record = match &self.names {
            Names::Given(symbols) => image.load(entry, symbols, wanted)?,
            Names::Late(_) => image.verify(entry, wanted)?,
        };
        let mut resident = self.write();
        let claim = resident.claim(image);
        let is_usable = match (claim.loaded.contains(record.index()), &self.names) {
            (true, _) => return Ok((Code::loaded(Arc::clone(image), &record), false)),
            (false, Names::Given(_)) => {
                claim.loaded.insert(record.index());
                true
            }
            (false, Names::Late(_)) => claim.add(&record, wanted, self.number)?,
        };
        if is_usable {
            return Ok((Code::loaded(Arc::clone(image), &record), true));
        }
        let copy = self.copy(image, record.index());
        let copy = copy.map_err(|error| {
            tracing::debug!(%error, "an entry can't be copied");
            MissReason::NoMemory
        })?;
        image.note_use(&record);
        Ok(resident.add(record.key(), copy))
    }

    /// Copies an entry into this process's own memory.
    pub(crate) fn copy(&self, image: &LoadedImage, index: u32) -> io::Result<Code> {
        let artifact = image.artifact(&image.record(index));
        let artifact = artifact.ok_or(io::ErrorKind::InvalidData)?;
        let placed = place(&Arc::new(artifact), &self.batch, &self.names, true);
        placed.map_err(io::Error::other)
    }

    /// What another scope of this process compiled, in memory of this scope's own.
    fn load_queued(
        &self,
        key: &Key,
        artifact: Arc<Artifact>,
        wanted: &Wanted<'_>,
    ) -> Result<Code, MissReason> {
        if !wanted.accepts(artifact.signature) {
            return Err(MissReason::OtherSignature);
        }
        let is_known = |relocation: &Relocation| match &relocation.target {
            Target::Section(_) => true,
            Target::Symbol(name) => wanted.knows(name).is_some(),
        };
        if !artifact.relocations.iter().all(is_known) {
            return Err(MissReason::OtherNames);
        }
        let placed = place(&artifact, &self.batch, &self.names, false);
        let code = placed.map_err(|_| MissReason::NoMemory)?;
        let (code, is_new) = self.write().add(*key, code);
        if is_new {
            let counters = &self.cache.counters;
            counters.entries_loaded.add(1);
            counters.compile_ns_avoided.add(artifact.compile_time_ns);
        }
        Ok(code)
    }

    /// Whether what is inserted for a miss takes the place of what an image holds.
    pub(crate) fn replaces_kept(&self, key: &Key, reason: MissReason) -> bool {
        match reason {
            MissReason::OtherNames | MissReason::Refused => true,
            // Or another image is damaged, which may have held anything.
            MissReason::Damaged => {
                let own = self.shelf().images(key).own;
                let mut images = own.iter().chain(&self.opened().images);
                images.any(|image| image.find(key).is_some())
            }
            _ => false,
        }
    }

    pub(crate) fn flush(&self) -> FlushReport {
        match self.cache.store {
            Some(_) => flush::flush(&self.cache, self.shelf()),
            None => FlushReport::default(),
        }
    }

    // A panic while a lock was held leaves the maps as they were before or after one change, so a
    // poisoned lock is as good as any.

    pub(crate) fn read(&self) -> std::sync::RwLockReadGuard<'_, Resident> {
        self.resident.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> std::sync::RwLockWriteGuard<'_, Resident> {
        let resident = self.resident.write();
        resident.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ScopeState {
    fn drop(&mut self) {
        let _inside = enter();
        if let Some(shelf) = self.shelf_if_used() {
            writer::end(&self.cache, shelf);
        }
        if let ShelfOf::Cache(shelves) = &mut self.shelf {
            *shelves = PerProcess::new();
            self.cache.drop_idle_shelves();
        }
    }
}

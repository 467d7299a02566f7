//! A scope: the code that is loaded together.

use core::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use rekindle_artifact::Artifact;
use rekindle_exec::fork_gate::enter;
use rekindle_exec::{Arena, Batch, HostAddr, PerProcess};
use rekindle_store::{Environment, Key, KeyBuilder, ScopeId};

use crate::claim::settle;
use crate::code::{Code, Located};
use crate::flush::FlushReport;
use crate::miss::MissReason;
use crate::names::Names;
use crate::place::{InsertError, place};
use crate::program::{Program, ProgramDraft};
use crate::scope_state::{ScopeState, ShelfOf};
use crate::shared::Shared;
use crate::shelf::{Judges, Shelf};
use crate::ticket::{Lookup, Ticket, Verification};
use crate::verify::{differing_in_program, differing_parts};
use crate::wanted::{Asked, Wanted};
use crate::writer;

/// A handle on a scope; clones share it, from any thread.
///
/// Code lives at least as long as the scope, or a [`Code`] of it. The last handle, when dropped,
/// flushes; of a scope with late names what waits is written as
/// [`CacheConfig::write_after`](crate::CacheConfig::write_after) says.
#[derive(Clone)]
pub struct Scope {
    inner: Arc<ScopeState>,
}

/// While it lives, every hit of the scope is one of those to verify: a program that is made of what was
/// kept agrees with what was kept, right or wrong.
#[derive(Debug)]
pub struct VerifyingProgram {
    scope: Scope,
}

impl Drop for VerifyingProgram {
    fn drop(&mut self) {
        self.scope.inner.verifying.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Code that is elsewhere now: see [`Scope::settle_names`].
#[derive(Debug)]
pub struct Moved {
    /// Its entry point, where nobody may enter it.
    pub from: HostAddr,
    /// The code.
    pub to: Code,
}

impl Scope {
    pub(crate) fn open(
        cache: Arc<Shared>,
        environment: Arc<Environment>,
        id: ScopeId,
        names: Names,
    ) -> Self {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let batch = Batch::new(Arc::clone(&cache.arena));
        let shelf = match names.late() {
            Some(_) => ShelfOf::Cache(PerProcess::default()),
            // What a name stands for may be asked at any time, so that images can't be shared.
            None => ShelfOf::Own(Arc::new(Shelf::new(
                Arc::clone(&environment),
                id.clone(),
                true,
            ))),
        };
        let inner = ScopeState {
            number: OPENED.fetch_add(1, Ordering::Relaxed),
            cache,
            environment,
            id,
            names,
            shelf,
            batch,
            resident: RwLock::default(),
            verifying: AtomicU32::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Looks a key up, first among the code of this process, then in the scope's images.
    pub fn lookup(&self, key: &Key) -> Lookup {
        self.lookup_wanted(key, &Wanted::any())
    }

    /// The same, for code that is as `wanted` says. What was found and isn't can be replaced: insert
    /// other code with the ticket.
    pub fn lookup_wanted(&self, key: &Key, wanted: &Wanted<'_>) -> Lookup {
        let _inside = enter();
        let found = self.inner.find(key, wanted);
        if let Lookup::Miss(ticket) = &found {
            self.inner.cache.counters.miss(ticket.reason);
        }
        found
    }

    /// Looks up once more what was missed, as if it hadn't been looked up before: more names may be known
    /// now.
    pub fn look_again(&self, ticket: Ticket, wanted: &Wanted<'_>) -> Lookup {
        let _inside = enter();
        self.inner.find(&ticket.key, wanted)
    }

    /// Places an artifact in this process's memory, callable at once (in a scope with late names, once
    /// [`Self::bind_names`] was called after), and queues it for [`Self::flush`]. If another thread
    /// inserted code of the same signature under the key meanwhile, that is returned.
    ///
    /// # Errors
    /// See [`InsertError`]; nothing is inserted, and the caller goes without this code.
    pub fn insert(&self, ticket: Ticket, artifact: Artifact) -> Result<Code, InsertError> {
        let _inside = enter();
        let inner = &*self.inner;
        let Ticket { key, reason, scope } = ticket;
        if scope != inner.number {
            return Err(InsertError::ForeignTicket);
        }
        let artifact = Arc::new(artifact);
        let code = place(&artifact, &inner.batch, &inner.names, false)?;
        let (code, is_new) = inner.write().add(key, code);
        if is_new {
            inner.cache.counters.entries_inserted.add(1);
            inner
                .cache
                .counters
                .compile_ns_spent
                .add(artifact.compile_time_ns);
            // What couldn't be mapped is kept already, perhaps.
            let is_kept = !matches!(reason, MissReason::NoMemory | MissReason::Unkeepable);
            if inner.cache.is_writable() && is_kept {
                let replaces_kept = inner.replaces_kept(&key, reason);
                inner.shelf().push(key, artifact, replaces_kept);
            }
        }
        Ok(code)
    }

    /// Whether a hit is one of the sample that [`CacheConfig`](crate::CacheConfig) asks to verify. A
    /// front that can compile without having missed should ask.
    pub fn verification(&self, key: &Key, code: &Code) -> Option<Verification> {
        let inner = &*self.inner;
        let verifies_all = inner.verifying.load(Ordering::Relaxed) > 0;
        let is_taken = code.is_loaded() && (verifies_all || inner.cache.sample.takes());
        is_taken.then(|| Verification {
            ticket: Ticket {
                key: *key,
                // Nobody will see it: what is asked for is there.
                reason: MissReason::NotCached,
                scope: inner.number,
            },
            code: code.clone(),
        })
    }

    /// Compares a hit with what its front compiled now, under the same key. Returns the code to use:
    /// the hit's or, if it isn't the same, the fresh, which takes the other's place in this process
    /// and on disk.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn verify(&self, verification: Verification, fresh: Artifact) -> Result<Code, InsertError> {
        let _inside = enter();
        let Verification { ticket, code } = verification;
        let Some(kept) = code.artifact() else {
            // What would say is damaged.
            return Ok(code);
        };
        let parts = differing_parts(&kept, &fresh);
        let is_same = parts.is_empty();
        self.count_verified((!is_same).then(|| format!("{} ({})", fresh.name, parts.join(", "))));
        match is_same {
            true => Ok(code),
            false => {
                if self.inner.cache.store.is_some() {
                    self.inner.shelf().note_wrong(ticket.key);
                }
                self.insert(ticket, fresh)
            }
        }
    }

    fn count_verified(&self, differing: Option<String>) {
        let cache = &self.inner.cache;
        cache.counters.hits_verified.add(1);
        let Some(code) = differing else { return };
        tracing::error!(code, "the cache held other code under the same key");
        cache.counters.hits_differing.add(1);
        cache.notice(format!(
            "a key doesn't cover what its code is made from: {code} wasn't what was kept"
        ));
        cache.sample.note(code);
    }

    /// Whether a program that was opened is one of the hits to verify: if so, make it as if it hadn't
    /// been found while what this returns lives, and hand the result to [`Self::verify_program`].
    pub fn verifies_program(&self) -> Option<VerifyingProgram> {
        self.inner.cache.sample.takes().then(|| {
            self.inner.verifying.fetch_add(1, Ordering::Relaxed);
            VerifyingProgram {
                scope: self.clone(),
            }
        })
    }

    /// Compares a program with what its front made now. What differs is counted and named; hand the
    /// new one to [`Self::keep_program`] then. Returns whether nothing does.
    pub fn verify_program(&self, kept: &Program, fresh: &ProgramDraft) -> bool {
        let _inside = enter();
        let differing = differing_in_program(kept, fresh);
        self.count_verified((!differing.is_empty()).then(|| differing.join(", ")));
        differing.is_empty()
    }

    /// In a scope with late names, before [`Self::bind_names`]: gives the cells of images that wait the
    /// values of their names, as far as `value_of` knows them. Other scopes may use the same image, and
    /// give a name another value: code that refers to it can't be used as it is then, and is copied. Where
    /// code moved, the caller notes where it is now and calls this again, until nothing moves: what refers to
    /// what moved may have to move, too. The names that aren't known are added to `unknown`.
    ///
    /// # Errors
    /// If there is no memory for a copy, or the system refuses to change code; if names were bound before while
    /// others weren't known. Nothing of the scope may run then, and asking again gives the same.
    ///
    /// `value_of` must not use this scope, nor wait for a thread that does.
    pub fn settle_names(
        &self,
        value_of: &mut dyn FnMut(Asked<'_>) -> Option<u64>,
        unknown: &mut Vec<String>,
    ) -> io::Result<Vec<Moved>> {
        let _inside = enter();
        let inner = &*self.inner;
        let mut resident = inner.write();
        if resident.has_lost_code {
            let why = "there was no memory for code that has to move";
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, why));
        }
        let misfits = settle(&mut resident.claims, value_of, unknown)?;
        let mut moved = Vec::new();
        resident.has_lost_code = !misfits.is_empty();
        if resident.has_lost_code && resident.is_bound_in_part {
            let why = "code has to move to which names were bound already";
            return Err(io::Error::other(why));
        }
        for (claim, index) in misfits {
            let image = Arc::clone(&resident.claims[claim].image);
            let record = image.record(index);
            let (to, from) = (inner.copy(&image, index)?, image.text_address(&record));
            let (to, _) = resident.add(record.key(), to);
            moved.push(Moved { from, to });
        }
        resident.has_lost_code = false;
        Ok(moved)
    }

    /// In a scope with late names: makes executable what was inserted, and gives all cells that wait
    /// the values of their names, as far as `value_of` knows them. Returns the names that it doesn't
    /// know; code that refers to one of them must not run yet. In another scope nothing ever waits.
    ///
    /// # Errors
    /// If the system refuses executable memory; some policies do. If code has to move since another scope
    /// gave a name another value: who has such scopes calls [`Self::settle_names`] before. Nothing of the
    /// scope may run then.
    pub fn bind_names(
        &self,
        value_of: &mut dyn FnMut(Asked<'_>) -> Option<u64>,
    ) -> io::Result<Vec<String>> {
        let _inside = enter();
        let mut unknown = Vec::new();
        let Some(names) = self.inner.names.late() else {
            return Ok(unknown);
        };
        if !self.settle_names(value_of, &mut unknown)?.is_empty() {
            self.inner.write().has_lost_code = true;
            let why = "another scope of the cache gave a name another value, and code has to move";
            return Err(io::Error::other(why));
        }
        if !unknown.is_empty() {
            self.inner.write().is_bound_in_part = true;
        }
        // While its bytes may still be written.
        let by_name = &mut |name: &str| value_of(Asked::Name(name));
        names.bind(by_name, &mut unknown, &self.inner.batch);
        self.inner.batch.publish()?;
        if let Some(shelf) = self.inner.shelf_if_used() {
            writer::note(&self.inner.cache, shelf);
        }
        Ok(unknown)
    }

    /// The memory that code of the cache lies in, for what a front has close to it.
    pub fn arena(&self) -> &Arc<Arena> {
        self.inner.batch.arena()
    }

    /// Opens the program that was kept under `id`, in this scope's environment. `None` if there is
    /// none that is whole, whatever the reason: make it, and hand it to [`Self::keep_program`].
    pub fn open_program(&self, id: &ScopeId) -> Option<Program> {
        let _inside = enter();
        let ScopeState {
            cache, environment, ..
        } = &*self.inner;
        let program = cache.open_program(environment, id)?;
        let image = Arc::clone(program.image());
        let opened = &self.inner.shelf().opened_programs;
        opened.with(|opened| opened.push((id.clone(), image)));
        Some(program)
    }

    /// Queues a program for [`Self::flush`], which keeps it under `id` in place of what was there.
    /// It may hold code of this scope.
    pub fn keep_program(&self, id: ScopeId, program: ProgramDraft) {
        let _inside = enter();
        if self.inner.cache.is_writable() {
            let programs = &self.inner.shelf().programs;
            programs.with(|programs| programs.push((id, program)));
        }
    }

    /// What is at a host address, if it lies in code of this scope that was looked up or inserted.
    /// Not for signal handlers: it takes a lock and allocates.
    pub fn locate(&self, pc: HostAddr) -> Option<Located> {
        let _inside = enter();
        self.inner.write().locate(pc)
    }

    /// Has each flush ask whether to keep what was inserted: for a front whose key names what the code
    /// was made from, while that may have changed under it. Only the first call counts; of scopes with late
    /// names, the first of all that share an environment and a name.
    pub fn keep_only(&self, judges: Judges) {
        let _inside = enter();
        let _ = self.inner.shelf().judges.set(judges);
    }

    /// Makes a miss of a hit that can't be used: what the front has isn't what the code was made from.
    /// What is inserted with the ticket takes its place, here and on disk. `None` for code that this
    /// process inserted, which stays.
    pub fn refuse(&self, key: &Key, code: &Code) -> Option<Ticket> {
        if !code.is_loaded() {
            return None;
        }
        let reason = MissReason::Refused;
        self.inner.cache.counters.miss(reason);
        Some(Ticket {
            key: *key,
            reason,
            scope: self.inner.number,
        })
    }

    /// A ticket for code that no other process can use, such as code that holds an address of this one:
    /// nothing is looked up, and what is inserted with it isn't kept.
    pub fn unkeepable(&self) -> Ticket {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let reason = MissReason::Unkeepable;
        self.inner.cache.counters.miss(reason);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ticket {
            key: KeyBuilder::new("rekindle/unkeepable").u64(number).finish(),
            reason,
            scope: self.inner.number,
        }
    }

    /// Forgets what is queued. The code stays callable. A process that `fork` made need not: what the
    /// other one compiled is that one's to write, and this one's queue starts empty. Scopes with late names
    /// that share an environment and a name share a queue.
    pub fn abandon_unflushed(&self) {
        let _inside = enter();
        self.inner.shelf().forget_queued();
    }

    /// Does what the end of a scope does, for one that is never dropped: writes what waits, unless that is
    /// left for later.
    pub fn end(&self) {
        let _inside = enter();
        if let Some(shelf) = self.inner.shelf_if_used() {
            writer::end(&self.inner.cache, shelf);
        }
    }

    /// Writes the queued artifacts as one new image. Trouble with the disk is a
    /// [`Notice`](crate::Notice).
    pub fn flush(&self) -> FlushReport {
        self.inner.flush()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("id", &self.inner.id)
            .finish_non_exhaustive()
    }
}

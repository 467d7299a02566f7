//! A scope: the code that is loaded together.

use core::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rekindle_artifact::Artifact;
use rekindle_exec::fork_gate::enter;
use rekindle_exec::{Arena, HostAddr, process_number};
use rekindle_store::{Environment, Key, KeyBuilder, ScopeId};
use rustc_hash::FxHashSet;

use crate::code::{Code, Located};
use crate::flush::{self, FlushReport};
use crate::loaded::LoadedImage;
use crate::miss::MissReason;
use crate::names::Names;
use crate::own::Own;
use crate::place::{InsertError, place};
use crate::program::{Program, ProgramDraft};
use crate::reordered;
use crate::resident::Resident;
use crate::shared::{OpenedImages, Shared};
use crate::verify::{differing_in_program, differing_parts};
use crate::wanted::Wanted;

/// Of so many loads, one is timed.
const TIMED_ONE_IN: u32 = 16;

/// How long images are checked as a scope is flushed; the last one may take longer.
const MAX_CHECK_TIME: Duration = Duration::from_millis(50);

/// A handle on a scope; clones share it, from any thread.
///
/// Code lives at least as long as the scope, or a [`Code`] of it. The last handle, when dropped,
/// flushes.
#[derive(Clone)]
pub struct Scope {
    inner: Arc<Inner>,
}

struct Inner {
    /// Tells this scope from every other of the process, for tickets.
    number: u64,
    cache: Arc<Shared>,
    environment: Environment,
    id: ScopeId,
    names: Names,
    /// The images that existed when a key was first looked up: who only opens programs needs none.
    opened: OnceLock<OpenedImages>,
    arena: Arena,
    resident: RwLock<Resident>,
    queue: Own<(Key, Arc<Artifact>)>,
    /// What images hold that isn't to be used any more, until the next flush.
    wrong: Own<Wrong>,
    programs: Own<(ScopeId, ProgramDraft)>,
    /// The images of programs that were opened, until the next flush.
    opened_programs: Own<(ScopeId, Arc<LoadedImage>)>,
    /// How many programs are being made to be compared.
    verifying: AtomicU32,
    /// Makes what says, at a flush, which of the queue is kept.
    judges: OnceLock<Judges>,
}

/// A key under which images hold what isn't to be used any more.
struct Wrong {
    key: Key,
    /// Whether its front makes something else now. Otherwise what is kept was of no use to this process,
    /// and is given up if what was inserted instead is kept: other processes may be better off with it.
    is_proved: bool,
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

/// Makes a judge for one flush: whether an artifact that was inserted is kept.
pub type Judges = Box<dyn Fn() -> Box<dyn FnMut(&Artifact) -> bool> + Send + Sync>;

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
    /// The number of the scope that missed.
    scope: u64,
}

/// Says that a hit is one of those that are to be verified: compile, and hand the result to
/// [`Scope::verify`].
#[derive(Debug)]
pub struct Verification {
    ticket: Ticket,
    code: Code,
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

impl Scope {
    pub(crate) fn open(
        cache: Arc<Shared>,
        environment: Environment,
        id: ScopeId,
        names: Names,
    ) -> Self {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let inner = Inner {
            number: OPENED.fetch_add(1, Ordering::Relaxed),
            cache,
            environment,
            id,
            names,
            opened: OnceLock::new(),
            arena: Arena::new(),
            resident: RwLock::default(),
            queue: Own::default(),
            wrong: Own::default(),
            programs: Own::default(),
            opened_programs: Own::default(),
            verifying: AtomicU32::new(0),
            judges: OnceLock::new(),
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
        let code = place(&artifact, &inner.arena, &inner.names)?;
        let (code, is_new) = write(&inner.resident).add(key, code);
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
                if inner.replaces_kept(&key, reason) {
                    let is_proved = false;
                    inner.wrong.push(Wrong { key, is_proved });
                }
                inner.queue.push((key, artifact));
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
                if self.inner.cache.is_writable() {
                    let (key, is_proved) = (ticket.key, true);
                    self.inner.wrong.push(Wrong { key, is_proved });
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

    /// In a scope with late names: makes executable what was inserted, and gives all cells that wait
    /// the values of their names, as far as `value_of` knows them. Returns the names that it doesn't
    /// know; code that refers to one of them must not run yet. In another scope nothing ever waits.
    ///
    /// # Errors
    /// If the system refuses executable memory; some policies do. Nothing of the scope may run then.
    pub fn bind_names(
        &self,
        value_of: &mut dyn FnMut(&str) -> Option<u64>,
    ) -> std::io::Result<Vec<String>> {
        let _inside = enter();
        let mut unknown = Vec::new();
        if let Some(names) = self.inner.names.late() {
            // While its bytes may still be written.
            names.bind(value_of, &mut unknown, &self.inner.arena);
            self.inner.arena.publish_batch()?;
            let opened = self.inner.opened.get();
            for image in opened.iter().flat_map(|opened| &opened.images) {
                image.bind_names(value_of, &mut unknown)?;
            }
        }
        Ok(unknown)
    }

    /// Opens the program that was kept under `id`, in this scope's environment. `None` if there is
    /// none that is whole, whatever the reason: make it, and hand it to [`Self::keep_program`].
    pub fn open_program(&self, id: &ScopeId) -> Option<Program> {
        let _inside = enter();
        let Inner {
            cache, environment, ..
        } = &*self.inner;
        let program = cache.open_program(environment, id)?;
        let image = Arc::clone(program.image());
        self.inner.opened_programs.push((id.clone(), image));
        Some(program)
    }

    /// Queues a program for [`Self::flush`], which keeps it under `id` in place of what was there.
    /// It may hold code of this scope.
    pub fn keep_program(&self, id: ScopeId, program: ProgramDraft) {
        let _inside = enter();
        if self.inner.cache.is_writable() {
            self.inner.programs.push((id, program));
        }
    }

    /// What is at a host address, if it lies in code of this scope that was looked up or inserted.
    /// Not for signal handlers: it takes a lock and allocates.
    pub fn locate(&self, pc: HostAddr) -> Option<Located> {
        let _inside = enter();
        let opened = self.inner.opened.get();
        let images = opened.map_or(&[][..], |opened| &opened.images);
        write(&self.inner.resident).locate(pc, images)
    }

    /// Has each flush ask whether to keep what was inserted: for a front whose key names what the code
    /// was made from, while that may have changed under it. Only the first call counts.
    pub fn keep_only(&self, judges: Judges) {
        let _ = self.inner.judges.set(judges);
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
    /// other one compiled is that one's to write, and this one's queue starts empty.
    pub fn abandon_unflushed(&self) {
        let _inside = enter();
        drop(self.inner.queue.take());
    }

    /// Writes the queued artifacts as one new image. Trouble with the disk is a
    /// [`Notice`](crate::Notice).
    pub fn flush(&self) -> FlushReport {
        self.inner.flush()
    }
}

impl Inner {
    fn opened(&self) -> &OpenedImages {
        self.opened.get_or_init(|| {
            let start = Instant::now();
            let opened = self.cache.open_images(&self.environment, &self.id);
            self.cache.counters.load_ns.add_elapsed(start);
            opened
        })
    }

    fn find(&self, key: &Key, wanted: &Wanted<'_>) -> Lookup {
        let compiled = read(&self.resident).compiled(key).cloned();
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

    /// Looks a key up in the images, newest first, until one has a usable entry.
    fn load(&self, key: &Key, wanted: &Wanted<'_>) -> Result<Code, MissReason> {
        let opened = self.opened();
        let mut reason = opened.absent;
        for (number, image) in opened.images.iter().enumerate() {
            let Some(entry) = image.find(key) else {
                continue;
            };
            if read(&self.resident).is_loaded(number, entry.index()) {
                let record = image.record(entry.index());
                if !wanted.accepts(record.signature()) {
                    reason = MissReason::OtherSignature;
                    continue;
                }
                return Ok(Code::loaded(Arc::clone(image), &record));
            }
            let counters = &self.cache.counters;
            let is_timed = entry.index().is_multiple_of(TIMED_ONE_IN);
            let start = is_timed.then(Instant::now);
            let result = image.load(&entry, &self.names, wanted);
            if let Some(start) = start {
                let elapsed = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                counters
                    .load_ns
                    .add(elapsed.saturating_mul(TIMED_ONE_IN.into()));
            }
            match result {
                Ok(record) => {
                    if write(&self.resident).add_loaded(number, record.index()) {
                        counters.entries_loaded.add(1);
                        counters.compile_ns_avoided.add(record.compile_time_ns());
                    }
                    return Ok(Code::loaded(Arc::clone(image), &record));
                }
                // What is older was replaced, perhaps since it was wrong.
                Err(why @ (MissReason::OtherNames | MissReason::Damaged)) => return Err(why),
                Err(why) => reason = why,
            }
        }
        Err(reason)
    }

    /// Whether what is inserted for a miss takes the place of what an image holds.
    fn replaces_kept(&self, key: &Key, reason: MissReason) -> bool {
        match reason {
            MissReason::OtherNames | MissReason::Refused => true,
            // Or another image is damaged, which may have held anything.
            MissReason::Damaged => {
                let mut images = self.opened().images.iter();
                images.any(|image| image.find(key).is_some())
            }
            _ => false,
        }
    }

    fn flush(&self) -> FlushReport {
        let _inside = enter();
        let mut queue = newest_of_each(self.queue.take());
        if let Some(judges) = self.judges.get()
            && !queue.is_empty()
        {
            let mut is_kept = judges();
            queue.retain(|(_, artifact)| is_kept(artifact));
        }
        self.tell_of_orders(&queue);
        let target = flush::Target {
            cache: &self.cache,
            environment: &self.environment,
            scope: &self.id,
            some_refused: self.opened.get().is_some_and(|opened| opened.some_refused),
        };
        let kept: FxHashSet<Key> = queue.iter().map(|(key, _)| *key).collect();
        let wrong = self.wrong.take().into_iter();
        let wrong = wrong.filter(|wrong| wrong.is_proved || kept.contains(&wrong.key));
        let wrong = wrong.map(|wrong| wrong.key).collect();
        let mut report = target.flush(&queue, &wrong);
        for (scope, program) in self.programs.take() {
            let target = flush::Target {
                scope: &scope,
                ..target
            };
            let written = target.write_program(&program);
            report.entries_written += written.entries_written;
            report.bytes_written += written.bytes_written;
        }
        self.note_intact_images();
        report
    }

    /// Says so, once, if code was compiled again that differs from what was kept in its order alone.
    fn tell_of_orders(&self, queue: &[(Key, Arc<Artifact>)]) {
        const ADVICE: &str = "but for the order in which it was built, or numbers that stand for an order: \
             build in an order that stays, not in that of a HashMap, and it is found";
        let Some(opened) = self.opened.get() else {
            return;
        };
        if queue.is_empty() || self.cache.has_notice(ADVICE) {
            return;
        }
        let found = reordered::find(queue, &opened.images, &read(&self.resident));
        if let Some(name) = found {
            self.cache.notice(format!(
                "{name} was compiled again, though the same was kept {ADVICE}"
            ));
        }
    }

    /// Checks the images that this process used most of, so that later ones need not. Nobody should wait
    /// for it: what isn't checked in time is left to a later process.
    fn note_intact_images(&self) {
        let Some(store) = self.cache.writable_store() else {
            return;
        };
        let start = Instant::now();
        let note = |id: &ScopeId, image: &LoadedImage| {
            if start.elapsed() > MAX_CHECK_TIME {
                return;
            }
            if let Some(note) = image.check_all()
                && let Ok(Some(folder)) = store.scope_folder(&self.environment, id)
                && let Err(error) = folder.note_intact(&note, store.secret())
            {
                self.cache.notice(error.to_string());
            }
        };
        // What another process opened before this one was forked from it is that one's to check.
        let opened = self.opened.get();
        let opened = opened.filter(|opened| opened.process == process_number());
        let images = opened.iter().flat_map(|opened| &opened.images);
        for image in images.filter(|image| image.is_mostly_used()) {
            note(&self.id, image);
        }
        for (id, image) in self.opened_programs.take() {
            note(&id, &image);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("id", &self.inner.id)
            .finish_non_exhaustive()
    }
}

/// Of each key, what was inserted last.
fn newest_of_each(mut queue: Vec<(Key, Arc<Artifact>)>) -> Vec<(Key, Arc<Artifact>)> {
    let mut seen = FxHashSet::default();
    queue.reverse();
    queue.retain(|(key, _)| seen.insert(*key));
    queue.reverse();
    queue
}

// A panic while a lock was held leaves the maps as they were before or after one change, so a
// poisoned lock is as good as any.

fn read(resident: &RwLock<Resident>) -> std::sync::RwLockReadGuard<'_, Resident> {
    resident.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(resident: &RwLock<Resident>) -> std::sync::RwLockWriteGuard<'_, Resident> {
    resident.write().unwrap_or_else(PoisonError::into_inner)
}

//! Writing what was inserted.

use std::sync::{Arc, PoisonError, TryLockError, TryLockResult};
use std::time::{Duration, Instant};

use rekindle_artifact::{Artifact, SectionKind};
use rekindle_exec::fork_gate::enter;
use rekindle_exec::process_number;
use rekindle_link::Arch;
use rekindle_store::{
    Environment, ImageError, ImageFile, Key, KeyBuilder, ScopeFolder, ScopeId, Store,
};
use rustc_hash::FxHashSet;

use crate::loaded::LoadedImage;
use crate::program::ProgramDraft;
use crate::publish::{PublishError, build_image, build_program, identity, split};
use crate::reordered;
use crate::shared::Shared;
use crate::shelf::{Queue, Shelf};

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushReport {
    /// Entries written.
    pub entries_written: u64,
    /// Bytes of image files written.
    pub bytes_written: u64,
}

/// What a flush is for.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) cache: &'a Shared,
    pub(crate) environment: &'a Environment,
    pub(crate) scope: &'a ScopeId,
    /// Whether the scope's folder has images that can't be used.
    pub(crate) some_refused: bool,
    /// What hears where code was written.
    pub(crate) shelf: &'a Shelf,
}

/// A scope's folder that may be written.
pub(crate) struct Writing<'a> {
    pub(crate) target: &'a Target<'a>,
    pub(crate) store: &'a Store,
    pub(crate) folder: ScopeFolder,
    pub(crate) arch: Arch,
}

/// How long images are checked as a scope is flushed; the last one may take longer.
const MAX_CHECK_TIME: Duration = Duration::from_millis(50);

/// Writes what waits on a shelf, and checks images that were used. All that waited before is written when it
/// returns, whoever does it.
pub(crate) fn flush(cache: &Shared, shelf: &Shelf) -> FlushReport {
    let _inside = enter();
    let writing = shelf.writing.get();
    let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
    flush_alone(cache, shelf)
}

/// Waits for whoever is writing what waited.
pub(crate) fn wait_for_writer(shelf: &Shelf) {
    let writing = shelf.writing.get();
    drop(writing.lock().unwrap_or_else(PoisonError::into_inner));
}

/// The same as [`flush`], unless somebody is at it who isn't done soon.
pub(crate) fn flush_within(cache: &Shared, shelf: &Shelf, end: Instant) -> FlushReport {
    let _inside = enter();
    let lock = lock_by(end, || shelf.writing.get().try_lock());
    lock.map_or_else(FlushReport::default, |_writing| flush_alone(cache, shelf))
}

/// Takes a lock that another thread may hold; one that ends with its process perhaps never gives it back.
pub(crate) fn lock_by<T>(end: Instant, lock: impl Fn() -> TryLockResult<T>) -> Option<T> {
    loop {
        match lock() {
            Ok(held) => return Some(held),
            Err(TryLockError::Poisoned(held)) => return Some(held.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(TryLockError::WouldBlock) => return None,
        }
    }
}

fn flush_alone(cache: &Shared, shelf: &Shelf) -> FlushReport {
    let Queue {
        entries: mut queue,
        wrong: found_wrong,
        ..
    } = shelf.queue.take();
    if let Some(judges) = shelf.judges.get()
        && !queue.is_empty()
    {
        let mut is_kept = judges();
        queue.retain(|(_, artifact)| is_kept(artifact));
    }
    tell_of_orders(cache, shelf, &queue);
    let opened = shelf.opened.get();
    let target = Target {
        cache,
        environment: &shelf.environment,
        scope: &shelf.id,
        some_refused: opened.is_some_and(|opened| opened.some_refused),
        shelf,
    };
    let kept: FxHashSet<Key> = queue.iter().map(|(key, _)| *key).collect();
    let wrong = found_wrong.iter();
    let wrong = wrong.filter(|wrong| wrong.is_proved || kept.contains(&wrong.key));
    let wrong: FxHashSet<Key> = wrong.map(|wrong| wrong.key).collect();
    let mut report = target.flush(&queue, &wrong);
    shelf.note_rewritten(&found_wrong, |key| wrong.contains(key));
    for (scope, program) in shelf.programs.take() {
        let target = Target {
            scope: &scope,
            ..target
        };
        let written = target.write_program(&program);
        report.entries_written += written.entries_written;
        report.bytes_written += written.bytes_written;
    }
    note_intact_images(cache, shelf);
    report
}

/// Says so, once, if code was compiled again that differs from what was kept in its order alone.
fn tell_of_orders(cache: &Shared, shelf: &Shelf, queue: &[(Key, Arc<Artifact>)]) {
    const ADVICE: &str = "but for the order in which it was built, or numbers that stand for an order: \
         build in an order that stays, not in that of a HashMap, and it is found";
    let Some(opened) = shelf.opened.get() else {
        return;
    };
    if queue.is_empty() || cache.has_notice(ADVICE) {
        return;
    }
    if let Some(name) = reordered::find(queue, &opened.images) {
        cache.notice(format!(
            "{name} was compiled again, though the same was kept {ADVICE}"
        ));
    }
}

/// Checks the images that this process used most of, so that later ones need not. Nobody should wait
/// for it: what isn't checked in time is left to a later process.
fn note_intact_images(cache: &Shared, shelf: &Shelf) {
    let Some(store) = cache.writable_store() else {
        return;
    };
    let start = Instant::now();
    let note = |id: &ScopeId, image: &LoadedImage| {
        if start.elapsed() > MAX_CHECK_TIME {
            return;
        }
        if let Some(note) = image.check_all()
            && let Ok(Some(folder)) = store.scope_folder(&shelf.environment, id)
            && let Err(error) = folder.note_intact(&note, store.secret())
        {
            cache.notice(error.to_string());
        }
    };
    // What another process opened before this one was forked from it is that one's to check.
    let opened = shelf.opened.get();
    let opened = opened.filter(|opened| opened.process == process_number());
    let images = opened.iter().flat_map(|opened| &opened.images);
    for image in images.filter(|image| image.is_mostly_used()) {
        note(&shelf.id, image);
    }
    for (id, image) in shelf.opened_programs.take() {
        note(&id, &image);
    }
}

impl Target<'_> {
    /// Takes back what is kept under keys whose code was found wrong, writes a queue as one image, or as
    /// several if it is huge, and then keeps house.
    fn flush(&self, queue: &[(Key, Arc<Artifact>)], wrong: &FxHashSet<Key>) -> FlushReport {
        let mut report = FlushReport::default();
        if queue.is_empty() && wrong.is_empty() {
            return report;
        }
        let Some(writing) = self.start() else {
            return report;
        };
        let lock = writing.take_back(wrong);
        let entries: Vec<(Key, &Artifact)> = queue
            .iter()
            .map(|(key, artifact)| (*key, &**artifact))
            .collect();
        for part in split(&entries) {
            match writing.write_image(part, &[]) {
                Ok((number, len)) => {
                    report.entries_written += part.len() as u64;
                    report.bytes_written += len;
                    let shelf = self.shelf;
                    shelf.note_written(part.iter().map(|(key, _)| *key), number);
                }
                Err(error) => self
                    .cache
                    .notice(format!("an image can't be written: {error}")),
            }
        }
        drop(lock);
        writing.tidy();
        self.cache.keep_budget(writing.store, self.environment);
        report
    }

    /// Writes a program as the one image of its scope.
    fn write_program(&self, program: &ProgramDraft) -> FlushReport {
        let mut report = FlushReport::default();
        let Some(writing) = self.start() else {
            return report;
        };
        match writing.write_program(program) {
            Ok(len) => {
                report.entries_written = program.parts.len() as u64;
                report.bytes_written = len;
                self.cache.counters.programs_recorded.add(1);
                self.cache.keep_budget(writing.store, self.environment);
            }
            Err(error) => self
                .cache
                .notice(format!("a program can't be kept: {error}")),
        }
        report
    }

    fn start(&self) -> Option<Writing<'_>> {
        let store = self.cache.writable_store()?;
        let arch = Arch::host()?;
        if !self.cache.is_still_the_same(store) {
            return None;
        }
        match store.create_scope_folder(self.environment, self.scope) {
            Ok(folder) => Some(Writing {
                target: self,
                store,
                folder,
                arch,
            }),
            Err(error) => {
                let path = store.path().display();
                self.cache
                    .notice(format!("nothing can be kept in {path}: {error}"));
                None
            }
        }
    }
}

impl Writing<'_> {
    /// Publishes one image, as the newest or, if it is made of others, in the place of the first of them.
    /// Returns its number, and its length in bytes.
    pub(crate) fn write_image(
        &self,
        entries: &[(Key, &Artifact)],
        in_place_of: &[ImageFile],
    ) -> Result<(u32, u64), WriteError> {
        let Target {
            cache,
            environment,
            scope,
            ..
        } = self.target;
        check_memory(entries)?;
        let identity = identity(environment, scope, self.arch);
        let image = build_image(entries, identity, scope, self.arch, self.store.secret())?;
        let number = self.publish(&image, in_place_of, cache)?;
        let len = image.len() as u64;
        tracing::debug!(
            number,
            bytes = len,
            entries = entries.len(),
            "wrote an image"
        );
        Ok((number, len))
    }

    /// Opens an image of the scope, whoever made it.
    pub(crate) fn open(&self, number: u32) -> Result<ImageFile, ImageError> {
        self.folder.open_image(number, self.store.secret(), None)
    }

    fn publish(
        &self,
        image: &[u8],
        in_place_of: &[ImageFile],
        cache: &Shared,
    ) -> Result<u32, WriteError> {
        let published = match in_place_of {
            [] => self.folder.publish(image),
            images => self.folder.publish_in_place_of(images, image),
        };
        let number = match published {
            // Another process removed the folder while there was no image in it.
            Err(error)
                if in_place_of.is_empty() && error.kind() == std::io::ErrorKind::NotFound =>
            {
                let Target {
                    environment, scope, ..
                } = self.target;
                let folder = self.store.create_scope_folder(environment, scope);
                folder.map_err(|_| error)?.publish(image)?
            }
            result => result?,
        };
        cache.counters.images_written.add(1);
        cache.counters.bytes_written.add(image.len() as u64);
        Ok(number)
    }

    fn write_program(&self, program: &ProgramDraft) -> Result<u64, WriteError> {
        let Target {
            cache,
            environment,
            scope,
            ..
        } = self.target;
        let artifacts = program
            .parts
            .iter()
            .map(|part| part.artifact().ok_or(WriteError::Damaged))
            .collect::<Result<Vec<_>, _>>()?;
        // Nobody looks a part up by its key, but every entry has one of its own.
        let key = |index| KeyBuilder::new("rekindle/program part").u64(index).finish();
        let entries: Vec<(Key, &Artifact)> = (0..)
            .zip(&artifacts)
            .map(|(index, artifact)| (key(index), &**artifact))
            .collect();
        check_memory(&entries)?;
        let identity = identity(environment, scope, self.arch);
        let ProgramDraft { symbols, front, .. } = program;
        let secret = self.store.secret();
        let image = build_program(&entries, symbols, front, identity, scope, self.arch, secret)?;
        // What this takes the place of wasn't found, or was found wrong: it must not come back when this
        // is damaged. Nobody merges programs, so there is nothing to lock.
        for older in self.folder.images()? {
            self.folder.remove(older)?;
        }
        self.publish(&image, &[], cache)?;
        Ok(image.len() as u64)
    }
}

/// Asks whether there is memory for an image of these entries. Running out of it in the middle would
/// end the process, which isn't worth a cache.
fn check_memory(entries: &[(Key, &Artifact)]) -> Result<(), WriteError> {
    let len = |artifact: &Artifact| -> usize {
        SectionKind::ALL
            .map(|section| artifact.section_len(section))
            .into_iter()
            .sum()
    };
    let total: usize = entries.iter().map(|(_, artifact)| len(artifact)).sum();
    // The image, what it is made of, and tables.
    let mut probe: Vec<u8> = Vec::new();
    let needed = total.saturating_mul(2).saturating_add(1 << 20);
    probe
        .try_reserve_exact(needed)
        .map_err(|_| WriteError::Memory)?;
    // Not to be seen through: whoever knew that nobody uses it could leave it out.
    std::hint::black_box(&mut probe);
    Ok(())
}

/// An image can't be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Build(#[from] PublishError),
    #[error(transparent)]
    Publish(#[from] std::io::Error),
    #[error("there isn't enough memory to make it")]
    Memory,
    #[error("a function that came from the cache lacks what only keeping it again needs")]
    Damaged,
}

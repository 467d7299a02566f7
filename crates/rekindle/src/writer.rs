//! Writing what was compiled when it pays: once enough of it waits, some time after the last of it
//! came, and when the process ends; not each time a module ends.
//!
//! A thread does it, which is there only while something waits. It has a small stack and handles none of
//! the program's signals. A process that is forked has none of its own before it compiles something, and
//! waits for no lock that the other's thread may have held.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rekindle_exec::fork_gate::enter;
use rekindle_exec::{PerProcess, is_forked, spawn_quiet};
use rekindle_store::Store;

use crate::flush::{FlushReport, flush, flush_within, lock_by, wait_for_writer};
use crate::schedule::Schedule;
use crate::shared::Shared;
use crate::shelf::Shelf;

/// So many bytes of code are written at once: an image of them is never merged with others.
pub(crate) const ENOUGH: usize = 2 << 20;

/// Bytes of the thread's stack.
const STACK_LEN: usize = 512 << 10;

/// How long the end of a process waits for a thread that is writing.
const MAX_WAIT_AT_EXIT: Duration = Duration::from_secs(2);

/// The caches of this process that may have something to write.
static CACHES: PerProcess<Mutex<Vec<Weak<Shared>>>> = PerProcess::new();

/// Code of a shelf waits for being written, and can be called now.
pub(crate) fn note(cache: &Arc<Shared>, shelf: &Shelf) {
    if !shelf.has_waiting() {
        return;
    }
    let is_enough = shelf.waiting_bytes() >= ENOUGH;
    let mut schedule = schedule(cache);
    match cache.write_after {
        Some(after) if !after.is_zero() => {
            let now = Instant::now();
            let first = schedule.waits_since.map_or(now, |(first, _)| first);
            schedule.waits_since = Some((first, now));
            if is_enough && !schedule.is_enough {
                schedule.is_enough = true;
                schedule.thread.as_ref().map(Thread::unpark);
            }
            if schedule.thread.is_none() {
                schedule.thread = start(cache, after);
            }
            // Where there is no thread to be had.
            if schedule.thread.is_none() && is_enough {
                (schedule.waits_since, schedule.is_enough) = (None, false);
                drop(schedule);
                flush(cache, shelf);
            }
        }
        _ => {
            drop(schedule);
            if is_enough {
                flush(cache, shelf);
            }
        }
    }
}

/// Has the end of the process write what waits of a cache.
pub(crate) fn register(cache: &Arc<Shared>) {
    static AT_EXIT: Once = Once::new();
    let mut schedule = schedule(cache);
    if !schedule.is_registered {
        schedule.is_registered = true;
        AT_EXIT.call_once(|| rekindle_exec::at_exit(at_exit));
        let mut caches = CACHES.get().lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|cache| cache.strong_count() > 0);
        caches.push(Arc::downgrade(cache));
    }
}

/// A scope or module ends whose code may wait.
pub(crate) fn end(cache: &Arc<Shared>, shelf: &Shelf) {
    let is_at_once = cache.write_after == Some(Duration::ZERO) || shelf.is_private;
    if is_at_once || (may_end_unheard(cache) && shelf.has_waiting()) {
        flush(cache, shelf);
    }
}

/// Whether the process may end without a word, soon: workers that were forked often leave by `_exit`. One that
/// wrote some times is there to stay.
fn may_end_unheard(cache: &Shared) -> bool {
    const SHORT: u32 = 8;
    is_forked() && {
        let mut schedule = schedule(cache);
        let is_short = schedule.times < SHORT;
        schedule.times += u32::from(is_short);
        is_short
    }
}

fn schedule(cache: &Shared) -> MutexGuard<'_, Schedule> {
    let schedule = cache.schedule.get().lock();
    schedule.unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread. Where there is none to be had, the end of the process writes.
fn start(cache: &Arc<Shared>, after: Duration) -> Option<Thread> {
    let weak = Arc::downgrade(cache);
    let run = move || {
        let work = || {
            while let Some(delay) = step(&weak, after) {
                std::thread::park_timeout(delay);
            }
        };
        if catch_unwind(AssertUnwindSafe(work)).is_err()
            && let Some(cache) = weak.upgrade()
        {
            // Who has something to write next starts another.
            schedule(&cache).thread = None;
        }
    };
    match spawn_quiet("rekindle-write", STACK_LEN, run) {
        Ok(handle) => Some(handle.thread().clone()),
        Err(error) => {
            tracing::debug!(%error, "no thread that writes");
            None
        }
    }
}

/// Writes what is due. Returns how long to wait then; none if nothing waits any more.
fn step(cache: &Weak<Shared>, after: Duration) -> Option<Duration> {
    // No process is forked from this one while its thread writes.
    let _inside = enter();
    let cache = cache.upgrade()?;
    let mut schedule = schedule(&cache);
    let delay = schedule.delay(after, Instant::now());
    if delay.is_some_and(|delay| delay.is_zero()) {
        schedule.waits_since = None;
        schedule.is_enough = false;
        drop(schedule);
        let has_written = flush_all_of(&cache).entries_written > 0;
        self::schedule(&cache).times += u32::from(has_written);
        return Some(Duration::ZERO);
    }
    if delay.is_none() {
        schedule.thread = None;
    }
    delay
}

/// Writes what waits of a cache.
pub(crate) fn flush_all_of(cache: &Shared) -> FlushReport {
    let mut report = FlushReport::default();
    for shelf in cache.all_shelves() {
        let written = flush(cache, &shelf);
        report.entries_written += written.entries_written;
        report.bytes_written += written.bytes_written;
    }
    cache.drop_idle_shelves();
    report
}

impl Drop for Shared {
    fn drop(&mut self) {
        flush_all_of(self);
    }
}

/// Writes what waits in this process for a folder: who opens a cache finds what the process compiled.
pub(crate) fn write_folder(path: &Path) {
    let _inside = enter();
    for cache in caches().iter().filter_map(Weak::upgrade) {
        let is_same = |store: &Store| store.path() == path;
        if !cache.store.as_ref().is_some_and(is_same) {
            continue;
        }
        for shelf in cache.all_shelves() {
            match shelf.has_waiting() {
                true => {
                    flush(&cache, &shelf);
                }
                false => wait_for_writer(&shelf),
            }
        }
    }
}

fn caches() -> Vec<Weak<Shared>> {
    let caches = CACHES.get().lock();
    caches.unwrap_or_else(PoisonError::into_inner).clone()
}

extern "C" fn at_exit() {
    write_all();
}

/// Does what the end of a process does. Whoever listens to events may use a thread's variables, which are
/// gone by then: nobody is told. A panic doesn't leave it, and costs what is left to do.
pub fn in_silence(work: impl FnOnce()) {
    let nobody = tracing::Dispatch::none();
    let silent = || tracing::dispatcher::with_default(&nobody, work);
    // The panic was reported already.
    let _ = catch_unwind(AssertUnwindSafe(silent));
}

/// Writes what waits in all caches of this process.
pub(crate) fn write_all() {
    let _inside = enter();
    let end = Instant::now() + MAX_WAIT_AT_EXIT;
    let caches = lock_by(end, || CACHES.get().try_lock());
    let caches = caches.map(|caches| caches.clone()).unwrap_or_default();
    for cache in caches.iter().filter_map(Weak::upgrade) {
        for shelf in cache.all_shelves() {
            in_silence(|| {
                flush_within(&cache, &shelf, end);
            });
        }
    }
}

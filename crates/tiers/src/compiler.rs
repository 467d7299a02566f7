//! The compile thread: takes regions, gives code back, and is never waited for during a run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rekindle::{Code, Scope, Ticket};

use crate::backend::{Backend, Request};
use crate::code_module::CodeModule;
use crate::perf_map::PerfMap;
use crate::region::Region;
use crate::surroundings::Surroundings;

/// A region to compile.
#[derive(Debug)]
pub(crate) struct Job {
    /// What to compile.
    pub region: Region,
    /// How it is compiled, and where it must be able to live.
    pub request: Request,
    /// The number of the scope where it goes.
    pub scope_number: u64,
    /// The module whose code it is.
    pub module: Arc<dyn CodeModule>,
    /// Where it goes.
    pub scope: Scope,
    /// The miss that it answers.
    pub ticket: Ticket,
    /// Whether the one who asks wants to read the code.
    pub wants_text: bool,
}

/// A finished job: the region's head, its code unless it can't be compiled, its text if that was asked for, and
/// what is to be shown of it.
#[derive(Debug)]
pub(crate) struct Finished {
    pub head: u64,
    pub scope_number: u64,
    pub code: Option<Code>,
    pub text: Option<Vec<u8>>,
    pub dump: Option<String>,
}

/// What the compile thread shares with its owner beside the channels.
#[derive(Debug, Default)]
struct Shared {
    /// Set when a result is waiting.
    ready: AtomicBool,
    /// Set when what is still queued shall be dropped.
    cancelled: AtomicBool,
    /// Regions compiled.
    compiled: AtomicU64,
    /// Time spent compiling, in nanoseconds.
    spent_ns: AtomicU64,
    /// Held by the thread while it works on a job.
    working: Mutex<()>,
    /// Whether this process has a map for perf.
    has_perf_map: AtomicBool,
}

/// The owner's end of the compile thread. The thread starts with the first job.
pub(crate) struct Compiler {
    shared: Arc<Shared>,
    thread: Option<Running>,
    surroundings: Arc<dyn Surroundings>,
    perf_map: bool,
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Running {
    jobs: Sender<Job>,
    results: Receiver<Finished>,
    handle: JoinHandle<()>,
}

impl Compiler {
    /// A compiler whose thread isn't running yet; `perf_map` has it name what it makes for perf.
    pub(crate) fn new(surroundings: Arc<dyn Surroundings>, perf_map: bool) -> Self {
        Self {
            shared: Arc::default(),
            thread: None,
            surroundings,
            perf_map,
        }
    }

    /// Hands a job over. Without a thread (the system gives none) the job is dropped, and the
    /// region stays interpreted. Returns whether it was handed over.
    pub(crate) fn submit(&mut self, job: Job) -> bool {
        if self.thread.is_none() {
            self.thread = self.start();
        }
        let thread = self.thread.as_ref();
        thread.is_some_and(|thread| thread.jobs.send(job).is_ok())
    }

    fn start(&self) -> Option<Running> {
        let (jobs, queue) = channel();
        let (sender, results) = channel();
        let shared = Arc::clone(&self.shared);
        let surroundings = Arc::clone(&self.surroundings);
        let perf_map = self.perf_map;
        let work = move || work(&queue, &sender, &shared, &*surroundings, perf_map);
        match self.surroundings.spawn("rekindle-compile", Box::new(work)) {
            Ok(handle) => Some(Running {
                jobs,
                results,
                handle,
            }),
            Err(error) => {
                tracing::warn!(%error, "no compile thread; everything stays interpreted");
                None
            }
        }
    }

    /// The results that are waiting.
    pub(crate) fn take_finished(&mut self) -> Vec<Finished> {
        if !self.shared.ready.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.shared.ready.store(false, Ordering::Release);
        match &self.thread {
            Some(thread) => thread.results.try_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Waits for a result. `None` where no more will come.
    pub(crate) fn wait(&self) -> Option<Finished> {
        self.thread.as_ref()?.results.recv().ok()
    }

    /// Waits until all that is queued is compiled, and returns the results that nobody has taken.
    /// The next job starts a new thread.
    pub(crate) fn finish(&mut self) -> Vec<Finished> {
        let Some(Running {
            jobs,
            results,
            handle,
        }) = self.thread.take()
        else {
            return Vec::new();
        };
        drop(jobs);
        // A panic there has been reported by the panic hook; the run's result doesn't depend on it.
        let _ = handle.join();
        results.try_iter().collect()
    }

    /// Ends the thread, and drops what is queued.
    pub(crate) fn end(&mut self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
        self.thread = None;
    }

    /// Waits until the thread is between two jobs, and keeps it there while the result lives.
    pub(crate) fn pause(&self) -> MutexGuard<'_, ()> {
        let working = self.shared.working.lock();
        working.unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the thread: this process has none.
    pub(crate) fn abandon(&mut self) {
        // Its channels may be in any state, and joining it would wait for ever.
        std::mem::forget(self.thread.take());
        self.shared = Arc::default();
    }

    /// How many regions were compiled, and how long that took in nanoseconds.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.shared.compiled), load(&self.shared.spent_ns))
    }
}

fn work(
    queue: &Receiver<Job>,
    results: &Sender<Finished>,
    shared: &Shared,
    surroundings: &dyn Surroundings,
    wants_perf_map: bool,
) {
    let mut backend = match Backend::new() {
        Ok(backend) => backend,
        Err(error) => {
            tracing::warn!(%error, "no compiler; everything stays interpreted");
            return;
        }
    };
    let perf_map = match wants_perf_map {
        true => PerfMap::open(!shared.has_perf_map.swap(true, Ordering::Relaxed)),
        false => None,
    };
    for job in queue {
        if shared.cancelled.load(Ordering::Relaxed) {
            return;
        }
        let working = shared.working.lock();
        let (head, scope_number) = (job.region.head, job.scope_number);
        let (code, text) = compile(&mut backend, job, shared, perf_map.as_ref()).unzip();
        let finished = Finished {
            head,
            scope_number,
            code,
            text: text.flatten(),
            dump: backend.take_dump(),
        };
        let sent = results.send(finished);
        drop(working);
        if sent.is_err() {
            return;
        }
        shared.ready.store(true, Ordering::Release);
        surroundings.notify();
    }
}

fn compile(
    backend: &mut Backend,
    job: Job,
    shared: &Shared,
    perf_map: Option<&PerfMap>,
) -> Option<(Code, Option<Vec<u8>>)> {
    let Job {
        region,
        request,
        scope_number: _,
        module,
        scope,
        ticket,
        wants_text,
    } = job;
    // Here and not where it was asked for: symbols may have to be read first.
    let name = module.region_name(region.head);
    let artifact = match backend.compile(&region, name.clone(), &request) {
        Ok(artifact) => artifact,
        Err(error) => {
            tracing::warn!(%error, region = name, "a region stays interpreted");
            return None;
        }
    };
    let spent = artifact.compile_time_ns;
    let text = wants_text.then(|| artifact.text.bytes.clone());
    match scope.insert(ticket, artifact) {
        Ok(code) => {
            shared.compiled.fetch_add(1, Ordering::Relaxed);
            shared.spent_ns.fetch_add(spent, Ordering::Relaxed);
            if let Some(perf_map) = perf_map {
                perf_map.add(&code, &name);
            }
            Some((code, text))
        }
        Err(error) => {
            tracing::warn!(%error, region = name, "a region stays interpreted");
            None
        }
    }
}

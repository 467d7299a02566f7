//! What scopes of one environment and name share in a process: the images that were found, and what
//! waits for being written.

use core::fmt;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use rekindle_artifact::{Artifact, SectionKind};
use rekindle_exec::PerProcess;
use rekindle_store::{Environment, Key, ScopeId};
use rustc_hash::FxHashMap;

use crate::loaded::LoadedImage;
use crate::opened::OpenedImages;
use crate::own::Own;
use crate::program::ProgramDraft;

/// So many images that this process wrote are mapped again at most.
const MAX_OWN_IMAGES: usize = 64;

/// Makes a judge for one flush: whether an artifact that was inserted is kept.
pub type Judges = Box<dyn Fn() -> Box<dyn FnMut(&Artifact) -> bool> + Send + Sync>;

/// What scopes of one environment and name share in a process.
pub(crate) struct Shelf {
    pub(crate) environment: Arc<Environment>,
    pub(crate) id: ScopeId,
    /// Whether it is one scope's alone.
    pub(crate) is_private: bool,
    /// The images that existed when a key was first looked up: who only opens programs needs none.
    pub(crate) opened: OnceLock<OpenedImages>,
    /// Of the images that this process wrote, those that were looked into since.
    own: RwLock<OwnImages>,
    /// The numbers of the images that hold what this process wrote.
    written: Mutex<FxHashMap<Key, u32>>,
    pub(crate) queue: Own<Queue>,
    pub(crate) programs: Own<Vec<(ScopeId, ProgramDraft)>>,
    /// The images of programs that were opened, until the next flush.
    pub(crate) opened_programs: Own<Vec<(ScopeId, Arc<LoadedImage>)>>,
    /// Makes what says, at a flush, which of the queue is kept.
    pub(crate) judges: OnceLock<Judges>,
    /// Keys under which images that were mapped hold what isn't to be used any more. Once what takes its place
    /// is written, the number of images that were in `own` before.
    corrected: RwLock<FxHashMap<Key, Option<usize>>>,
    /// Whether there are any.
    has_corrected: AtomicBool,
    /// Held by who writes, so that who comes after knows that all is there that waited.
    pub(crate) writing: PerProcess<Mutex<()>>,
}

/// Images that this process wrote and looked into, with their numbers; newest last.
#[derive(Debug, Default)]
struct OwnImages {
    images: VecDeque<(u32, Arc<LoadedImage>)>,
    /// How many older ones were let go of; who uses code of them keeps them.
    gone: usize,
}

impl OwnImages {
    /// How many there ever were.
    fn count(&self) -> usize {
        self.gone + self.images.len()
    }

    fn has(&self, number: u32) -> bool {
        self.images.iter().any(|(own, _)| *own == number)
    }

    fn add(&mut self, number: u32, image: Arc<LoadedImage>) {
        if self.images.len() >= MAX_OWN_IMAGES {
            self.images.pop_front();
            self.gone += 1;
        }
        self.images.push_back((number, image));
    }
}

/// What waits for being written.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) entries: Vec<(Key, Arc<Artifact>)>,
    by_key: FxHashMap<Key, usize>,
    /// Bytes of their sections.
    len_bytes: usize,
    /// What images hold that isn't to be used any more.
    pub(crate) wrong: Vec<Wrong>,
}

/// A key under which images hold what isn't to be used any more.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) key: Key,
    /// Whether its front makes something else now. Otherwise what is kept was of no use to this process,
    /// and is given up if what was inserted instead is kept: other processes may be better off with it.
    pub(crate) is_proved: bool,
}

/// Where a key is to be looked for.
pub(crate) struct Images {
    /// Images that this process wrote, newest first.
    pub(crate) own: Vec<Arc<LoadedImage>>,
    /// Whether those that were there before hold what isn't to be used any more.
    pub(crate) is_corrected: bool,
}

impl Queue {
    /// Adds an artifact; one of the same key is there no more.
    fn push(&mut self, key: Key, artifact: Arc<Artifact>) {
        let len = |artifact: &Artifact| -> usize {
            let lens = SectionKind::ALL.map(|section| artifact.section_len(section));
            lens.into_iter().sum()
        };
        self.len_bytes += len(&artifact);
        match self.by_key.get(&key) {
            Some(index) => {
                let before = std::mem::replace(&mut self.entries[*index].1, artifact);
                self.len_bytes -= len(&before);
            }
            None => {
                self.by_key.insert(key, self.entries.len());
                self.entries.push((key, artifact));
            }
        }
    }
}

impl Shelf {
    pub(crate) fn new(environment: Arc<Environment>, id: ScopeId, is_private: bool) -> Self {
        Self {
            environment,
            id,
            is_private,
            opened: OnceLock::new(),
            own: RwLock::default(),
            written: Mutex::default(),
            queue: Own::default(),
            programs: Own::default(),
            opened_programs: Own::default(),
            judges: OnceLock::new(),
            corrected: RwLock::default(),
            has_corrected: AtomicBool::new(false),
            writing: PerProcess::default(),
        }
    }

    /// Queues what this process compiled, in the place of what images hold if `replaces_kept`.
    pub(crate) fn push(&self, key: Key, artifact: Arc<Artifact>, replaces_kept: bool) {
        if replaces_kept {
            self.note_corrected(key);
        }
        // At once: nobody may write one without the other.
        self.queue.with(|queue| {
            queue.push(key, artifact);
            if replaces_kept {
                let is_proved = false;
                queue.wrong.push(Wrong { key, is_proved });
            }
        });
    }

    /// Notes that what images hold under a key isn't what its front makes.
    pub(crate) fn note_wrong(&self, key: Key) {
        self.note_corrected(key);
        let is_proved = true;
        self.queue
            .with(|queue| queue.wrong.push(Wrong { key, is_proved }));
    }

    /// From now on nobody takes from the images that there are what they hold under a key. A scope that has
    /// a shelf for itself has what takes its place.
    fn note_corrected(&self, key: Key) {
        if self.is_private {
            return;
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.remove(&key);
        let mut corrected = self
            .corrected
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        corrected.insert(key, None);
        self.has_corrected.store(true, Ordering::Release);
    }

    /// Notes that what takes the place of what was wrong is written, for those keys for which that is so.
    /// For the others nothing changed.
    pub(crate) fn note_rewritten(&self, wrong: &[Wrong], is_rewritten: impl Fn(&Key) -> bool) {
        if self.is_private || wrong.is_empty() {
            return;
        }
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        let mut corrected = self
            .corrected
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for Wrong { key, .. } in wrong {
            match is_rewritten(key) {
                true => corrected.insert(*key, Some(own.count())),
                false => corrected.remove(key),
            };
        }
    }

    /// Forgets what is queued, but for what is known to be wrong.
    pub(crate) fn forget_queued(&self) {
        if self.queue.look(|_| ()).is_some() {
            self.queue.with(|queue| {
                let wrong = std::mem::take(&mut queue.wrong);
                *queue = Queue {
                    wrong,
                    ..Queue::default()
                };
            });
        }
    }

    /// What another scope of this process compiled under a key, and nobody wrote yet.
    pub(crate) fn queued(&self, key: &Key) -> Option<Arc<Artifact>> {
        if self.is_private {
            return None;
        }
        let find = |queue: &Queue| {
            let index = queue.by_key.get(key)?;
            Some(Arc::clone(&queue.entries[*index].1))
        };
        self.queue.look(find).flatten()
    }

    /// How many bytes of code wait.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.queue.look(|queue| queue.len_bytes).unwrap_or(0)
    }

    /// Whether anything waits.
    pub(crate) fn has_waiting(&self) -> bool {
        let code = self
            .queue
            .look(|queue| !queue.entries.is_empty() || !queue.wrong.is_empty());
        let programs = self.programs.look(|programs| !programs.is_empty());
        code == Some(true) || programs == Some(true)
    }

    /// Notes that entries are in an image that this process wrote.
    pub(crate) fn note_written(&self, keys: impl Iterator<Item = Key>, number: u32) {
        if !self.is_private {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            written.extend(keys.map(|key| (key, number)));
        }
    }

    /// The same of entries that this process wrote before, and that are in another image now.
    pub(crate) fn note_moved<'a>(&self, keys: impl Iterator<Item = &'a Key>, number: u32) {
        if !self.is_private {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            for key in keys {
                written.entry(*key).and_modify(|place| *place = number);
            }
        }
    }

    /// Where a key is to be looked for, of what was mapped.
    pub(crate) fn images(&self, key: &Key) -> Images {
        if self.is_private {
            return Images {
                own: Vec::new(),
                is_corrected: false,
            };
        }
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        let since = match self.has_corrected.load(Ordering::Acquire) {
            true => {
                let corrected = self.corrected.read();
                let corrected = corrected.unwrap_or_else(PoisonError::into_inner);
                corrected.get(key).copied()
            }
            false => None,
        };
        let before = since.map_or(0, |before| before.unwrap_or(own.count()));
        let newer = own.images.iter().skip(before.saturating_sub(own.gone));
        Images {
            own: newer.rev().map(|(_, image)| Arc::clone(image)).collect(),
            is_corrected: since.is_some(),
        }
    }

    /// Opens the image in which this process wrote a key, unless it is open.
    pub(crate) fn open_own(
        &self,
        key: &Key,
        open: impl FnOnce(u32) -> Option<Arc<LoadedImage>>,
    ) -> Option<Arc<LoadedImage>> {
        if self.is_private {
            return None;
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *written.get(key)?;
        let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
        if own.has(number) {
            return None;
        }
        let image = open(number);
        match &image {
            Some(image) => own.add(number, Arc::clone(image)),
            // Where it is gone, they are compiled and written again.
            None => written.retain(|_, other| *other != number),
        }
        image
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

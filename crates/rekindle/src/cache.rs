//! The cache: a folder of images, or memory alone.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rekindle_link::Arch;
use rekindle_store::{
    Digest, Environment, FolderError, ImageError, ScopeFolder, ScopeId, Store, default_directory,
};

use crate::config::{CacheConfig, CacheMode};
use crate::loaded::LoadedImage;
use crate::miss::MissReason;
use crate::names::{LateNames, Names, Symbols};
use crate::notice::Notice;
use crate::program::Program;
use crate::publish::identity;
use crate::scope::Scope;
use crate::statistics::{Counters, Statistics};
use crate::verify::Sample;

/// Names of code with baked addresses that are kept; the others are only counted.
const MAX_BAKED_NAMES: usize = 64;

/// A handle on a cache; clones share it.
#[derive(Clone, Debug)]
pub struct Cache {
    pub(crate) shared: Arc<Shared>,
}

/// What a cache's scopes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Option<Store>,
    pub(crate) budget_bytes: u64,
    notices: Mutex<Vec<Notice>>,
    /// Names of code that bakes an address.
    baked: Mutex<Vec<String>>,
    pub(crate) sample: Sample,
    /// When the budget was last looked after.
    budget_checked: Mutex<Option<Instant>>,
    pub(crate) counters: Counters,
}

/// A scope's images, as far as they can be used.
pub(crate) struct OpenedImages {
    /// Newest first.
    pub(crate) images: Vec<Arc<LoadedImage>>,
    /// Why a key that none of them holds isn't there.
    pub(crate) absent: MissReason,
    /// Whether some can't be used and should be removed.
    pub(crate) some_refused: bool,
}

impl Cache {
    /// Opens the cache that `config` names. Never fails: trouble becomes a [`Notice`], and a cache
    /// in memory alone.
    pub fn open(config: &CacheConfig) -> Self {
        let CacheConfig {
            directory,
            mode,
            budget_bytes,
            verify_one_in,
        } = config;
        let mut notices = Vec::new();
        let writable = match mode {
            CacheMode::Off => return Self::in_memory(),
            CacheMode::ReadOnly => false,
            CacheMode::ReadWrite => true,
        };
        let store = match directory.clone().or_else(default_directory) {
            None => Err(rekindle_store::OpenError::NoDirectory),
            Some(path) => Store::open(&path, writable),
        };
        let store = store
            .map_err(|error| {
                tracing::debug!(%error, "no persistent cache");
                notices.push(Notice::new(format!(
                    "nothing is kept between runs: {error}"
                )));
            })
            .ok();
        Self::new(store, *budget_bytes, *verify_one_in, notices)
    }

    /// A cache without a persistent layer.
    pub fn in_memory() -> Self {
        Self::new(None, 0, 0, Vec::new())
    }

    fn new(
        store: Option<Store>,
        budget_bytes: u64,
        verify_one_in: u32,
        notices: Vec<Notice>,
    ) -> Self {
        let shared = Shared {
            store,
            budget_bytes,
            notices: Mutex::new(notices),
            baked: Mutex::default(),
            sample: Sample::new(verify_one_in),
            budget_checked: Mutex::new(None),
            counters: Counters::default(),
        };
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
        self.shared
            .notices
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Counts code that holds an address of this process as a constant, so that no other process
    /// will find it.
    pub fn note_baked_address(&self, name: &str) {
        self.shared.counters.baked_addresses.add(1);
        let mut baked = self
            .shared
            .baked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if baked.len() < MAX_BAKED_NAMES {
            baked.push(name.to_owned());
        }
    }

    /// The names of code that [`Self::note_baked_address`] counted, the first of them.
    pub fn baked_addresses(&self) -> Vec<String> {
        let baked = self
            .shared
            .baked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        baked.clone()
    }

    /// Adds a notice of the front's own, unless there is the same already.
    pub fn notice(&self, text: &str) {
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
            environment.clone(),
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
            environment.clone(),
            scope,
            Names::Late(LateNames::default()),
        )
    }

    /// Figures of this process's use of the cache.
    pub fn statistics(&self) -> Statistics {
        self.shared.counters.snapshot()
    }

    /// The digest of the running program: what a front whose input alone makes its keys puts into
    /// its [`Environment`], so that another build of it doesn't take this one's code for its own.
    /// Remembered as by [`Self::file_digest`]. `None` where the program can't be read, or nothing is
    /// kept between runs anyway.
    pub fn program_digest(&self) -> Option<Digest> {
        let store = self.shared.store.as_ref()?;
        let program = File::open("/proc/self/exe").ok()?;
        store
            .try_file_digest(&program, || Digest::of_reader(&program))
            .ok()
    }

    /// The digest of a file's contents as `compute` finds it, remembered under the file's device,
    /// inode, size, and times of change in nanoseconds.
    pub fn file_digest(&self, file: &File, compute: impl FnOnce() -> Digest) -> Digest {
        match &self.shared.store {
            Some(store) => store.file_digest(file, compute),
            None => compute(),
        }
    }
}

impl Shared {
    /// Adds a notice, unless there is the same already.
    pub(crate) fn notice(&self, text: String) {
        tracing::debug!(text, "notice");
        let notice = Notice::new(text);
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable_store().is_some()
    }

    pub(crate) fn writable_store(&self) -> Option<&Store> {
        self.store.as_ref().filter(|store| store.is_writable())
    }

    /// Opens and maps a scope's images.
    pub(crate) fn open_images(&self, environment: &Environment, scope: &ScopeId) -> OpenedImages {
        let mut opened = OpenedImages {
            images: Vec::new(),
            absent: MissReason::NotCached,
            some_refused: false,
        };
        let (Some(store), Some(arch)) = (&self.store, Arch::host()) else {
            opened.absent = MissReason::CacheOff;
            return opened;
        };
        let folder = match store.scope_folder(environment, scope) {
            Ok(Some(folder)) => folder,
            Ok(None) => return opened,
            Err(error) => {
                self.notice(format!(
                    "a folder in {} can't be used: {error}",
                    store.path().display()
                ));
                opened.absent = MissReason::CacheOff;
                return opened;
            }
        };
        for number in folder.images().unwrap_or_default() {
            match self.open_image(store, &folder, number, environment, scope, arch) {
                Ok(image) => opened.images.push(image),
                // Merged or evicted between listing and opening.
                Err(ImageError::File(FolderError::Missing)) => {}
                Err(error) => {
                    tracing::debug!(number, %error, "an image isn't used");
                    self.counters.images_refused.add(1);
                    // It may have held any key.
                    opened.absent = MissReason::Damaged;
                    opened.some_refused = true;
                }
            }
        }
        opened
    }

    /// Opens the newest whole program of a scope.
    pub(crate) fn open_program(
        &self,
        environment: &Environment,
        scope: &ScopeId,
    ) -> Option<Program> {
        let start = Instant::now();
        let opened = self.open_images(environment, scope);
        let program = opened.images.iter().find_map(|image| {
            let program = Program::load(image);
            if program.is_err() {
                tracing::debug!("a program isn't used: it is damaged");
            }
            Some((program.ok()?, image))
        });
        self.counters.load_ns.add_elapsed(start);
        let Some((program, image)) = program else {
            self.counters.programs_missed.add(1);
            return None;
        };
        self.counters.programs_loaded.add(1);
        self.counters.entries_loaded.add(image.entry_count().into());
        self.counters
            .compile_ns_avoided
            .add(image.compile_time_ns());
        Some(program)
    }

    fn open_image(
        &self,
        store: &Store,
        folder: &ScopeFolder,
        number: u32,
        environment: &Environment,
        scope: &ScopeId,
        arch: Arch,
    ) -> Result<Arc<LoadedImage>, ImageError> {
        let identity = identity(environment, scope, arch);
        let mut file = folder.open_image(number, store.secret(), Some(&identity))?;
        // Who verifies hits wants digests checked too.
        let is_intact = !self.sample.takes_any() && folder.knows_intact(&file, store.secret());
        let is_touched = store.is_writable() && file.note_use();
        let mut note = None;
        if is_intact {
            file.header = file.header.of_intact_image();
            if is_touched {
                folder.note_intact_still(&file, store.secret());
            }
        } else if store.is_writable() && !is_touched {
            // A touched file isn't any more what it was when it was opened.
            note = file.intact_note();
        }
        let image = LoadedImage::map(&file, store.secret(), note)
            .map_err(|error| ImageError::File(error.into()))?;
        self.counters.images_mapped.add(1);
        self.counters.images_known_intact.add(is_intact.into());
        self.counters.image_bytes_mapped.add(image.file_len());
        Ok(image)
    }

    /// Removes what is worth least until all images fit the budget. At most once a second: at the
    /// end of a process many scopes may flush, and each check lists the whole cache.
    pub(crate) fn keep_budget(&self, store: &Store, environment: &Environment) {
        let mut checked = self
            .budget_checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if checked.is_some_and(|last| last.elapsed() < Duration::from_secs(1)) {
            return;
        }
        *checked = Some(Instant::now());
        for image in store.over_budget(self.budget_bytes, environment) {
            match store.remove_image(&image) {
                Ok(()) => self.counters.images_evicted.add(1),
                Err(error) => tracing::debug!(?image, %error, "can't evict an image"),
            }
        }
    }
}

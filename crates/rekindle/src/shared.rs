//! What a cache's scopes share: its store, its figures, and how images are opened.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rekindle_exec::{Arena, PerProcess, process_number};
use rekindle_link::Arch;
use rekindle_store::{Digest, Environment, FolderError, ImageError, ScopeFolder, ScopeId, Store};
use rustc_hash::FxHashMap;

use crate::loaded::LoadedImage;
use crate::miss::MissReason;
use crate::notice::{Notice, UNKNOWN_BUILD};
use crate::object;
use crate::opened::OpenedImages;
use crate::program::Program;
use crate::publish::identity;
use crate::sample::Sample;
use crate::schedule::Schedule;
use crate::shelf::Shelf;
use crate::statistics::Counters;

/// Names of code with baked addresses that are kept; the others are only counted.
const MAX_BAKED_NAMES: usize = 64;

/// So many shelves are kept that no scope uses.
const MAX_IDLE_SHELVES: usize = 64;

/// What a cache's scopes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Option<Store>,
    /// Memory for what is compiled.
    pub(crate) arena: Arc<Arena>,
    /// Of the scopes that share one.
    shelves: PerProcess<Mutex<Shelves>>,
    pub(crate) budget_bytes: u64,
    notices: Mutex<Vec<Notice>>,
    /// Names of code that bakes an address.
    baked: Mutex<Vec<String>>,
    /// The digest of the program and the object that this code is in, once someone asked.
    program_digest: OnceLock<Option<Digest>>,
    pub(crate) sample: Sample,
    /// When the budget was last looked after. What another thread may hold for long is each process's own.
    budget_checked: PerProcess<Mutex<Option<Instant>>>,
    /// How long after the last of it code is written.
    pub(crate) write_after: Option<Duration>,
    pub(crate) schedule: PerProcess<Mutex<Schedule>>,
    pub(crate) counters: Counters,
}

/// Why an image can't be opened.
#[derive(Debug)]
enum OpenFailure {
    /// Something is wrong with the image.
    Image(ImageError),
    /// This process has no memory, mapping or descriptor left.
    Process(io::Error),
}

impl From<ImageError> for OpenFailure {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::File(FolderError::System(error)) if is_of_process(&error) => {
                Self::Process(error)
            }
            error => Self::Image(error),
        }
    }
}

impl OpenFailure {
    fn of_mapping(error: io::Error) -> Self {
        ImageError::File(error.into()).into()
    }
}

/// Whether an error says nothing of a file, but that this process has no memory, mapping or descriptor
/// left.
fn is_of_process(error: &io::Error) -> bool {
    // Linux's numbers, for which `ErrorKind` has no names.
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let is_of_files = matches!(error.raw_os_error(), Some(ENFILE | EMFILE));
    is_of_files || error.kind() == io::ErrorKind::OutOfMemory
}

/// Shelves by the digests of their environments and scopes.
type Shelves = FxHashMap<(Digest, Digest), Arc<Shelf>>;

impl Shared {
    pub(crate) fn new(
        store: Option<Store>,
        budget_bytes: u64,
        verify_one_in: u32,
        write_after: Option<Duration>,
        notices: Vec<Notice>,
    ) -> Self {
        Self {
            store,
            arena: Arc::default(),
            shelves: PerProcess::default(),
            budget_bytes,
            notices: Mutex::new(notices),
            baked: Mutex::default(),
            program_digest: OnceLock::new(),
            sample: Sample::new(verify_one_in),
            budget_checked: PerProcess::default(),
            write_after,
            schedule: PerProcess::default(),
            counters: Counters::default(),
        }
    }

    pub(crate) fn program_digest(&self) -> Option<Digest> {
        let digest = || {
            let digest = object::program(self.store.as_ref()?);
            if digest.is_none() {
                self.notice(UNKNOWN_BUILD.to_owned());
            }
            digest
        };
        *self.program_digest.get_or_init(digest)
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        let notices = self.notices.lock();
        notices.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts code with a baked address, and keeps its name. Returns whether it is the first.
    pub(crate) fn note_baked_address(&self, name: &str) -> bool {
        self.counters.baked_addresses.add(1);
        let mut baked = self.baked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = baked.is_empty();
        if baked.len() < MAX_BAKED_NAMES {
            baked.push(name.to_owned());
        }
        is_first
    }

    pub(crate) fn baked_addresses(&self) -> Vec<String> {
        let baked = self.baked.lock();
        baked.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a notice, unless there is the same already.
    pub(crate) fn notice(&self, text: String) {
        tracing::debug!(text, "notice");
        let notice = Notice::new(text);
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }

    /// Whether there is a notice that ends in this.
    pub(crate) fn has_notice(&self, ending: &str) -> bool {
        let notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.iter().any(|notice| notice.text().ends_with(ending))
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable_store().is_some()
    }

    /// The store, if this process may write it. What depends on the program's digest is never found
    /// again if there is none, and would only take room.
    pub(crate) fn writable_store(&self) -> Option<&Store> {
        let is_known = self.program_digest.get().is_none_or(Option::is_some);
        let store = self.store.as_ref().filter(|store| store.is_writable());
        store.filter(|_| is_known)
    }

    /// What all scopes of an environment and a name share in this process.
    pub(crate) fn shelf(&self, environment: &Arc<Environment>, scope: &ScopeId) -> Arc<Shelf> {
        let new = || Arc::new(Shelf::new(Arc::clone(environment), scope.clone(), false));
        let key = (environment.digest(), scope.digest());
        Arc::clone(self.shelves().entry(key).or_insert_with(new))
    }

    /// The shelves of this process's scopes that share one.
    pub(crate) fn all_shelves(&self) -> Vec<Arc<Shelf>> {
        self.shelves().values().map(Arc::clone).collect()
    }

    /// Lets go of shelves that no scope uses, where there are many: a scope of that name that comes later maps
    /// its images anew.
    pub(crate) fn drop_idle_shelves(&self) {
        let mut shelves = self.shelves();
        if shelves.len() <= MAX_IDLE_SHELVES {
            return;
        }
        let is_idle = |shelf: &Arc<Shelf>| Arc::strong_count(shelf) == 1 && !shelf.has_waiting();
        let idle: Shelves = shelves.extract_if(|_, shelf| is_idle(shelf)).collect();
        drop(shelves);
        // Unmapping takes its time.
        drop(idle);
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        let shelves = self.shelves.get().lock();
        shelves.unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens and maps an image that this process wrote; none if it is gone, or there is no room.
    pub(crate) fn open_own(
        &self,
        environment: &Environment,
        scope: &ScopeId,
        number: u32,
    ) -> Option<Arc<LoadedImage>> {
        let store = self.store.as_ref()?;
        let folder = store.scope_folder(environment, scope).ok()??;
        let image = self.open_image(store, &folder, number, environment, scope, Arch::host()?);
        match image {
            Ok(image) => Some(image),
            Err(error) => {
                tracing::debug!(number, ?error, "what this process wrote isn't used");
                None
            }
        }
    }

    /// Opens and maps a scope's images.
    pub(crate) fn open_images(&self, environment: &Environment, scope: &ScopeId) -> OpenedImages {
        self.open_newest(environment, scope, usize::MAX)
    }

    /// The same, of the newest so many.
    fn open_newest(
        &self,
        environment: &Environment,
        scope: &ScopeId,
        at_most: usize,
    ) -> OpenedImages {
        let mut opened = OpenedImages {
            process: process_number(),
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
                opened.absent = self.unusable_folder(store, error);
                return opened;
            }
        };
        let numbers = match folder.images() {
            Ok(numbers) => numbers,
            Err(error) => {
                opened.absent = self.unusable_folder(store, error.into());
                return opened;
            }
        };
        for number in numbers.into_iter().take(at_most) {
            match self.open_image(store, &folder, number, environment, scope, arch) {
                Ok(image) => opened.images.push(image),
                // Merged or evicted between listing and opening.
                Err(OpenFailure::Image(ImageError::File(FolderError::Missing))) => {}
                Err(OpenFailure::Process(error)) => {
                    opened.absent = self.lacks_memory(&error);
                    // The others would meet the same, and the process has better uses for the rest.
                    break;
                }
                Err(OpenFailure::Image(ImageError::Refused(_)))
                    if !self.is_still_the_same(store) =>
                {
                    opened.absent = MissReason::CacheOff;
                    break;
                }
                Err(OpenFailure::Image(error)) => {
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

    /// Whether the cache's folder is the one that was opened. Another one's images say nothing to this
    /// process and are no affair of it, nor can what this one writes be of use there.
    pub(crate) fn is_still_the_same(&self, store: &Store) -> bool {
        match store.has_the_same_secret() {
            Ok(true) => return true,
            Ok(false) => {
                let path = store.path().display();
                self.notice(format!(
                    "the cache in {path} was removed, or made anew, since this process opened it: this \
                     process uses it no more"
                ));
            }
            Err(error) => {
                self.unusable_folder(store, error);
            }
        }
        false
    }

    /// Says why a folder isn't used, and what its code is missed for.
    fn unusable_folder(&self, store: &Store, error: FolderError) -> MissReason {
        match error {
            FolderError::System(error) if is_of_process(&error) => self.lacks_memory(&error),
            error => {
                let path = store.path().display();
                self.notice(format!("a folder in {path} can't be used: {error}"));
                MissReason::CacheOff
            }
        }
    }

    fn lacks_memory(&self, error: &io::Error) -> MissReason {
        self.notice(format!(
            "images can't be mapped, and their code is compiled: {error}"
        ));
        MissReason::NoMemory
    }

    /// Opens the newest program of a scope, if it is whole: an older one may be what it corrects.
    pub(crate) fn open_program(
        &self,
        environment: &Environment,
        scope: &ScopeId,
    ) -> Option<Program> {
        let start = Instant::now();
        let opened = self.open_newest(environment, scope, 1);
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
    ) -> Result<Arc<LoadedImage>, OpenFailure> {
        let identity = identity(environment, scope, arch);
        let mut file = folder.open_image(number, store.secret(), Some(&identity))?;
        // Who verifies hits wants digests checked too.
        let is_intact = !self.sample.takes_any() && folder.knows_intact(&file, store.secret());
        if store.is_writable() {
            folder.note_use(&file);
        }
        let mut note = None;
        if is_intact {
            file.header = file.header.of_intact_image();
        } else if store.is_writable() {
            note = folder.intact_note(&file);
        }
        let image =
            LoadedImage::map(&file, store.secret(), note).map_err(OpenFailure::of_mapping)?;
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
            .get()
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

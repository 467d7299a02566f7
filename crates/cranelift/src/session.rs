//! What a process has once: its caches by configuration, and the name of its default scope.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rekindle::{Cache, CacheConfig, Digest, KeyBuilder, Scope};

/// The caches of this process by configuration.
static OPEN: Mutex<Vec<(CacheConfig, Cache)>> = Mutex::new(Vec::new());

/// The cache that a configuration describes; the same handle each time.
pub(crate) fn cache(config: &CacheConfig) -> Cache {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, cache)) = open.iter().find(|(other, _)| other == config) {
        return cache.clone();
    }
    let cache = Cache::open(config);
    open.push((config.clone(), cache.clone()));
    cache
}

/// The cache that the environment variables describe, read once.
pub(crate) fn default_cache() -> Cache {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    let open = || {
        let cache = cache(&CacheConfig::from_env());
        for text in CacheConfig::ignored_variables() {
            cache.notice(&text);
        }
        cache
    };
    CACHE.get_or_init(open).clone()
}

/// The digest of this program: of its build id, or else its file, and of those of the shared library
/// that this code is in, if it is in one. Code generators of another build may generate something else for the same input.
pub(crate) fn program_digest(cache: &Cache) -> Digest {
    static DIGEST: OnceLock<Digest> = OnceLock::new();
    *DIGEST.get_or_init(|| {
        fn here() {}
        if let Some(ids) = rekindle_exec::build_ids(here) {
            let key = KeyBuilder::new("cranelift/build-ids").field_bytes(&ids);
            return Digest(*key.finish().as_bytes());
        }
        let program = file_digest(cache, Path::new("/proc/self/exe"));
        let path = std::env::current_exe().ok();
        let own = own_object().filter(|own| Some(own) != path.as_ref());
        let own = own.map(|path| file_digest(cache, &path));
        let key = KeyBuilder::new("cranelift/program").digest(&program);
        let key = match own {
            Some(own) => key.digest(&own),
            None => key,
        };
        Digest(*key.finish().as_bytes())
    })
}

/// A file that can't be read gets a digest that no other run has.
fn file_digest(cache: &Cache, path: &Path) -> Digest {
    let digest = |bytes: &[u8]| Digest(blake3::hash(bytes).into());
    let unique = || {
        let now = std::time::SystemTime::now();
        let text = format!("{now:?} {}", std::process::id());
        digest(text.as_bytes())
    };
    match File::open(path) {
        Ok(file) => cache.file_digest(&file, || match std::fs::read(path) {
            Ok(bytes) => digest(&bytes),
            Err(_) => unique(),
        }),
        Err(_) => unique(),
    }
}

/// The file that this code was loaded from, which need not be the program's.
fn own_object() -> Option<PathBuf> {
    let own = (own_object as fn() -> Option<PathBuf> as usize) as u64;
    // The kernel makes the text anew for each read, so it is read in few.
    let mut maps = Vec::with_capacity(32 << 10);
    let mut file = File::open("/proc/self/maps").ok()?;
    file.read_to_end(&mut maps).ok()?;
    let maps = String::from_utf8_lossy(&maps);
    maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let path = line.find('/').map(|at| PathBuf::from(&line[at..]));
        (number(start)?..number(end)?)
            .contains(&own)
            .then_some(path)?
    })
}

/// A module's scope that is flushed when the process exits, should the module live that long.
pub(crate) struct AtExit {
    number: u64,
}

/// The process that opened the first of [`LIVING`].
static PROCESS: OnceLock<u32> = OnceLock::new();

/// The scopes of living modules by number.
static LIVING: Mutex<Vec<(u64, Scope)>> = Mutex::new(Vec::new());

impl AtExit {
    pub(crate) fn register(scope: &Scope) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        PROCESS.get_or_init(|| {
            rekindle_exec::at_exit(flush_living);
            std::process::id()
        });
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        living().push((number, scope.clone()));
        Self { number }
    }

    pub(crate) fn forget(&self) {
        let mut living = living();
        if let Some(index) = living.iter().position(|(number, _)| *number == self.number) {
            let scope = living.swap_remove(index);
            // Dropping the last handle writes files; nobody should wait for that.
            drop(living);
            drop(scope);
        }
    }
}

fn living() -> MutexGuard<'static, Vec<(u64, Scope)>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn flush_living() {
    if PROCESS.get() != Some(&std::process::id()) {
        // A fork: what waits belongs to the parent.
        return;
    }
    flush_scopes();
    if let Ok(open) = OPEN.try_lock() {
        crate::log::write(open.iter().map(|(_, cache)| cache));
    }
}

fn flush_scopes() {
    // Another thread that holds the lock as the process ends may never give it back.
    let Ok(living) = LIVING.try_lock() else {
        return;
    };
    for (_, scope) in living.iter() {
        scope.flush();
    }
}

/// The name of this program's file, without what Cargo appends to the names of test programs.
pub(crate) fn program_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let path = std::env::current_exe().unwrap_or_default();
        let stem = path
            .file_stem()
            .map(Path::new)
            .unwrap_or(Path::new("program"));
        stable_name(&stem.to_string_lossy()).to_owned()
    })
}

/// `basic-0123456789abcdef` is `basic`: the number changes whenever the program does, which says
/// nothing about the functions that it compiles.
fn stable_name(stem: &str) -> &str {
    match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            name
        }
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::stable_name;

    #[test]
    fn hashes_are_dropped() {
        assert_eq!(stable_name("basic-0123456789abcdef"), "basic");
        assert_eq!(stable_name("my-program"), "my-program");
        assert_eq!(stable_name("program"), "program");
    }
}

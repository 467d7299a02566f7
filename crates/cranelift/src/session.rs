//! What a process has once: its caches by configuration, and what it does at its end.

use std::ffi::OsStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use rekindle::{Cache, CacheConfig, CacheMode, Digest, KeyBuilder, Scope, Statistics};
use rekindle_exec::fork_gate::{Held, enter, held};

use crate::told;

/// The caches of this process by configuration.
static OPEN: Mutex<Vec<OpenCache>> = Mutex::new(Vec::new());

struct OpenCache {
    config: CacheConfig,
    cache: Cache,
    /// Whether somebody asked for it, rather than for a program that has one.
    is_asked_for: bool,
}

/// The cache that a configuration describes; the same handle each time.
pub(crate) fn cache(config: &CacheConfig, is_asked_for: bool) -> Cache {
    let _inside = enter();
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = open.iter_mut().find(|known| known.config == *config) {
        known.is_asked_for |= is_asked_for;
        return known.cache.clone();
    }
    let cache = Cache::open(config);
    open.push(OpenCache {
        config: config.clone(),
        cache: cache.clone(),
        is_asked_for,
    });
    cache
}

/// The cache that the environment variables describe, read once.
pub(crate) fn default_cache() -> Cache {
    let _inside = enter();
    static CACHE: OnceLock<Cache> = OnceLock::new();
    let open = || {
        let cache = cache(&CacheConfig::from_env(), told::is_asked_for());
        for text in CacheConfig::ignored_variables() {
            cache.notice(&text);
        }
        if let Err(text) = *COMPILED_CODE {
            cache.notice(text);
        }
        cache
    };
    CACHE.get_or_init(open).clone()
}

/// What `REKINDLE_COMPILED_CODE` says, read once; what it can say, if it makes no sense.
static COMPILED_CODE: LazyLock<Result<bool, &str>> = LazyLock::new(|| {
    let value = rekindle::variable("REKINDLE_COMPILED_CODE");
    let value = value.filter(|value| !value.is_empty());
    parse_compiled_code(value.as_deref())
});

fn parse_compiled_code(value: Option<&OsStr>) -> Result<bool, &'static str> {
    let Some(value) = value else { return Ok(false) };
    match value.to_ascii_lowercase().to_str() {
        Some("keep" | "on" | "1" | "yes" | "true") => Ok(true),
        Some("drop" | "off" | "0" | "no" | "false") => Ok(false),
        _ => Err("REKINDLE_COMPILED_CODE is ignored: it takes `keep` or `drop`"),
    }
}

/// Whether functions that are found are compiled all the same, for the sake of `Context::compiled_code`.
pub(crate) fn keeps_compiled_code() -> bool {
    let _inside = enter();
    COMPILED_CODE.unwrap_or(false)
}

/// The digest of this program, and of the shared library that this code is in, if it is in one. Code
/// generators of another build may generate something else for the same input.
pub(crate) fn program_digest(cache: &Cache) -> Digest {
    let _inside = enter();
    static UNLIKE_ANY: OnceLock<Digest> = OnceLock::new();
    let unlike_any = || {
        let key = KeyBuilder::new("cranelift/unlike any")
            .str(&format!("{:?}", std::time::SystemTime::now()))
            .u64(std::process::id().into());
        Digest(*key.finish().as_bytes())
    };
    // A program that nobody can tell from others finds nothing of theirs.
    let digest = cache.program_digest();
    digest.unwrap_or_else(|| *UNLIKE_ANY.get_or_init(unlike_any))
}

/// A module's scope that is flushed when the process exits, should the module live that long.
pub(crate) struct AtExit {
    number: u64,
}

/// The process that opened the first of [`LIVING`]. One that is forked from it has its own end, too.
static PROCESS: OnceLock<u64> = OnceLock::new();

/// The scopes of living modules by number.
static LIVING: Mutex<Vec<(u64, Scope)>> = Mutex::new(Vec::new());

impl AtExit {
    pub(crate) fn register(scope: &Scope) -> Self {
        let _inside = enter();
        static NEXT: AtomicU64 = AtomicU64::new(0);
        PROCESS.get_or_init(|| {
            rekindle_exec::at_exit(flush_living);
            rekindle_exec::process_number()
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

fn living() -> Held<MutexGuard<'static, Vec<(u64, Scope)>>> {
    held(|| LIVING.lock().unwrap_or_else(PoisonError::into_inner))
}

extern "C" fn flush_living() {
    // In a process that was forked, what the other one added is that one's, and isn't here any more.
    flush_scopes();
    let is_forked = PROCESS.get() != Some(&rekindle_exec::process_number());
    if let Ok(open) = OPEN.try_lock() {
        let asked = open
            .iter()
            .filter(|known| known.is_asked_for && known.config.mode == CacheMode::ReadWrite);
        for OpenCache { cache, .. } in asked.filter(|known| told::kept_nothing(&known.cache)) {
            told::nothing_is_kept(cache);
        }
        let open = open.iter().map(|known| &known.cache);
        // One that only inherited a cache has nothing to say.
        let used = open.filter(|cache| !is_forked || cache.statistics() != Statistics::default());
        crate::log::write(used);
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

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::parse_compiled_code;

    #[test]
    fn what_is_done_with_compiled_code_is_read() {
        let parse = |text| parse_compiled_code(Some(OsStr::new(text)));
        assert_eq!(parse_compiled_code(None), Ok(false));
        assert_eq!(parse("keep"), Ok(true));
        assert_eq!(parse("KEEP"), Ok(true));
        assert_eq!(parse("drop"), Ok(false));
        assert!(parse("kept").is_err());
    }
}

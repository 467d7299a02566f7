//! What a process has once: its caches by configuration, and what it does at its end.

use std::ffi::OsStr;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use rekindle::{Cache, CacheConfig, CacheMode, Digest, KeyBuilder, Statistics};
use rekindle_exec::fork_gate::enter;

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

/// The process that first asked for it. One that is forked from it has its own end, too.
static PROCESS: OnceLock<u64> = OnceLock::new();

/// Has the end of the process write the log.
pub(crate) fn log_at_exit() {
    let _inside = enter();
    PROCESS.get_or_init(|| {
        rekindle_exec::at_exit(end);
        rekindle_exec::process_number()
    });
}

extern "C" fn end() {
    // The log says what was written.
    Cache::flush_all();
    rekindle::in_silence(write_log);
}

fn write_log() {
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

//! Where a cache lives and how it may be used.

use std::ffi::OsString;
use std::path::PathBuf;

/// How a cache may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// Images are read and written.
    #[default]
    ReadWrite,
    /// Images are read; nothing on disk changes.
    ReadOnly,
    /// Nothing on disk is looked at: code is kept in memory alone.
    Off,
}

/// Where a cache lives and how it may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// The cache's folder; `None` for `$REKINDLE_CACHE_DIR`, else `$XDG_CACHE_HOME/rekindle`, else
    /// `~/.cache/rekindle`.
    pub directory: Option<PathBuf>,
    /// How the cache may be used.
    pub mode: CacheMode,
    /// What all images together may take, in bytes. Enforced when code is flushed.
    pub budget_bytes: u64,
}

impl CacheConfig {
    /// The default budget: 512 MiB.
    pub const DEFAULT_BUDGET_BYTES: u64 = 512 << 20;

    /// The defaults, changed by `REKINDLE_CACHE_DIR` (a folder), `REKINDLE_CACHE` (`off`, `ro` or
    /// `on`) and `REKINDLE_CACHE_SIZE` (bytes, or with a suffix `K`, `M` or `G`). A value that
    /// says nothing known is ignored.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        let mode = match text("REKINDLE_CACHE").as_deref() {
            Some("off" | "0" | "no") => CacheMode::Off,
            Some("ro" | "read-only") => CacheMode::ReadOnly,
            _ => CacheMode::ReadWrite,
        };
        let budget_bytes = text("REKINDLE_CACHE_SIZE")
            .and_then(|size| parse_size(&size))
            .unwrap_or(Self::DEFAULT_BUDGET_BYTES);
        let directory = variable("REKINDLE_CACHE_DIR")
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from);
        Self {
            directory,
            mode,
            budget_bytes,
        }
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            directory: None,
            mode: CacheMode::default(),
            budget_bytes: Self::DEFAULT_BUDGET_BYTES,
        }
    }
}

/// Reads `4096`, `64K`, `512M` or `2G`.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, shift) = match text.chars().last()? {
        'k' | 'K' => (&text[..text.len() - 1], 10),
        'm' | 'M' => (&text[..text.len() - 1], 20),
        'g' | 'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::{CacheConfig, CacheMode, parse_size};

    fn config(pairs: &[(&str, &str)]) -> CacheConfig {
        CacheConfig::from_variables(|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn reads_variables() {
        assert_eq!(config(&[]), CacheConfig::default());
        let given = config(&[
            ("REKINDLE_CACHE", "ro"),
            ("REKINDLE_CACHE_DIR", "/somewhere"),
            ("REKINDLE_CACHE_SIZE", "64M"),
        ]);
        assert_eq!(given.mode, CacheMode::ReadOnly);
        assert_eq!(
            given.directory.as_deref(),
            Some(std::path::Path::new("/somewhere"))
        );
        assert_eq!(given.budget_bytes, 64 << 20);
        assert_eq!(config(&[("REKINDLE_CACHE", "off")]).mode, CacheMode::Off);
        assert_eq!(config(&[("REKINDLE_CACHE_DIR", "")]).directory, None);
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("17"), Some(17));
        assert_eq!(parse_size("2G"), Some(2 << 30));
        assert_eq!(parse_size("99999999999999G"), None);
        assert_eq!(parse_size("many"), None);
        assert_eq!(parse_size(""), None);
    }
}

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
    /// Of so many hits, one is compiled all the same, by fronts that can, and compared; none if this
    /// is zero, each if it is one. What differs is counted and named, and the fresh code is used and
    /// kept.
    pub verify_one_in: u32,
}

impl CacheConfig {
    /// The default budget: 512 MiB.
    pub const DEFAULT_BUDGET_BYTES: u64 = 512 << 20;

    /// The defaults, changed by `REKINDLE_CACHE_DIR` (a folder), `REKINDLE_CACHE` (`off`, `ro` or
    /// `on`), `REKINDLE_CACHE_SIZE` (bytes, or with a suffix `K`, `M` or `G`) and `REKINDLE_VERIFY`
    /// (`all`, `off`, or which part of the hits: `1/100`, `0.01`). A value that says nothing known
    /// is ignored.
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
        let verify_one_in = text("REKINDLE_VERIFY")
            .and_then(|part| parse_one_in(&part))
            .unwrap_or(0);
        let directory = variable("REKINDLE_CACHE_DIR")
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from);
        Self {
            directory,
            mode,
            budget_bytes,
            verify_one_in,
        }
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            directory: None,
            mode: CacheMode::default(),
            budget_bytes: Self::DEFAULT_BUDGET_BYTES,
            verify_one_in: 0,
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

/// Reads a part of a whole: `all`, `off`, `1/100`, `0.01`. Every so many; zero for none.
fn parse_one_in(text: &str) -> Option<u32> {
    let text = text.trim();
    if let Some(one_in) = text.strip_prefix("1/") {
        return one_in.parse().ok();
    }
    match text {
        "all" | "on" => Some(1),
        "off" | "no" => Some(0),
        part => {
            let part: f64 = part.parse().ok()?;
            let one_in = (1.0 / part).round();
            // A cast keeps to the range; of nothing, none.
            (part >= 0.0).then_some(if part > 0.0 { one_in as u32 } else { 0 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CacheConfig, CacheMode, parse_one_in, parse_size};

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
            ("REKINDLE_VERIFY", "1/8"),
        ]);
        assert_eq!(given.verify_one_in, 8);
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
    fn parts() {
        let parts = [
            ("all", 1),
            ("1", 1),
            ("1/1", 1),
            ("0.01", 100),
            ("off", 0),
            ("0", 0),
        ];
        for (text, one_in) in parts {
            assert_eq!(parse_one_in(text), Some(one_in), "{text}");
        }
        for text in ["", "some", "-1", "1/x"] {
            assert_eq!(parse_one_in(text), None, "{text}");
        }
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

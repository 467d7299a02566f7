//! Where a cache lives and how it may be used.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::variables::variable;

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
    /// kept. By default [`Self::DEFAULT_VERIFY_ONE_IN`].
    pub verify_one_in: u32,
    /// How long after the last of it what was compiled is written, in scopes with late names (modules of
    /// `rekindle-cranelift`), by a thread that is there only while something waits; later in a process
    /// that writes often, and at once where there is much. What still waits is written when the process
    /// ends. `None` for no thread; zero for none, and to write whenever a module ends. By default
    /// [`Self::DEFAULT_WRITE_AFTER`].
    pub write_after: Option<Duration>,
}

impl CacheConfig {
    /// The default budget: 512 MiB.
    pub const DEFAULT_BUDGET_BYTES: u64 = 512 << 20;

    /// Which part of the hits is verified by default: none, or one in 64 where debug assertions are on, so
    /// that everybody's tests find keys that don't cover what their code is made from. A program that
    /// counts what it finds sets `verify_one_in` to zero.
    pub const DEFAULT_VERIFY_ONE_IN: u32 = if cfg!(debug_assertions) { 64 } else { 0 };

    /// By default, what was compiled is written half a second after the last of it.
    pub const DEFAULT_WRITE_AFTER: Duration = Duration::from_millis(500);

    /// The defaults, changed by `REKINDLE_CACHE_DIR` (a folder), `REKINDLE_CACHE` (`off`, `ro` or
    /// `on`), `REKINDLE_CACHE_SIZE` (bytes, or with a suffix `K`, `M` or `G`), `REKINDLE_VERIFY`
    /// (`all`, `off`, or which part of the hits: `1/100`, `0.01`) and `REKINDLE_WRITE_AFTER` (seconds: `2`,
    /// `0.5`; or `off`). A mode that isn't one turns the cache off, other values that aren't are
    /// ignored; [`Self::ignored_variables`] says so.
    pub fn from_env() -> Self {
        Self::from_variables(variable).0
    }

    /// What a person should hear of the variables whose values [`Self::from_env`] can't read: a
    /// sentence for each, for [`Cache::notice`](crate::Cache::notice).
    pub fn ignored_variables() -> Vec<String> {
        Self::from_variables(variable).1
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> (Self, Vec<String>) {
        let mut ignored = Vec::new();
        let mut mode = read(&variable, &mut ignored, &CACHE).unwrap_or_default();
        if !ignored.is_empty() {
            // Whoever wrote it wanted something else than what is done without it.
            mode = CacheMode::Off;
        }
        let budget_bytes = read(&variable, &mut ignored, &CACHE_SIZE);
        let verify_one_in = read(&variable, &mut ignored, &VERIFY);
        let write_after = read(&variable, &mut ignored, &WRITE_AFTER);
        let directory = variable("REKINDLE_CACHE_DIR")
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from);
        let config = Self {
            directory,
            mode,
            budget_bytes: budget_bytes.unwrap_or(Self::DEFAULT_BUDGET_BYTES),
            verify_one_in: verify_one_in.unwrap_or(Self::DEFAULT_VERIFY_ONE_IN),
            write_after: write_after.unwrap_or(Some(Self::DEFAULT_WRITE_AFTER)),
        };
        (config, ignored)
    }
}

/// A variable of the environment whose values are words.
struct Variable<T> {
    name: &'static str,
    parse: fn(&str) -> Option<T>,
    /// What it may say, for who wrote something else.
    values: &'static str,
    /// What is done if it says something else.
    instead: &'static str,
}

const CACHE: Variable<CacheMode> = Variable {
    name: "REKINDLE_CACHE",
    parse: parse_mode,
    values: "`on`, `ro` or `off`",
    instead: "no such mode, and the cache is off",
};

const CACHE_SIZE: Variable<u64> = Variable {
    name: "REKINDLE_CACHE_SIZE",
    parse: parse_size,
    values: "bytes, or a number with `K`, `M` or `G`",
    instead: "ignored",
};

const VERIFY: Variable<u32> = Variable {
    name: "REKINDLE_VERIFY",
    parse: parse_one_in,
    values: "`all`, `off`, or a part such as `1/100` or `0.01`",
    instead: "ignored",
};

const WRITE_AFTER: Variable<Option<Duration>> = Variable {
    name: "REKINDLE_WRITE_AFTER",
    parse: parse_delay,
    values: "seconds such as `2` or `0.5`, or `off`",
    instead: "ignored",
};

/// Reads a variable. One that is empty says nothing; one that makes no sense is ignored aloud.
fn read<T>(
    variable: &impl Fn(&str) -> Option<OsString>,
    ignored: &mut Vec<String>,
    Variable {
        name,
        parse,
        values,
        instead,
    }: &Variable<T>,
) -> Option<T> {
    let value = variable(name).filter(|value| !value.is_empty())?;
    let parsed = value.to_str().and_then(parse);
    if parsed.is_none() {
        let value = value.to_string_lossy();
        ignored.push(format!("{name}={value} is {instead}: it takes {values}"));
    }
    parsed
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            directory: None,
            mode: CacheMode::default(),
            budget_bytes: Self::DEFAULT_BUDGET_BYTES,
            verify_one_in: Self::DEFAULT_VERIFY_ONE_IN,
            write_after: Some(Self::DEFAULT_WRITE_AFTER),
        }
    }
}

fn parse_mode(text: &str) -> Option<CacheMode> {
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "on" | "1" | "yes" | "true" | "rw" => CacheMode::ReadWrite,
        "ro" | "read-only" | "readonly" => CacheMode::ReadOnly,
        "off" | "0" | "no" | "false" => CacheMode::Off,
        _ => return None,
    })
}

/// Reads a number of bytes as `REKINDLE_CACHE_SIZE` takes it: `4096`, `64K`, `512M` or `2G`.
pub fn parse_size(text: &str) -> Option<u64> {
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
        return one_in.parse().ok().filter(|one_in| *one_in > 0);
    }
    match text {
        "all" | "on" => Some(1),
        "off" | "no" => Some(0),
        part => {
            let part: f64 = part.parse().ok()?;
            let one_in = (1.0 / part).round();
            // A cast keeps to the range; of nothing, none.
            // More than all there is makes no sense, as `100` does where `1/100` was meant.
            let is_part = (0.0..=1.0).contains(&part);
            is_part.then_some(if part > 0.0 { one_in as u32 } else { 0 })
        }
    }
}

/// Reads `2`, `0.5` or `off`.
fn parse_delay(text: &str) -> Option<Option<Duration>> {
    match text.trim() {
        off if off.eq_ignore_ascii_case("off") => Some(None),
        seconds => {
            let seconds = seconds.parse().ok()?;
            Duration::try_from_secs_f64(seconds).ok().map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CacheConfig, CacheMode, parse_delay, parse_one_in, parse_size};
    use std::time::Duration;

    #[test]
    fn delays() {
        let millis = |millis| Some(Some(Duration::from_millis(millis)));
        assert_eq!(parse_delay("2"), millis(2000));
        assert_eq!(parse_delay("0.5"), millis(500));
        assert_eq!(parse_delay("0"), millis(0));
        assert_eq!(parse_delay("off"), Some(None));
        for text in ["", "-1", "soon", "inf", "nan"] {
            assert_eq!(parse_delay(text), None, "{text}");
        }
        let given = config(&[("REKINDLE_WRITE_AFTER", "off")]);
        assert_eq!(given.write_after, None);
    }

    fn read(pairs: &[(&str, &str)]) -> (CacheConfig, Vec<String>) {
        CacheConfig::from_variables(|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        })
    }

    fn config(pairs: &[(&str, &str)]) -> CacheConfig {
        let (config, ignored) = read(pairs);
        assert!(ignored.is_empty(), "{ignored:?}");
        config
    }

    #[test]
    fn what_makes_no_sense_is_ignored_aloud() {
        let (config, ignored) = read(&[
            ("REKINDLE_CACHE", "offf"),
            ("REKINDLE_CACHE_SIZE", "many"),
            ("REKINDLE_VERIFY", "some"),
        ]);
        assert_eq!(
            config,
            CacheConfig {
                mode: CacheMode::Off,
                ..CacheConfig::default()
            }
        );
        assert_eq!(
            ignored,
            [
                "REKINDLE_CACHE=offf is no such mode, and the cache is off: it takes `on`, `ro` or `off`",
                "REKINDLE_CACHE_SIZE=many is ignored: it takes bytes, or a number with `K`, `M` or `G`",
                "REKINDLE_VERIFY=some is ignored: it takes `all`, `off`, or a part such as `1/100` or \
                 `0.01`",
            ]
        );
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
        for off in ["off", "OFF", "Off", "0", "no", "false", "FALSE", " off"] {
            assert_eq!(config(&[("REKINDLE_CACHE", off)]).mode, CacheMode::Off);
        }
        for on in ["on", "ON", "1", "true", "True", "yes"] {
            assert_eq!(config(&[("REKINDLE_CACHE", on)]).mode, CacheMode::ReadWrite);
        }
        assert_eq!(
            config(&[("REKINDLE_CACHE", "RO")]).mode,
            CacheMode::ReadOnly
        );
        assert_eq!(
            config(&[("REKINDLE_CACHE", "on")]).mode,
            CacheMode::ReadWrite
        );
        assert_eq!(config(&[("REKINDLE_CACHE", "")]).mode, CacheMode::ReadWrite);
        assert_eq!(config(&[("REKINDLE_CACHE_DIR", "")]).directory, None);
    }

    #[test]
    fn hits_are_verified_by_default_where_debug_assertions_are_on() {
        let expected = if cfg!(debug_assertions) { 64 } else { 0 };
        assert_eq!(CacheConfig::default().verify_one_in, expected);
        assert_eq!(config(&[]).verify_one_in, expected);
        assert_eq!(config(&[("REKINDLE_VERIFY", "off")]).verify_one_in, 0);
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
        for text in [
            "", "some", "-1", "1/x", "1/0", "100", "2", "1.5", "inf", "NaN",
        ] {
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

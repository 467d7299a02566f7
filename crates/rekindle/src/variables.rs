//! The variables of the environment that steer the cache.

use std::ffi::OsString;
use std::path::PathBuf;

use rekindle_exec::has_more_authority_than_user;

/// The value of a variable that is Rekindle's, such as `REKINDLE_CACHE`. None in a process that has
/// more authority than its user (a set-user-id program, one with file capabilities): there no variable
/// of ours is believed, by anyone. Read every such variable through this.
pub fn variable(name: &str) -> Option<OsString> {
    match has_more_authority_than_user() {
        true => None,
        false => std::env::var_os(name),
    }
}

/// Where the cache is by default: `$REKINDLE_CACHE_DIR`, else `$XDG_CACHE_HOME/rekindle`, else
/// `$HOME/.cache/rekindle`. A relative XDG path counts as none, as XDG says.
pub fn default_directory() -> Option<PathBuf> {
    directory_from(variable)
}

fn directory_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    path("REKINDLE_CACHE_DIR").or_else(|| {
        let base = path("XDG_CACHE_HOME").filter(|base| base.is_absolute());
        base.or_else(|| path("HOME").map(|home| home.join(".cache")))
            .map(|base| base.join("rekindle"))
    })
}

#[cfg(test)]
mod tests {
    use super::directory_from;
    use std::path::PathBuf;

    #[test]
    fn directories_in_order() {
        let find = |pairs: &[(&str, &str)]| {
            directory_from(|name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.into())
            })
        };
        let home = ("HOME", "/home/u");
        let xdg = ("XDG_CACHE_HOME", "/cache");
        assert_eq!(find(&[]), None);
        assert_eq!(
            find(&[home]),
            Some(PathBuf::from("/home/u/.cache/rekindle"))
        );
        assert_eq!(find(&[home, xdg]), Some(PathBuf::from("/cache/rekindle")));
        let relative = ("XDG_CACHE_HOME", "cache");
        assert_eq!(
            find(&[home, relative]),
            Some(PathBuf::from("/home/u/.cache/rekindle"))
        );
        let own = ("REKINDLE_CACHE_DIR", "/own");
        assert_eq!(find(&[home, xdg, own]), Some(PathBuf::from("/own")));
    }
}

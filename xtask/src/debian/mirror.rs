//! Where this machine gets Debian's packages from: what its own apt is set up with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Names a mirror in place of the machine's own.
const OVERRIDE: &str = "REKINDLE_DEBIAN_MIRROR";

/// The base address of a Debian archive.
pub(crate) fn find() -> anyhow::Result<String> {
    if let Ok(mirror) = std::env::var(OVERRIDE) {
        return Ok(mirror);
    }
    for file in sources()? {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        if let Some(address) = first_archive(&text) {
            return Ok(address.to_owned());
        }
    }
    bail!(
        "no Debian mirror is named in /etc/apt; set {OVERRIDE} to one, as a base address that \
         ends in /debian"
    )
}

/// The key that Debian's archives are signed with.
pub(crate) fn keyring() -> anyhow::Result<PathBuf> {
    ["gpg", "pgp"]
        .iter()
        .map(|end| PathBuf::from(format!("/usr/share/keyrings/debian-archive-keyring.{end}")))
        .find(|path| path.exists())
        .context("the archive's key is missing; on Debian: apt-get install debian-archive-keyring")
}

fn sources() -> anyhow::Result<Vec<PathBuf>> {
    let parts = Path::new("/etc/apt/sources.list.d");
    let mut files = Vec::new();
    if parts.exists() {
        for entry in fs::read_dir(parts).context("/etc/apt/sources.list.d")? {
            files.push(entry?.path());
        }
    }
    files.sort();
    files.insert(0, PathBuf::from("/etc/apt/sources.list"));
    Ok(files)
}

/// The first address of a file in either of apt's forms that is a Debian archive's own: other
/// distributions' and vendors' end otherwise, and so do those of security updates.
fn first_archive(text: &str) -> Option<&str> {
    text.lines()
        .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_end_matches('/'))
        .find(|word| word.contains("://") && word.ends_with("/debian"))
}

#[cfg(test)]
mod tests {
    use super::first_archive;

    #[test]
    fn both_forms_are_read_and_others_passed_over() {
        let list = "# deb http://a/debian x main\ndeb http://b/ubuntu x main\n\
                    deb [arch=amd64] http://c/debian/ x main\n";
        assert_eq!(first_archive(list), Some("http://c/debian"));
        let stanzas = "Types: deb\n# http://a/debian\nURIs: http://d/debian-security\n\n\
                       URIs: http://e/debian\nSuites: x\n";
        assert_eq!(first_archive(stanzas), Some("http://e/debian"));
        assert_eq!(first_archive("URIs: https://vendor/node_20.x"), None);
    }
}

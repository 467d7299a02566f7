//! What is needed of Cargo's lock file: which packages nothing seals.

/// The names of packages whose contents may change under the same version: without a checksum, and not
/// of a commit.
pub(crate) fn unsealed(lock: &str) -> Vec<String> {
    let packages = lock.split("[[package]]").skip(1);
    packages
        .filter(|package| {
            let is_of_commit = value(package, "source")
                .is_some_and(|source| source.starts_with("git+") && source.contains('#'));
            value(package, "checksum").is_none() && !is_of_commit
        })
        .map(|package| value(package, "name").unwrap_or_default().to_owned())
        .collect()
}

/// The text of the first `name = "…"` on a line of its own.
pub(crate) fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?.trim_start();
        let rest = rest.strip_prefix('=')?.trim();
        rest.strip_prefix('"')?.strip_suffix('"')
    })
}

#[cfg(test)]
mod tests {
    use super::{unsealed, value};

    #[test]
    fn packages_without_a_checksum_or_a_commit_are_unsealed() {
        let lock = "version = 4\n\n\
            [[package]]\nname = \"own\"\nversion = \"1.0.0\"\ndependencies = [\n \"other\",\n]\n\n\
            [[package]]\nname = \"kept\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"1\"\n\n\
            [[package]]\nname = \"bare\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n\n\
            [[package]]\nname = \"git\"\nversion = \"1.0.0\"\nsource = \"git+https://x#0123\"\n";
        assert_eq!(unsealed(lock), ["own", "bare"]);
        assert!(unsealed("version = 4\n").is_empty());
    }

    #[test]
    fn values_are_of_whole_names() {
        assert_eq!(value("names = \"a\"\nname = \"b\"\n", "name"), Some("b"));
        assert_eq!(value("name.workspace = true\n", "name"), None);
    }
}

//! An embedder's source, as it was published, and its lock file with ours in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use super::list::{EMBEDDERS, Embedder, LOCK_OF_UPSTREAM, UPSTREAM, home};
use crate::shell::{cargo, succeed};

/// Puts the crate's published source into a folder of its own.
pub(super) fn fetch(embedder: &Embedder) -> anyhow::Result<()> {
    let Embedder { name, version, .. } = embedder;
    let folder = embedder.folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).context("the last run's source")?;
    }
    // Cargo fetches and checks it as a dependency of an empty package.
    let fetcher = home().join("fetch");
    fs::create_dir_all(fetcher.join("src"))?;
    fs::write(fetcher.join("src/lib.rs"), "")?;
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\n{name} = \"={version}\"\n"
    );
    fs::write(fetcher.join("Cargo.toml"), manifest)?;
    let _ = fs::remove_file(fetcher.join("Cargo.lock"));
    let output = cargo()
        .current_dir(&fetcher)
        .args(["metadata", "--format-version", "1"])
        .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "allow")
        .output()?;
    ensure!(
        output.status.success(),
        "{name} can't be fetched: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let manifest = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == *name)
        .and_then(|package| package["manifest_path"].as_str())
        .with_context(|| format!("Cargo knows no {name}"))?;
    let source = Path::new(manifest).parent().context("a folder")?;
    succeed(Command::new("cp").arg("-rT").args([source, &folder]))?;
    succeed(Command::new("chmod").args(["-R", "u+w"]).arg(&folder))?;
    if embedder.is_upstream {
        make_upstream_tests(embedder)?;
    }
    Ok(())
}

/// The tests of cranelift-jit call it by its own name: they become the tests of a package that depends on
/// it.
fn make_upstream_tests(embedder: &Embedder) -> anyhow::Result<()> {
    let folder = embedder.folder();
    let version = format!("{:?}", embedder.cranelift);
    let manifest = format!(
        "[package]\nname = \"upstream-tests\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dev-dependencies]\ncranelift = {version}\ncranelift-codegen = {version}\n\
         cranelift-entity = {version}\ncranelift-frontend = {version}\n\
         cranelift-module = {version}\ncranelift-native = {version}\ntarget-lexicon = \"0.13\"\n\
         {UPSTREAM} = {version}\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::remove_dir_all(folder.join("src"))?;
    fs::create_dir(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let other = EMBEDDERS
        .iter()
        .find(|embedder| embedder.name == LOCK_OF_UPSTREAM);
    let lock = other.context("an embedder")?.folder().join("Cargo.lock");
    fs::copy(lock, folder.join("Cargo.lock"))?;
    Ok(())
}

/// A package of a lock file: name and version.
type Package = (String, String);

fn packages(lock: &str) -> BTreeSet<Package> {
    let packages = lock.split("[[package]]\n").skip(1);
    let value = |package: &str, key: &str| {
        let mut lines = package.lines();
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        value.unwrap_or_default().trim_matches('"').to_owned()
    };
    packages
        .map(|package| (value(package, "name"), value(package, "version")))
        .collect()
}

/// The version of a package that a lock file has once.
pub(super) fn version_of(lock: &str, name: &str) -> Option<String> {
    let packages = packages(lock);
    let mut found = packages.into_iter().filter(|package| package.0 == name);
    found.next().map(|(_, version)| version)
}

/// Packages that a lock file has in another version than before, beside the one that was replaced.
pub(super) fn changed(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (packages(before), packages(after));
    let mut changed = Vec::new();
    for (name, version) in before.difference(&after) {
        let others = after.difference(&before).filter(|other| other.0 == *name);
        let others: Vec<&str> = others.map(|(_, version)| version.as_str()).collect();
        if name != UPSTREAM && !others.is_empty() {
            changed.push(format!("{name} {version} → {}", others.join(", ")));
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::changed;

    fn lock(packages: &[(&str, &str)]) -> String {
        let package = |(name, version): &(&str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n")
        };
        let packages: String = packages.iter().map(package).collect();
        format!("version = 4\n\n{packages}")
    }

    #[test]
    fn what_is_added_or_gone_has_not_changed() {
        let before = lock(&[("cranelift-jit", "0.1.2"), ("libc", "1.0"), ("gone", "1.0")]);
        let after = lock(&[("cranelift-jit", "0.1.3"), ("libc", "1.0"), ("new", "1.0")]);
        assert!(changed(&before, &after).is_empty());
        // Another version beside the old one changes nothing for the old one's users.
        let beside = lock(&[("cranelift-jit", "0.1.3"), ("libc", "1.0"), ("libc", "2.0")]);
        assert!(changed(&before, &beside).is_empty());
        let moved = lock(&[("cranelift-jit", "0.1.3"), ("libc", "1.1")]);
        assert_eq!(changed(&before, &moved), ["libc 1.0 → 1.1"]);
    }
}

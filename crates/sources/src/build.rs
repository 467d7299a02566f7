//! One crate's build: which sources and which lock file it is made from.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::lock;

/// One crate's build, as Cargo describes it.
#[derive(Clone, Debug)]
pub struct Build {
    /// The crate's folder.
    pub crate_folder: PathBuf,
    /// Where its build script may write.
    pub out_folder: PathBuf,
    /// What is built for.
    pub target: String,
}

impl Build {
    /// A digest of `inputs` and of the lock file. `None` if one of them can't be seen.
    ///
    /// # Errors
    /// If a file is there and can't be read.
    pub fn digest(&self, inputs: &[&str]) -> io::Result<Option<String>> {
        let root = self.workspace();
        let Some(lock) = self.lock_in_use()? else {
            return Ok(None);
        };
        let mut hasher = blake3::Hasher::new();
        field(&mut hasher, &lock);
        for input in inputs {
            let path = self.crate_folder.join(input);
            if !path.exists() {
                return Ok(None);
            }
            digest_path(&path, &root, &mut hasher)?;
        }
        Ok(Some(hasher.finalize().to_hex().to_string()))
    }

    /// What a change of would change the digest.
    pub(crate) fn paths(&self, inputs: &[&str]) -> Vec<PathBuf> {
        let inputs = inputs.iter().map(|input| self.crate_folder.join(input));
        inputs
            .chain([self.workspace().join("Cargo.lock")])
            .collect()
    }

    /// The workspace's folder, if this is a build of the workspace.
    fn workspace(&self) -> PathBuf {
        let crates = self.crate_folder.parent().unwrap_or(&self.crate_folder);
        crates.parent().unwrap_or(crates).to_owned()
    }

    /// The lock file's contents, if it says what is built.
    ///
    /// A checkout has a lock file also where it is somebody's dependency, and then it says nothing. It
    /// counts if Cargo writes into the workspace's own folder, at the place where a plain `cargo build`
    /// does, and if all that it names without a checksum are the workspace's own crates.
    fn lock_in_use(&self) -> io::Result<Option<Vec<u8>>> {
        let root = self.workspace();
        if !self.is_built_in(&root) {
            return Ok(None);
        }
        let lock = match fs::read(root.join("Cargo.lock")) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let own = own_crates(&root)?;
        let names_all = lock::unsealed(&String::from_utf8_lossy(&lock))
            .iter()
            .all(|name| own.contains(name));
        Ok(names_all.then_some(lock))
    }

    /// Whether Cargo writes to `target/<profile>/build/<crate>/out` of a workspace, with the target's
    /// name between where it was named.
    fn is_built_in(&self, root: &Path) -> bool {
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let out = real(&self.out_folder);
        let Ok(inside) = out.strip_prefix(real(&root.join("target"))) else {
            return false;
        };
        let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
        let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
        match parts[..] {
            [_profile, "build", _, "out"] => true,
            [target, _profile, "build", _, "out"] => target == self.target,
            _ => false,
        }
    }
}

/// The names of the crates of a workspace.
fn own_crates(root: &Path) -> io::Result<Vec<String>> {
    let mut manifests = vec![root.join("xtask/Cargo.toml")];
    for folder in fs::read_dir(root.join("crates"))? {
        manifests.push(folder?.path().join("Cargo.toml"));
    }
    let names = manifests.iter().filter_map(|manifest| {
        let text = fs::read_to_string(manifest).ok()?;
        lock::value(&text, "name").map(str::to_owned)
    });
    Ok(names.collect())
}

/// Feeds a file, or all files below a folder in the order of their names, to `hasher`.
fn digest_path(path: &Path, root: &Path, hasher: &mut blake3::Hasher) -> io::Result<()> {
    if path.is_dir() {
        let entries: io::Result<Vec<_>> = fs::read_dir(path)?.collect();
        let mut paths: Vec<_> = entries?.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        return paths
            .iter()
            .try_for_each(|path| digest_path(path, root, hasher));
    }
    // As seen from the workspace: a checkout elsewhere is the same.
    let path = fs::canonicalize(path)?;
    let root = fs::canonicalize(root)?;
    let name = path.strip_prefix(&root).unwrap_or(&path);
    field(hasher, name.as_os_str().as_encoded_bytes());
    field(hasher, &fs::read(&path)?);
    Ok(())
}

fn field(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::Build;
    use std::fs;
    use std::path::Path;

    const INPUTS: [&str; 3] = ["src", "../link/src", "../exec/src"];

    const LOCK: &str = "\
version = 4

[[package]]
name = \"link\"
version = \"0.1.0\"

[[package]]
name = \"regalloc2\"
version = \"0.13.3\"
source = \"registry+https://github.com/rust-lang/crates.io-index\"
checksum = \"00\"
";

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("space");
        fs::write(path, text).expect("space");
    }

    /// A workspace of three crates.
    fn workspace() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        write(root, "Cargo.lock", LOCK);
        for name in ["facade", "link", "exec"] {
            let manifest = format!("[package]\nname = \"{name}\"\n");
            write(root, &format!("crates/{name}/Cargo.toml"), &manifest);
            write(root, &format!("crates/{name}/src/lib.rs"), "mod deep;\n");
            write(root, &format!("crates/{name}/src/deep/mod.rs"), name);
        }
        fs::create_dir_all(root.join("target/debug/build/facade-1/out")).expect("space");
        folder
    }

    fn build(root: &Path, out: &str) -> Build {
        Build {
            crate_folder: root.join("crates/facade"),
            out_folder: root.join(out),
            target: "x86_64-unknown-linux-gnu".to_owned(),
        }
    }

    fn digest(root: &Path) -> Option<String> {
        let build = build(root, "target/debug/build/facade-1/out");
        build.digest(&INPUTS).expect("all is readable")
    }

    #[test]
    fn each_source_and_each_version_changes_the_digest() {
        let folder = workspace();
        let root = folder.path();
        let base = digest(root).expect("all can be seen");
        let mut seen = vec![base.clone()];
        let changes = [
            ("crates/facade/src/lib.rs", "mod deep;\nmod deeper;\n"),
            ("crates/facade/src/deep/mod.rs", "other"),
            ("crates/link/src/deep/mod.rs", "other"),
            ("crates/exec/src/lib.rs", "mod deep; "),
            ("crates/exec/src/another.rs", ""),
            ("Cargo.lock", &LOCK.replace("0.13.3", "0.13.4")),
            ("Cargo.lock", &LOCK.replace("\"00\"", "\"01\"")),
        ];
        for (path, text) in changes {
            let before = fs::read(root.join(path)).ok();
            write(root, path, text);
            let changed = digest(root).expect("all can be seen");
            assert!(!seen.contains(&changed), "{path}");
            seen.push(changed);
            match before {
                Some(before) => fs::write(root.join(path), before).expect("space"),
                None => fs::remove_file(root.join(path)).expect("it is there"),
            }
            assert_eq!(digest(root).as_ref(), Some(&base), "{path}");
        }
        // The same bytes under another name.
        let at = |name: &str| root.join("crates/link/src/deep").join(name);
        fs::rename(at("mod.rs"), at("mot.rs")).expect("it is there");
        assert!(!seen.contains(&digest(root).expect("all can be seen")));
    }

    #[test]
    fn a_checkout_elsewhere_is_the_same() {
        let (one, other) = (workspace(), workspace());
        assert_eq!(digest(one.path()), digest(other.path()));
    }

    #[test]
    fn a_lock_file_that_is_not_used_says_nothing() {
        let folder = workspace();
        let root = folder.path();
        let seen = |out: &str| {
            fs::create_dir_all(root.join(out)).expect("space");
            let digest = build(root, out).digest(&INPUTS);
            digest.expect("all is readable").is_some()
        };
        assert!(seen("target/debug/build/facade-1/out"));
        assert!(seen(
            "target/x86_64-unknown-linux-gnu/release/build/facade-1/out"
        ));
        // Somebody else's build that keeps its files here.
        assert!(!seen("target/rivals/release/build/facade-1/out"));
        assert!(!seen("target/embedders/build/debug/build/facade-1/out"));
        // A build of an embedder.
        assert!(!seen("../elsewhere/target/debug/build/facade-1/out"));
        let _ = fs::remove_dir_all(root.join("../elsewhere"));
    }

    #[test]
    fn sources_that_nobody_sealed_or_that_are_gone_say_nothing() {
        let folder = workspace();
        let root = folder.path();
        let patched = format!("{LOCK}\n[[package]]\nname = \"cranelift\"\nversion = \"1.0.0\"\n");
        write(root, "Cargo.lock", &patched);
        assert_eq!(digest(root), None);
        write(root, "Cargo.lock", LOCK);
        assert!(digest(root).is_some());
        fs::rename(root.join("crates/link"), root.join("crates/other")).expect("it is there");
        assert_eq!(digest(root), None);
        fs::rename(root.join("crates/other"), root.join("crates/link")).expect("it is there");
        fs::remove_file(root.join("Cargo.lock")).expect("it is there");
        assert_eq!(digest(root), None);
    }
}

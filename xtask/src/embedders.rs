//! Programs that use `cranelift-jit`, unmodified, over the cache: their own tests pass with the
//! cache off, cold and warm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::shell::{cargo, root, succeed};

/// A published crate whose own tests are run.
struct Embedder {
    name: &'static str,
    version: &'static str,
    /// What its dependencies use of the standard library, and the minor version of Rust that had it
    /// first: an older compiler is told to allow it.
    library_feature: Option<(&'static str, u32)>,
}

const EMBEDDERS: [Embedder; 2] = [
    Embedder {
        name: "cranelift-jit",
        version: "0.135.8",
        library_feature: None,
    },
    Embedder {
        name: "rustpython-jit",
        version: "0.6.0",
        library_feature: Some(("assert_matches", 96)),
    },
];

/// Fetches, builds and tests all of them.
pub(crate) fn run() -> anyhow::Result<()> {
    for embedder in &EMBEDDERS {
        let folder = fetch(embedder)?;
        patch(embedder, &folder)?;
        for mode in ["off", "cold", "warm"] {
            test(embedder, &folder, mode)?;
        }
    }
    Ok(())
}

fn home() -> PathBuf {
    root().join("target/embedders")
}

/// The crate's published source, in a folder of its own.
fn fetch(embedder: &Embedder) -> anyhow::Result<PathBuf> {
    let Embedder { name, version, .. } = embedder;
    let folder = home().join(name);
    if folder.join("Cargo.toml").exists() {
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
    Ok(folder)
}

/// Puts ours in the place of `cranelift-jit`. The embedder's source stays as it is.
fn patch(embedder: &Embedder, folder: &Path) -> anyhow::Result<()> {
    let manifest = folder.join("Cargo.toml");
    let mut text = fs::read_to_string(&manifest)?;
    let shim = root().join("shim/cranelift-jit");
    if embedder.name == "cranelift-jit" {
        // Its tests call it by its own name: they become the tests of a package that depends on
        // the stand-in.
        text = upstream_tests(&shim);
        fs::remove_dir_all(folder.join("src"))?;
        fs::create_dir(folder.join("src"))?;
        fs::write(folder.join("src/lib.rs"), "")?;
    } else {
        text.push_str(&format!(
            "\n[patch.crates-io]\ncranelift-jit = {{ path = {:?} }}\n\n[workspace]\n",
            shim.display()
        ));
    }
    fs::write(&manifest, text)?;
    let lock = folder.join("Cargo.lock");
    if let Ok(locked) = fs::read_to_string(&lock) {
        // Cranelift's crates come in one version; the others stay as they were published.
        let mut packages = locked.split("[[package]]\n");
        let head = packages.next().unwrap_or_default().to_owned();
        let kept = packages.filter(|package| {
            !package.starts_with("name = \"cranelift") && !package.starts_with("name = \"wasmtime")
        });
        let locked = kept.fold(head, |text, package| text + "[[package]]\n" + package);
        fs::write(&lock, locked)?;
    }
    Ok(())
}

fn upstream_tests(shim: &Path) -> String {
    let version = "\"=0.135.8\"";
    format!(
        "[package]\nname = \"upstream-tests\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [workspace]\n[dev-dependencies]\ncranelift = {version}\ncranelift-codegen = {version}\n\
         cranelift-entity = {version}\ncranelift-frontend = {version}\n\
         cranelift-module = {version}\ncranelift-native = {version}\ntarget-lexicon = \"0.13\"\n\
         cranelift-jit = {{ path = {:?} }}\n",
        shim.display()
    )
}

/// Runs the tests, and shows what the cache did.
fn test(embedder: &Embedder, folder: &Path, mode: &str) -> anyhow::Result<()> {
    let Embedder { name, .. } = embedder;
    let cache = home().join(format!("{name}.cache"));
    let log = home().join(format!("{name}.{mode}.log"));
    let _ = fs::remove_file(&log);
    if mode == "cold" && cache.exists() {
        fs::remove_dir_all(&cache)?;
    }
    let mut command = cargo();
    allow_features(embedder, &mut command)?;
    command
        .current_dir(folder)
        .args(["test", "--quiet", "--ignore-rust-version", "--all-targets"])
        .env("CARGO_TARGET_DIR", home().join("build"))
        .env("REKINDLE_CACHE", if mode == "off" { "off" } else { "on" })
        .env("REKINDLE_CACHE_DIR", &cache)
        .env("REKINDLE_LOG", &log);
    succeed(&mut command)?;
    let (loaded, inserted) = totals(&log)?;
    println!("{name}, {mode}: {loaded} functions loaded, {inserted} compiled");
    ensure!(
        mode != "warm" || loaded > 0,
        "{name}: no hits in the warm run"
    );
    ensure!(
        mode == "warm" || loaded == 0 || mode == "cold",
        "{name}: hits with the cache off"
    );
    Ok(())
}

/// The sums over all processes that logged.
fn totals(log: &Path) -> anyhow::Result<(u64, u64)> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut sums = (0, 0);
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        sums.0 += line["entries_loaded"].as_u64().unwrap_or(0);
        sums.1 += line["entries_inserted"].as_u64().unwrap_or(0);
    }
    Ok(sums)
}

/// Has a compiler that is older than a library feature take it for stable: nothing in the embedder or
/// in what it depends on is changed for it.
fn allow_features(embedder: &Embedder, command: &mut Command) -> anyhow::Result<()> {
    let Some((feature, since)) = embedder.library_feature else {
        return Ok(());
    };
    let output = Command::new("rustc").arg("--version").output()?;
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    let minor = version.split('.').nth(1);
    let minor: u32 = minor.context("a version")?.parse().context("a version")?;
    if minor < since {
        let flag = format!("-Zcrate-attr=feature({feature})");
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flag);
    }
    Ok(())
}

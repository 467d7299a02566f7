//! Programs that use `cranelift-jit`, unmodified, over the cache: their own tests pass with the
//! cache off, cold and warm.
//!
//! All of them are members of one workspace, whose manifest has the `[patch]` line: what they share,
//! Cranelift above all, is compiled once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::shell::{cargo, root, succeed};

/// A published crate whose own tests are run.
struct Embedder {
    name: &'static str,
    version: &'static str,
}

/// The first one's `Cargo.lock` is that of all.
const EMBEDDERS: [Embedder; 2] = [
    Embedder {
        name: "rustpython-jit",
        version: "0.6.0",
    },
    Embedder {
        name: UPSTREAM,
        version: "0.135.8",
    },
];

/// The crate that ours stands in for.
const UPSTREAM: &str = "cranelift-jit";

/// What the dependencies use of the standard library, and the minor version of Rust that had it first:
/// an older compiler is told to allow it.
const LIBRARY_FEATURE: (&str, u32) = ("assert_matches", 96);

/// A program of tests that was built.
struct TestProgram {
    path: PathBuf,
    /// The folder of its package, where it is run.
    folder: PathBuf,
}

/// Fetches, builds and tests all of them.
pub(crate) fn run() -> anyhow::Result<()> {
    for embedder in &EMBEDDERS {
        fetch(embedder)?;
    }
    make_workspace()?;
    let programs = build()?;
    for embedder in &EMBEDDERS {
        for mode in ["off", "cold", "warm"] {
            test(embedder, &programs, mode)?;
        }
    }
    Ok(())
}

fn home() -> PathBuf {
    root().join("target/embedders")
}

/// Puts the crate's published source into a folder of its own.
fn fetch(embedder: &Embedder) -> anyhow::Result<()> {
    let Embedder { name, version } = embedder;
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
    succeed(Command::new("chmod").args(["-R", "u+w"]).arg(&folder))
}

/// Puts ours in the place of `cranelift-jit`. The embedders' sources and manifests stay as they are.
fn make_workspace() -> anyhow::Result<()> {
    let members = EMBEDDERS.map(|embedder| format!("{:?}", embedder.name));
    let manifest = format!(
        "[workspace]\nresolver = \"2\"\nmembers = [{}]\n\n\
         [patch.crates-io]\n{UPSTREAM} = {{ path = {:?} }}\n",
        members.join(", "),
        root().join("shim/cranelift-jit").display(),
    );
    fs::write(home().join("Cargo.toml"), manifest)?;
    // Its tests call it by its own name: they become the tests of a package that depends on the
    // stand-in.
    let upstream = home().join(UPSTREAM);
    fs::write(upstream.join("Cargo.toml"), upstream_tests())?;
    fs::remove_dir_all(upstream.join("src"))?;
    fs::create_dir(upstream.join("src"))?;
    fs::write(upstream.join("src/lib.rs"), "")?;
    // Cranelift's crates come in one version; the others stay as they were published.
    let locked = fs::read_to_string(home().join(EMBEDDERS[0].name).join("Cargo.lock"))?;
    let mut packages = locked.split("[[package]]\n");
    let head = packages.next().unwrap_or_default().to_owned();
    let kept = packages.filter(|package| {
        !package.starts_with("name = \"cranelift") && !package.starts_with("name = \"wasmtime")
    });
    let locked = kept.fold(head, |text, package| text + "[[package]]\n" + package);
    fs::write(home().join("Cargo.lock"), locked)?;
    Ok(())
}

fn upstream_tests() -> String {
    let version = "\"=0.135.8\"";
    format!(
        "[package]\nname = \"upstream-tests\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dev-dependencies]\ncranelift = {version}\ncranelift-codegen = {version}\n\
         cranelift-entity = {version}\ncranelift-frontend = {version}\n\
         cranelift-module = {version}\ncranelift-native = {version}\ntarget-lexicon = \"0.13\"\n\
         {UPSTREAM} = {version}\n"
    )
}

/// Builds all tests. What is built here is run once, so it is built fast.
fn build() -> anyhow::Result<Vec<TestProgram>> {
    let mut command = cargo();
    allow_features(&mut command)?;
    command
        .current_dir(home())
        .args([
            "test",
            "--workspace",
            "--all-targets",
            "--no-run",
            "--quiet",
        ])
        .args([
            "--ignore-rust-version",
            "--message-format=json-render-diagnostics",
        ])
        .env("CARGO_TARGET_DIR", home().join("build"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0")
        .stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    let mut programs = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        let text = |value: &serde_json::Value| value.as_str().map(PathBuf::from);
        if let Some(path) = text(&message["executable"])
            && message["profile"]["test"] == true
        {
            let manifest = text(&message["manifest_path"]).context("a package's manifest")?;
            let folder = manifest.parent().context("a folder")?.to_owned();
            programs.push(TestProgram { path, folder });
        }
    }
    Ok(programs)
}

/// Runs an embedder's tests, and shows what the cache did.
fn test(embedder: &Embedder, programs: &[TestProgram], mode: &str) -> anyhow::Result<()> {
    let Embedder { name, .. } = embedder;
    let cache = home().join(format!("{name}.cache"));
    let log = home().join(format!("{name}.{mode}.log"));
    let _ = fs::remove_file(&log);
    if mode != "warm" && cache.exists() {
        fs::remove_dir_all(&cache)?;
    }
    let own = home().join(name);
    let mut count = 0;
    for program in programs.iter().filter(|program| program.folder == own) {
        let mut command = Command::new(&program.path);
        command
            .current_dir(&program.folder)
            .arg("--quiet")
            .env("REKINDLE_CACHE", if mode == "off" { "off" } else { "on" })
            .env("REKINDLE_CACHE_DIR", &cache)
            .env("REKINDLE_LOG", &log);
        succeed(&mut command)?;
        count += 1;
    }
    let (loaded, inserted) = totals(&log)?;
    println!("{name}, {mode}: {count} programs, {loaded} functions loaded, {inserted} compiled");
    match mode {
        "warm" => ensure!(loaded > 0 && inserted == 0, "{name}: not all was found"),
        // Two tests may compile the same function, the second after the first's was written.
        "cold" => ensure!(inserted > 0, "{name}: nothing was compiled"),
        "off" => ensure!(inserted > 0 && loaded == 0, "{name}: the cache isn't off"),
        _ => bail!("no such mode: {mode}"),
    }
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

/// Has a compiler that is older than a library feature take it for stable: nothing in the embedders or
/// in what they depend on is changed for it.
fn allow_features(command: &mut Command) -> anyhow::Result<()> {
    let (feature, since) = LIBRARY_FEATURE;
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

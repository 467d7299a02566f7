//! An apt of our own: its state, its cache and its sources are in one folder, and it believes to be
//! of another architecture. The machine's apt is neither read nor written, its mirror apart.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use super::mirror;

/// The release that the guests are from.
const CODENAME: &str = "trixie";

/// The names under which the release may be found. A mirror that is being updated, or that keeps
/// old indexes longer than old signatures, can be at odds with itself under one of them.
const SUITES: &[&str] = &[CODENAME, "stable", "oldstable"];

/// A private apt.
pub(crate) struct PrivateApt {
    folder: PathBuf,
}

impl PrivateApt {
    /// Sets one up in `folder`, or finds it there.
    pub(crate) fn open(folder: &Path, architecture: &str) -> anyhow::Result<PrivateApt> {
        ensure!(
            Command::new("apt-get").arg("--version").output().is_ok(),
            "apt-get is missing: guests are fetched on Debian and what descends from it"
        );
        for part in ["lists/partial", "archives/partial", "none"] {
            fs::create_dir_all(folder.join(part))?;
        }
        // Nothing counts as installed, so that all dependencies are fetched.
        fs::write(folder.join("status"), "")?;
        let at = |name: &str| folder.join(name).display().to_string();
        let settings = [
            ("APT::Architecture", architecture.to_owned()),
            ("APT::Architectures::", architecture.to_owned()),
            ("APT::Install-Recommends", "false".to_owned()),
            ("APT::Sandbox::User", "root".to_owned()),
            ("APT::Update::Error-Mode", "any".to_owned()),
            ("Acquire::Languages", "none".to_owned()),
            ("Acquire::Retries", "3".to_owned()),
            ("Dir::State", at("")),
            ("Dir::State::lists", at("lists")),
            ("Dir::State::status", at("status")),
            ("Dir::Cache", at("")),
            ("Dir::Cache::archives", at("archives")),
            ("Dir::Etc::sourcelist", at("sources.list")),
            ("Dir::Etc::sourceparts", at("none")),
            ("Dir::Etc::preferences", at("none/preferences")),
            ("Dir::Etc::preferencesparts", at("none")),
        ];
        let settings = settings.map(|(name, value)| format!("{name} \"{value}\";\n"));
        fs::write(folder.join("apt.conf"), settings.concat())?;
        Ok(PrivateApt {
            folder: folder.to_owned(),
        })
    }

    /// The archives of these packages and of all that they depend on, and of whatever was
    /// downloaded here before.
    pub(crate) fn download(&self, packages: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
        let mut words = vec!["install", "--download-only", "--yes"];
        words.extend(packages);
        let is_new = !self.folder.join("sources.list").exists();
        if is_new {
            self.update()?;
        }
        let mut outcome = self.get(&words);
        if outcome.is_err() && !is_new {
            // The index is older than what the mirror holds now.
            self.update()?;
            outcome = self.get(&words);
        }
        outcome?;
        let mut archives = Vec::new();
        for entry in fs::read_dir(self.folder.join("archives"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                archives.push(path);
            }
        }
        archives.sort();
        Ok(archives)
    }

    /// Fetches the index of the release, under the first name by which that works.
    fn update(&self) -> anyhow::Result<()> {
        let (mirror, keyring) = (mirror::find()?, mirror::keyring()?);
        let mut faults = Vec::new();
        for suite in SUITES {
            let line = format!(
                "deb [target=Packages signed-by={}] {mirror} {suite} main\n",
                keyring.display()
            );
            let sources = self.folder.join("sources.list");
            fs::write(&sources, line)?;
            match self
                .get(&["update"])
                .and_then(|()| self.is_of_the_release())
            {
                Ok(()) => return Ok(()),
                Err(error) => faults.push(format!("{suite}: {error:#}")),
            }
            let _ = fs::remove_file(&sources);
        }
        bail!("no index of Debian {CODENAME}:\n{}", faults.join("\n"))
    }

    fn is_of_the_release(&self) -> anyhow::Result<()> {
        for entry in fs::read_dir(self.folder.join("lists"))? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with("Release") {
                let text = fs::read_to_string(&path)?;
                let codename = text
                    .lines()
                    .find_map(|line| line.strip_prefix("Codename: "));
                ensure!(
                    codename == Some(CODENAME),
                    "that is {}, not {CODENAME}",
                    codename.unwrap_or("unnamed")
                );
                return Ok(());
            }
        }
        bail!("apt-get update left no Release file")
    }

    fn get(&self, words: &[&str]) -> anyhow::Result<()> {
        let output = Command::new("apt-get")
            .arg("--quiet=2")
            .args(words)
            .env("APT_CONFIG", self.folder.join("apt.conf"))
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .context("apt-get")?;
        ensure!(
            output.status.success(),
            "apt-get {}: {}",
            words[0],
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }
}

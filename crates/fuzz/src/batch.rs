//! Several modules, each by all rivals: one process for each rival, and what they say compared.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::module::{Mode, functions};

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Modules on which all agreed.
    pub modules: u64,
    /// Functions of those.
    pub functions: u64,
    /// Modules that Cranelift can't compile.
    pub unsupported: u64,
}

impl Totals {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.modules += other.modules;
        self.functions += other.functions;
        self.unsupported += other.unsupported;
    }
}

/// Runs the modules of `count` seeds from `first` with the program at `program`, which is this
/// crate's own, and compares what its runs say.
///
/// # Errors
/// If a run fails, or two of them differ; the seed is named.
pub fn compare(program: &Path, first: u64, count: u64) -> anyhow::Result<Totals> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let run = |mode| child(program, mode, &folder.path().join("cache"), first, count);
    let reference = run(Mode::Reference)?;
    for mode in [Mode::Cold, Mode::Warm, Mode::Verified] {
        ensure_same(mode, first, &run(mode)?, &reference)?;
    }
    // What was kept now calls functions that are other ones, then calls between two images, and then
    // what it called at first.
    let edited = run(Mode::EditedReference)?;
    for _ in 0..2 {
        ensure_same(Mode::Edited, first, &run(Mode::Edited)?, &edited)?;
    }
    ensure_same(Mode::Warm, first, &run(Mode::Warm)?, &reference)?;
    let mut totals = Totals::default();
    for line in &reference {
        match functions(line)? {
            None => totals.unsupported += 1,
            Some(count) => {
                totals.modules += 1;
                totals.functions += count;
            }
        }
    }
    Ok(totals)
}

fn ensure_same(mode: Mode, first: u64, ours: &[String], peer: &[String]) -> anyhow::Result<()> {
    let ours_and_peer = ours.iter().zip(peer);
    for (seed, (line, expected)) in (first..).zip(ours_and_peer) {
        let mode = mode.name();
        ensure!(
            line == expected,
            "seed {seed}: cranelift-jit says {expected}, ours, {mode}, {line}"
        );
    }
    Ok(())
}

/// One line for each seed.
fn child(
    program: &Path,
    mode: Mode,
    folder: &Path,
    first: u64,
    count: u64,
) -> anyhow::Result<Vec<String>> {
    let output = Command::new(program)
        .args(["child", mode.name()])
        .arg(folder)
        .args([first.to_string(), count.to_string()])
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("{} runs", program.display()))?;
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if !output.status.success() || lines.len() as u64 != count {
        let errors = String::from_utf8_lossy(&output.stderr);
        let seed = first + lines.len() as u64;
        bail!("seed {seed}, {}: {}\n{errors}", mode.name(), output.status);
    }
    Ok(lines)
}

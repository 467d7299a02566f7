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
    let (cold, warm, verified) = (run(Mode::Cold)?, run(Mode::Warm)?, run(Mode::Verified)?);
    let mut totals = Totals::default();
    for (seed, line) in (first..).zip(&reference) {
        let index = (seed - first) as usize;
        for (mode, lines) in [("cold", &cold), ("warm", &warm), ("verified", &verified)] {
            let other = &lines[index];
            ensure!(
                other == line,
                "seed {seed}: cranelift-jit says {line}, ours, {mode}, {other}"
            );
        }
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

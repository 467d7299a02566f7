//! Running a batch in every way.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rv_isa::{AluUnaryOp, Inst};

use super::batch::Batch;
use super::inputs::MEMORY_WORDS;
use crate::program::c;
use crate::run::{Ending, Invocation};
use crate::statistics::Statistics;
use crate::toolchain::{self, repository_root};

/// A way of running RISC-V code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The judge.
    Qemu,
    /// Nothing compiled.
    Interpreter,
    /// By the single-pass tier.
    Quick,
    /// Compiled in the background while it runs.
    Cold,
    /// Compiled before, and loaded at once.
    Warm,
}

impl Way {
    /// All of them, in the order in which they can be run.
    pub const ALL: [Way; 5] = [
        Way::Qemu,
        Way::Interpreter,
        Way::Quick,
        Way::Cold,
        Way::Warm,
    ];
}

/// What a way made of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A number for each sequence of all that it did; how many faults there were in all, and how many
    /// runs were given up because of them.
    Hashes(Vec<u64>, [u64; 2]),
    /// What each run of each sequence did.
    Records(Vec<Record>),
    /// The process ended as it should not.
    Failed(String),
}

/// What can be seen at one point of a run: at a fault, or at the end, where the signal is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(pub Vec<u64>);

/// Words of a record: sequence, round, signal, code, address, PC, `x`, `f`, `fcsr`, memory.
const RECORD_WORDS: usize = 6 + 32 + 32 + 1 + MEMORY_WORDS;

/// What each way made, and how many instructions the interpreter executed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One for each way.
    pub made: Vec<(Way, Made)>,
    /// What the interpreter counted, the harness's own instructions included.
    pub interpreted: u64,
    /// How many regions the warm run loaded.
    pub regions_loaded: u64,
}

/// The programs that batches are run with.
#[derive(Clone, Debug)]
pub struct Machines {
    rekindle: PathBuf,
    qemu: PathBuf,
    cpu: &'static str,
    /// Whether this QEMU says 64, or what the upper half has, where `ctzw` of 0 is 32: until 8.0.
    is_wrong_about_ctzw: bool,
    harness: Vec<u8>,
}

impl Machines {
    /// This `rekindle` program, and the QEMU of the distribution that was fetched, or else the one
    /// that is installed.
    ///
    /// # Errors
    /// If the harness can't be built.
    pub fn new(rekindle: PathBuf) -> Result<Machines, toolchain::ToolchainError> {
        let program = c("sequences.c")
            .flags(&[
                "-nostdlib",
                "-ffreestanding",
                "-fno-builtin",
                "-fno-pie",
                "-no-pie",
                "-Wl,--no-relax,-z,separate-code",
                "-fno-tree-loop-distribute-patterns",
            ])
            .named("sequences");
        let path = toolchain::build(&program)?;
        let harness =
            fs::read(&path).map_err(|error| toolchain::ToolchainError::File { path, error })?;
        let fetched = repository_root().join("target/guests/qemu/usr/bin/qemu-riscv64");
        let (qemu, cpu) = match fetched.exists() {
            true => (
                fetched,
                "rv64,zba=on,zbb=on,zbs=on,zbc=off,zawrs=off,zfa=off",
            ),
            false => ("qemu-riscv64".into(), "rv64,zba=on,zbb=on,zbs=on,zbc=off"),
        };
        Ok(Machines {
            is_wrong_about_ctzw: major_version(&qemu).is_some_and(|major| major < 8),
            rekindle,
            qemu,
            cpu,
            harness,
        })
    }

    /// The batch without the sequences about which this QEMU is known to be wrong.
    #[must_use]
    pub fn judgeable(&self, batch: &Batch) -> Batch {
        let is_ctzw = |inst: &Inst| {
            matches!(
                inst,
                Inst::AluUnary {
                    op: AluUnaryOp::Ctzw,
                    ..
                }
            )
        };
        let mut sequences = batch.sequences.clone();
        sequences.retain(|(sequence, _)| !(self.is_wrong_about_ctzw && sequence.any(&is_ctzw)));
        batch.with(sequences)
    }

    /// Runs a batch in these ways.
    ///
    /// # Panics
    /// If there is no room for files, or a way takes longer than it could.
    #[must_use]
    pub fn run(&self, batch: &Batch, ways: &[Way], verbose: bool) -> Outcome {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let files = self.write(batch, folder.path());
        files.expect("the files of a batch can be written");
        let at = |name: &str| folder.path().join(name);
        let mut outcome = Outcome {
            made: Vec::new(),
            interpreted: 0,
            regions_loaded: 0,
        };
        for way in ways {
            let pause_ms = match way {
                Way::Cold => 5 + batch.sequences.len() as u64,
                _ => 0,
            };
            let mut command = self.command(*way, folder.path());
            command.push(at("program").into());
            command.extend(batch.mode.library.then(|| at("library").into()));
            let seen = Invocation::new(command, folder.path())
                .env("QEMU_CPU", self.cpu)
                .stdin(batch.standard_input(verbose, pause_ms))
                .run();
            let statistics = Statistics::split(&seen.stderr).map(|(statistics, _)| statistics);
            let statistics = statistics.unwrap_or_default();
            match way {
                Way::Interpreter => outcome.interpreted = statistics.instructions_interpreted,
                Way::Warm => outcome.regions_loaded = statistics.regions_loaded,
                _ => {}
            }
            let made = match seen.ending {
                Ending::Code(0) => read(&seen.stdout, batch.sequences.len(), verbose),
                _ => None,
            };
            let failed = || {
                let stderr = String::from_utf8_lossy(&seen.stderr);
                Made::Failed(format!("{:?}: {stderr}", seen.ending))
            };
            outcome.made.push((*way, made.unwrap_or_else(failed)));
        }
        outcome
    }

    /// Writes what a batch's process is: `program`, its only argument `library` if there is one, and
    /// what it reads, `input`.
    ///
    /// # Errors
    /// If a file can't be written, or the harness isn't what it should be.
    pub fn write(&self, batch: &Batch, folder: &Path) -> io::Result<()> {
        let (program, library) = batch
            .files(&self.harness)
            .ok_or_else(|| io::Error::other("the harness has no note about its stack"))?;
        let path = folder.join("program");
        fs::write(&path, program)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        if let Some(library) = &library {
            fs::write(folder.join("library"), library)?;
        }
        fs::write(folder.join("input"), batch.standard_input(false, 0))
    }

    fn command(&self, way: Way, folder: &Path) -> Vec<OsString> {
        let options: &[&str] = match way {
            Way::Qemu => return vec![self.qemu.clone().into_os_string()],
            Way::Interpreter => &["--no-jit", "--no-persistent-cache"],
            Way::Quick => &["--tier=quick"],
            Way::Cold => &["--finish-compiles"],
            Way::Warm => &[],
        };
        let mut command = vec![self.rekindle.clone().into_os_string(), "run".into()];
        command.extend(["--stats=json".into(), "--cache-dir".into()]);
        command.push(folder.join("cache").into_os_string());
        command.extend(options.iter().map(OsString::from));
        command
    }
}

/// The 10 of `qemu-riscv64 version 10.0.2 (…)`.
fn major_version(qemu: &Path) -> Option<u32> {
    let output = Command::new(qemu).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (_, version) = text.split_once("version ")?;
    version.split('.').next()?.parse().ok()
}

fn read(bytes: &[u8], sequences: usize, verbose: bool) -> Option<Made> {
    let words: Vec<u64> = bytes
        .chunks_exact(8)
        .map(|chunk| {
            chunk
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte))
        })
        .collect();
    if verbose {
        let records = words.chunks_exact(RECORD_WORDS);
        return Some(Made::Records(
            records.map(|words| Record(words.to_vec())).collect(),
        ));
    }
    let (hashes, counts) = words.split_last_chunk()?;
    (hashes.len() == sequences).then(|| Made::Hashes(hashes.to_vec(), *counts))
}

impl Record {
    /// What the words are, for people; only those in which it differs from `other`.
    #[must_use]
    pub fn differences(&self, other: &Record) -> Vec<String> {
        let name = |index: usize| match index {
            0 => "sequence".to_owned(),
            1 => "round".to_owned(),
            2 => "signal".to_owned(),
            3 => "si_code".to_owned(),
            4 => "si_addr".to_owned(),
            5 => "pc".to_owned(),
            6..38 => format!("x{}", index - 6),
            38..70 => format!("f{}", index - 38),
            70 => "fcsr".to_owned(),
            _ => format!("memory word {}", index - 71),
        };
        let pairs = self.0.iter().zip(&other.0).enumerate();
        pairs
            .filter(|(_, (mine, theirs))| mine != theirs)
            .map(|(index, (mine, theirs))| format!("{} {mine:#x}, not {theirs:#x}", name(index)))
            .collect()
    }
}

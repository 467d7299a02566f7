//! The virtual machine, compared: with itself cold, with itself without a cache, and with QEMU.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rekindle_testkit::{Class, Ending, Invocation, PROGRAMS, Program, Statistics, build};
use tempfile::TempDir;

use crate::paired::{Budget, Samples, Timed, in_pairs};
use crate::report::{Row, Side};

/// Which rows are wanted.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Rows whose name holds this text.
    pub filter: String,
    /// Few pairs, to see that everything works.
    pub quick: bool,
}

const QEMU: &str = "qemu-riscv64";
const COLD: &str = "rekindle, empty cache";
const NO_CACHE: &str = "rekindle --no-persistent-cache";

/// Measures all selected rows with the `rekindle` program at `rekindle`, telling `progress` the name
/// of each row as it is begun.
///
/// # Errors
/// If a guest cannot be built, or a run does not end as it should.
pub fn compare(
    rekindle: &Path,
    selection: &Selection,
    mut progress: impl FnMut(&str),
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for program in PROGRAMS
        .iter()
        .filter(|program| program.class != Class::Dies)
    {
        for kind in kinds(program) {
            let name = format!("{}/{}", kind.prefix(), program.name);
            if !name.contains(&selection.filter) {
                continue;
            }
            progress(&name);
            let bench = Bench::new(rekindle, program, kind)?;
            let row = bench
                .row(name, selection)
                .with_context(|| program.name.to_owned())?;
            rows.push(match kind.bar(program) {
                Some(bar) => row.with_bar(bar),
                None => row,
            });
        }
    }
    Ok(rows)
}

/// What a row compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A warm start with a cold one.
    Warm,
    /// A run of seconds with QEMU's, both from nothing.
    Steady,
    /// A warm start with QEMU's.
    Startup,
    /// A cold start that fills the cache with a run that keeps nothing.
    ColdCost,
}

fn kinds(program: &Program) -> Vec<Kind> {
    match program.class {
        Class::Ordinary => vec![Kind::Warm],
        Class::Startup => vec![Kind::Warm, Kind::Startup, Kind::ColdCost],
        Class::CompileHeavy => vec![Kind::Warm, Kind::Startup, Kind::ColdCost],
        Class::Steady(_) => vec![Kind::Warm, Kind::Steady],
        Class::Dies => Vec::new(),
    }
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Kind::Warm => "warm",
            Kind::Steady => "steady",
            Kind::Startup => "start",
            Kind::ColdCost => "cold",
        }
    }

    fn bar(self, program: &Program) -> Option<f64> {
        match self {
            Kind::Warm if program.class == Class::CompileHeavy => Some(2.0),
            Kind::Warm | Kind::Steady => Some(1.0),
            Kind::Startup | Kind::ColdCost => None,
        }
    }

    fn budget(self, quick: bool) -> Budget {
        let (least_pairs, most_pairs, seconds) = match self {
            _ if quick => (1, 1, 0),
            Kind::Steady => (3, 3, 0),
            Kind::Warm | Kind::Startup | Kind::ColdCost => (7, 41, 3),
        };
        Budget {
            least_pairs,
            most_pairs,
            time: Duration::from_secs(seconds),
        }
    }
}

/// One row's program and its folders.
struct Bench<'a> {
    rekindle: &'a Path,
    program: &'a Program,
    kind: Kind,
    args: &'static [&'static str],
    elf: PathBuf,
    folder: TempDir,
}

impl<'a> Bench<'a> {
    fn new(rekindle: &'a Path, program: &'a Program, kind: Kind) -> anyhow::Result<Self> {
        let args = match (kind, program.class) {
            (Kind::Steady, Class::Steady(args)) => args,
            _ => program.args,
        };
        Ok(Bench {
            rekindle,
            program,
            kind,
            args,
            elf: build(program)?,
            folder: tempfile::tempdir()?,
        })
    }

    fn row(&self, name: String, selection: &Selection) -> anyhow::Result<Row> {
        let budget = self.kind.budget(selection.quick);
        let warm = self.folder.path().join("warm");
        let kept = self.options(&["--cache-dir"], &warm);
        if matches!(self.kind, Kind::Warm | Kind::Startup) {
            // The first run compiles; the second finds what a warm start makes hot in another order.
            for _ in 0..2 {
                let mut options = kept.clone();
                options.push("--finish-compiles".into());
                self.time(&self.rekindle(&options))?;
            }
        }
        let ours: (Timed<'_>, Vec<OsString>) = match self.kind {
            Kind::Warm | Kind::Startup => (self.timed(self.rekindle(&kept)), kept),
            Kind::Steady => {
                let options = vec!["--no-persistent-cache".into()];
                (self.timed(self.rekindle(&options)), options)
            }
            Kind::ColdCost => (
                self.cold(),
                self.options(&["--cache-dir"], &self.cold_cache()),
            ),
        };
        let (peer, against): (Timed<'_>, _) = match self.kind {
            Kind::Warm => (self.cold(), COLD),
            Kind::Steady | Kind::Startup => (self.timed(self.qemu()), QEMU),
            Kind::ColdCost => (
                self.timed(self.rekindle(&["--no-persistent-cache".into()])),
                NO_CACHE,
            ),
        };
        let (ours_samples, peer_samples): (Samples, Samples) = in_pairs(budget, ours.0, peer)?;
        let mut row = Row::of_times(name, against, &ours_samples, &peer_samples);
        if self.kind == Kind::ColdCost {
            self.forget()?;
        }
        row.cache = self.cache_use(ours.1)?;
        Ok(row)
    }

    fn options(&self, names: &[&str], directory: &Path) -> Vec<OsString> {
        let mut options: Vec<OsString> = names.iter().map(OsString::from).collect();
        options.push(directory.as_os_str().to_owned());
        options
    }

    fn cold_cache(&self) -> PathBuf {
        self.folder.path().join("cold")
    }

    fn forget(&self) -> anyhow::Result<()> {
        match fs::remove_dir_all(self.cold_cache()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// A run with an empty cache; emptying it isn't part of the time.
    fn cold(&self) -> Timed<'_> {
        let command = self.rekindle(&self.options(&["--cache-dir"], &self.cold_cache()));
        Box::new(move || {
            self.forget()?;
            self.time(&command)
        })
    }

    fn timed(&self, command: Vec<OsString>) -> Timed<'_> {
        Box::new(move || self.time(&command))
    }

    fn rekindle(&self, options: &[OsString]) -> Vec<OsString> {
        let mut command = vec![self.rekindle.as_os_str().to_owned(), "run".into()];
        command.extend_from_slice(options);
        self.with_guest(command)
    }

    fn qemu(&self) -> Vec<OsString> {
        self.with_guest(vec![QEMU.into()])
    }

    fn with_guest(&self, mut command: Vec<OsString>) -> Vec<OsString> {
        command.push(self.elf.as_os_str().to_owned());
        command.extend(self.args.iter().map(OsString::from));
        command
    }

    fn invocation(&self, command: Vec<OsString>) -> anyhow::Result<(TempDir, Invocation)> {
        let directory = tempfile::tempdir_in(self.folder.path())?;
        let invocation = Invocation::new(command, directory.path()).stdin(self.program.stdin);
        Ok((directory, invocation))
    }

    /// From before the process exists until it has been waited for; its output goes nowhere.
    fn time(&self, command: &[OsString]) -> anyhow::Result<Duration> {
        let (_directory, invocation) = self.invocation(command.to_vec())?;
        let input = self.folder.path().join("stdin");
        fs::write(&input, self.program.stdin)?;
        let mut command = invocation.command();
        command
            .stdin(fs::File::open(input)?)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let status = command
            .spawn()
            .context("the command cannot be started")?
            .wait()?;
        let taken = started.elapsed();
        match Ending::from(status) {
            Ending::Code(_) => Ok(taken),
            Ending::Signal(signal) => bail!("{:?} died by signal {signal}", invocation.command),
        }
    }

    fn cache_use(&self, mut options: Vec<OsString>) -> anyhow::Result<Side> {
        options.push("--stats=json".into());
        let (_directory, invocation) = self.invocation(self.rekindle(&options))?;
        let seen = invocation.run();
        let statistics = Statistics::split(&seen.stderr);
        ensure!(statistics.is_some(), "no statistics: {seen:?}");
        Ok(
            statistics.map_or_else(Side::default, |(statistics, _)| Side {
                regions_loaded: statistics.regions_loaded,
                regions_compiled: statistics.regions_compiled,
            }),
        )
    }
}

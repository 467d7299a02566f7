//! Where a guest runs: a folder of its own, in namespaces of its own, so that whatever it starts
//! ends with it, and so that QEMU can be what this kernel starts RISC-V programs with.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Distribution, Guest, compiled};
use crate::repository_root;
use crate::run::{Ending, Observation};

/// What starts a guest's programs.
#[derive(Clone, Debug)]
pub enum Engine {
    /// The `qemu-riscv64` of the distribution, with the guest's system as its root.
    Qemu,
    /// A `rekindle` program with these options, which looks paths up in the guest's system first.
    Rekindle(PathBuf, Vec<OsString>),
}

/// A guest that was started.
#[derive(Debug)]
pub struct Started {
    child: Child,
    folder: tempfile::TempDir,
    stdout: File,
    stderr: File,
    since: Instant,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What came out of it.
    pub observation: Observation,
    /// How long it took.
    pub time: Duration,
    /// Whether it was ended because its time was up.
    pub is_ended_by_us: bool,
}

/// Everything on the machine but what the kernel shows of its processes, and no program that
/// outlives the first.
const NAMESPACES: &[&str] = &[
    "--user",
    "--map-root-user",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
];

/// Makes QEMU what RISC-V programs are started with, and the guest's system the root. `$0` is QEMU,
/// `$1` the system.
const UNDER_QEMU: &str = r#"set -e
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
echo ":riscv64:M::$magic:$mask:$0:FP" >/proc/sys/fs/binfmt_misc/register
root=$1; shift
mount -t tmpfs none "$root/tmp"
mkdir -p "$root$PWD"
mount --bind "$PWD" "$root$PWD"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
set +e
unshare --root="$root" --wd="$PWD" -- "$@"
exit $?
"#;

/// The first process of a namespace is spared signals that would end another: it isn't the guest.
const UNDER_REKINDLE: &str = "\"$@\"\nexit $?\n";

/// Starts a guest.
///
/// # Errors
/// If its folder can't be made, or what it needs of the machine is missing.
pub fn start(guest: &Guest, engine: &Engine, distribution: &Distribution) -> io::Result<Started> {
    let folder = tempfile::tempdir()?;
    furnish(guest, folder.path())?;
    let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut command = Command::new("unshare");
    command.args(NAMESPACES).args(["--", "sh", "-c"]);
    match engine {
        Engine::Qemu => {
            command.arg(UNDER_QEMU);
            command.arg(&distribution.qemu).arg(&distribution.sysroot);
        }
        Engine::Rekindle(program, options) => {
            command.args([UNDER_REKINDLE, "sh"]);
            command.arg(program).arg("run").arg("-L");
            command.arg(&distribution.sysroot).args(options);
            // Its own program is looked up as the user says.
            command.args(["--argv0", guest.command[0], "--"]);
        }
    }
    match (engine, guest.command[0].strip_prefix('/')) {
        (Engine::Rekindle(..), Some(path)) => command.arg(distribution.sysroot.join(path)),
        _ => command.arg(guest.command[0]),
    };
    command
        .args(&guest.command[1..])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", folder.path())
        .env("TMPDIR", folder.path().join("tmp"))
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?);
    let since = Instant::now();
    let child = command.spawn()?;
    Ok(Started {
        child,
        folder,
        stdout,
        stderr,
        since,
    })
}

/// Lays out the folder in which a guest runs.
fn furnish(guest: &Guest, folder: &Path) -> io::Result<()> {
    fs::create_dir(folder.join("tmp"))?;
    fs::create_dir(folder.join("in"))?;
    for entry in fs::read_dir(sources())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), folder.join("in").join(entry.file_name()))?;
        }
    }
    if let Some(source) = guest.compiled {
        let program = compiled::build(&sources().join(source))?;
        fs::copy(program, folder.join(guest.name))?;
    }
    Ok(())
}

/// The folder of the guests' scripts and of what is known of them.
pub(crate) fn sources() -> PathBuf {
    repository_root().join("crates/testkit/programs/distribution")
}

impl Started {
    /// Waits for the end, and brings it about once the guest has had `limit`.
    ///
    /// # Errors
    /// If it can't be waited for, or its output can't be read.
    pub fn finish(mut self, limit: Duration) -> io::Result<Outcome> {
        let mut is_ended_by_us = false;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if self.since.elapsed() > limit && !is_ended_by_us {
                // The namespace's first process dies with its parent, and all others with it.
                self.child.kill()?;
                is_ended_by_us = true;
            }
            thread::sleep(Duration::from_millis(2));
        };
        let time = self.since.elapsed();
        let outcome = Outcome {
            observation: Observation {
                stdout: contents(&mut self.stdout)?,
                stderr: contents(&mut self.stderr)?,
                ending: Ending::from(status),
            },
            time,
            is_ended_by_us,
        };
        clear(self.folder);
        Ok(outcome)
    }
}

fn contents(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    io::Read::read_to_end(file, &mut bytes)?;
    Ok(bytes)
}

/// Removes the folder. What was killed a moment ago may still be writing there: it is tried again.
fn clear(folder: tempfile::TempDir) {
    let path = folder.keep();
    for _ in 0..50 {
        if fs::remove_dir_all(&path).is_ok() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

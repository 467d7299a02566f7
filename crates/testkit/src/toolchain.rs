//! Builds guest programs with Debian's cross compilers, and keeps what it built by content.
//!
//! A missing compiler is an error that names the line to install it, never a test that is skipped.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::program::{Language, Program, Source};

/// What installs all that the tests need on Debian.
pub const APT_LINE: &str = "apt-get install -y --no-install-recommends qemu-user \
    gcc-riscv64-linux-gnu g++-riscv64-linux-gnu libc6-dev-riscv64-cross";

/// Why a guest program could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum ToolchainError {
    /// A compiler is not installed. The message says what to install.
    Missing {
        /// The command that was not found.
        command: String,
    },
    /// The compiler refused the source: a mistake in the program.
    Refused {
        /// The program's name.
        program: &'static str,
        /// What the compiler said.
        message: String,
    },
    /// A file could not be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl fmt::Display for ToolchainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ToolchainError::Missing { command } => {
                write!(f, "{command} is not installed; on Debian: {APT_LINE}")
            }
            ToolchainError::Refused { program, message } => {
                write!(f, "guest program {program} does not compile:\n{message}")
            }
            ToolchainError::File { path, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for ToolchainError {}

/// The repository's root folder.
#[must_use]
pub fn repository_root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        root.canonicalize().unwrap_or(root)
    })
}

fn compiler(language: Language) -> &'static str {
    match language {
        Language::C => "riscv64-linux-gnu-gcc",
        Language::Cpp => "riscv64-linux-gnu-g++",
    }
}

/// The compiler's version, as part of what a built program is cached by.
fn version(language: Language) -> Result<String, ToolchainError> {
    static VERSIONS: [OnceLock<Option<String>>; 2] = [const { OnceLock::new() }; 2];
    let command = compiler(language);
    VERSIONS[usize::from(language == Language::Cpp)]
        .get_or_init(|| {
            let output = Command::new(command).arg("--version").output().ok()?;
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        })
        .clone()
        .ok_or_else(|| ToolchainError::Missing {
            command: command.to_owned(),
        })
}

fn arguments(program: &Program, language: Language) -> Vec<&'static str> {
    let mut arguments = match language {
        Language::C => vec!["-std=gnu11"],
        Language::Cpp => vec!["-std=c++17"],
    };
    arguments.extend(["-O2", "-w", "-march=rv64gc", "-static"]);
    arguments.extend(program.flags);
    if program.flags.contains(&"-static-pie") {
        arguments.retain(|&argument| argument != "-static");
    }
    arguments
}

/// The path of the program's ELF file, which is built unless an earlier run left it behind.
///
/// # Errors
/// If a compiler is missing or refuses the source.
pub fn build(program: &Program) -> Result<PathBuf, ToolchainError> {
    let root = repository_root();
    let (language, text) = match program.source {
        Source::Shipped(path) => return Ok(root.join("guests").join(path)),
        Source::Generated(generator) => (Language::C, generator.source()),
        Source::File(language, file) => {
            let path = root.join("crates/testkit/programs").join(file);
            let text =
                fs::read_to_string(&path).map_err(|error| ToolchainError::File { path, error })?;
            (language, text)
        }
    };
    let arguments = arguments(program, language);
    let mut hasher = blake3::Hasher::new();
    hasher.update(text.as_bytes());
    hasher.update(arguments.join("\0").as_bytes());
    hasher.update(version(language)?.as_bytes());
    let hash = hasher.finalize();
    let digest = hash.to_hex();

    let folder = root.join("target/guest-programs");
    // Programs that differ in their arguments alone are one file.
    let stem = match program.source {
        Source::File(_, file) => file.split('.').next().unwrap_or(file),
        Source::Generated(_) | Source::Shipped(_) => program.name,
    };
    let built = folder.join(format!("{stem}-{}", &digest[..16]));
    let _building = turn(hash.as_bytes()[0]);
    if built.exists() {
        return Ok(built);
    }
    fs::create_dir_all(&folder).map_err(|error| ToolchainError::File {
        path: folder.clone(),
        error,
    })?;
    compile(program, language, &text, &arguments, &folder, &built)?;
    Ok(built)
}

/// One builder at a time for each digest, so that threads that want one program don't all build it.
fn turn(digest: u8) -> MutexGuard<'static, ()> {
    static TURNS: [Mutex<()>; 16] = [const { Mutex::new(()) }; 16];
    // A builder that panicked left nothing behind that another would trip over.
    TURNS[usize::from(digest) % TURNS.len()]
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Compiles in a folder of its own and renames into place, so that two test processes that build
/// the same program don't meet.
fn compile(
    program: &Program,
    language: Language,
    text: &str,
    arguments: &[&str],
    folder: &Path,
    built: &Path,
) -> Result<(), ToolchainError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| ToolchainError::File { path, error }
    };
    let work = tempfile::tempdir_in(folder).map_err(at(folder))?;
    let name = match language {
        Language::C => "program.c",
        Language::Cpp => "program.cc",
    };
    fs::write(work.path().join(name), text).map_err(at(work.path()))?;
    let (libraries, flags): (Vec<&str>, Vec<&str>) = arguments
        .iter()
        .partition(|argument| argument.starts_with("-l"));
    let mut command = Command::new(compiler(language));
    command
        .current_dir(work.path())
        .args(flags)
        .args([name, "-o", "program"])
        .args(libraries);
    if !arguments.contains(&"-nostdlib") {
        command.arg("-lm");
    }
    let output = command.output().map_err(|_| ToolchainError::Missing {
        command: compiler(language).to_owned(),
    })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(ToolchainError::Refused {
            program: program.name,
            message,
        });
    }
    fs::rename(work.path().join("program"), built).map_err(at(built))
}

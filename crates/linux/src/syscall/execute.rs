//! `execve`: which file it is that runs, and who runs it.
//!
//! A RISC-V program is run by this executable, told so by arguments in front of the program's own. A
//! script is run by the program that its first line names. Anything else is the host's to run or to
//! refuse.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::Ordering;

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::{load64, read_c_string};

use super::file::GuestPath;
use super::{Kernel, Request};
use crate::elf::is_guest_program;
use crate::errno::Errno;
use crate::host;
use crate::signal;

/// The longest argument, and the most that all take together.
const STRING_MAX: usize = 128 << 10;
const STRINGS_MAX: usize = 6 << 20;
/// How many scripts may name one another as interpreters.
const SCRIPTS_MAX: usize = 5;
/// How much of a script's first line counts.
const LINE_MAX: usize = 256;

/// The program to run, with its arguments and environment.
#[derive(Debug)]
pub struct ExecRequest {
    /// The host's path of the file.
    path: Vec<u8>,
    arguments: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
}

/// What the host is given: strings, and vectors of pointers to them.
#[derive(Debug)]
pub(super) struct HostArguments {
    path: CString,
    arguments: Strings,
    environment: Strings,
}

#[derive(Debug)]
struct Strings {
    /// Owns what `pointers` leads to.
    _strings: Vec<CString>,
    pointers: Vec<u64>,
}

impl Strings {
    fn new(strings: Vec<Vec<u8>>) -> Self {
        // They come from NUL-terminated strings, so that none is lost.
        let strings: Vec<CString> = strings
            .into_iter()
            .filter_map(|bytes| CString::new(bytes).ok())
            .collect();
        let mut pointers: Vec<u64> = strings
            .iter()
            .map(|string| string.as_ptr() as u64)
            .collect();
        pointers.push(0);
        Self {
            _strings: strings,
            pointers,
        }
    }
}

pub(super) fn execve(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [path, arguments, environment, ..]: [u64; 6],
) -> Result<u64, Errno> {
    let given = read_path(path)?;
    prepare(kernel, &given, path, arguments, environment)
}

pub(super) fn execveat(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [directory, path, arguments, environment, flags, _]: [u64; 6],
) -> Result<u64, Errno> {
    let given = read_path(path)?;
    if given.starts_with(b"/") || directory as i32 == libc::AT_FDCWD {
        return prepare(kernel, &given, path, arguments, environment);
    }
    let mut in_directory = format!("/proc/self/fd/{}", directory as i32).into_bytes();
    if !given.is_empty() {
        in_directory.push(b'/');
        in_directory.extend_from_slice(&given);
    } else if flags & libc::AT_EMPTY_PATH as u64 == 0 {
        return Err(Errno::ENOENT);
    }
    prepare(kernel, &in_directory, 0, arguments, environment)
}

fn read_path(address: u64) -> Result<Vec<u8>, Errno> {
    read_c_string(address, libc::PATH_MAX as usize)?.ok_or(Errno::ENAMETOOLONG)
}

/// Finds out what is to run, and asks for it.
fn prepare(
    kernel: &mut Kernel,
    given: &[u8],
    address: u64,
    arguments: u64,
    environment: u64,
) -> Result<u64, Errno> {
    let mut budget = STRINGS_MAX;
    let mut arguments = read_strings(arguments, &mut budget)?;
    let environment = read_strings(environment, &mut budget)?;
    let mut path = match address {
        0 => given.to_vec(),
        _ => GuestPath::new(kernel, address, true).bytes(given),
    };
    // A script is told by the path under which it was asked for.
    let mut shown = given.to_vec();
    for _ in 0..SCRIPTS_MAX {
        let Some((interpreter, argument)) = script_line(&path)? else {
            kernel.request = Some(Request::Execute(Box::new(ExecRequest {
                path,
                arguments,
                environment,
            })));
            return Ok(0);
        };
        let rest = arguments.split_off(arguments.len().min(1));
        arguments = vec![interpreter.clone()];
        arguments.extend(argument);
        arguments.push(shown);
        arguments.extend(rest);
        shown = interpreter;
        path = in_sysroot(kernel, &shown);
    }
    Err(Errno(libc::ELOOP))
}

/// Where the host finds what the guest calls `path`.
fn in_sysroot(kernel: &Kernel, path: &[u8]) -> Vec<u8> {
    let sysroot = kernel.process.start.sysroot.as_ref();
    let found = sysroot.and_then(|sysroot| sysroot.find(path, true));
    found.map_or_else(|| path.to_vec(), CString::into_bytes)
}

/// The vector of strings at `address`.
fn read_strings(address: u64, budget: &mut usize) -> Result<Vec<Vec<u8>>, Errno> {
    let mut strings = Vec::new();
    if address == 0 {
        return Ok(strings);
    }
    for index in 0.. {
        let pointer = load64(address.wrapping_add(index * 8))?;
        if pointer == 0 {
            break;
        }
        let string = read_c_string(pointer, STRING_MAX)?.ok_or(Errno::E2BIG)?;
        *budget = budget.checked_sub(string.len() + 9).ok_or(Errno::E2BIG)?;
        strings.push(string);
    }
    Ok(strings)
}

/// The interpreter and its argument that the first line of the file at `path` names, if it is a
/// script that may be executed.
#[expect(clippy::type_complexity, reason = "a pair, and nothing else uses it")]
fn script_line(path: &[u8]) -> Result<Option<(Vec<u8>, Option<Vec<u8>>)>, Errno> {
    let Some(line) = first_line(path)? else {
        return Ok(None);
    };
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let trimmed = |mut text: &[u8]| {
        while text.first().is_some_and(blank) {
            text = &text[1..];
        }
        while text.last().is_some_and(blank) {
            text = &text[..text.len() - 1];
        }
        text.to_vec()
    };
    let line = trimmed(&line);
    let end = line.iter().position(blank).unwrap_or(line.len());
    if end == 0 {
        return Err(Errno::ENOEXEC);
    }
    let argument = trimmed(&line[end..]);
    let argument = (!argument.is_empty()).then_some(argument);
    Ok(Some((line[..end].to_vec(), argument)))
}

/// What follows `#!` in the first line of an executable file. Where the file can't be read, the host
/// says why.
fn first_line(path: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    let path = Path::new(OsStr::from_bytes(path));
    let Ok(file) = File::open(path) else {
        return Ok(None);
    };
    let mut head = [0_u8; LINE_MAX];
    let len = file.read_at(&mut head, 0).unwrap_or(0);
    let Some(rest) = head[..len].strip_prefix(b"#!") else {
        return Ok(None);
    };
    let is_executable = file
        .metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0);
    if !is_executable {
        return Err(Errno::EACCES);
    }
    let end = rest.iter().position(|byte| *byte == b'\n');
    Ok(Some(rest[..end.unwrap_or(rest.len())].to_vec()))
}

/// Whether the file at `path` is a RISC-V program that may be executed.
fn is_for_engine(path: &[u8]) -> Result<bool, Errno> {
    let path = Path::new(OsStr::from_bytes(path));
    let Ok(file) = File::open(path) else {
        return Ok(false);
    };
    let mut head = [0_u8; 64];
    let len = file.read_at(&mut head, 0).unwrap_or(0);
    if !is_guest_program(&head[..len]) {
        return Ok(false);
    }
    let mode = file.metadata().map_or(0, |metadata| metadata.mode());
    if mode & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    Ok(true)
}

impl Kernel {
    /// Runs the program. Returns only where that fails.
    pub fn execute(&mut self, request: ExecRequest) -> Result<u64, Errno> {
        let for_engine = is_for_engine(&request.path)?;
        if for_engine && self.process.start.relaunch.is_empty() {
            return Err(Errno::ENOEXEC);
        }
        // A signal that arrives from here on waits for the new program; one that has arrived first
        // acts here.
        let mask = signal::block_all();
        if signal::arrived().is_some() {
            signal::restore_mask(mask);
            return Err(Errno::RESTART);
        }
        let host = if for_engine {
            self.for_engine(request)
        } else {
            signal::set_mask(self.signals.blocked);
            let ExecRequest {
                path,
                arguments,
                environment,
            } = request;
            HostArguments {
                path: CString::new(path).map_err(|_| Errno::ENOENT)?,
                arguments: Strings::new(arguments),
                environment: Strings::new(environment),
            }
        };
        let host = self.execution.insert(host);
        let numbers = [
            host.path.as_ptr() as u64,
            host.arguments.pointers.as_ptr() as u64,
            host.environment.pointers.as_ptr() as u64,
            0,
            0,
            0,
        ];
        self.is_whole.store(true, Ordering::Release);
        let result = host::call(libc::SYS_execve, numbers);
        self.is_whole.store(false, Ordering::Release);
        self.execution = None;
        signal::restore_mask(mask);
        result
    }

    /// What the host is given to run `request` with this engine.
    fn for_engine(&self, request: ExecRequest) -> HostArguments {
        let ExecRequest {
            path,
            arguments,
            environment,
        } = request;
        let mut all: Vec<Vec<u8>> = self
            .process
            .start
            .relaunch
            .iter()
            .map(|argument| argument.as_bytes().to_vec())
            .collect();
        all.push(b"--signal-mask".to_vec());
        all.push(format!("{:#x}", self.signals.blocked).into_bytes());
        // The host's dynamic loader would take these for its own.
        let is_loaders = |variable: &[u8]| variable.starts_with(b"LD_");
        let (loaders, environment): (Vec<_>, Vec<_>) = environment
            .into_iter()
            .partition(|variable| is_loaders(variable));
        for variable in loaders {
            all.push(b"--guest-env".to_vec());
            all.push(variable);
        }
        let mut arguments = arguments.into_iter();
        all.push(b"--argv0".to_vec());
        all.push(arguments.next().unwrap_or_default());
        all.push(b"--".to_vec());
        all.push(path);
        all.extend(arguments);
        HostArguments {
            path: c"/proc/self/exe".to_owned(),
            arguments: Strings::new(all),
            environment: Strings::new(environment),
        }
    }
}

//! Calls with paths, which may name the guest's own `/proc` entries or files of the sysroot.

use std::ffi::{CString, c_long};
use std::os::unix::ffi::OsStrExt;

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::{copy_out, load64, read_c_string};

use super::{Kernel, proc_fs, writers};
use crate::errno::Errno;
use crate::host;

/// Which arguments of a call are paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paths {
    /// Bit `i` for argument `i`.
    pub(super) positions: u8,
    /// Whether a symbolic link at a path's end stands for what it leads to.
    pub(super) follows: bool,
}

/// A path argument: the guest's own, or what stands for it.
pub(super) enum GuestPath {
    /// The guest's pointer.
    Same(u64),
    /// Another path.
    Instead(CString),
}

impl GuestPath {
    /// The path at `address`: `/proc/self/exe` is the guest's program, and what exists in the sysroot
    /// is there. A symbolic link at its end is followed if `follows`.
    pub(super) fn new(kernel: &Kernel, address: u64, follows: bool) -> Self {
        let Ok(Some(path)) = read_c_string(address, libc::PATH_MAX as usize) else {
            return Self::Same(address);
        };
        if proc_entry(&path) == Some(b"exe")
            && let Ok(program) = CString::new(kernel.process.start.program.as_os_str().as_bytes())
        {
            return Self::Instead(program);
        }
        let sysroot = kernel.process.start.sysroot.as_ref();
        match sysroot.and_then(|sysroot| sysroot.find(&path, follows)) {
            Some(path) => Self::Instead(path),
            None => Self::Same(address),
        }
    }

    /// The address to hand to the host.
    pub(super) fn address(&self) -> u64 {
        match self {
            Self::Same(address) => *address,
            Self::Instead(path) => path.as_ptr() as u64,
        }
    }

    /// The path, where the guest's own is `given`.
    pub(super) fn bytes(self, given: &[u8]) -> Vec<u8> {
        match self {
            Self::Same(_) => given.to_vec(),
            Self::Instead(path) => path.into_bytes(),
        }
    }
}

/// The name in the guest's own `/proc` directory that `path` denotes.
fn proc_entry(path: &[u8]) -> Option<&[u8]> {
    let rest = path.strip_prefix(b"/proc/")?;
    let slash = rest.iter().position(|byte| *byte == b'/')?;
    let (directory, entry) = (&rest[..slash], &rest[slash + 1..]);
    let own = directory == b"self"
        || directory == b"thread-self"
        || directory == std::process::id().to_string().as_bytes();
    own.then_some(entry)
}

/// Makes a host call whose path arguments are seen as the guest sees them.
pub(super) fn call_with_paths(
    kernel: &Kernel,
    number: c_long,
    mut arguments: [u64; 6],
    paths: Paths,
) -> Result<u64, Errno> {
    let mut kept = [const { None }; 6];
    for (position, argument) in arguments.iter_mut().enumerate() {
        if paths.positions >> position & 1 != 0 && *argument != 0 {
            let path = GuestPath::new(kernel, *argument, paths.follows);
            *argument = path.address();
            kept[position] = Some(path);
        }
    }
    host::call_for_guest(number, arguments)
}

pub(super) fn openat(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    open(kernel, libc::SYS_openat, arguments, arguments[2])
}

pub(super) fn openat2(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let flags = load64(arguments[2])?;
    open(kernel, libc::SYS_openat2, arguments, flags)
}

/// Opens the path that is the second argument, with these flags, by the host's call `number`.
fn open(
    kernel: &mut Kernel,
    number: c_long,
    arguments: [u64; 6],
    flags: u64,
) -> Result<u64, Errno> {
    if let Some(contents) = own_proc_file(kernel, arguments[1]) {
        return proc_fs::open(&contents, flags);
    }
    let paths = Paths {
        positions: 2,
        follows: flags & libc::O_NOFOLLOW as u64 == 0,
    };
    let fd = call_with_paths(kernel, number, arguments, paths)?;
    writers::note_opened(kernel, fd, flags);
    Ok(fd)
}

pub(super) fn truncate(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let path = GuestPath::new(kernel, arguments[0], true);
    let [_, len, ..] = arguments;
    let result = host::call_for_guest(libc::SYS_truncate, [path.address(), len, 0, 0, 0, 0])?;
    writers::note_changed_path(kernel, path.address());
    Ok(result)
}

/// What the file of the guest's own `/proc` at the path `address` holds, if it is stood in for.
fn own_proc_file(kernel: &Kernel, address: u64) -> Option<Vec<u8>> {
    // Longer paths than this denote nothing that is stood in for.
    let path = read_c_string(address, 64).ok()??;
    match path.as_slice() {
        b"/proc/cpuinfo" => Some(proc_fs::cpu_info()),
        path => proc_fs::contents(kernel, proc_entry(path)?),
    }
}

pub(super) fn getdents64(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let [directory, buffer, ..] = arguments;
    loop {
        let len = host::call_for_guest(libc::SYS_getdents64, arguments)?;
        let kept = proc_fs::hide_own_threads(kernel, directory, buffer, len)?;
        // Nothing at all would mean the directory's end.
        if len == 0 || kept != 0 {
            return Ok(kept);
        }
    }
}

pub(super) fn statx(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let paths = Paths {
        positions: 2,
        follows: arguments[2] & libc::AT_SYMLINK_NOFOLLOW as u64 == 0,
    };
    call_with_paths(kernel, libc::SYS_statx, arguments, paths)
}

pub(super) fn readlinkat(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let [_, address, buffer, len, ..] = arguments;
    let path = read_c_string(address, libc::PATH_MAX as usize)?.unwrap_or_default();
    if proc_entry(&path) != Some(b"exe") {
        let paths = Paths {
            positions: 2,
            follows: false,
        };
        return call_with_paths(kernel, libc::SYS_readlinkat, arguments, paths);
    }
    if (len as i32) <= 0 {
        return Err(Errno::EINVAL);
    }
    let program = kernel.process.start.program.as_os_str().as_bytes();
    let shown = &program[..program.len().min(len as usize)];
    copy_out(buffer, shown)?;
    Ok(shown.len() as u64)
}

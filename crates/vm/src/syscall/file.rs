//! Calls on files whose paths may name the guest's own `/proc` entries.

use std::ffi::{CString, c_long};
use std::os::unix::ffi::OsStrExt;

use super::{Kernel, host, proc_fs};
use crate::errno::Errno;
use crate::guest_memory::{copy_out, read_c_string};
use crate::state::GuestState;

/// A path argument: the guest's own, or what stands for it.
pub(super) enum GuestPath {
    /// The guest's pointer.
    Same(u64),
    /// Another path.
    Instead(CString),
}

impl GuestPath {
    /// The path at `address`; `/proc/self/exe` is the guest's program.
    pub(super) fn new(kernel: &Kernel, address: u64) -> Self {
        let entry = proc_entry(address);
        match entry
            .as_deref()
            .map(|entry| (entry, CString::new(kernel.program.as_os_str().as_bytes())))
        {
            Some((b"exe", Ok(program))) => Self::Instead(program),
            _ => Self::Same(address),
        }
    }

    /// The address to hand to the host.
    pub(super) fn address(&self) -> u64 {
        match self {
            Self::Same(address) => *address,
            Self::Instead(path) => path.as_ptr() as u64,
        }
    }
}

/// The name in the guest's own `/proc` directory that the path at `address` denotes.
fn proc_entry(address: u64) -> Option<Vec<u8>> {
    // Longer paths than this denote nothing that is stood in for.
    let path = read_c_string(address, 64).ok()??;
    let rest = path.strip_prefix(b"/proc/")?;
    let slash = rest.iter().position(|byte| *byte == b'/')?;
    let (directory, entry) = (&rest[..slash], &rest[slash + 1..]);
    let own = directory == b"self"
        || directory == b"thread-self"
        || directory == std::process::id().to_string().as_bytes();
    own.then(|| entry.to_vec())
}

/// Calls the host with the second argument, a path, seen as the guest sees it.
fn with_path(kernel: &Kernel, number: c_long, mut arguments: [u64; 6]) -> Result<u64, Errno> {
    let path = GuestPath::new(kernel, arguments[1]);
    arguments[1] = path.address();
    host::call(number, arguments)
}

pub(super) fn openat(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    if let Some(contents) =
        proc_entry(arguments[1]).and_then(|name| proc_fs::contents(kernel, &name))
    {
        return proc_fs::open(&contents, arguments[2]);
    }
    with_path(kernel, libc::SYS_openat, arguments)
}

pub(super) fn faccessat(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    with_path(kernel, libc::SYS_faccessat, arguments)
}

pub(super) fn faccessat2(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    with_path(kernel, libc::SYS_faccessat2, arguments)
}

pub(super) fn statx(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    with_path(kernel, libc::SYS_statx, arguments)
}

pub(super) fn readlinkat(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let [_, path, buffer, len, ..] = arguments;
    if proc_entry(path).as_deref() != Some(b"exe") {
        return host::call(libc::SYS_readlinkat, arguments);
    }
    if (len as i32) <= 0 {
        return Err(Errno::EINVAL);
    }
    let program = kernel.program.as_os_str().as_bytes();
    let shown = &program[..program.len().min(len as usize)];
    copy_out(buffer, shown)?;
    Ok(shown.len() as u64)
}

/// `MSG_NOSIGNAL` keeps `SIGPIPE` away.
fn send(
    kernel: &mut Kernel,
    number: c_long,
    arguments: [u64; 6],
    flags: u64,
) -> Result<u64, Errno> {
    let result = host::call(number, arguments);
    if result == Err(Errno::EPIPE) && flags & libc::MSG_NOSIGNAL as u64 == 0 {
        kernel.raise_pipe();
    }
    result
}

pub(super) fn sendto(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    send(kernel, libc::SYS_sendto, arguments, arguments[3])
}

pub(super) fn sendmsg(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    send(kernel, libc::SYS_sendmsg, arguments, arguments[2])
}

//! By what the text of files can be written while its mappings stay what they are: descriptors, however the
//! process came by them, and shared mappings. A call that writes to text is seen as it is made; of stores
//! into shared mappings the program has to say that it has changed code.

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::{load32, load64};

use super::statx::{self, FileFacts, file_facts};
use super::{Kernel, Request};
use crate::errno::Errno;
use crate::host;
use crate::memory::{Backing, FileBacking};
use crate::process::Process;
use crate::text_writers::{Look, SPLIT, TEXT_OPEN, TEXT_SHARED, WRITABLE};

/// What a call may do to text, as it looked before it was made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// Nothing.
    Nothing,
    /// It writes to it.
    Writes,
    /// It closes a descriptor of it.
    Closes,
}

/// What may have changed text, and what of that is gone: see [`Kernel::text_writers`].
#[derive(Clone, Copy, Debug)]
pub struct WritersSeen {
    look: Look,
    gone: u64,
}

impl Kernel {
    /// By what text may have changed while its mappings stayed what they are; `None` where there is nothing
    /// of that kind. To be asked for before text is compared.
    pub fn text_writers(&self) -> Option<WritersSeen> {
        let process = &*self.process;
        let look = process.text_writers.look();
        if !look.has(TEXT_OPEN | TEXT_SHARED) {
            return None;
        }
        let mut gone = 0;
        if look.has(TEXT_SHARED) && !shares_text(process) {
            gone |= TEXT_SHARED;
        }
        if look.has(TEXT_OPEN) && has_closed_text(process) {
            gone |= TEXT_OPEN;
        }
        Some(WritersSeen { look, gone })
    }

    /// Text was compared since they were `seen`: those that were gone by then are forgotten.
    pub fn forget_text_writers(&self, seen: WritersSeen) {
        self.process.text_writers.forget(seen.look, seen.gone);
    }
}

/// What the call is about to do to text. (A file that becomes text while it is written is compared once the
/// guest says that it has changed code.)
pub(super) fn watch(process: &Process, number: u64, arguments: &[u64; 6]) -> Watch {
    if !process.text_writers.has(TEXT_OPEN) {
        return Watch::Nothing;
    }
    if let Some(fd) = written(number, arguments) {
        return match is_open_text(process, fd) {
            true => Watch::Writes,
            false => Watch::Nothing,
        };
    }
    match closed(number, arguments) {
        Some(Some(fd)) if is_open_text(process, fd) => Watch::Closes,
        Some(None) => Watch::Closes,
        _ => Watch::Nothing,
    }
}

/// The descriptor of the file to which a call writes, or of which it changes in another way which bytes it
/// has, if it is such a call.
fn written(number: u64, arguments: &[u64; 6]) -> Option<u64> {
    const TO_FIRST: &[u64] = &[46, 47, 64, 66, 68, 70, 71, 287];
    const TO_THIRD: &[u64] = &[76, 285];
    const IOCTL: u64 = 29;
    /// `FICLONE` and `FICLONERANGE`.
    const CLONES: &[u32] = &[0x4004_9409, 0x4020_940d];
    let is_clone = number == IOCTL && CLONES.contains(&(arguments[1] as u32));
    if is_clone || TO_FIRST.contains(&number) {
        return Some(arguments[0]);
    }
    TO_THIRD.contains(&number).then_some(arguments[2])
}

/// Which descriptor a call closes, if it does: `Some(None)` where it may be several.
fn closed(number: u64, arguments: &[u64; 6]) -> Option<Option<u64>> {
    const DUP3: u64 = 24;
    const CLOSE: u64 = 57;
    const CLOSE_RANGE: u64 = 436;
    match number {
        DUP3 => Some(Some(arguments[1])),
        CLOSE => Some(Some(arguments[0])),
        CLOSE_RANGE => Some(None),
        _ => None,
    }
}

/// The call was made, and this is what it was about to do.
pub(super) fn watched(kernel: &mut Kernel, watch: Watch) {
    match watch {
        Watch::Nothing => {}
        Watch::Writes => {
            kernel.request.get_or_insert(Request::TextWritten);
        }
        // What was written by the descriptor was seen when it was.
        Watch::Closes => {
            let process = &*kernel.process;
            let look = process.text_writers.look();
            if has_closed_text(process) {
                process.text_writers.forget(look, TEXT_OPEN);
            }
        }
    }
}

/// The guest has opened `fd` with these flags.
pub(super) fn note_opened(kernel: &mut Kernel, fd: u64, flags: u64) {
    let process = &*kernel.process;
    if may_write(flags) {
        note_writable(process, fd);
    }
    if flags & libc::O_TRUNC as u64 != 0 && is_open_text(process, fd) {
        kernel.request.get_or_insert(Request::TextWritten);
    }
}

/// The guest has got `fd` in another way than by opening it.
fn note_received(process: &Process, fd: u64) {
    let flags = host::call(libc::SYS_fcntl, [fd, libc::F_GETFL as u64, 0, 0, 0, 0]);
    if flags.is_ok_and(may_write) {
        note_writable(process, fd);
    }
}

/// Notes what this process was started with.
pub(crate) fn note_inherited(process: &Process) {
    for fd in own_descriptors().unwrap_or_default() {
        note_received(process, fd);
    }
}

/// Whether a file that is opened with these flags can be written.
fn may_write(flags: u64) -> bool {
    flags & libc::O_ACCMODE as u64 != libc::O_RDONLY as u64 && flags & libc::O_PATH as u64 == 0
}

/// Notes a descriptor by which its file can be written.
fn note_writable(process: &Process, fd: u64) {
    let Some(file) = file_facts(fd).ok().filter(|file| file.is_regular) else {
        return;
    };
    // First this, and then the look at the modules: who adds one does it the other way round.
    process.text_writers.note(WRITABLE);
    if is_text(process, fd, &file) {
        process.text_writers.note(TEXT_OPEN);
    }
}

/// Whether `fd` is open, and its file is text or the memory of a process.
fn is_open_text(process: &Process, fd: u64) -> bool {
    file_facts(fd).is_ok_and(|file| is_text(process, fd, &file))
}

fn is_text(process: &Process, fd: u64, file: &FileFacts) -> bool {
    file.is_regular && (process.memory().modules.has_file(file.place) || is_memory(fd, file))
}

fn is_memory(fd: u64, file: &FileFacts) -> bool {
    // Files of `/proc` say that they have no bytes.
    let path = file
        .is_empty
        .then(|| std::fs::read_link(format!("/proc/thread-self/fd/{fd}")));
    path.is_some_and(|path| path.is_ok_and(|path| path.ends_with("mem")))
}

/// The numbers of the calling thread's descriptors.
fn own_descriptors() -> Option<Vec<u64>> {
    let entries = std::fs::read_dir("/proc/thread-self/fd").ok()?;
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    Some(entries.flatten().filter_map(number).collect())
}

/// Whether the process has no descriptor any more by which text can be written, as far as that is known.
fn has_closed_text(process: &Process) -> bool {
    // A process with the memory of another has descriptors of its own.
    if process.shares_memory() || process.text_writers.has(SPLIT) {
        return false;
    }
    let Some(descriptors) = own_descriptors() else {
        return false;
    };
    !descriptors.into_iter().any(|fd| {
        let flags = host::call(libc::SYS_fcntl, [fd, libc::F_GETFL as u64, 0, 0, 0, 0]);
        flags.is_ok_and(may_write) && is_open_text(process, fd)
    })
}

/// Whether a file that is text is mapped and shared.
fn shares_text(process: &Process) -> bool {
    let memory = process.memory();
    memory.space.iter().any(|vma| match vma.backing {
        Backing::File(file) if file.is_shared => memory.modules.has_file((file.device, file.inode)),
        _ => false,
    })
}

/// The guest has made a mapping of a file.
pub(super) fn note_mapping(kernel: &Kernel, backing: Backing) {
    if let Backing::File(FileBacking {
        device,
        inode,
        is_shared: true,
        ..
    }) = backing
        && kernel.process.memory().modules.has_file((device, inode))
    {
        kernel.process.text_writers.note(TEXT_SHARED);
    }
}

/// The guest has mapped a module: its file may be open or mapped in another way already.
pub(super) fn note_new_module(kernel: &Kernel) {
    let process = &*kernel.process;
    if shares_text(process) {
        process.text_writers.note(TEXT_SHARED);
    }
    if process.text_writers.has(SPLIT) {
        process.text_writers.note(TEXT_OPEN);
    } else if process.text_writers.has(WRITABLE) {
        note_inherited(process);
    }
}

/// The guest has changed the file at the path `path` by a call that takes no descriptor.
pub(super) fn note_changed_path(kernel: &mut Kernel, path: u64) {
    let here = i64::from(libc::AT_FDCWD).cast_unsigned();
    let Ok(place) = statx::Statx::query(here, path, 0).map(|statx| statx.place()) else {
        return;
    };
    if kernel.process.memory().modules.has_file(place) {
        kernel.request.get_or_insert(Request::TextWritten);
    }
}

pub(super) fn memfd_create(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let fd = host::call_for_guest(libc::SYS_memfd_create, arguments)?;
    kernel.process.text_writers.note(WRITABLE);
    Ok(fd)
}

pub(super) fn pidfd_getfd(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let fd = host::call_for_guest(libc::SYS_pidfd_getfd, arguments)?;
    note_received(&kernel.process, fd);
    Ok(fd)
}

pub(super) fn recvmsg(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let len = host::call_for_guest(libc::SYS_recvmsg, arguments)?;
    note_message(&kernel.process, arguments[1]);
    Ok(len)
}

pub(super) fn recvmmsg(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    /// The size of a `struct mmsghdr`.
    const MESSAGE_LEN: u64 = 64;
    let count = host::call_for_guest(libc::SYS_recvmmsg, arguments)?;
    for index in 0..count {
        let message = arguments[1].wrapping_add(index * MESSAGE_LEN);
        note_message(&kernel.process, message);
    }
    Ok(count)
}

/// Notes the descriptors that came with the message of which the header is at `header`.
fn note_message(process: &Process, header: u64) {
    for fd in descriptors_of(header).unwrap_or_default() {
        note_received(process, fd);
    }
}

/// The descriptors in a message.
fn descriptors_of(header: u64) -> Result<Vec<u64>, Errno> {
    /// The size of a `struct cmsghdr`.
    const HEAD_LEN: u64 = 16;
    /// More than the kernel gives.
    const MOST: u64 = 1 << 20;
    let field = |offset: u64| load64(header.wrapping_add(offset));
    let (mut at, control_len) = (field(32)?, field(40)?);
    let end = at.saturating_add(control_len.min(MOST));
    let mut descriptors = Vec::new();
    while end.saturating_sub(at) >= HEAD_LEN {
        let len = load64(at)?;
        let (level, kind) = (load32(at + 8)?, load32(at + 12)?);
        if len < HEAD_LEN || len > end - at {
            break;
        }
        if (level, kind) == (libc::SOL_SOCKET as u32, libc::SCM_RIGHTS as u32) {
            for index in 0..(len - HEAD_LEN) / 4 {
                descriptors.push(u64::from(load32(at + HEAD_LEN + 4 * index)?));
            }
        }
        at += len.next_multiple_of(8);
    }
    Ok(descriptors)
}

pub(super) fn unshare(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    note_split(&kernel.process, arguments[0] & libc::CLONE_FILES as u64);
    host::call_for_guest(libc::SYS_unshare, arguments)
}

pub(super) fn close_range(
    kernel: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    let flag = u64::from(libc::CLOSE_RANGE_UNSHARE);
    note_split(&kernel.process, arguments[2] & flag);
    host::call_for_guest(libc::SYS_close_range, arguments)
}

fn note_split(process: &Process, flag: u64) {
    if flag != 0 {
        process.text_writers.note(SPLIT);
    }
}

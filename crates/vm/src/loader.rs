//! Puts a program into the guest's address space, as `execve` does.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::elf::{ElfFault, ElfProgram, HEADER_LEN, Segment};
use crate::errno::Errno;
use crate::guest_memory;
use crate::memory::{
    AddressSpace, Backing, FileBacking, MapRequest, Placement, Protection, page_ceil, page_floor,
};
use crate::module::GuestModule;
use crate::start_error::StartError;

/// Where a position-independent program is loaded.
const PIE_BASE: u64 = 0x2a_0000_0000;

/// How much of a file is read to find its headers.
const HEAD_LEN: usize = 4096;

/// A program in memory.
#[derive(Debug)]
pub(crate) struct LoadedProgram {
    /// Where it starts.
    pub(crate) entry: u64,
    /// Where its program headers are, or 0.
    pub(crate) program_headers: u64,
    /// How many there are.
    pub(crate) program_header_count: u16,
    /// The absolute path of its file.
    pub(crate) path: PathBuf,
    /// Its path as it was given.
    pub(crate) given_path: PathBuf,
    /// Its code, as the translator knows it.
    pub(crate) module: GuestModule,
}

/// Loads the program at `path` into `space`, and starts the heap behind it.
pub(crate) fn load(space: &mut AddressSpace, path: &Path) -> Result<LoadedProgram, StartError> {
    let open_error = |source| StartError::Open {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(open_error)?;
    let metadata = file.metadata().map_err(open_error)?;
    if metadata.is_dir() {
        return Err(open_error(io::Error::from_raw_os_error(libc::EISDIR)));
    }
    let len = metadata.len();
    let elf_error = |fault| StartError::Elf {
        path: path.to_owned(),
        fault,
    };
    let head = read_head(&file, len).map_err(open_error)?;
    let elf = ElfProgram::parse(&head, len).map_err(elf_error)?;
    let base = if elf.position_independent {
        PIE_BASE
    } else {
        0
    };
    check_addresses(&elf, base).map_err(elf_error)?;
    for segment in &elf.segments {
        let backing = FileBacking {
            device: metadata.dev(),
            inode: metadata.ino(),
            offset: 0,
        };
        map_segment(space, &file, segment, base, backing).map_err(|errno| StartError::Memory {
            path: path.to_owned(),
            what: "a loadable segment",
            start: base + segment.address,
            end: base + segment.address + segment.memory_len,
            source: io::Error::from_raw_os_error(errno.0),
        })?;
    }
    let end = page_ceil(base + elf.span().end).unwrap_or(guest_memory::GUEST_END);
    space.start_heap(end);
    let given_path = path.to_owned();
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let program_headers = match elf.program_headers {
        0 => 0,
        address => base + address,
    };
    Ok(LoadedProgram {
        entry: base + elf.entry,
        program_headers,
        program_header_count: elf.program_header_count,
        module: GuestModule::new(path.clone(), file, base, elf.segments),
        path,
        given_path,
    })
}

/// The start of `file`: enough to hold its header and program headers, where those are sane.
fn read_head(file: &File, len: u64) -> io::Result<Vec<u8>> {
    let mut head = read_prefix(file, HEAD_LEN)?;
    let wanted = ElfProgram::head_len(&head)
        .unwrap_or(HEADER_LEN as u64)
        .min(len);
    if wanted > head.len() as u64
        && let Ok(wanted) = usize::try_from(wanted)
    {
        head = read_prefix(file, wanted)?;
    }
    Ok(head)
}

/// The first `len` bytes of `file`, or as many as there are.
fn read_prefix(file: &File, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Refuses programs whose segments, once placed, don't lie in the guest's address space.
fn check_addresses(elf: &ElfProgram, base: u64) -> Result<(), ElfFault> {
    for (index, segment) in elf.segments.iter().enumerate() {
        let start = page_floor(base + segment.address);
        if !AddressSpace::holds(start, base + segment.address + segment.memory_len - start) {
            return Err(ElfFault::Segment {
                index,
                what: "outside the guest's address space",
            });
        }
    }
    Ok(())
}

/// Maps one segment: the file's pages, then zero pages.
fn map_segment(
    space: &mut AddressSpace,
    file: &File,
    segment: &Segment,
    base: u64,
    backing: FileBacking,
) -> Result<(), Errno> {
    let address = base + segment.address;
    let start = page_floor(address);
    let file_end = address + segment.file_len;
    let memory_end = address + segment.memory_len;
    let zero_start = if segment.file_len == 0 {
        start
    } else {
        let offset = segment.file_offset - (address - start);
        let request = MapRequest {
            placement: Placement::FixedIfFree(start),
            len: file_end - start,
            protection: segment.protection,
            flags: libc::MAP_PRIVATE as u64,
            fd: file.as_raw_fd(),
            offset,
            backing: Backing::File(FileBacking { offset, ..backing }),
        };
        map_over_own(space, request)?;
        page_ceil(file_end).ok_or(Errno::ENOMEM)?
    };
    if memory_end > file_end && segment.protection.contains(Protection::WRITE) {
        // The rest of the file's last page holds whatever follows in the file.
        guest_memory::zero(file_end..zero_start.min(memory_end).max(file_end))?;
    }
    if memory_end > zero_start {
        let request = MapRequest::anonymous(
            Placement::FixedIfFree(zero_start),
            memory_end - zero_start,
            segment.protection,
        );
        map_over_own(space, request)?;
    }
    Ok(())
}

/// Maps at free addresses, or over an earlier segment that shares a page.
fn map_over_own(space: &mut AddressSpace, request: MapRequest) -> Result<u64, Errno> {
    match (space.map(request), request.placement) {
        (Err(Errno::EEXIST), Placement::FixedIfFree(address))
            if space.overlaps(address, request.len) =>
        {
            space.map(MapRequest {
                placement: Placement::Fixed(address),
                ..request
            })
        }
        (result, _) => result,
    }
}

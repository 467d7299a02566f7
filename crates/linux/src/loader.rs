//! Puts a program into the guest's address space, as `execve` does: its segments, and those of the
//! dynamic loader that it asks for.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rekindle::Cache;
use rekindle_hart::guest_memory;

use crate::elf::{self, ElfFault, ElfProgram, Segment};
use crate::elf_head::read_head;
use crate::errno::Errno;
use crate::memory::{
    AddressSpace, Backing, FileBacking, MapRequest, Placement, Protection, page_ceil, page_floor,
};
use crate::module::GuestModule;
use crate::process::Memory;
use crate::start_error::StartError;
use crate::sysroot::Sysroot;

/// Where a position-independent program is loaded.
const PIE_BASE: u64 = 0x2a_0000_0000;

/// A program in memory.
#[derive(Debug)]
pub(crate) struct LoadedProgram {
    /// Where the guest starts: in the program, or in its dynamic loader.
    pub(crate) start: u64,
    /// The program's own entry point.
    pub(crate) entry: u64,
    /// Where its dynamic loader is, or 0.
    pub(crate) interpreter_base: u64,
    /// Where its program headers are, or 0.
    pub(crate) program_headers: u64,
    /// How many there are.
    pub(crate) program_header_count: u16,
    /// The absolute path of its file.
    pub(crate) path: PathBuf,
    /// Its path as it was given.
    pub(crate) given_path: PathBuf,
}

/// An ELF file that was opened and read, and will be mapped.
struct OpenedFile {
    path: PathBuf,
    file: File,
    elf: ElfProgram,
    backing: FileBacking,
}

/// Loads the program at `path` into `memory`, and starts the heap behind it.
pub(crate) fn load(
    memory: &mut Memory,
    path: &Path,
    sysroot: Option<&Sysroot>,
    cache: &Cache,
) -> Result<LoadedProgram, StartError> {
    let program = open(path)?;
    let base = if program.elf.position_independent {
        PIE_BASE
    } else {
        0
    };
    map_file(memory, &program, base, cache)?;
    let end = page_ceil(base + program.elf.span().end).unwrap_or(guest_memory::GUEST_END);
    memory.space.start_heap(end);
    let entry = base + program.elf.entry;
    let (start, interpreter_base) = match &program.elf.interpreter {
        None => (entry, 0),
        Some(range) => {
            let interpreter = interpreter_path(&program, range)?;
            load_interpreter(memory, &interpreter, path, sysroot, cache)?
        }
    };
    let program_headers = match program.elf.program_headers {
        0 => 0,
        address => base + address,
    };
    Ok(LoadedProgram {
        start,
        entry,
        interpreter_base,
        program_headers,
        program_header_count: program.elf.program_header_count,
        path: std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
        given_path: path.to_owned(),
    })
}

/// The path of the dynamic loader that a program asks for in these bytes of its file.
fn interpreter_path(program: &OpenedFile, range: &Range<u64>) -> Result<Vec<u8>, StartError> {
    let fault = |fault| elf_error(&program.path, fault);
    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    if len > libc::PATH_MAX as usize {
        return Err(fault(ElfFault::Interpreter));
    }
    let mut bytes = vec![0; len];
    let read = program.file.read_exact_at(&mut bytes, range.start);
    read.map_err(|_| fault(ElfFault::Interpreter))?;
    elf::interpreter_path(&bytes).map_err(fault)
}

/// Loads a dynamic loader; returns where it starts and where it is.
fn load_interpreter(
    memory: &mut Memory,
    interpreter: &[u8],
    program: &Path,
    sysroot: Option<&Sysroot>,
    cache: &Cache,
) -> Result<(u64, u64), StartError> {
    let wanted = Path::new(OsStr::from_bytes(interpreter));
    let found = sysroot.and_then(|sysroot| sysroot.find_file(wanted));
    let path = found.unwrap_or_else(|| wanted.to_owned());
    let file = open(&path).map_err(|error| StartError::Interpreter {
        path: program.to_owned(),
        interpreter: wanted.to_owned(),
        source: Box::new(error),
    })?;
    let span = file.elf.span();
    let base = if file.elf.position_independent {
        // The segments go over a reservation of the whole, so that nothing else comes between.
        let request =
            MapRequest::anonymous(Placement::Anywhere, span.end - span.start, Protection::NONE);
        let start = memory.space.map(request);
        start.map_err(|errno| no_memory(&path, "the dynamic loader", span.clone(), errno))?
            - span.start
    } else {
        0
    };
    map_file(memory, &file, base, cache)?;
    Ok((base + file.elf.entry, base))
}

fn no_memory(path: &Path, what: &'static str, range: Range<u64>, errno: Errno) -> StartError {
    StartError::Memory {
        path: path.to_owned(),
        what,
        start: range.start,
        end: range.end,
        source: io::Error::from_raw_os_error(errno.0),
    }
}

/// Opens an ELF file and reads its headers.
fn open(path: &Path) -> Result<OpenedFile, StartError> {
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
    let head = read_head(&file, len).map_err(open_error)?;
    let elf = ElfProgram::parse(&head, len).map_err(|fault| elf_error(path, fault))?;
    let backing = FileBacking {
        device: metadata.dev(),
        inode: metadata.ino(),
        offset: 0,
        is_shared: false,
    };
    Ok(OpenedFile {
        path: path.to_owned(),
        file,
        elf,
        backing,
    })
}

fn elf_error(path: &Path, fault: ElfFault) -> StartError {
    StartError::Elf {
        path: path.to_owned(),
        fault,
    }
}

/// Maps the segments of a file at `base`, and notes the module that it is.
fn map_file(
    memory: &mut Memory,
    opened: &OpenedFile,
    base: u64,
    cache: &Cache,
) -> Result<(), StartError> {
    let OpenedFile {
        path,
        file,
        elf,
        backing,
    } = opened;
    check_addresses(elf, base).map_err(|fault| elf_error(path, fault))?;
    for segment in &elf.segments {
        let range = base + segment.address..base + segment.address + segment.memory_len;
        map_segment(&mut memory.space, file, segment, base, *backing)
            .map_err(|errno| no_memory(path, "a loadable segment", range, errno))?;
    }
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let module = GuestModule::new(path, file, base, &elf.segments, Some(cache));
    memory.modules.add(module);
    Ok(())
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
        // The rest of the file's last page holds whatever follows in the file. It is cleared to the
        // page's end: a dynamic loader takes what is behind its data for memory of its own.
        guest_memory::zero(file_end..zero_start.max(file_end))?;
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

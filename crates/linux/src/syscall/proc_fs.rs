//! The guest's own entries of `/proc`, where the host's would describe the engine.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rekindle_hart::guest_memory::{copy_in, copy_out};

use super::Kernel;
use crate::errno::Errno;
use crate::host;
use crate::memory::{Backing, Protection, Vma};

/// What reading `/proc/self/<name>` gives, for the names that are stood in for.
pub(super) fn contents(kernel: &Kernel, name: &[u8]) -> Option<Vec<u8>> {
    match name {
        b"cmdline" => Some(
            kernel
                .process
                .start
                .args
                .iter()
                .flat_map(|arg| [arg.as_bytes(), b"\0"].concat())
                .collect(),
        ),
        b"auxv" => kernel.process.auxiliary_vector.get().cloned(),
        b"maps" => Some(maps(kernel).into_bytes()),
        b"stat" => stat(kernel).map(String::into_bytes),
        b"status" => status(kernel).map(String::into_bytes),
        _ => None,
    }
}

/// The host's line, but for the number of threads: some are the engine's.
fn stat(kernel: &Kernel) -> Option<String> {
    // Counted from the field behind the name, which may hold anything.
    const THREADS: usize = 17;
    let host = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (name, rest) = host.rsplit_once(") ")?;
    let threads = kernel.process.threads.count().to_string();
    let fields = rest.split(' ').enumerate();
    let fields: Vec<&str> = fields
        .map(|(index, field)| if index == THREADS { &threads } else { field })
        .collect();
    Some(format!("{name}) {}", fields.join(" ")))
}

/// The same for the list with names.
fn status(kernel: &Kernel) -> Option<String> {
    let host = std::fs::read_to_string("/proc/self/status").ok()?;
    let mut text = String::with_capacity(host.len());
    for line in host.lines() {
        // Writing to a string can't fail.
        let _ = if line.starts_with("Threads:") {
            writeln!(text, "Threads:\t{}", kernel.process.threads.count())
        } else {
            writeln!(text, "{line}")
        };
    }
    Some(text)
}

/// Removes the entries of threads that aren't the guest's from `len` bytes of directory entries at
/// `buffer`, which were read from `directory`. Returns how many bytes are left.
pub(super) fn hide_own_threads(
    kernel: &Kernel,
    directory: u64,
    buffer: u64,
    len: u64,
) -> Result<u64, Errno> {
    let is_tasks = std::fs::read_link(format!("/proc/self/fd/{}", directory as i32))
        .is_ok_and(|path| path == Path::new(&format!("/proc/{}/task", std::process::id())));
    if !is_tasks {
        return Ok(len);
    }
    let mut entries = vec![0; len as usize];
    copy_in(&mut entries, buffer)?;
    let kept = keep_entries(&entries, |name| {
        match std::str::from_utf8(name).map(str::parse) {
            Ok(Ok(number)) => kernel.process.threads.has(number),
            _ => true,
        }
    });
    copy_out(buffer, &kept)?;
    Ok(kept.len() as u64)
}

/// The directory entries whose names `keeps` accepts.
fn keep_entries(mut entries: &[u8], keeps: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    const LEN: usize = 16;
    const NAME: usize = 19;
    let mut kept = Vec::with_capacity(entries.len());
    while let Some([low, high]) = entries.get(LEN..LEN + 2) {
        let len = usize::from(u16::from_le_bytes([*low, *high]));
        let Some((entry, rest)) = entries.split_at_checked(len.max(NAME)) else {
            break;
        };
        let name = entry[NAME..]
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        if keeps(name) {
            kept.extend_from_slice(entry);
        }
        entries = rest;
    }
    kept
}

/// A file descriptor from which `contents` can be read, once.
pub(super) fn open(contents: &[u8], flags: u64) -> Result<u64, Errno> {
    if flags & libc::O_ACCMODE as u64 != libc::O_RDONLY as u64 {
        return Err(Errno::EACCES);
    }
    let close_on_exec = if flags & libc::O_CLOEXEC as u64 != 0 {
        libc::MFD_CLOEXEC
    } else {
        0
    };
    let name = c"proc".as_ptr() as u64;
    let fd = host::call(
        libc::SYS_memfd_create,
        [name, u64::from(close_on_exec), 0, 0, 0, 0],
    )?;
    let mut written = 0;
    while written < contents.len() {
        let rest = &contents[written..];
        let arguments = [
            fd,
            rest.as_ptr() as u64,
            rest.len() as u64,
            written as u64,
            0,
            0,
        ];
        match host::call(libc::SYS_pwrite64, arguments) {
            Ok(count) if count > 0 => written += count as usize,
            _ => {
                host::call(libc::SYS_close, [fd, 0, 0, 0, 0, 0])?;
                return Err(Errno::ENOMEM);
            }
        }
    }
    Ok(fd)
}

/// What `/proc/cpuinfo` holds on the machine that the guest sees.
pub(super) fn cpu_info() -> Vec<u8> {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = String::new();
    for hart in 0..count {
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "processor\t: {hart}\nhart\t\t: {hart}\nisa\t\t: {ISA}\nmmu\t\t: sv39\n"
        );
    }
    text.into_bytes()
}

/// The names of the extensions that the decoder knows.
const ISA: &str = "rv64imafdc_zicntr_zicsr_zifencei_zba_zbb_zbs";

/// The guest's mappings in the kernel's format. Names come from the host's own list, which knows
/// what files are called.
fn maps(kernel: &Kernel) -> String {
    let host = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let memory = kernel.process.memory();
    let mut text = String::new();
    for vma in memory.space.iter() {
        let Vma {
            start,
            end,
            protection,
            backing,
        } = *vma;
        let letter = |bit, letter| {
            if protection.contains(bit) {
                letter
            } else {
                '-'
            }
        };
        let (offset, device, inode) = match backing {
            Backing::File(file) => (file.offset, file.device, file.inode),
            Backing::Segment(segment) => (segment.offset, 0, segment.id.cast_unsigned().into()),
            _ => (0, 0, 0),
        };
        let name = match backing {
            Backing::Heap => "[heap]",
            Backing::Stack => "[stack]",
            Backing::Vdso => "[vdso]",
            Backing::File(_) | Backing::Segment(_) => name_at(&host, start),
            Backing::Anonymous => "",
        };
        let prefix = format!(
            "{start:08x}-{end:08x} {}{}{}p {offset:08x} {:02x}:{:02x} {inode} ",
            letter(Protection::READ, 'r'),
            letter(Protection::WRITE, 'w'),
            letter(Protection::EXEC, 'x'),
            device >> 8 & 0xfff,
            device & 0xff,
        );
        // Names start at column 73. Writing to a string can't fail.
        let _ = if name.is_empty() {
            writeln!(text, "{prefix}")
        } else {
            writeln!(text, "{prefix:<72} {name}")
        };
    }
    text
}

/// The name of the file at `address` in a list of mappings.
fn name_at(maps: &str, address: u64) -> &str {
    let holds = |line: &&str| {
        let range = line
            .split(' ')
            .next()
            .and_then(|range| range.split_once('-'));
        range.is_some_and(|(start, end)| {
            let number = |text| u64::from_str_radix(text, 16).unwrap_or(0);
            (number(start)..number(end)).contains(&address)
        })
    };
    let line = maps.lines().find(holds).unwrap_or_default();
    line.find('/').map_or("", |start| &line[start..])
}

#[cfg(test)]
mod tests {
    use super::keep_entries;

    fn entry(name: &[u8]) -> Vec<u8> {
        let len = (19 + name.len() + 1).next_multiple_of(8);
        let mut entry = vec![0; len];
        entry[16..18].copy_from_slice(&(len as u16).to_le_bytes());
        entry[19..19 + name.len()].copy_from_slice(name);
        entry
    }

    #[test]
    fn entries_are_kept_by_name() {
        let names: [&[u8]; 4] = [b".", b"..", b"123", b"45678"];
        let all = names.map(entry).concat();
        assert_eq!(keep_entries(&all, |_| true), all);
        let kept = keep_entries(&all, |name| name != b"123");
        assert_eq!(kept, [entry(b"."), entry(b".."), entry(b"45678")].concat());
        // What is cut short, or says that it is, doesn't end badly.
        for len in 0..all.len() {
            let _ = keep_entries(&all[..len], |_| true);
        }
        let _ = keep_entries(&[0; 64], |_| true);
    }
}

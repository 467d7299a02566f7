//! ELF64 files as plain data: the header, the segments to load, the symbols.
//!
//! Everything here is checked against the bytes at hand; nothing is mapped and no file is opened.

use std::fmt;
use std::ops::Range;

use crate::memory::{PAGE, Protection};

/// Why a file isn't a program that this machine can start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfFault {
    /// The file doesn't start with an ELF header.
    NotElf,
    /// The file is for machines of another word size.
    Not64Bit,
    /// The file is for machines of the other byte order.
    NotLittleEndian,
    /// The file is for another machine, with this number.
    WrongMachine(u16),
    /// The file is neither an executable nor a position-independent one; its type has this number.
    NotExecutable(u16),
    /// The file wants a register file or calling convention that this machine lacks (`e_flags`).
    UnsupportedFlags(u32),
    /// The program header table has entries of another size, or too many, or none.
    ProgramHeaders,
    /// The file ends before something that its headers promise.
    Truncated {
        /// What is missing.
        what: &'static str,
        /// The offset at which the file would have to end, or later.
        end: u64,
        /// The file's length.
        len: u64,
    },
    /// A loadable segment is impossible.
    Segment {
        /// Its index in the program header table.
        index: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// No segment is loadable.
    NothingToLoad,
    /// The entry point is in no executable segment.
    EntryPoint(u64),
    /// The path of the dynamic loader that the program wants is no path.
    Interpreter,
}

impl fmt::Display for ElfFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => write!(f, "not an ELF file"),
            Self::Not64Bit => write!(f, "not a 64-bit ELF file"),
            Self::NotLittleEndian => write!(f, "not a little-endian ELF file"),
            Self::WrongMachine(machine) => write!(
                f,
                "an ELF file for {}, not for RISC-V",
                machine_name(*machine).map_or_else(|| format!("machine {machine}"), str::to_owned)
            ),
            Self::NotExecutable(kind) => {
                let name = match kind {
                    1 => "a relocatable object file",
                    4 => "a core dump",
                    _ => "an ELF file of an unknown type",
                };
                write!(f, "{name}, not an executable")
            }
            Self::UnsupportedFlags(flags) => {
                write!(
                    f,
                    "needs the RV32E/RV64E register file (e_flags {flags:#x})"
                )
            }
            Self::ProgramHeaders => write!(f, "the program header table is malformed"),
            Self::Truncated { what, end, len } => {
                write!(
                    f,
                    "truncated: {what} ends at byte {end}, the file at byte {len}"
                )
            }
            Self::Segment { index, what } => write!(f, "program header {index}: {what}"),
            Self::NothingToLoad => write!(f, "no loadable segment"),
            Self::EntryPoint(entry) => {
                write!(f, "the entry point {entry:#x} is in no executable segment")
            }
            Self::Interpreter => write!(f, "the path of its dynamic loader is malformed"),
        }
    }
}

/// Whether a file that starts with `head` claims to be a 64-bit RISC-V program, whatever else may be
/// wrong with it.
pub(crate) fn is_guest_program(head: &[u8]) -> bool {
    head.len() >= HEADER_LEN
        && head.starts_with(b"\x7fELF\x02\x01")
        && u16_at(head, 18) == MACHINE_RISCV
}

/// A name for the machines that a person is likely to meet.
fn machine_name(machine: u16) -> Option<&'static str> {
    Some(match machine {
        3 => "i386",
        8 => "MIPS",
        20 => "PowerPC",
        21 => "PowerPC64",
        22 => "S/390",
        40 => "ARM",
        62 => "x86-64",
        183 => "AArch64",
        258 => "LoongArch",
        _ => return None,
    })
}

/// A loadable segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its first address, before the load bias.
    pub(crate) address: u64,
    /// How many bytes of memory it takes.
    pub(crate) memory_len: u64,
    /// Where its bytes start in the file.
    pub(crate) file_offset: u64,
    /// How many bytes come from the file; the rest is zero.
    pub(crate) file_len: u64,
    /// What the guest may do with it.
    pub(crate) protection: Protection,
}

impl Segment {
    /// Whether the guest can run what the file holds there and can't change it.
    pub(crate) fn is_text(&self) -> bool {
        self.protection.contains(Protection::EXEC) && !self.protection.contains(Protection::WRITE)
    }
}

/// What loading a program needs to know of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ElfProgram {
    /// Whether it may be loaded at any address (`ET_DYN`).
    pub(crate) position_independent: bool,
    /// Its entry point, before the load bias.
    pub(crate) entry: u64,
    /// The address of its program headers, before the load bias; 0 where no segment holds them.
    pub(crate) program_headers: u64,
    /// How many program headers it has.
    pub(crate) program_header_count: u16,
    /// What to load, in the order of the file.
    pub(crate) segments: Vec<Segment>,
    /// Where in the file the path is of the dynamic loader that starts it, if it wants one. A library
    /// may have one too, and far from its headers.
    pub(crate) interpreter: Option<Range<u64>>,
}

/// The size of a program header.
pub(crate) const PROGRAM_HEADER_LEN: u64 = 56;
/// The size of the header at the start of a file.
pub(crate) const HEADER_LEN: usize = 64;

const TYPE_EXECUTABLE: u16 = 2;
const TYPE_SHARED: u16 = 3;
const MACHINE_RISCV: u16 = 243;
const FLAG_RVE: u32 = 8;
const SEGMENT_LOAD: u32 = 1;
const SEGMENT_INTERPRETER: u32 = 3;

impl ElfProgram {
    /// How many bytes from the start of a file [`parse`](Self::parse) wants to see, if `head` holds
    /// a header that tells.
    pub(crate) fn head_len(head: &[u8]) -> Option<u64> {
        let header = head.get(..HEADER_LEN)?;
        u64_at(header, 32).checked_add(u64::from(u16_at(header, 56)) * PROGRAM_HEADER_LEN)
    }

    /// Reads the headers of a program of `len` bytes that starts with the bytes `file`.
    pub(crate) fn parse(file: &[u8], len: u64) -> Result<Self, ElfFault> {
        let program = Self::parse_loadable(file, len)?;
        let entry = program.entry;
        let holds_entry = |segment: &&Segment| {
            segment.protection.contains(Protection::EXEC)
                && entry.wrapping_sub(segment.address) < segment.memory_len
        };
        if !entry.is_multiple_of(2) || program.segments.iter().find(holds_entry).is_none() {
            return Err(ElfFault::EntryPoint(entry));
        }
        Ok(program)
    }

    /// The same for a file that may have no entry point, as libraries don't.
    pub(crate) fn parse_loadable(file: &[u8], len: u64) -> Result<Self, ElfFault> {
        let header = file
            .get(..HEADER_LEN)
            .filter(|header| header.starts_with(b"\x7fELF"));
        let Some(header) = header else {
            let partial = file.starts_with(b"\x7fELF");
            return Err(if partial {
                truncated("the ELF header", 64, len)
            } else {
                ElfFault::NotElf
            });
        };
        check_identity(header)?;
        let kind = u16_at(header, 16);
        let entry = u64_at(header, 24);
        let table_offset = u64_at(header, 32);
        let count = u16_at(header, 56);
        if u64::from(u16_at(header, 54)) != PROGRAM_HEADER_LEN || count == 0 || count > 1024 {
            return Err(ElfFault::ProgramHeaders);
        }
        let table_len = u64::from(count) * PROGRAM_HEADER_LEN;
        let table = bytes_at(file, table_offset, table_len).ok_or_else(|| {
            truncated(
                "the program header table",
                table_offset.saturating_add(table_len),
                len,
            )
        })?;
        let mut segments = Vec::new();
        let mut wanted = None;
        for (index, entry) in table.chunks_exact(PROGRAM_HEADER_LEN as usize).enumerate() {
            match u32_at(entry, 0) {
                SEGMENT_LOAD => segments.extend(load_segment(index, entry, len)?),
                SEGMENT_INTERPRETER => wanted = Some(interpreter(entry, len)?),
                _ => {}
            }
        }
        if segments.is_empty() {
            return Err(ElfFault::NothingToLoad);
        }
        let program_headers = segments
            .iter()
            .find(|segment| {
                table_offset >= segment.file_offset
                    && table_offset - segment.file_offset < segment.file_len
            })
            .map_or(0, |segment| {
                table_offset - segment.file_offset + segment.address
            });
        Ok(Self {
            position_independent: kind == TYPE_SHARED,
            entry,
            program_headers,
            program_header_count: count,
            segments,
            interpreter: wanted,
        })
    }

    /// The addresses from the first segment's first page to the last segment's end, before the bias.
    pub(crate) fn span(&self) -> Range<u64> {
        let start = self
            .segments
            .iter()
            .map(|segment| segment.address)
            .min()
            .unwrap_or(0);
        let end = self
            .segments
            .iter()
            .map(|segment| segment.address + segment.memory_len)
            .max();
        crate::memory::page_floor(start)..end.unwrap_or(0)
    }
}

/// Checks class, byte order, machine, type and flags.
fn check_identity(header: &[u8]) -> Result<(), ElfFault> {
    let kind = u16_at(header, 16);
    let machine = u16_at(header, 18);
    let flags = u32_at(header, 48);
    match (header[4], header[5]) {
        (_, order) if order != 1 => Err(ElfFault::NotLittleEndian),
        (class, _) if class != 2 => Err(ElfFault::Not64Bit),
        _ if machine != MACHINE_RISCV => Err(ElfFault::WrongMachine(machine)),
        _ if kind != TYPE_EXECUTABLE && kind != TYPE_SHARED => Err(ElfFault::NotExecutable(kind)),
        _ if flags & FLAG_RVE != 0 => Err(ElfFault::UnsupportedFlags(flags)),
        _ => Ok(()),
    }
}

/// A loadable segment, or `None` where it is empty.
fn load_segment(index: usize, entry: &[u8], len: u64) -> Result<Option<Segment>, ElfFault> {
    let fault = |what| ElfFault::Segment { index, what };
    let flags = u32_at(entry, 4);
    let segment = Segment {
        address: u64_at(entry, 16),
        memory_len: u64_at(entry, 40),
        file_offset: u64_at(entry, 8),
        file_len: u64_at(entry, 32),
        protection: protection_of(flags),
    };
    if segment.memory_len == 0 {
        return Ok(None);
    }
    if segment.file_len > segment.memory_len {
        return Err(fault("more bytes in the file than in memory"));
    }
    let limit = rekindle_hart::guest_memory::GUEST_END;
    if segment
        .address
        .checked_add(segment.memory_len)
        .is_none_or(|end| end > limit)
    {
        return Err(fault("beyond the guest's address space"));
    }
    if segment.address % PAGE != segment.file_offset % PAGE {
        return Err(fault("address and file offset disagree within a page"));
    }
    let end = segment.file_offset.saturating_add(segment.file_len);
    if end > len {
        return Err(truncated("a loadable segment", end, len));
    }
    Ok(Some(segment))
}

/// `PF_X` = 1, `PF_W` = 2, `PF_R` = 4.
fn protection_of(flags: u32) -> Protection {
    let pick = |bit, protection| {
        if flags & bit != 0 {
            protection
        } else {
            Protection::NONE
        }
    };
    pick(1, Protection::EXEC)
        .union(pick(2, Protection::WRITE))
        .union(pick(4, Protection::READ))
}

/// The path in a `PT_INTERP` segment.
fn interpreter(entry: &[u8], file_len: u64) -> Result<Range<u64>, ElfFault> {
    let (offset, len) = (u64_at(entry, 8), u64_at(entry, 32));
    let end = offset.checked_add(len).filter(|end| *end <= file_len);
    end.map(|end| offset..end).ok_or(ElfFault::Interpreter)
}

/// The path that the file's bytes in [`ElfProgram::interpreter`] are.
pub(crate) fn interpreter_path(bytes: &[u8]) -> Result<Vec<u8>, ElfFault> {
    match bytes.split_last() {
        Some((0, path)) if !path.is_empty() && !path.contains(&0) => Ok(path.to_vec()),
        _ => Err(ElfFault::Interpreter),
    }
}

/// A function's name and addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ElfSymbol {
    /// Its address, before the load bias.
    pub(crate) address: u64,
    /// Its length in bytes, 0 where unknown.
    pub(crate) len: u64,
    /// Its name.
    pub(crate) name: String,
}

/// The functions that the symbol table of `file` names, by address; empty where it has none or is
/// malformed.
pub(crate) fn function_symbols(file: &[u8]) -> Vec<ElfSymbol> {
    let mut symbols = read_symbols(file).unwrap_or_default();
    symbols.sort_by(|a, b| (a.address, a.len, &b.name).cmp(&(b.address, b.len, &a.name)));
    symbols
}

fn read_symbols(file: &[u8]) -> Option<Vec<ElfSymbol>> {
    const SECTION_LEN: u64 = 64;
    const SYMBOL_LEN: usize = 24;
    const SYMBOL_TABLE: u32 = 2;
    const DYNAMIC_SYMBOLS: u32 = 11;
    // Many symbols may share one name: a file could ask for far more memory than it is long.
    const MAX_NAME_LEN: usize = 1024;
    let header = file.get(..HEADER_LEN)?;
    let count = u64::from(u16_at(header, 60));
    let sections = bytes_at(file, u64_at(header, 40), count * SECTION_LEN)?;
    let section = |index: usize| sections.chunks_exact(SECTION_LEN as usize).nth(index);
    let contents = |entry: &[u8]| bytes_at(file, u64_at(entry, 24), u64_at(entry, 32));
    let of_type = |kind| {
        sections
            .chunks_exact(SECTION_LEN as usize)
            .find(|entry| u32_at(entry, 4) == kind)
    };
    // A stripped file still says what it exports.
    let table = of_type(SYMBOL_TABLE).or_else(|| of_type(DYNAMIC_SYMBOLS))?;
    let names = contents(section(u32_at(table, 40) as usize)?)?;
    let mut symbols = Vec::new();
    for entry in contents(table)?.chunks_exact(SYMBOL_LEN) {
        let is_function = matches!(entry[4] & 15, 2 | 10);
        let is_defined = u16_at(entry, 6) != 0;
        if !is_function || !is_defined {
            continue;
        }
        let name = names.get(u32_at(entry, 0) as usize..)?;
        let name = &name[..name.len().min(MAX_NAME_LEN)];
        let name = name.split(|byte| *byte == 0).next()?;
        symbols.push(ElfSymbol {
            address: u64_at(entry, 8),
            len: u64_at(entry, 16),
            name: String::from_utf8_lossy(name).into_owned(),
        });
    }
    Some(symbols)
}

fn truncated(what: &'static str, end: u64, len: u64) -> ElfFault {
    ElfFault::Truncated { what, end, len }
}

/// `len` bytes of `file` from `offset`.
fn bytes_at(file: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    file.get(start..end)
}

/// The number at `offset` of a record that is long enough.
fn u16_at(record: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array_at(record, offset))
}

/// The number at `offset` of a record that is long enough.
fn u32_at(record: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array_at(record, offset))
}

/// The number at `offset` of a record that is long enough.
fn u64_at(record: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array_at(record, offset))
}

/// `N` bytes from `offset`, zeros where the record is shorter (callers slice records to length).
fn array_at<const N: usize>(record: &[u8], offset: usize) -> [u8; N] {
    record
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

#[cfg(test)]
#[path = "elf_tests.rs"]
mod tests;

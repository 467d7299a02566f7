//! The file around an image's parts: ELF, for `objdump`, `readelf`, `perf` and `gdb`.
//!
//! Our own reader believes nothing of it. The order of the file is that of [`FilePlan`]; addresses
//! are offsets plus the file's base, and the writable segment stands before them all.

use object::Endianness;
use object::elf;
use object::write::elf::{FileHeader, ProgramHeader, SectionHeader, SinglePhase, Sym, Writer};
use object::write::{GrowableBuffer, WritableBuffer};

use crate::image::header::{HEADER_OFFSET, HeaderFields};
use crate::image::plan::{Area, BuildError, DraftEntry, FilePlan, ImageDraft, OwnParts};

/// Indices of the sections, in the order of [`Sections::write_headers`].
#[derive(Clone, Copy)]
enum Index {
    Text = 1,
    Rodata = 2,
    Got = 4,
    Data = 5,
    Bss = 6,
}

const SEGMENT_COUNT: u32 = 5;

/// A file whose front is there before it is written: writing zeroes passes over it.
struct FileBuffer {
    bytes: Vec<u8>,
    /// Where the next byte goes.
    at: usize,
}

impl WritableBuffer for FileBuffer {
    fn reserve(&mut self, len: u64) -> Result<(), ()> {
        let len = usize::try_from(len).map_err(|_| ())?;
        self.bytes.reserve(len.saturating_sub(self.bytes.len()));
        Ok(())
    }

    fn write_bytes(&mut self, bytes: &[u8]) {
        let there = bytes.len().min(self.bytes.len() - self.at);
        let (over, behind) = bytes.split_at(there);
        self.bytes[self.at..self.at + there].copy_from_slice(over);
        self.bytes.extend_from_slice(behind);
        self.at += bytes.len();
    }

    fn write_zeros(&mut self, additional: u64) {
        self.at += additional as usize;
        if self.at > self.bytes.len() {
            self.bytes.resize(self.at, 0);
        }
    }
}

impl GrowableBuffer for FileBuffer {
    fn as_writable(&mut self) -> &mut dyn WritableBuffer {
        self
    }
}

/// Writes the file, which starts with `front`. `seal` gives the header once all else is there.
pub(crate) fn write(
    draft: &ImageDraft<'_>,
    plan: &FilePlan,
    front: Vec<u8>,
    own: &OwnParts,
    seal: impl FnOnce(&[u8]) -> [u8; HeaderFields::LEN],
) -> Result<Vec<u8>, BuildError> {
    let names = SymbolNames::of(draft);
    // What the symbols take is a guess: a buffer that grows is a buffer that is touched twice.
    let symbols_len = (names.bytes.len() + names.ends.len() * 32) as u64;
    let mut file = FileBuffer {
        bytes: front,
        at: 0,
    };
    file.reserve(plan.end + symbols_len + 4096)
        .map_err(|()| BuildError::Layout)?;
    let mut writer = Writer::new_single_phase(Endianness::Little, true, &mut file);
    write_front(&mut writer, draft)?;
    write_parts(&mut writer, draft, plan, own)?;
    write_symbols(&mut writer, draft, &names);
    writer.write_strtab().map_err(|_| BuildError::Layout)?;
    write_section_headers(&mut writer, draft, plan)?;
    let mut headers = Vec::new();
    writer
        .write_headers_to(&mut headers, &segments(draft, plan))
        .map_err(|_| BuildError::Layout)?;
    let FileBuffer {
        bytes: mut file, ..
    } = file;
    file[..headers.len()].copy_from_slice(&headers);
    let header = seal(&file);
    file[HEADER_OFFSET..HEADER_OFFSET + HeaderFields::LEN].copy_from_slice(&header);
    Ok(file)
}

type ImageWriter<'a> = Writer<'a, SinglePhase>;

fn write_front(writer: &mut ImageWriter<'_>, draft: &ImageDraft<'_>) -> Result<(), BuildError> {
    writer
        .write_file_header(&FileHeader {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: elf::ET_DYN,
            e_machine: elf::Machine(draft.identity.machine),
            e_entry: 0,
            e_flags: elf::FileFlags(0),
        })
        .map_err(|_| BuildError::Layout)?;
    writer.write_program_headers_placeholder(SEGMENT_COUNT);
    Ok(())
}

fn write_parts(
    writer: &mut ImageWriter<'_>,
    draft: &ImageDraft<'_>,
    plan: &FilePlan,
    own: &OwnParts,
) -> Result<(), BuildError> {
    // The file has everything up to here.
    writer.pad_until(plan.eh_frame + draft.eh_frame.len);
    let parts = [
        (plan.initial, &draft.initial),
        (plan.program, &own.program),
        (plan.calls, &own.calls),
        (plan.slots, &own.slots),
        (plan.records, &own.records),
        (plan.side, &own.side),
        (plan.kept, &own.kept),
    ];
    for (offset, bytes) in parts {
        write_at(writer, offset, bytes)?;
    }
    if writer.offset() == plan.end {
        Ok(())
    } else {
        Err(BuildError::Layout)
    }
}

fn write_at(writer: &mut ImageWriter<'_>, offset: u64, bytes: &[u8]) -> Result<(), BuildError> {
    if writer.offset() > offset {
        return Err(BuildError::Layout);
    }
    writer.pad_until(offset);
    writer.write(bytes);
    Ok(())
}

/// The names of all symbols, one behind the other: the entries', then the cells'.
#[derive(Default)]
struct SymbolNames {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl SymbolNames {
    fn of(draft: &ImageDraft<'_>) -> Self {
        let mut names = Self::default();
        for entry in &draft.entries {
            names.add(&[&entry.artifact.name]);
        }
        for cell in draft.cells {
            names.add(&[cell, "@got"]);
        }
        names
    }

    /// ELF's names end in a zero byte, so none may contain one.
    fn add(&mut self, parts: &[&str]) {
        for part in parts {
            let bytes = part.bytes();
            self.bytes
                .extend(bytes.map(|byte| if byte == 0 { b'?' } else { byte }));
        }
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.bytes[start..*end])
    }
}

/// Section, type, address and length of an entry's symbol: of its text, or of the data of an entry
/// that is nothing else.
fn entry_symbol(
    draft: &ImageDraft<'_>,
    entry: &DraftEntry<'_>,
) -> (Index, elf::SymbolType, u64, u64) {
    let DraftEntry {
        text, rodata, data, ..
    } = entry;
    let object = |index, address, len| (index, elf::STT_OBJECT, address, len);
    if text.len > 0 {
        (Index::Text, elf::STT_FUNC, text.address, text.len)
    } else if data.len > 0 {
        object(Index::Data, data.address, data.len)
    } else if entry.artifact.bss.size > 0 {
        object(
            Index::Bss,
            entry.bss_address,
            entry.artifact.bss.size.into(),
        )
    } else if rodata.address < draft.file_base {
        object(Index::Data, rodata.address, rodata.len)
    } else {
        object(Index::Rodata, rodata.address, rodata.len)
    }
}

fn write_symbols<'a>(writer: &mut ImageWriter<'a>, draft: &ImageDraft<'_>, names: &'a SymbolNames) {
    writer.write_null_symbol();
    let functions = draft.entries.iter().map(|entry| entry_symbol(draft, entry));
    let cells =
        (0..draft.cells.len() as u64).map(|cell| (Index::Got, elf::STT_OBJECT, cell * 8, 8));
    for ((section, kind, address, len), name) in functions.chain(cells).zip(names.iter()) {
        let name = writer.add_string(name);
        let symbol = Sym {
            section: Some(section as u32),
            st_name: writer.string_offset(Some(name)),
            st_info: elf::SymbolInfo::new(elf::STB_LOCAL, kind),
            st_other: elf::SymbolOther(0),
            st_shndx: elf::SymbolSection(0),
            st_value: address,
            st_size: len,
        };
        writer.write_symbol(&symbol);
    }
}

/// One section's name, kind, place and size.
struct Row {
    name: &'static [u8],
    kind: elf::SectionType,
    flags: elf::SectionFlags,
    address: u64,
    offset: u64,
    len: u64,
}

fn section_rows(draft: &ImageDraft<'_>, plan: &FilePlan) -> Vec<Row> {
    use elf::{SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS, SHT_PROGBITS};
    let base = draft.file_base;
    let read = SHF_ALLOC;
    let write = SHF_ALLOC | SHF_WRITE;
    let execute = SHF_ALLOC | SHF_EXECINSTR;
    let row = |name, flags, offset, len| Row {
        name,
        kind: SHT_PROGBITS,
        flags,
        address: base + offset,
        offset,
        len,
    };
    let own = |name, offset, end| row(name, read, offset, end - offset);
    let writable = |name, kind, Area { address, len }: Area| Row {
        name,
        kind,
        flags: write,
        address,
        offset: plan.initial + address,
        len,
    };
    let got = Area {
        address: 0,
        len: draft.cells.len() as u64 * 8,
    };
    let mut rows = vec![
        row(b".text", execute, plan.text, draft.text.len),
        row(b".rodata", read, plan.rodata, draft.rodata.len),
        row(b".eh_frame", read, plan.eh_frame, draft.eh_frame.len + 4),
        writable(b".got", SHT_PROGBITS, got),
        writable(b".data", SHT_PROGBITS, draft.data),
        writable(b".bss", SHT_NOBITS, draft.bss),
        row(
            b".rekindle.header",
            read,
            HEADER_OFFSET as u64,
            HeaderFields::LEN as u64,
        ),
        own(b".rekindle.slots", plan.slots, plan.records),
        own(b".rekindle.records", plan.records, plan.side),
        own(b".rekindle.side", plan.side, plan.kept),
        own(b".rekindle.kept", plan.kept, plan.end),
    ];
    if plan.calls < plan.slots {
        rows.push(own(b".rekindle.calls", plan.calls, plan.slots));
    }
    if draft.program.is_some() {
        rows.push(own(b".rekindle.program", plan.program, plan.calls));
    }
    rows
}

fn write_section_headers(
    writer: &mut ImageWriter<'_>,
    draft: &ImageDraft<'_>,
    plan: &FilePlan,
) -> Result<(), BuildError> {
    let rows = section_rows(draft, plan);
    let names: Vec<_> = rows
        .iter()
        .map(|row| writer.add_section_name(row.name))
        .collect();
    writer.write_shstrtab().map_err(|_| BuildError::Layout)?;
    writer.write_null_section_header();
    for (row, name) in rows.iter().zip(names) {
        let header = SectionHeader {
            sh_name: writer.section_name_offset(Some(name)),
            sh_type: row.kind,
            sh_flags: row.flags,
            sh_addr: row.address,
            sh_offset: row.offset,
            sh_size: row.len,
            sh_link: 0,
            sh_info: 0,
            sh_addralign: 8,
            sh_entsize: 0,
        };
        writer.write_section_header(&header);
    }
    // The symbol table's header refers to the string table's, so it comes second. All our symbols
    // are local, and the null symbol counts.
    writer.write_strtab_section_header();
    let local = draft.entries.len() + draft.cells.len() + 1;
    writer.write_symtab_section_header(local as u32);
    writer.write_shstrtab_section_header();
    Ok(())
}

fn segments(draft: &ImageDraft<'_>, plan: &FilePlan) -> [ProgramHeader; SEGMENT_COUNT as usize] {
    let base = draft.file_base;
    let segment = |flags, address, offset, file_len, memory_len| ProgramHeader {
        p_type: elf::PT_LOAD,
        p_flags: flags,
        p_offset: offset,
        p_vaddr: address,
        p_paddr: address,
        p_filesz: file_len,
        p_memsz: memory_len,
        p_align: draft.page_len,
    };
    let from_file =
        |flags, start, end| segment(flags, base + start, start, end - start, end - start);
    let initial_len = draft.data.address + draft.data.len;
    let writable_len = draft.bss.address + draft.bss.len;
    [
        segment(
            elf::PF_R | elf::PF_W,
            0,
            plan.initial,
            initial_len,
            writable_len,
        ),
        from_file(elf::PF_R, 0, plan.text),
        from_file(elf::PF_R | elf::PF_X, plan.text, plan.text + draft.text.len),
        from_file(
            elf::PF_R,
            plan.rodata,
            plan.eh_frame + draft.eh_frame.len + 4,
        ),
        from_file(elf::PF_R, plan.program, plan.end),
    ]
}

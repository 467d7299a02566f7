//! The start of an ELF file, where its headers are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::elf::{ElfProgram, HEADER_LEN};

/// How much of a file is read to find its headers.
const HEAD_LEN: usize = 4096;

/// The start of `file`: enough to hold its header and program headers, where those are sane.
pub(crate) fn read_head(file: &File, len: u64) -> io::Result<Vec<u8>> {
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
pub(crate) fn read_prefix(file: &File, len: usize) -> io::Result<Vec<u8>> {
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

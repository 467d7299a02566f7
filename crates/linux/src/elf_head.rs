//! The start of an ELF file, where its headers are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::elf::{ElfProgram, HEADER_LEN};

/// How much of a file is read to find its headers.
const HEAD_LEN: usize = 4096;

/// How far behind the start of a file its program headers are looked for. A file with holes may be longer
/// than memory, and say that they are at its end.
const MAX_HEAD_LEN: u64 = 64 << 20;

/// The start of `file`: enough to hold its header and program headers, where those are sane.
pub(crate) fn read_head(file: &File, len: u64) -> io::Result<Vec<u8>> {
    let mut head = read_prefix(file, HEAD_LEN)?;
    let wanted = ElfProgram::head_len(&head)
        .unwrap_or(HEADER_LEN as u64)
        .min(len)
        .min(MAX_HEAD_LEN);
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

#[cfg(test)]
mod tests {
    use super::{HEAD_LEN, MAX_HEAD_LEN, read_head};
    use std::io::Write;

    #[test]
    fn a_file_longer_than_memory_is_not_read_to_its_end() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        let mut header = [0; 64];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let len = 1_u64 << 42;
        header[32..40].copy_from_slice(&(len - 56).to_le_bytes());
        header[56] = 1;
        file.write_all(&header).expect("space");
        file.set_len(MAX_HEAD_LEN * 2)
            .expect("files may have holes");
        let head = read_head(&file, len).expect("it is read");
        assert!(head.len() as u64 <= MAX_HEAD_LEN && head.len() >= HEAD_LEN);
    }
}

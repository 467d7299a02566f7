//! ELF files for the harness: with a batch's code as one more segment, or that code as a library.

/// The size of a program header, and its types.
const HEADER_LEN: usize = 56;
const LOAD: u32 = 1;
const GNU_STACK: u32 = 0x6474_e551;
const PAGE: usize = 4096;

/// The `harness`, an ELF program, with `code` as one more segment at `address`, in place of its note
/// about the stack.
#[must_use]
pub(super) fn with_code(harness: &[u8], code: &[u8], address: u64) -> Option<Vec<u8>> {
    let mut file = harness.to_vec();
    let word = |file: &[u8], at: usize| {
        let bytes = file.get(at..at + 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    let headers = usize::try_from(word(&file, 32)?).ok()?;
    let count = usize::from(u16::from_le_bytes([*file.get(56)?, *file.get(57)?]));
    let header = (0..count)
        .map(|index| headers + index * HEADER_LEN)
        .find(|&at| file.get(at..at + 4) == Some(GNU_STACK.to_le_bytes().as_slice()))?;
    file.resize(file.len().next_multiple_of(PAGE), 0);
    let offset = file.len() as u64;
    let segment = load(offset, address, code.len() as u64);
    file[header..header + HEADER_LEN].copy_from_slice(&segment);
    file.extend(code);
    Some(file)
}

/// A library whose only segment is itself: `code`, which leaves room for its headers.
#[must_use]
pub(super) fn library(code: &[u8]) -> Vec<u8> {
    let mut file = code.to_vec();
    let mut head = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    head.resize(16, 0);
    // A shared object for RISC-V; its headers follow at once; double-precision floats, compression.
    head.extend(3_u16.to_le_bytes());
    head.extend(243_u16.to_le_bytes());
    head.extend(1_u32.to_le_bytes());
    for number in [0, 64, 0_u64] {
        head.extend(number.to_le_bytes());
    }
    head.extend(5_u32.to_le_bytes());
    for number in [64, HEADER_LEN as u16, 1, 64, 0, 0] {
        head.extend(number.to_le_bytes());
    }
    head.extend(load(0, 0, code.len() as u64));
    file[..head.len()].copy_from_slice(&head);
    file
}

fn load(offset: u64, address: u64, len: u64) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..4].copy_from_slice(&LOAD.to_le_bytes());
    // Read and execute.
    header[4..8].copy_from_slice(&5_u32.to_le_bytes());
    let numbers = [offset, address, address, len, len, PAGE as u64];
    for (index, number) in numbers.into_iter().enumerate() {
        header[8 + 8 * index..16 + 8 * index].copy_from_slice(&number.to_le_bytes());
    }
    header
}

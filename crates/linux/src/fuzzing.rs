//! Decoders of bytes from disk that only fuzzers call with bytes of their own.

use rekindle_hart::guest_memory::GUEST_END;

use crate::elf::{ElfProgram, function_symbols, interpreter_path, is_guest_program};

/// Reads a guest's file as the loader does. Returns how many segments it has, if it can be loaded.
///
/// # Panics
/// If what was read reaches outside the file, or outside the guest's addresses.
pub fn program(file: &[u8]) -> Option<usize> {
    let len = file.len() as u64;
    let _ = (is_guest_program(file), ElfProgram::head_len(file));
    let library = ElfProgram::parse_loadable(file, len).ok();
    let program = ElfProgram::parse(file, len).ok();
    assert!(program.is_none() || program == library);
    let program = library?;
    for segment in &program.segments {
        assert!(segment.file_offset + segment.file_len <= len);
        assert!(segment.file_len <= segment.memory_len);
        assert!(segment.address + segment.memory_len <= GUEST_END);
    }
    let span = program.span();
    assert!(span.start <= span.end && span.end <= GUEST_END);
    if let Some(place) = program.interpreter {
        let bytes = file.get(place.start as usize..place.end as usize);
        let path = interpreter_path(bytes.expect("it lies in the file"));
        assert!(path.is_err() || path.is_ok_and(|path| !path.contains(&0)));
    }
    Some(program.segments.len())
}

/// Reads the names of a file's functions. Returns how many there are.
///
/// # Panics
/// If they take more memory than a file of this length can ask for.
pub fn symbols(file: &[u8]) -> usize {
    let symbols = function_symbols(file);
    let bytes: usize = symbols.iter().map(|symbol| symbol.name.len()).sum();
    assert!(bytes <= 64 * file.len(), "{bytes} bytes of names");
    symbols.len()
}

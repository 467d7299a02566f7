//! The vDSO: the shared object that Linux maps into every process.
//!
//! Its functions make the calls of their names, and it holds the code to which signal handlers
//! return. Being a module with a digest, it is compiled and cached like any other text.

use rekindle_hart::guest_memory::copy_out;

use crate::elf::{self, ElfProgram};
use crate::errno::Errno;
use crate::memory::{Backing, MapRequest, Placement, Protection};
use crate::module::GuestModule;
use crate::process::Memory;

/// What `vdso/build.sh` makes of `vdso/vdso.S`.
static IMAGE: &[u8] = include_bytes!("../vdso/vdso.so");

/// The function to which signal handlers return.
const SIGNAL_RETURN: &str = "__vdso_rt_sigreturn";

/// The vDSO of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vdso {
    /// Where its ELF header is.
    pub(crate) base: u64,
    /// Where its function is to which signal handlers return.
    pub(crate) signal_return: u64,
}

/// Maps it.
pub(crate) fn map(memory: &mut Memory) -> Result<Vdso, Errno> {
    let len = IMAGE.len() as u64;
    // The file is ours: a test sees that it can be read.
    let segments = ElfProgram::parse_loadable(IMAGE, len)
        .map_err(|_| Errno::ENOEXEC)?
        .segments;
    let writable = Protection::READ.union(Protection::WRITE);
    let base = memory.space.map(MapRequest {
        backing: Backing::Vdso,
        ..MapRequest::anonymous(Placement::Anywhere, len, writable)
    })?;
    copy_out(base, IMAGE)?;
    let executable = Protection::READ.union(Protection::EXEC);
    memory.space.protect(base, len, executable)?;
    memory
        .modules
        .add(GuestModule::of_image("[vdso]", IMAGE, base, &segments));
    Ok(Vdso {
        base,
        signal_return: base + signal_return_offset(),
    })
}

fn signal_return_offset() -> u64 {
    let symbols = elf::function_symbols(IMAGE);
    let symbol = symbols.iter().find(|symbol| symbol.name == SIGNAL_RETURN);
    symbol.map_or(0, |symbol| symbol.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_one_segment_of_text_with_the_return_from_signals() {
        let program =
            ElfProgram::parse_loadable(IMAGE, IMAGE.len() as u64).expect("it is an ELF file");
        assert!(program.position_independent);
        let [segment] = program.segments.as_slice() else {
            panic!("{:?}", program.segments);
        };
        assert!(segment.is_text());
        assert_eq!((segment.address, segment.file_offset), (0, 0));
        let offset = signal_return_offset() as usize;
        // li a7, 139; ecall: unwinders know them by sight.
        let code = [0x93, 0x08, 0xb0, 0x08, 0x73, 0x00, 0x00, 0x00];
        assert_eq!(IMAGE[offset..offset + 8], code);
    }
}

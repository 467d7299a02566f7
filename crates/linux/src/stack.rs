//! The initial stack: `argc`, `argv`, `envp` and the auxiliary vector, laid out as Linux does.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use rekindle_hart::guest_memory::{self, GUEST_END};

use crate::errno::Errno;
use crate::host;
use crate::loader::LoadedProgram;
use crate::memory::{AddressSpace, Backing, MapRequest, PAGE, Placement, Protection};

/// The address after the stack's last: a page is left free below the end of the address space, so
/// that no access straddles it.
pub(crate) const TOP: u64 = GUEST_END - PAGE;
/// The least address that a stack can have.
pub(crate) const LOWEST: u64 = TOP - *STACK_LEN.end();
/// The least and the largest stack that is mapped; the host's limit chooses between.
const STACK_LEN: std::ops::RangeInclusive<u64> = 0x80_0000..=0xe00_0000;

/// The bits of `AT_HWCAP`: one for each single-letter extension of IMAFDC.
const HWCAP: u64 =
    letter(b'I') | letter(b'M') | letter(b'A') | letter(b'F') | letter(b'D') | letter(b'C');

const fn letter(name: u8) -> u64 {
    1 << (name - b'A')
}

/// Who runs the guest, and what the host gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessFacts {
    /// Where the vDSO is.
    pub(crate) vdso: u64,
    /// Real user.
    pub(crate) uid: u64,
    /// Effective user.
    pub(crate) euid: u64,
    /// Real group.
    pub(crate) gid: u64,
    /// Effective group.
    pub(crate) egid: u64,
    /// Ticks per second of `times`.
    pub(crate) clock_ticks: u64,
    /// Bytes for the guest's stack protector and pointer guard.
    pub(crate) random: [u8; 16],
    /// The host's limit on stacks, in bytes.
    pub(crate) stack_limit: u64,
}

/// The initial stack, as it was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InitialStack {
    /// The initial stack pointer.
    pub(crate) pointer: u64,
    /// The auxiliary vector's bytes.
    pub(crate) auxiliary_vector: Vec<u8>,
}

/// Why there is no initial stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StackError {
    /// The host has no memory for it.
    Memory(Errno),
    /// Arguments and environment are too long.
    TooLong,
}

/// Maps the stack and fills it.
pub(crate) fn build(
    space: &mut AddressSpace,
    program: &LoadedProgram,
    args: &[OsString],
    env: &[OsString],
    facts: &ProcessFacts,
) -> Result<InitialStack, StackError> {
    let len = facts
        .stack_limit
        .clamp(*STACK_LEN.start(), *STACK_LEN.end())
        & !(PAGE - 1);
    let start = TOP - len;
    let request = MapRequest {
        flags: (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as u64,
        backing: Backing::Stack,
        ..MapRequest::anonymous(
            Placement::FixedIfFree(start),
            len,
            Protection::READ.union(Protection::WRITE),
        )
    };
    space.map(request).map_err(StackError::Memory)?;
    let (pointer, image, auxiliary_vector) = image(TOP, program, args, env, facts);
    if image.len() as u64 > len / 4 {
        return Err(StackError::TooLong);
    }
    guest_memory::copy_out(pointer, &image).map_err(|_| StackError::Memory(Errno::EFAULT))?;
    Ok(InitialStack {
        pointer,
        auxiliary_vector,
    })
}

/// The initial stack pointer, the bytes from there up to `top`, and the auxiliary vector alone.
fn image(
    top: u64,
    program: &LoadedProgram,
    args: &[OsString],
    env: &[OsString],
    facts: &ProcessFacts,
) -> (u64, Vec<u8>, Vec<u8>) {
    // From the top down: a null double-word, the file's name, environment, arguments, random bytes.
    let mut strings = Strings { bytes: Vec::new() };
    let args: Vec<u64> = args
        .iter()
        .map(|arg| strings.push(arg.as_bytes()))
        .collect();
    let env: Vec<u64> = env
        .iter()
        .map(|entry| strings.push(entry.as_bytes()))
        .collect();
    let file_name = strings.push(program.given_path.as_os_str().as_bytes());
    strings.bytes.extend_from_slice(&[0; 8]);
    let strings_start = top - strings.bytes.len() as u64;
    let random = (strings_start - 16) & !15;

    let at = |offset: &u64| strings_start + offset;
    let mut words = vec![args.len() as u64];
    words.extend(args.iter().map(at));
    words.push(0);
    words.extend(env.iter().map(at));
    words.push(0);
    let vector = auxiliary_vector(program, facts, random, at(&file_name));
    let vector: Vec<u64> = vector.into_iter().flat_map(<[u64; 2]>::from).collect();
    words.extend(&vector);
    let pointer = (random - words.len() as u64 * 8) & !15;

    let bytes =
        |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let mut image = bytes(&words);
    image.resize((random - pointer) as usize, 0);
    image.extend_from_slice(&facts.random);
    image.resize((strings_start - pointer) as usize, 0);
    image.extend_from_slice(&strings.bytes);
    (pointer, image, bytes(&vector))
}

/// The auxiliary vector, its terminator included, in the order in which Linux writes it.
fn auxiliary_vector(
    program: &LoadedProgram,
    facts: &ProcessFacts,
    random: u64,
    file_name: u64,
) -> Vec<(u64, u64)> {
    const AT_HWCAP2: u64 = 26;
    let mut vector = vec![
        (libc::AT_SYSINFO_EHDR, facts.vdso),
        (libc::AT_HWCAP, HWCAP),
        (libc::AT_PAGESZ, PAGE),
        (libc::AT_CLKTCK, facts.clock_ticks),
        (libc::AT_PHDR, program.program_headers),
        (libc::AT_PHENT, crate::elf::PROGRAM_HEADER_LEN),
        (libc::AT_PHNUM, u64::from(program.program_header_count)),
        (libc::AT_BASE, program.interpreter_base),
        (libc::AT_FLAGS, 0),
        (libc::AT_ENTRY, program.entry),
        (libc::AT_UID, facts.uid),
        (libc::AT_EUID, facts.euid),
        (libc::AT_GID, facts.gid),
        (libc::AT_EGID, facts.egid),
        (
            libc::AT_SECURE,
            host::auxiliary_value(libc::AT_SECURE)
                | u64::from(facts.uid != facts.euid || facts.gid != facts.egid),
        ),
        (libc::AT_RANDOM, random),
        (AT_HWCAP2, 0),
        (libc::AT_EXECFN, file_name),
    ];
    vector.push((libc::AT_NULL, 0));
    vector
}

/// NUL-terminated strings one after another.
struct Strings {
    bytes: Vec<u8>,
}

impl Strings {
    /// Adds a string, cut at its first NUL, and returns its offset.
    fn push(&mut self, string: &[u8]) -> u64 {
        let offset = self.bytes.len() as u64;
        let end = string
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(string.len());
        self.bytes.extend_from_slice(&string[..end]);
        self.bytes.push(0);
        offset
    }
}

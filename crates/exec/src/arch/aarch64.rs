//! AArch64: data cache to the point of unification, then the instruction cache, line by line (Arm
//! ARM B2.4.4). The barriers order this core; another core that may have fetched the addresses
//! earlier needs an `isb`, which a first jump to memory that was never executable makes moot. Where there
//! was other code before, the kernel has every core do one.

pub(super) fn make_coherent(start: *const u8, len: usize) {
    let (data_line, instruction_line) = line_lengths();
    let start = start.addr();
    let end = start + len;
    for address in (start & !(data_line - 1)..end).step_by(data_line) {
        clean_data(address);
    }
    barrier();
    for address in (start & !(instruction_line - 1)..end).step_by(instruction_line) {
        invalidate_instructions(address);
    }
    barrier();
    synchronise();
}

/// The smallest lines of the data and instruction caches, in bytes, from `CTR_EL0`.
#[expect(unsafe_code, reason = "reads a register")]
fn line_lengths() -> (usize, usize) {
    let caches: u64;
    // SAFETY: Linux lets programs read `CTR_EL0`, or emulates it.
    unsafe {
        core::arch::asm!("mrs {}, ctr_el0", out(reg) caches, options(nomem, nostack));
    }
    (4 << (caches >> 16 & 15), 4 << (caches & 15))
}

#[expect(unsafe_code, reason = "cache maintenance has no other form")]
fn clean_data(address: usize) {
    // SAFETY: cleaning a line of mapped memory changes no contents.
    unsafe {
        core::arch::asm!("dc cvau, {}", in(reg) address, options(nostack));
    }
}

#[expect(unsafe_code, reason = "cache maintenance has no other form")]
fn invalidate_instructions(address: usize) {
    // SAFETY: instruction caches hold no data, so nothing is lost.
    unsafe {
        core::arch::asm!("ic ivau, {}", in(reg) address, options(nostack));
    }
}

#[expect(unsafe_code, reason = "cache maintenance has no other form")]
fn barrier() {
    // SAFETY: a barrier only waits.
    unsafe {
        core::arch::asm!("dsb ish", options(nostack));
    }
}

#[expect(unsafe_code, reason = "cache maintenance has no other form")]
fn synchronise() {
    // SAFETY: a barrier only waits.
    unsafe {
        core::arch::asm!("isb", options(nostack));
    }
}

/// `membarrier`'s commands: for every core that runs this process, and to say that this will be asked.
const SYNC_CORE: libc::c_int = 1 << 5;
const REGISTER_SYNC_CORE: libc::c_int = 1 << 6;

pub(super) fn forget_old_code() {
    // A kernel without it has no quicker way either: there the other cores are interrupted as pages
    // change what they allow.
    if membarrier(SYNC_CORE) != 0 && membarrier(REGISTER_SYNC_CORE) == 0 {
        membarrier(SYNC_CORE);
    }
}

#[expect(unsafe_code, reason = "the one call")]
fn membarrier(command: libc::c_int) -> libc::c_long {
    // SAFETY: the call changes no memory.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
}

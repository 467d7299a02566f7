//! Calls about the process: its end, its limits, what machine it runs on.

use rekindle_hart::guest_memory::{GUEST_END, copy_out, load64, store64};
use rekindle_hart::{GuestState, TIMER_HZ};

use super::{Kernel, code};
use crate::errno::Errno;
use crate::host;

/// Succeeds, having done nothing: the call is a promise or a wish that needs no action.
pub(super) fn accept(_: &mut Kernel, _: &mut GuestState, _: [u64; 6]) -> Result<u64, Errno> {
    Ok(0)
}

/// Only the question is answered: the engine's personality isn't the guest's to change.
pub(super) fn personality(
    _: &mut Kernel,
    _: &mut GuestState,
    [wanted, ..]: [u64; 6],
) -> Result<u64, Errno> {
    match wanted as u32 {
        0 | u32::MAX => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn uname(
    _: &mut Kernel,
    _: &mut GuestState,
    [buffer, ..]: [u64; 6],
) -> Result<u64, Errno> {
    // Six fields of 65 bytes: system, node, release, version, machine, domain.
    const FIELD_LEN: usize = 65;
    let mut names = [0_u8; 6 * FIELD_LEN];
    host::call(libc::SYS_uname, [names.as_mut_ptr() as u64, 0, 0, 0, 0, 0])?;
    let machine = &mut names[4 * FIELD_LEN..5 * FIELD_LEN];
    machine.fill(0);
    machine[..7].copy_from_slice(b"riscv64");
    copy_out(buffer, &names)?;
    Ok(0)
}

/// Whether a limit would bind the engine beside the guest; setting it is accepted and forgotten.
fn binds_engine(resource: u64) -> bool {
    let memory = [
        libc::RLIMIT_AS,
        libc::RLIMIT_DATA,
        libc::RLIMIT_STACK,
        libc::RLIMIT_RSS,
    ];
    memory.iter().any(|limit| u64::from(*limit) == resource)
}

pub(super) fn setrlimit(
    _: &mut Kernel,
    _: &mut GuestState,
    arguments: [u64; 6],
) -> Result<u64, Errno> {
    if binds_engine(arguments[0]) {
        return Ok(0);
    }
    host::call(libc::SYS_setrlimit, arguments)
}

pub(super) fn prlimit64(
    _: &mut Kernel,
    _: &mut GuestState,
    mut arguments: [u64; 6],
) -> Result<u64, Errno> {
    if binds_engine(arguments[1]) {
        arguments[2] = 0;
    }
    host::call(libc::SYS_prlimit64, arguments)
}

/// Options that concern names and permissions pass; those that would change the engine's thread
/// (speculation, seccomp, timer traps) don't.
pub(super) fn prctl(_: &mut Kernel, _: &mut GuestState, arguments: [u64; 6]) -> Result<u64, Errno> {
    const PASSED: &[i32] = &[
        libc::PR_SET_PDEATHSIG,
        libc::PR_GET_PDEATHSIG,
        libc::PR_GET_DUMPABLE,
        libc::PR_SET_DUMPABLE,
        libc::PR_SET_NAME,
        libc::PR_GET_NAME,
        libc::PR_SET_NO_NEW_PRIVS,
        libc::PR_GET_NO_NEW_PRIVS,
        libc::PR_CAPBSET_READ,
    ];
    const PR_RISCV_SET_ICACHE_FLUSH_CTX: i32 = 71;
    if arguments[0] as i32 == PR_RISCV_SET_ICACHE_FLUSH_CTX {
        code::set_icache_flush_context(arguments)
    } else if PASSED.contains(&(arguments[0] as i32)) {
        host::call(libc::SYS_prctl, arguments)
    } else {
        Err(Errno::EINVAL)
    }
}

/// Tells which extensions there are: exactly those that the decoder knows.
pub(super) fn riscv_hwprobe(
    _: &mut Kernel,
    _: &mut GuestState,
    [pairs, count, _, _, flags, _]: [u64; 6],
) -> Result<u64, Errno> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    for index in 0..count {
        let pair = pairs.wrapping_add(index.wrapping_mul(16));
        let answer = match load64(pair)? {
            // Vendor, architecture and implementation: no one's.
            0..=2 => Some(0),
            // The base behaviour: IMA.
            3 => Some(1),
            // Extensions: F and D, C, Zba, Zbb, Zbs.
            4 => Some(0x3b),
            // Misaligned scalar accesses are fast.
            5 | 9 => Some(3),
            // There is no Zicboz.
            6 => Some(0),
            7 => Some(GUEST_END - 1),
            8 => Some(TIMER_HZ),
            _ => None,
        };
        if answer.is_none() {
            store64(pair, u64::MAX)?;
        }
        store64(pair.wrapping_add(8), answer.unwrap_or(0))?;
    }
    Ok(0)
}

/// The time of a clock. Asked so often that the host's vDSO answers.
pub(super) fn clock_gettime(
    _: &mut Kernel,
    _: &mut GuestState,
    [clock, buffer, ..]: [u64; 6],
) -> Result<u64, Errno> {
    let [seconds, nanoseconds] = host::clock_time(clock as i32)?;
    store64(buffer, seconds.cast_unsigned())?;
    store64(buffer.wrapping_add(8), nanoseconds.cast_unsigned())?;
    Ok(0)
}

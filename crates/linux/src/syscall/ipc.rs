//! System V's shared memory, which has a place in the guest's memory map, and what of its
//! semaphores is laid out otherwise than on this host.

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::copy_out;

use super::Kernel;
use crate::errno::Errno;
use crate::host;

/// The size of the host's `struct shmid_ds`.
const SHMID_DS_LEN: usize = size_of::<libc::shmid_ds>();
/// Where in it the segment's size is, behind its permissions.
const SEGMENT_LEN_AT: usize = size_of::<libc::ipc_perm>();

pub(super) fn shmat(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [id, address, flags, ..]: [u64; 6],
) -> Result<u64, Errno> {
    let len = segment_len(id)?;
    kernel.change_memory(|memory| memory.space.attach(id as i32, len, address, flags))
}

pub(super) fn shmdt(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [address, ..]: [u64; 6],
) -> Result<u64, Errno> {
    kernel
        .change_memory(|memory| memory.space.detach(address))
        .map(|()| 0)
}

fn segment_len(id: u64) -> Result<u64, Errno> {
    let mut status = [0_u8; SHMID_DS_LEN];
    let address = status.as_mut_ptr() as u64;
    let command = libc::IPC_STAT as u64;
    host::call(libc::SYS_shmctl, [id, command, address, 0, 0, 0])?;
    let len = status[SEGMENT_LEN_AT..].first_chunk().copied();
    Ok(u64::from_le_bytes(len.unwrap_or_default()))
}

/// `struct semid_ds` has a reserved word behind each of its times on x86-64, and none on RISC-V.
pub(super) fn semctl(
    _: &mut Kernel,
    _: &mut GuestState,
    [id, number, command, argument, ..]: [u64; 6],
) -> Result<u64, Errno> {
    const SEM_STAT_ANY: i32 = 20;
    const HOST_LEN: usize = size_of::<libc::semid_ds>();
    const TIMES_AT: usize = size_of::<libc::ipc_perm>();
    let reports = [libc::IPC_STAT, libc::SEM_STAT, SEM_STAT_ANY].contains(&(command as i32));
    if !reports {
        return host::call(libc::SYS_semctl, [id, number, command, argument, 0, 0]);
    }
    let mut status = [0_u8; HOST_LEN];
    let address = status.as_mut_ptr() as u64;
    let result = host::call(libc::SYS_semctl, [id, number, command, address, 0, 0])?;
    let (permissions, rest) = status.split_at(TIMES_AT);
    let (operated, changed, rest) = (&rest[..8], &rest[16..24], &rest[32..]);
    copy_out(argument, &[permissions, operated, changed, rest].concat())?;
    Ok(result)
}

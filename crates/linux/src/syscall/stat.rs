//! `struct stat` as RISC-V lays it out, made from the host's `statx`, which is the same everywhere.

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::copy_out;

use super::statx::{Statx, query_fd};
use super::{Kernel, file};
use crate::errno::Errno;

/// The size of RISC-V's `struct stat`.
const STAT_LEN: usize = 128;

/// As RISC-V's `struct stat`.
fn to_guest(statx: &Statx) -> [u8; STAT_LEN] {
    let mut stat = [0_u8; STAT_LEN];
    let mut put = |offset: usize, bytes: &[u8]| {
        stat[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    put(0, &statx.device(136).to_le_bytes());
    put(8, &statx.bytes::<8>(32)); // inode
    put(
        16,
        &u32::from(u16::from_le_bytes(statx.bytes(28))).to_le_bytes(),
    ); // mode
    put(20, &statx.bytes::<12>(16)); // links, user, group
    put(32, &statx.device(128).to_le_bytes());
    put(48, &statx.bytes::<8>(40)); // size
    put(56, &statx.bytes::<4>(4)); // block size
    put(64, &statx.bytes::<8>(48)); // blocks
    for (to, from) in [(72, 64), (88, 112), (104, 96)] {
        // Times of access, modification, change: seconds, then nanoseconds, 32 bits of them.
        put(to, &statx.bytes::<12>(from));
    }
    stat
}

pub(super) fn fstat(
    _: &mut Kernel,
    _: &mut GuestState,
    [fd, buffer, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if (fd as i32) < 0 {
        return Err(Errno(libc::EBADF));
    }
    copy_out(buffer, &to_guest(&query_fd(fd)?))?;
    Ok(0)
}

pub(super) fn newfstatat(
    kernel: &mut Kernel,
    _: &mut GuestState,
    [directory, path, buffer, flags, ..]: [u64; 6],
) -> Result<u64, Errno> {
    let known = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT | libc::AT_EMPTY_PATH;
    if flags & !(known as u64) != 0 {
        return Err(Errno::EINVAL);
    }
    let follows = flags & libc::AT_SYMLINK_NOFOLLOW as u64 == 0;
    let path = file::GuestPath::new(kernel, path, follows);
    let statx = Statx::query(directory, path.address(), flags)?;
    copy_out(buffer, &to_guest(&statx))?;
    Ok(0)
}

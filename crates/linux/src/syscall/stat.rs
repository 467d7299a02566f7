//! `struct stat` as RISC-V lays it out, made from the host's `statx`, which is the same everywhere.

use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::copy_out;

use super::{Kernel, file};
use crate::errno::Errno;
use crate::host;

/// The basic fields of `statx`.
const BASIC_STATS: u64 = libc::STATX_BASIC_STATS as u64;
/// The size of `struct statx`.
const STATX_LEN: usize = 256;
/// The size of RISC-V's `struct stat`.
const STAT_LEN: usize = 128;

/// A `struct statx` as the kernel wrote it.
struct Statx([u8; STATX_LEN]);

impl Statx {
    /// Asks the host.
    fn query(directory: u64, path: u64, flags: u64) -> Result<Self, Errno> {
        let mut buffer = [0_u8; STATX_LEN];
        let address = buffer.as_mut_ptr() as u64;
        host::call(
            libc::SYS_statx,
            [directory, path, flags, BASIC_STATS, address, 0],
        )?;
        Ok(Self(buffer))
    }

    fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.0[offset..].first_chunk().copied().unwrap_or([0; N])
    }

    fn u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.bytes(offset))
    }

    /// The device number whose major and minor parts are at `offset`, encoded as the kernel does.
    fn device(&self, offset: usize) -> u64 {
        let (major, minor) = (self.u32(offset), self.u32(offset + 4));
        u64::from(minor & 0xff | major << 8 | (minor & !0xff) << 12)
    }

    /// As RISC-V's `struct stat`.
    fn to_guest(&self) -> [u8; STAT_LEN] {
        let mut stat = [0_u8; STAT_LEN];
        let mut put = |offset: usize, bytes: &[u8]| {
            stat[offset..offset + bytes.len()].copy_from_slice(bytes);
        };
        put(0, &self.device(136).to_le_bytes());
        put(8, &self.bytes::<8>(32)); // inode
        put(
            16,
            &u32::from(u16::from_le_bytes(self.bytes(28))).to_le_bytes(),
        ); // mode
        put(20, &self.bytes::<12>(16)); // links, user, group
        put(32, &self.device(128).to_le_bytes());
        put(48, &self.bytes::<8>(40)); // size
        put(56, &self.bytes::<4>(4)); // block size
        put(64, &self.bytes::<8>(48)); // blocks
        for (to, from) in [(72, 64), (88, 112), (104, 96)] {
            // Times of access, modification, change: seconds, then nanoseconds, 32 bits of them.
            put(to, &self.bytes::<12>(from));
        }
        stat
    }
}

/// Device and inode of an open file.
pub(super) fn identity(fd: i32) -> Result<(u64, u64), Errno> {
    let statx = query_fd(i64::from(fd).cast_unsigned())?;
    Ok((statx.device(136), u64::from_le_bytes(statx.bytes(32))))
}

fn query_fd(fd: u64) -> Result<Statx, Errno> {
    Statx::query(fd, c"".as_ptr() as u64, libc::AT_EMPTY_PATH as u64)
}

pub(super) fn fstat(
    _: &mut Kernel,
    _: &mut GuestState,
    [fd, buffer, ..]: [u64; 6],
) -> Result<u64, Errno> {
    if (fd as i32) < 0 {
        return Err(Errno(libc::EBADF));
    }
    copy_out(buffer, &query_fd(fd)?.to_guest())?;
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
    copy_out(buffer, &statx.to_guest())?;
    Ok(0)
}

//! The host's `statx`, which is the same everywhere.

use crate::errno::Errno;
use crate::host;

/// The basic fields of `statx`.
const BASIC_STATS: u64 = libc::STATX_BASIC_STATS as u64;
/// The size of `struct statx`.
const STATX_LEN: usize = 256;

/// A `struct statx` as the kernel wrote it.
pub(super) struct Statx([u8; STATX_LEN]);

impl Statx {
    /// Asks the host.
    pub(super) fn query(directory: u64, path: u64, flags: u64) -> Result<Self, Errno> {
        let mut buffer = [0_u8; STATX_LEN];
        let address = buffer.as_mut_ptr() as u64;
        host::call(
            libc::SYS_statx,
            [directory, path, flags, BASIC_STATS, address, 0],
        )?;
        Ok(Self(buffer))
    }

    /// The field of this length at `offset`.
    pub(super) fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.0[offset..].first_chunk().copied().unwrap_or([0; N])
    }

    /// Device and inode.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.device(136), u64::from_le_bytes(self.bytes(32)))
    }

    fn u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.bytes(offset))
    }

    /// The device number whose major and minor parts are at `offset`, encoded as the kernel does.
    pub(super) fn device(&self, offset: usize) -> u64 {
        let (major, minor) = (self.u32(offset), self.u32(offset + 4));
        u64::from(minor & 0xff | major << 8 | (minor & !0xff) << 12)
    }
}

/// Device and inode of an open file.
pub(super) fn identity(fd: i32) -> Result<(u64, u64), Errno> {
    file_facts(i64::from(fd).cast_unsigned()).map(|facts| facts.place)
}

/// What [`file_facts`] tells of an open file.
pub(super) struct FileFacts {
    /// Device and inode.
    pub(super) place: (u64, u64),
    /// Whether it says that it has no bytes, as files of `/proc` do.
    pub(super) is_empty: bool,
    /// Whether it is a regular file.
    pub(super) is_regular: bool,
}

/// What file the descriptor `fd` is of.
pub(super) fn file_facts(fd: u64) -> Result<FileFacts, Errno> {
    let statx = query_fd(fd)?;
    let mode = u32::from(u16::from_le_bytes(statx.bytes(28)));
    Ok(FileFacts {
        place: statx.place(),
        is_empty: u64::from_le_bytes(statx.bytes(40)) == 0,
        is_regular: mode & libc::S_IFMT == libc::S_IFREG,
    })
}

/// Asks about the open file `fd`.
pub(super) fn query_fd(fd: u64) -> Result<Statx, Errno> {
    Statx::query(fd, c"".as_ptr() as u64, libc::AT_EMPTY_PATH as u64)
}

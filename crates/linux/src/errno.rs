//! Error numbers as Linux system calls return them; the same on every architecture we know.

/// An error number, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// Not for the guest: the call was not made, and is to be made again.
    pub(crate) const RESTART: Self = Self(512);
    pub(crate) const ENOENT: Self = Self(libc::ENOENT);
    pub(crate) const ENOEXEC: Self = Self(libc::ENOEXEC);
    pub(crate) const E2BIG: Self = Self(libc::E2BIG);
    pub(crate) const ENAMETOOLONG: Self = Self(libc::ENAMETOOLONG);
    pub(crate) const EINTR: Self = Self(libc::EINTR);
    /// No thread or process can be had now.
    pub const EAGAIN: Self = Self(libc::EAGAIN);
    pub(crate) const ENOMEM: Self = Self(libc::ENOMEM);
    pub(crate) const EACCES: Self = Self(libc::EACCES);
    pub(crate) const EFAULT: Self = Self(libc::EFAULT);
    pub(crate) const EEXIST: Self = Self(libc::EEXIST);
    pub(crate) const EINVAL: Self = Self(libc::EINVAL);
    pub(crate) const ENOSYS: Self = Self(libc::ENOSYS);
}

impl From<rekindle_hart::guest_memory::AccessFault> for Errno {
    fn from(_: rekindle_hart::guest_memory::AccessFault) -> Self {
        Self::EFAULT
    }
}

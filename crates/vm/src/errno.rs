//! Error numbers as Linux system calls return them; the same on every architecture we know.

/// An error number, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    pub(crate) const EINTR: Self = Self(libc::EINTR);
    pub(crate) const EAGAIN: Self = Self(libc::EAGAIN);
    pub(crate) const ENOMEM: Self = Self(libc::ENOMEM);
    pub(crate) const EACCES: Self = Self(libc::EACCES);
    pub(crate) const EFAULT: Self = Self(libc::EFAULT);
    pub(crate) const EEXIST: Self = Self(libc::EEXIST);
    pub(crate) const EINVAL: Self = Self(libc::EINVAL);
    pub(crate) const EPIPE: Self = Self(libc::EPIPE);
    pub(crate) const ENOSYS: Self = Self(libc::ENOSYS);
}

impl From<crate::guest_memory::AccessFault> for Errno {
    fn from(_: crate::guest_memory::AccessFault) -> Self {
        Self::EFAULT
    }
}

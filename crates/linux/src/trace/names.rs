//! The names of constants in system calls' arguments. They are RISC-V's and the host's alike.

/// A constant's value and name.
pub(super) type Name = (u64, &'static str);

/// Constants of `libc` with their names.
macro_rules! names {
    ($($name:ident)*) => {
        &[$((libc::$name as u64, stringify!($name))),*]
    };
}

/// How an argument is made of constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// The bits that hold one of the `values`.
    mask: u64,
    values: &'static [Name],
    /// Constants of which any number may be there.
    flags: &'static [Name],
}

const fn values(values: &'static [Name]) -> Names {
    Names {
        mask: u32::MAX as u64,
        values,
        flags: &[],
    }
}

const fn flags(flags: &'static [Name]) -> Names {
    Names {
        mask: 0,
        values: &[],
        flags,
    }
}

impl Names {
    /// `value` in words; bits without a name follow as a number.
    pub(super) fn describe(&self, value: u64) -> String {
        let mut words = Vec::new();
        let mut rest = value & u64::from(u32::MAX) & !self.mask;
        let chosen = value & self.mask;
        match self
            .values
            .iter()
            .find(|(known, _)| known & self.mask == chosen)
        {
            Some((_, name)) if self.mask != 0 || rest == 0 => words.push((*name).to_owned()),
            _ => rest |= chosen,
        }
        for (bits, name) in self.flags {
            if *bits != 0 && rest & bits == *bits {
                rest &= !bits;
                words.push((*name).to_owned());
            }
        }
        if rest != 0 || words.is_empty() {
            words.push(if rest < 10 {
                rest.to_string()
            } else {
                format!("{rest:#x}")
            });
        }
        words.join("|")
    }
}

/// The constants of an argument of this kind.
pub(super) fn of_kind(kind: &str) -> Option<&'static Names> {
    let row = KINDS.iter().find(|(name, _)| *name == kind);
    row.map(|(_, names)| names)
}

/// The name of an error.
pub(super) fn error(number: i32) -> Option<&'static str> {
    let number = number as u64;
    let row = ERRORS.iter().find(|(value, _)| *value == number);
    row.map(|(_, name)| *name)
}

static KINDS: &[(&str, Names)] = &[
    ("access", flags(names!(R_OK W_OK X_OK))),
    (
        "advice",
        values(names!(
            MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE
            MADV_REMOVE MADV_DONTFORK MADV_DOFORK MADV_HUGEPAGE MADV_NOHUGEPAGE MADV_DONTDUMP
            MADV_DODUMP MADV_WIPEONFORK MADV_KEEPONFORK MADV_COLD MADV_PAGEOUT
        )),
    ),
    (
        "at_flags",
        flags(names!(
            AT_SYMLINK_NOFOLLOW AT_REMOVEDIR AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH
        )),
    ),
    (
        "clock",
        values(names!(
            CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID CLOCK_THREAD_CPUTIME_ID
            CLOCK_MONOTONIC_RAW CLOCK_REALTIME_COARSE CLOCK_MONOTONIC_COARSE CLOCK_BOOTTIME
            CLOCK_REALTIME_ALARM CLOCK_BOOTTIME_ALARM CLOCK_TAI
        )),
    ),
    (
        "clone_flags",
        Names {
            mask: 0xff,
            values: names!(SIGCHLD),
            flags: names!(
                CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_PTRACE CLONE_VFORK CLONE_PARENT
                CLONE_THREAD CLONE_NEWNS CLONE_SYSVSEM CLONE_SETTLS CLONE_PARENT_SETTID
                CLONE_CHILD_CLEARTID CLONE_DETACHED CLONE_UNTRACED CLONE_CHILD_SETTID
                CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET
                CLONE_IO
            ),
        },
    ),
    (
        "domain",
        values(names!(AF_UNSPEC AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_ALG AF_VSOCK)),
    ),
    (
        "epoll_op",
        values(names!(EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD)),
    ),
    (
        "fcntl",
        values(names!(
            F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN
            F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_DUPFD_CLOEXEC F_SETPIPE_SZ F_GETPIPE_SZ
            F_ADD_SEALS F_GET_SEALS
        )),
    ),
    (
        "futex",
        Names {
            mask: 0x7f,
            values: names!(
                FUTEX_WAIT FUTEX_WAKE FUTEX_FD FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP
                FUTEX_LOCK_PI FUTEX_UNLOCK_PI FUTEX_TRYLOCK_PI FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET
                FUTEX_WAIT_REQUEUE_PI FUTEX_CMP_REQUEUE_PI
            ),
            flags: names!(FUTEX_PRIVATE_FLAG FUTEX_CLOCK_REALTIME),
        },
    ),
    (
        "ioctl",
        values(names!(
            TCGETS TCSETS TCSETSW TCSETSF TIOCGPGRP TIOCSPGRP TIOCGWINSZ TIOCSWINSZ TIOCSCTTY
            TIOCNOTTY TIOCGPTN TIOCSPTLCK TIOCGSID FIONREAD FIONBIO FIOCLEX FIONCLEX
        )),
    ),
    (
        "map_flags",
        Names {
            mask: 0xf,
            values: names!(MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE),
            flags: names!(
                MAP_FIXED MAP_ANONYMOUS MAP_GROWSDOWN MAP_DENYWRITE MAP_EXECUTABLE MAP_LOCKED
                MAP_NORESERVE MAP_POPULATE MAP_NONBLOCK MAP_STACK MAP_HUGETLB MAP_SYNC
                MAP_FIXED_NOREPLACE
            ),
        },
    ),
    (
        "mask_how",
        values(names!(SIG_BLOCK SIG_UNBLOCK SIG_SETMASK)),
    ),
    (
        "open_flags",
        Names {
            mask: libc::O_ACCMODE as u64,
            values: names!(O_RDONLY O_WRONLY O_RDWR),
            flags: names!(
                O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_TMPFILE O_SYNC O_DSYNC O_ASYNC
                O_DIRECT O_DIRECTORY O_NOFOLLOW O_NOATIME O_CLOEXEC O_PATH
            ),
        },
    ),
    (
        "protection",
        Names {
            mask: 0,
            values: names!(PROT_NONE),
            flags: names!(PROT_READ PROT_WRITE PROT_EXEC),
        },
    ),
    (
        "resource",
        values(names!(
            RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC
            RLIMIT_NOFILE RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE
            RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME
        )),
    ),
    (
        "socket",
        Names {
            mask: 0xf,
            values: names!(SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_SEQPACKET),
            flags: names!(SOCK_NONBLOCK SOCK_CLOEXEC),
        },
    ),
    (
        "signal",
        values(names!(
            SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV
            SIGUSR2 SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN
            SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS
        )),
    ),
    (
        "wait",
        flags(names!(WNOHANG WUNTRACED WEXITED WCONTINUED WNOWAIT)),
    ),
    (
        "whence",
        values(names!(SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE)),
    ),
];

static ERRORS: &[Name] = names!(
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP
    ENOMSG EIDRM ENODATA ETIME EPROTO EBADMSG EOVERFLOW EILSEQ EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE
    EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT
    EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN
    ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY
    EINPROGRESS ESTALE EDQUOT ECANCELED EOWNERDEAD ENOTRECOVERABLE
);

#[cfg(test)]
mod tests {
    use super::of_kind;

    fn describe(kind: &str, value: i32) -> String {
        of_kind(kind)
            .map(|names| names.describe(value as u64))
            .unwrap_or_default()
    }

    #[test]
    fn constants_are_named_and_what_is_left_is_a_number() {
        assert_eq!(
            describe("open_flags", libc::O_RDWR | libc::O_CREAT | libc::O_CLOEXEC),
            "O_RDWR|O_CREAT|O_CLOEXEC"
        );
        assert_eq!(describe("open_flags", 0), "O_RDONLY");
        assert_eq!(describe("protection", 0), "PROT_NONE");
        assert_eq!(describe("protection", 7), "PROT_READ|PROT_WRITE|PROT_EXEC");
        assert_eq!(describe("map_flags", 0x22), "MAP_PRIVATE|MAP_ANONYMOUS");
        assert_eq!(describe("futex", 0x81), "FUTEX_WAKE|FUTEX_PRIVATE_FLAG");
        assert_eq!(
            describe("clone_flags", 0x4111),
            "SIGCHLD|CLONE_VM|CLONE_VFORK"
        );
        assert_eq!(describe("at_flags", 0), "0");
        assert_eq!(
            describe("at_flags", 0x100 | 0x800_0000),
            "AT_SYMLINK_NOFOLLOW|0x8000000"
        );
        assert_eq!(describe("signal", 11), "SIGSEGV");
        assert_eq!(describe("signal", 40), "0x28");
    }
}

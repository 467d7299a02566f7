//! The one table of system calls: RISC-V's number, the name, what happens.

use std::ffi::c_long;

use super::file::Paths;
use super::{Handler, clone, epoll, execute, file, memory, process, signal, stat, wait};
use crate::errno::Errno;

/// What happens on a call.
#[derive(Clone, Copy)]
pub(super) enum Action {
    /// The host's call of this number gets the arguments as they are.
    Host(c_long),
    /// The same, but for these path arguments, which are seen as the guest sees them.
    Paths(c_long, Paths),
    /// This function does it.
    Call(Handler),
    /// It fails with this.
    Refuse(Errno),
}

/// One call.
#[derive(Clone, Copy)]
pub(super) struct Row {
    number: u16,
    /// The name in the manual.
    pub(super) name: &'static str,
    /// What happens.
    pub(super) action: Action,
}

/// The row of a call, if there is one.
pub(super) fn find(number: u64) -> Option<&'static Row> {
    let number = u16::try_from(number).ok()?;
    let row = &TABLE[*INDEX.get(usize::from(number))? as usize];
    (row.number == number).then_some(row)
}

/// Whether a call that a signal interrupted is made again after a handler with `SA_RESTART`. Waits
/// with a timeout aren't.
pub(super) fn restarts(number: u64) -> bool {
    const READ: u64 = 63;
    const PWRITEV: u64 = 70;
    const WAITID: u64 = 95;
    const FUTEX: u64 = 98;
    const WAIT4: u64 = 260;
    const OTHERS: &[u64] = &[
        25, 29, 32, 56, 202, 203, 206, 207, 211, 212, 242, WAITID, FUTEX, WAIT4,
    ];
    (READ..=PWRITEV).contains(&number) || OTHERS.contains(&number)
}

/// For each number the index of its row; 0 where there is none.
static INDEX: [u16; 512] = {
    let mut index = [0; 512];
    let mut row = 0;
    while row < TABLE.len() {
        index[TABLE[row].number as usize] = row as u16;
        row += 1;
    }
    index
};

const fn host(number: u16, name: &'static str, host_number: c_long) -> Row {
    Row {
        number,
        name,
        action: Action::Host(host_number),
    }
}

const fn paths(
    number: u16,
    name: &'static str,
    host_number: c_long,
    positions: u8,
    follows: bool,
) -> Row {
    let paths = Paths { positions, follows };
    Row {
        number,
        name,
        action: Action::Paths(host_number, paths),
    }
}

const fn call(number: u16, name: &'static str, handler: Handler) -> Row {
    Row {
        number,
        name,
        action: Action::Call(handler),
    }
}

const fn refuse(number: u16, name: &'static str, errno: Errno) -> Row {
    Row {
        number,
        name,
        action: Action::Refuse(errno),
    }
}

/// Every call that is known, by number.
static TABLE: &[Row] = &[
    paths(5, "setxattr", libc::SYS_setxattr, 1, true),
    paths(6, "lsetxattr", libc::SYS_lsetxattr, 1, false),
    host(7, "fsetxattr", libc::SYS_fsetxattr),
    paths(8, "getxattr", libc::SYS_getxattr, 1, true),
    paths(9, "lgetxattr", libc::SYS_lgetxattr, 1, false),
    host(10, "fgetxattr", libc::SYS_fgetxattr),
    paths(11, "listxattr", libc::SYS_listxattr, 1, true),
    paths(12, "llistxattr", libc::SYS_llistxattr, 1, false),
    host(13, "flistxattr", libc::SYS_flistxattr),
    paths(14, "removexattr", libc::SYS_removexattr, 1, true),
    paths(15, "lremovexattr", libc::SYS_lremovexattr, 1, false),
    host(16, "fremovexattr", libc::SYS_fremovexattr),
    host(17, "getcwd", libc::SYS_getcwd),
    host(19, "eventfd2", libc::SYS_eventfd2),
    host(20, "epoll_create1", libc::SYS_epoll_create1),
    call(21, "epoll_ctl", epoll::control),
    call(22, "epoll_pwait", epoll::pwait),
    host(23, "dup", libc::SYS_dup),
    host(24, "dup3", libc::SYS_dup3),
    host(25, "fcntl", libc::SYS_fcntl),
    host(26, "inotify_init1", libc::SYS_inotify_init1),
    paths(
        27,
        "inotify_add_watch",
        libc::SYS_inotify_add_watch,
        2,
        true,
    ),
    host(28, "inotify_rm_watch", libc::SYS_inotify_rm_watch),
    host(29, "ioctl", libc::SYS_ioctl),
    host(30, "ioprio_set", libc::SYS_ioprio_set),
    host(31, "ioprio_get", libc::SYS_ioprio_get),
    host(32, "flock", libc::SYS_flock),
    paths(33, "mknodat", libc::SYS_mknodat, 2, false),
    paths(34, "mkdirat", libc::SYS_mkdirat, 2, false),
    paths(35, "unlinkat", libc::SYS_unlinkat, 2, false),
    paths(36, "symlinkat", libc::SYS_symlinkat, 4, false),
    paths(37, "linkat", libc::SYS_linkat, 10, false),
    paths(43, "statfs", libc::SYS_statfs, 1, true),
    host(44, "fstatfs", libc::SYS_fstatfs),
    paths(45, "truncate", libc::SYS_truncate, 1, true),
    host(46, "ftruncate", libc::SYS_ftruncate),
    host(47, "fallocate", libc::SYS_fallocate),
    paths(48, "faccessat", libc::SYS_faccessat, 2, true),
    paths(49, "chdir", libc::SYS_chdir, 1, true),
    host(50, "fchdir", libc::SYS_fchdir),
    paths(51, "chroot", libc::SYS_chroot, 1, true),
    host(52, "fchmod", libc::SYS_fchmod),
    paths(53, "fchmodat", libc::SYS_fchmodat, 2, true),
    paths(54, "fchownat", libc::SYS_fchownat, 2, true),
    host(55, "fchown", libc::SYS_fchown),
    call(56, "openat", file::openat),
    host(57, "close", libc::SYS_close),
    host(59, "pipe2", libc::SYS_pipe2),
    host(61, "getdents64", libc::SYS_getdents64),
    host(62, "lseek", libc::SYS_lseek),
    host(63, "read", libc::SYS_read),
    host(64, "write", libc::SYS_write),
    host(65, "readv", libc::SYS_readv),
    host(66, "writev", libc::SYS_writev),
    host(67, "pread64", libc::SYS_pread64),
    host(68, "pwrite64", libc::SYS_pwrite64),
    host(69, "preadv", libc::SYS_preadv),
    host(70, "pwritev", libc::SYS_pwritev),
    host(71, "sendfile", libc::SYS_sendfile),
    call(72, "pselect6", wait::pselect6),
    call(73, "ppoll", wait::ppoll),
    host(74, "signalfd4", libc::SYS_signalfd4),
    host(75, "vmsplice", libc::SYS_vmsplice),
    host(76, "splice", libc::SYS_splice),
    host(77, "tee", libc::SYS_tee),
    call(78, "readlinkat", file::readlinkat),
    call(79, "newfstatat", stat::newfstatat),
    call(80, "fstat", stat::fstat),
    host(81, "sync", libc::SYS_sync),
    host(82, "fsync", libc::SYS_fsync),
    host(83, "fdatasync", libc::SYS_fdatasync),
    host(84, "sync_file_range", libc::SYS_sync_file_range),
    host(85, "timerfd_create", libc::SYS_timerfd_create),
    host(86, "timerfd_settime", libc::SYS_timerfd_settime),
    host(87, "timerfd_gettime", libc::SYS_timerfd_gettime),
    paths(88, "utimensat", libc::SYS_utimensat, 2, true),
    host(89, "acct", libc::SYS_acct),
    host(90, "capget", libc::SYS_capget),
    host(91, "capset", libc::SYS_capset),
    call(92, "personality", process::personality),
    call(93, "exit", clone::exit),
    call(94, "exit_group", clone::exit_group),
    host(95, "waitid", libc::SYS_waitid),
    call(96, "set_tid_address", clone::set_tid_address),
    host(97, "unshare", libc::SYS_unshare),
    host(98, "futex", libc::SYS_futex),
    call(99, "set_robust_list", clone::set_robust_list),
    call(100, "get_robust_list", clone::get_robust_list),
    host(101, "nanosleep", libc::SYS_nanosleep),
    host(102, "getitimer", libc::SYS_getitimer),
    host(103, "setitimer", libc::SYS_setitimer),
    host(107, "timer_create", libc::SYS_timer_create),
    host(108, "timer_gettime", libc::SYS_timer_gettime),
    host(109, "timer_getoverrun", libc::SYS_timer_getoverrun),
    host(110, "timer_settime", libc::SYS_timer_settime),
    host(111, "timer_delete", libc::SYS_timer_delete),
    host(112, "clock_settime", libc::SYS_clock_settime),
    call(113, "clock_gettime", process::clock_gettime),
    host(114, "clock_getres", libc::SYS_clock_getres),
    host(115, "clock_nanosleep", libc::SYS_clock_nanosleep),
    host(118, "sched_setparam", libc::SYS_sched_setparam),
    host(119, "sched_setscheduler", libc::SYS_sched_setscheduler),
    host(120, "sched_getscheduler", libc::SYS_sched_getscheduler),
    host(121, "sched_getparam", libc::SYS_sched_getparam),
    host(122, "sched_setaffinity", libc::SYS_sched_setaffinity),
    host(123, "sched_getaffinity", libc::SYS_sched_getaffinity),
    host(124, "sched_yield", libc::SYS_sched_yield),
    host(
        125,
        "sched_get_priority_max",
        libc::SYS_sched_get_priority_max,
    ),
    host(
        126,
        "sched_get_priority_min",
        libc::SYS_sched_get_priority_min,
    ),
    host(
        127,
        "sched_rr_get_interval",
        libc::SYS_sched_rr_get_interval,
    ),
    host(129, "kill", libc::SYS_kill),
    host(130, "tkill", libc::SYS_tkill),
    host(131, "tgkill", libc::SYS_tgkill),
    call(132, "sigaltstack", signal::sigaltstack),
    call(133, "rt_sigsuspend", wait::rt_sigsuspend),
    call(134, "rt_sigaction", signal::rt_sigaction),
    call(135, "rt_sigprocmask", signal::rt_sigprocmask),
    call(136, "rt_sigpending", signal::rt_sigpending),
    host(137, "rt_sigtimedwait", libc::SYS_rt_sigtimedwait),
    host(138, "rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo),
    call(139, "rt_sigreturn", signal::rt_sigreturn),
    host(140, "setpriority", libc::SYS_setpriority),
    host(141, "getpriority", libc::SYS_getpriority),
    host(143, "setregid", libc::SYS_setregid),
    host(144, "setgid", libc::SYS_setgid),
    host(145, "setreuid", libc::SYS_setreuid),
    host(146, "setuid", libc::SYS_setuid),
    host(147, "setresuid", libc::SYS_setresuid),
    host(148, "getresuid", libc::SYS_getresuid),
    host(149, "setresgid", libc::SYS_setresgid),
    host(150, "getresgid", libc::SYS_getresgid),
    host(151, "setfsuid", libc::SYS_setfsuid),
    host(152, "setfsgid", libc::SYS_setfsgid),
    host(153, "times", libc::SYS_times),
    host(154, "setpgid", libc::SYS_setpgid),
    host(155, "getpgid", libc::SYS_getpgid),
    host(156, "getsid", libc::SYS_getsid),
    host(157, "setsid", libc::SYS_setsid),
    host(158, "getgroups", libc::SYS_getgroups),
    host(159, "setgroups", libc::SYS_setgroups),
    call(160, "uname", process::uname),
    host(161, "sethostname", libc::SYS_sethostname),
    host(162, "setdomainname", libc::SYS_setdomainname),
    host(163, "getrlimit", libc::SYS_getrlimit),
    call(164, "setrlimit", process::setrlimit),
    host(165, "getrusage", libc::SYS_getrusage),
    host(166, "umask", libc::SYS_umask),
    call(167, "prctl", process::prctl),
    host(168, "getcpu", libc::SYS_getcpu),
    host(169, "gettimeofday", libc::SYS_gettimeofday),
    host(172, "getpid", libc::SYS_getpid),
    host(173, "getppid", libc::SYS_getppid),
    host(174, "getuid", libc::SYS_getuid),
    host(175, "geteuid", libc::SYS_geteuid),
    host(176, "getgid", libc::SYS_getgid),
    host(177, "getegid", libc::SYS_getegid),
    host(178, "gettid", libc::SYS_gettid),
    host(179, "sysinfo", libc::SYS_sysinfo),
    host(180, "mq_open", libc::SYS_mq_open),
    host(181, "mq_unlink", libc::SYS_mq_unlink),
    host(182, "mq_timedsend", libc::SYS_mq_timedsend),
    host(183, "mq_timedreceive", libc::SYS_mq_timedreceive),
    host(184, "mq_notify", libc::SYS_mq_notify),
    host(185, "mq_getsetattr", libc::SYS_mq_getsetattr),
    host(186, "msgget", libc::SYS_msgget),
    host(187, "msgctl", libc::SYS_msgctl),
    host(188, "msgrcv", libc::SYS_msgrcv),
    host(189, "msgsnd", libc::SYS_msgsnd),
    host(190, "semget", libc::SYS_semget),
    host(191, "semctl", libc::SYS_semctl),
    host(192, "semtimedop", libc::SYS_semtimedop),
    host(193, "semop", libc::SYS_semop),
    host(194, "shmget", libc::SYS_shmget),
    host(195, "shmctl", libc::SYS_shmctl),
    refuse(196, "shmat", Errno::ENOSYS),
    refuse(197, "shmdt", Errno::ENOSYS),
    host(198, "socket", libc::SYS_socket),
    host(199, "socketpair", libc::SYS_socketpair),
    host(200, "bind", libc::SYS_bind),
    host(201, "listen", libc::SYS_listen),
    host(202, "accept", libc::SYS_accept),
    host(203, "connect", libc::SYS_connect),
    host(204, "getsockname", libc::SYS_getsockname),
    host(205, "getpeername", libc::SYS_getpeername),
    host(206, "sendto", libc::SYS_sendto),
    host(207, "recvfrom", libc::SYS_recvfrom),
    host(208, "setsockopt", libc::SYS_setsockopt),
    host(209, "getsockopt", libc::SYS_getsockopt),
    host(210, "shutdown", libc::SYS_shutdown),
    host(211, "sendmsg", libc::SYS_sendmsg),
    host(212, "recvmsg", libc::SYS_recvmsg),
    host(213, "readahead", libc::SYS_readahead),
    call(214, "brk", memory::brk),
    call(215, "munmap", memory::munmap),
    call(216, "mremap", memory::mremap),
    call(220, "clone", clone::clone),
    call(221, "execve", execute::execve),
    call(222, "mmap", memory::mmap),
    host(223, "fadvise64", libc::SYS_fadvise64),
    call(226, "mprotect", memory::mprotect),
    host(227, "msync", libc::SYS_msync),
    host(228, "mlock", libc::SYS_mlock),
    host(229, "munlock", libc::SYS_munlock),
    call(230, "mlockall", process::accept),
    call(231, "munlockall", process::accept),
    host(232, "mincore", libc::SYS_mincore),
    call(233, "madvise", memory::madvise),
    host(240, "rt_tgsigqueueinfo", libc::SYS_rt_tgsigqueueinfo),
    host(242, "accept4", libc::SYS_accept4),
    host(243, "recvmmsg", libc::SYS_recvmmsg),
    call(258, "riscv_hwprobe", process::riscv_hwprobe),
    call(259, "riscv_flush_icache", memory::riscv_flush_icache),
    host(260, "wait4", libc::SYS_wait4),
    call(261, "prlimit64", process::prlimit64),
    host(266, "clock_adjtime", libc::SYS_clock_adjtime),
    host(267, "syncfs", libc::SYS_syncfs),
    host(269, "sendmmsg", libc::SYS_sendmmsg),
    host(270, "process_vm_readv", libc::SYS_process_vm_readv),
    host(271, "process_vm_writev", libc::SYS_process_vm_writev),
    host(272, "kcmp", libc::SYS_kcmp),
    host(274, "sched_setattr", libc::SYS_sched_setattr),
    host(275, "sched_getattr", libc::SYS_sched_getattr),
    paths(276, "renameat2", libc::SYS_renameat2, 10, false),
    host(278, "getrandom", libc::SYS_getrandom),
    host(279, "memfd_create", libc::SYS_memfd_create),
    call(281, "execveat", execute::execveat),
    host(283, "membarrier", libc::SYS_membarrier),
    host(285, "copy_file_range", libc::SYS_copy_file_range),
    host(286, "preadv2", libc::SYS_preadv2),
    host(287, "pwritev2", libc::SYS_pwritev2),
    call(291, "statx", file::statx),
    refuse(293, "rseq", Errno::ENOSYS),
    host(424, "pidfd_send_signal", libc::SYS_pidfd_send_signal),
    host(434, "pidfd_open", libc::SYS_pidfd_open),
    call(435, "clone3", clone::clone3),
    host(436, "close_range", libc::SYS_close_range),
    call(437, "openat2", file::openat2),
    host(438, "pidfd_getfd", libc::SYS_pidfd_getfd),
    paths(439, "faccessat2", libc::SYS_faccessat2, 2, true),
    call(441, "epoll_pwait2", epoll::pwait2),
    host(449, "futex_waitv", libc::SYS_futex_waitv),
    paths(452, "fchmodat2", libc::SYS_fchmodat2, 2, true),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_are_found() {
        assert!(TABLE.is_sorted_by(|a, b| a.number < b.number));
        for row in TABLE {
            assert_eq!(
                find(u64::from(row.number)).map(|found| found.name),
                Some(row.name)
            );
        }
        assert!(find(0).is_none());
        assert!(find(511).is_none());
        assert!(find(512).is_none());
        assert!(find(u64::MAX).is_none());
    }
}

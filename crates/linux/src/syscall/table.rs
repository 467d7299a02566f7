//! The one table of system calls: RISC-V's number, the name and the kinds of its arguments, what
//! happens.

use std::ffi::c_long;

use super::file::Paths;
use super::{
    Handler, clone, code, epoll, execute, file, ipc, memory, process, signal, stat, wait, writers,
};
use crate::call_signature::CallSignature;
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
    /// The name in the manual and, in parentheses, of what kind each argument is, for `trace`.
    signature: &'static str,
    /// What happens.
    pub(super) action: Action,
}

impl Row {
    /// Its name and the kinds of its arguments.
    pub(super) fn signature(&self) -> CallSignature {
        CallSignature(self.signature)
    }

    /// The name in the manual.
    pub(super) fn name(&self) -> &'static str {
        self.signature().name()
    }

    /// Whether whoever makes the call ends by it.
    pub(super) fn never_returns(&self) -> bool {
        [EXIT, EXIT_GROUP].contains(&self.number)
    }
}

const EXIT: u16 = 93;
const EXIT_GROUP: u16 = 94;

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

const fn host(number: u16, signature: &'static str, host_number: c_long) -> Row {
    Row {
        number,
        signature,
        action: Action::Host(host_number),
    }
}

const fn paths(
    number: u16,
    signature: &'static str,
    host_number: c_long,
    positions: u8,
    follows: bool,
) -> Row {
    let paths = Paths { positions, follows };
    Row {
        number,
        signature,
        action: Action::Paths(host_number, paths),
    }
}

const fn call(number: u16, signature: &'static str, handler: Handler) -> Row {
    Row {
        number,
        signature,
        action: Action::Call(handler),
    }
}

const fn refuse(number: u16, signature: &'static str, errno: Errno) -> Row {
    Row {
        number,
        signature,
        action: Action::Refuse(errno),
    }
}

/// Every call that is known, by number.
static TABLE: &[Row] = &[
    paths(
        5,
        "setxattr(path, str, in, size, hex)",
        libc::SYS_setxattr,
        1,
        true,
    ),
    paths(
        6,
        "lsetxattr(path, str, in, size, hex)",
        libc::SYS_lsetxattr,
        1,
        false,
    ),
    host(7, "fsetxattr(fd, str, in, size, hex)", libc::SYS_fsetxattr),
    paths(
        8,
        "getxattr(path, str, out, size)",
        libc::SYS_getxattr,
        1,
        true,
    ),
    paths(
        9,
        "lgetxattr(path, str, out, size)",
        libc::SYS_lgetxattr,
        1,
        false,
    ),
    host(10, "fgetxattr(fd, str, out, size)", libc::SYS_fgetxattr),
    paths(
        11,
        "listxattr(path, out, size)",
        libc::SYS_listxattr,
        1,
        true,
    ),
    paths(
        12,
        "llistxattr(path, out, size)",
        libc::SYS_llistxattr,
        1,
        false,
    ),
    host(13, "flistxattr(fd, out, size)", libc::SYS_flistxattr),
    paths(14, "removexattr(path, str)", libc::SYS_removexattr, 1, true),
    paths(
        15,
        "lremovexattr(path, str)",
        libc::SYS_lremovexattr,
        1,
        false,
    ),
    host(16, "fremovexattr(fd, str)", libc::SYS_fremovexattr),
    host(17, "getcwd(string, size)", libc::SYS_getcwd),
    host(19, "eventfd2(uint, open_flags)", libc::SYS_eventfd2),
    host(20, "epoll_create1(open_flags)", libc::SYS_epoll_create1),
    call(21, "epoll_ctl(fd, epoll_op, fd, ptr)", epoll::control),
    call(
        22,
        "epoll_pwait(fd, ptr, int, int, set, size)",
        epoll::pwait,
    ),
    host(23, "dup(fd)", libc::SYS_dup),
    host(24, "dup3(fd, fd, open_flags)", libc::SYS_dup3),
    host(25, "fcntl(fd, fcntl, hex)", libc::SYS_fcntl),
    host(26, "inotify_init1(open_flags)", libc::SYS_inotify_init1),
    paths(
        27,
        "inotify_add_watch(fd, path, hex)",
        libc::SYS_inotify_add_watch,
        2,
        true,
    ),
    host(28, "inotify_rm_watch(fd, int)", libc::SYS_inotify_rm_watch),
    host(29, "ioctl(fd, ioctl, ptr)", libc::SYS_ioctl),
    host(30, "ioprio_set(int, int, int)", libc::SYS_ioprio_set),
    host(31, "ioprio_get(int, int)", libc::SYS_ioprio_get),
    host(32, "flock(fd, int)", libc::SYS_flock),
    paths(
        33,
        "mknodat(dir, path, mode, hex)",
        libc::SYS_mknodat,
        2,
        false,
    ),
    paths(34, "mkdirat(dir, path, mode)", libc::SYS_mkdirat, 2, false),
    paths(
        35,
        "unlinkat(dir, path, at_flags)",
        libc::SYS_unlinkat,
        2,
        false,
    ),
    paths(
        36,
        "symlinkat(path, dir, path)",
        libc::SYS_symlinkat,
        4,
        false,
    ),
    paths(
        37,
        "linkat(dir, path, dir, path, at_flags)",
        libc::SYS_linkat,
        10,
        false,
    ),
    paths(43, "statfs(path, ptr)", libc::SYS_statfs, 1, true),
    host(44, "fstatfs(fd, ptr)", libc::SYS_fstatfs),
    call(45, "truncate(path, int)", file::truncate),
    host(46, "ftruncate(fd, int)", libc::SYS_ftruncate),
    host(47, "fallocate(fd, hex, int, int)", libc::SYS_fallocate),
    paths(
        48,
        "faccessat(dir, path, access)",
        libc::SYS_faccessat,
        2,
        true,
    ),
    paths(49, "chdir(path)", libc::SYS_chdir, 1, true),
    host(50, "fchdir(fd)", libc::SYS_fchdir),
    paths(51, "chroot(path)", libc::SYS_chroot, 1, true),
    host(52, "fchmod(fd, mode)", libc::SYS_fchmod),
    paths(53, "fchmodat(dir, path, mode)", libc::SYS_fchmodat, 2, true),
    paths(
        54,
        "fchownat(dir, path, int, int, at_flags)",
        libc::SYS_fchownat,
        2,
        true,
    ),
    host(55, "fchown(fd, int, int)", libc::SYS_fchown),
    call(
        56,
        "openat(dir, path, open_flags, created_mode)",
        file::openat,
    ),
    host(57, "close(fd)", libc::SYS_close),
    host(59, "pipe2(fds, open_flags)", libc::SYS_pipe2),
    call(61, "getdents64(fd, ptr, size)", file::getdents64),
    host(62, "lseek(fd, int, whence)", libc::SYS_lseek),
    host(63, "read(fd, out, size)", libc::SYS_read),
    host(64, "write(fd, in, size)", libc::SYS_write),
    host(65, "readv(fd, iov_out, size)", libc::SYS_readv),
    host(66, "writev(fd, iov_in, size)", libc::SYS_writev),
    host(67, "pread64(fd, out, size, int)", libc::SYS_pread64),
    host(68, "pwrite64(fd, in, size, int)", libc::SYS_pwrite64),
    host(69, "preadv(fd, iov_out, size, int)", libc::SYS_preadv),
    host(70, "pwritev(fd, iov_in, size, int)", libc::SYS_pwritev),
    host(71, "sendfile(fd, fd, ptr, size)", libc::SYS_sendfile),
    call(
        72,
        "pselect6(int, ptr, ptr, ptr, time, ptr)",
        wait::pselect6,
    ),
    call(73, "ppoll(poll, size, time, set, size)", wait::ppoll),
    host(
        74,
        "signalfd4(fd, set, size, open_flags)",
        libc::SYS_signalfd4,
    ),
    host(75, "vmsplice(fd, ptr, size, hex)", libc::SYS_vmsplice),
    host(76, "splice(fd, ptr, fd, ptr, size, hex)", libc::SYS_splice),
    host(77, "tee(fd, fd, size, hex)", libc::SYS_tee),
    call(78, "readlinkat(dir, path, out, size)", file::readlinkat),
    call(
        79,
        "newfstatat(dir, path, stat, at_flags)",
        stat::newfstatat,
    ),
    call(80, "fstat(fd, stat)", stat::fstat),
    host(81, "sync()", libc::SYS_sync),
    host(82, "fsync(fd)", libc::SYS_fsync),
    host(83, "fdatasync(fd)", libc::SYS_fdatasync),
    host(
        84,
        "sync_file_range(fd, int, int, hex)",
        libc::SYS_sync_file_range,
    ),
    host(
        85,
        "timerfd_create(clock, open_flags)",
        libc::SYS_timerfd_create,
    ),
    host(
        86,
        "timerfd_settime(fd, hex, interval, ptr)",
        libc::SYS_timerfd_settime,
    ),
    host(87, "timerfd_gettime(fd, ptr)", libc::SYS_timerfd_gettime),
    paths(
        88,
        "utimensat(dir, path, ptr, at_flags)",
        libc::SYS_utimensat,
        2,
        true,
    ),
    host(89, "acct(path)", libc::SYS_acct),
    host(90, "capget(ptr, ptr)", libc::SYS_capget),
    host(91, "capset(ptr, ptr)", libc::SYS_capset),
    call(92, "personality(hex)", process::personality),
    call(93, "exit(int)", clone::exit),
    call(94, "exit_group(int)", clone::exit_group),
    host(95, "waitid(int, int, ptr, wait, ptr)", libc::SYS_waitid),
    call(96, "set_tid_address(ptr)", clone::set_tid_address),
    call(97, "unshare(clone_flags)", writers::unshare),
    host(
        98,
        "futex(ptr, futex, uint, ptr, ptr, hex)",
        libc::SYS_futex,
    ),
    call(99, "set_robust_list(ptr, size)", clone::set_robust_list),
    call(
        100,
        "get_robust_list(int, ptr, ptr)",
        clone::get_robust_list,
    ),
    host(101, "nanosleep(time, ptr)", libc::SYS_nanosleep),
    host(102, "getitimer(int, ptr)", libc::SYS_getitimer),
    host(103, "setitimer(int, ptr, ptr)", libc::SYS_setitimer),
    host(107, "timer_create(clock, ptr, ptr)", libc::SYS_timer_create),
    host(108, "timer_gettime(int, ptr)", libc::SYS_timer_gettime),
    host(109, "timer_getoverrun(int)", libc::SYS_timer_getoverrun),
    host(
        110,
        "timer_settime(int, int, interval, ptr)",
        libc::SYS_timer_settime,
    ),
    host(111, "timer_delete(int)", libc::SYS_timer_delete),
    host(112, "clock_settime(clock, time)", libc::SYS_clock_settime),
    call(
        113,
        "clock_gettime(clock, time_out)",
        process::clock_gettime,
    ),
    host(114, "clock_getres(clock, time_out)", libc::SYS_clock_getres),
    host(
        115,
        "clock_nanosleep(clock, int, time, ptr)",
        libc::SYS_clock_nanosleep,
    ),
    host(118, "sched_setparam(int, ptr)", libc::SYS_sched_setparam),
    host(
        119,
        "sched_setscheduler(int, int, ptr)",
        libc::SYS_sched_setscheduler,
    ),
    host(120, "sched_getscheduler(int)", libc::SYS_sched_getscheduler),
    host(121, "sched_getparam(int, ptr)", libc::SYS_sched_getparam),
    host(
        122,
        "sched_setaffinity(int, size, ptr)",
        libc::SYS_sched_setaffinity,
    ),
    host(
        123,
        "sched_getaffinity(int, size, ptr)",
        libc::SYS_sched_getaffinity,
    ),
    host(124, "sched_yield()", libc::SYS_sched_yield),
    host(
        125,
        "sched_get_priority_max(int)",
        libc::SYS_sched_get_priority_max,
    ),
    host(
        126,
        "sched_get_priority_min(int)",
        libc::SYS_sched_get_priority_min,
    ),
    host(
        127,
        "sched_rr_get_interval(int, time_out)",
        libc::SYS_sched_rr_get_interval,
    ),
    call(129, "kill(int, signal)", signal::kill),
    host(130, "tkill(int, signal)", libc::SYS_tkill),
    host(131, "tgkill(int, int, signal)", libc::SYS_tgkill),
    call(132, "sigaltstack(ptr, ptr)", signal::sigaltstack),
    call(133, "rt_sigsuspend(set, size)", wait::rt_sigsuspend),
    call(
        134,
        "rt_sigaction(signal, action, action_out, size)",
        signal::rt_sigaction,
    ),
    call(
        135,
        "rt_sigprocmask(mask_how, set, set_out, size)",
        signal::rt_sigprocmask,
    ),
    call(136, "rt_sigpending(set_out, size)", signal::rt_sigpending),
    host(
        137,
        "rt_sigtimedwait(set, ptr, time, size)",
        libc::SYS_rt_sigtimedwait,
    ),
    host(
        138,
        "rt_sigqueueinfo(int, signal, ptr)",
        libc::SYS_rt_sigqueueinfo,
    ),
    call(139, "rt_sigreturn()", signal::rt_sigreturn),
    host(140, "setpriority(int, int, int)", libc::SYS_setpriority),
    host(141, "getpriority(int, int)", libc::SYS_getpriority),
    host(143, "setregid(int, int)", libc::SYS_setregid),
    host(144, "setgid(int)", libc::SYS_setgid),
    host(145, "setreuid(int, int)", libc::SYS_setreuid),
    host(146, "setuid(int)", libc::SYS_setuid),
    host(147, "setresuid(int, int, int)", libc::SYS_setresuid),
    host(148, "getresuid(ptr, ptr, ptr)", libc::SYS_getresuid),
    host(149, "setresgid(int, int, int)", libc::SYS_setresgid),
    host(150, "getresgid(ptr, ptr, ptr)", libc::SYS_getresgid),
    host(151, "setfsuid(int)", libc::SYS_setfsuid),
    host(152, "setfsgid(int)", libc::SYS_setfsgid),
    host(153, "times(ptr)", libc::SYS_times),
    host(154, "setpgid(int, int)", libc::SYS_setpgid),
    host(155, "getpgid(int)", libc::SYS_getpgid),
    host(156, "getsid(int)", libc::SYS_getsid),
    host(157, "setsid()", libc::SYS_setsid),
    host(158, "getgroups(int, ptr)", libc::SYS_getgroups),
    host(159, "setgroups(int, ptr)", libc::SYS_setgroups),
    call(160, "uname(ptr)", process::uname),
    host(161, "sethostname(in, size)", libc::SYS_sethostname),
    host(162, "setdomainname(in, size)", libc::SYS_setdomainname),
    host(163, "getrlimit(resource, limit_out)", libc::SYS_getrlimit),
    call(164, "setrlimit(resource, limit)", process::setrlimit),
    host(165, "getrusage(int, ptr)", libc::SYS_getrusage),
    host(166, "umask(mode)", libc::SYS_umask),
    call(167, "prctl(int, hex, hex, hex, hex)", process::prctl),
    host(168, "getcpu(ptr, ptr, ptr)", libc::SYS_getcpu),
    host(169, "gettimeofday(ptr, ptr)", libc::SYS_gettimeofday),
    host(172, "getpid()", libc::SYS_getpid),
    host(173, "getppid()", libc::SYS_getppid),
    host(174, "getuid()", libc::SYS_getuid),
    host(175, "geteuid()", libc::SYS_geteuid),
    host(176, "getgid()", libc::SYS_getgid),
    host(177, "getegid()", libc::SYS_getegid),
    host(178, "gettid()", libc::SYS_gettid),
    host(179, "sysinfo(ptr)", libc::SYS_sysinfo),
    host(
        180,
        "mq_open(str, open_flags, created_mode, ptr)",
        libc::SYS_mq_open,
    ),
    host(181, "mq_unlink(str)", libc::SYS_mq_unlink),
    host(
        182,
        "mq_timedsend(fd, in, size, uint, time)",
        libc::SYS_mq_timedsend,
    ),
    host(
        183,
        "mq_timedreceive(fd, out, size, ptr, time)",
        libc::SYS_mq_timedreceive,
    ),
    host(184, "mq_notify(fd, ptr)", libc::SYS_mq_notify),
    host(185, "mq_getsetattr(fd, ptr, ptr)", libc::SYS_mq_getsetattr),
    host(186, "msgget(int, hex)", libc::SYS_msgget),
    host(187, "msgctl(int, int, ptr)", libc::SYS_msgctl),
    host(188, "msgrcv(int, ptr, size, int, hex)", libc::SYS_msgrcv),
    host(189, "msgsnd(int, ptr, size, hex)", libc::SYS_msgsnd),
    host(190, "semget(int, int, hex)", libc::SYS_semget),
    call(191, "semctl(int, int, int, hex)", ipc::semctl),
    host(
        192,
        "semtimedop(int, ptr, size, time)",
        libc::SYS_semtimedop,
    ),
    host(193, "semop(int, ptr, size)", libc::SYS_semop),
    host(194, "shmget(int, size, hex)", libc::SYS_shmget),
    host(195, "shmctl(int, int, ptr)", libc::SYS_shmctl),
    call(196, "shmat(int, ptr, hex)", ipc::shmat),
    call(197, "shmdt(ptr)", ipc::shmdt),
    host(198, "socket(domain, socket, int)", libc::SYS_socket),
    host(
        199,
        "socketpair(domain, socket, int, fds)",
        libc::SYS_socketpair,
    ),
    host(200, "bind(fd, address, size)", libc::SYS_bind),
    host(201, "listen(fd, int)", libc::SYS_listen),
    host(202, "accept(fd, ptr, ptr)", libc::SYS_accept),
    host(203, "connect(fd, address, size)", libc::SYS_connect),
    host(204, "getsockname(fd, ptr, ptr)", libc::SYS_getsockname),
    host(205, "getpeername(fd, ptr, ptr)", libc::SYS_getpeername),
    host(
        206,
        "sendto(fd, in, size, hex, ptr, size)",
        libc::SYS_sendto,
    ),
    host(
        207,
        "recvfrom(fd, out, size, hex, ptr, ptr)",
        libc::SYS_recvfrom,
    ),
    host(
        208,
        "setsockopt(fd, int, int, ptr, size)",
        libc::SYS_setsockopt,
    ),
    host(
        209,
        "getsockopt(fd, int, int, ptr, ptr)",
        libc::SYS_getsockopt,
    ),
    host(210, "shutdown(fd, int)", libc::SYS_shutdown),
    host(211, "sendmsg(fd, ptr, hex)", libc::SYS_sendmsg),
    call(212, "recvmsg(fd, ptr, hex)", writers::recvmsg),
    host(213, "readahead(fd, int, size)", libc::SYS_readahead),
    call(214, "brk(ptr)", memory::brk),
    call(215, "munmap(ptr, size)", memory::munmap),
    call(216, "mremap(ptr, size, size, hex, ptr)", memory::mremap),
    call(220, "clone(clone_flags, ptr, ptr, ptr, ptr)", clone::clone),
    call(221, "execve(path, strings, environment)", execute::execve),
    call(
        222,
        "mmap(ptr, size, protection, map_flags, fd, hex)",
        memory::mmap,
    ),
    host(223, "fadvise64(fd, int, int, int)", libc::SYS_fadvise64),
    call(226, "mprotect(ptr, size, protection)", memory::mprotect),
    host(227, "msync(ptr, size, hex)", libc::SYS_msync),
    host(228, "mlock(ptr, size)", libc::SYS_mlock),
    host(229, "munlock(ptr, size)", libc::SYS_munlock),
    call(230, "mlockall(hex)", process::accept),
    call(231, "munlockall()", process::accept),
    host(232, "mincore(ptr, size, ptr)", libc::SYS_mincore),
    call(233, "madvise(ptr, size, advice)", memory::madvise),
    host(
        240,
        "rt_tgsigqueueinfo(int, int, signal, ptr)",
        libc::SYS_rt_tgsigqueueinfo,
    ),
    host(242, "accept4(fd, ptr, ptr, open_flags)", libc::SYS_accept4),
    call(243, "recvmmsg(fd, ptr, size, hex, time)", writers::recvmmsg),
    call(
        258,
        "riscv_hwprobe(ptr, size, size, ptr, hex)",
        process::riscv_hwprobe,
    ),
    call(
        259,
        "riscv_flush_icache(ptr, ptr, hex)",
        code::riscv_flush_icache,
    ),
    host(260, "wait4(int, status, wait, ptr)", libc::SYS_wait4),
    call(
        261,
        "prlimit64(int, resource, limit, limit_out)",
        process::prlimit64,
    ),
    host(266, "clock_adjtime(clock, ptr)", libc::SYS_clock_adjtime),
    host(267, "syncfs(fd)", libc::SYS_syncfs),
    host(269, "sendmmsg(fd, ptr, size, hex)", libc::SYS_sendmmsg),
    host(
        270,
        "process_vm_readv(int, ptr, size, ptr, size, hex)",
        libc::SYS_process_vm_readv,
    ),
    call(
        271,
        "process_vm_writev(int, ptr, size, ptr, size, hex)",
        code::process_vm_writev,
    ),
    host(272, "kcmp(int, int, int, hex, hex)", libc::SYS_kcmp),
    host(274, "sched_setattr(int, ptr, hex)", libc::SYS_sched_setattr),
    host(
        275,
        "sched_getattr(int, ptr, size, hex)",
        libc::SYS_sched_getattr,
    ),
    paths(
        276,
        "renameat2(dir, path, dir, path, hex)",
        libc::SYS_renameat2,
        10,
        false,
    ),
    host(278, "getrandom(ptr, size, hex)", libc::SYS_getrandom),
    call(279, "memfd_create(str, hex)", writers::memfd_create),
    call(
        281,
        "execveat(dir, path, strings, environment, at_flags)",
        execute::execveat,
    ),
    call(283, "membarrier(int, hex, int)", code::membarrier),
    host(
        285,
        "copy_file_range(fd, ptr, fd, ptr, size, hex)",
        libc::SYS_copy_file_range,
    ),
    host(
        286,
        "preadv2(fd, iov_out, size, int, int, hex)",
        libc::SYS_preadv2,
    ),
    host(
        287,
        "pwritev2(fd, iov_in, size, int, int, hex)",
        libc::SYS_pwritev2,
    ),
    call(291, "statx(dir, path, at_flags, hex, ptr)", file::statx),
    refuse(293, "rseq(ptr, size, hex, hex)", Errno::ENOSYS),
    host(
        424,
        "pidfd_send_signal(fd, signal, ptr, hex)",
        libc::SYS_pidfd_send_signal,
    ),
    host(434, "pidfd_open(int, hex)", libc::SYS_pidfd_open),
    call(435, "clone3(ptr, size)", clone::clone3),
    call(436, "close_range(fd, fd, hex)", writers::close_range),
    call(437, "openat2(dir, path, ptr, size)", file::openat2),
    call(438, "pidfd_getfd(fd, fd, hex)", writers::pidfd_getfd),
    paths(
        439,
        "faccessat2(dir, path, access, at_flags)",
        libc::SYS_faccessat2,
        2,
        true,
    ),
    call(
        441,
        "epoll_pwait2(fd, ptr, int, time, set, size)",
        epoll::pwait2,
    ),
    host(
        449,
        "futex_waitv(ptr, size, hex, time, clock)",
        libc::SYS_futex_waitv,
    ),
    paths(
        452,
        "fchmodat2(dir, path, mode, at_flags)",
        libc::SYS_fchmodat2,
        2,
        true,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_are_found() {
        assert!(TABLE.is_sorted_by(|a, b| a.number < b.number));
        for row in TABLE {
            assert_eq!(find(u64::from(row.number)).map(Row::name), Some(row.name()));
        }
        assert!(find(0).is_none());
        assert!(find(511).is_none());
        assert!(find(512).is_none());
        assert!(find(u64::MAX).is_none());
    }
}

//! The door to the host's system calls.
//!
//! Guest pointers are host pointers, so most arguments pass through as they are. What a guest may
//! do to its own memory is checked before by `memory/space.rs`; this file checks nothing.
//!
//! A call that may wait is made by [`call_for_guest`]. A signal that arrives while the kernel waits
//! ends the wait; one that arrives between the decision to call and the call itself would be lost
//! on it, so the handler of signals knows the few instructions in between ([`cut_short`]) and
//! continues behind them.

#![expect(
    unsafe_code,
    reason = "system calls are made with arguments that the guest chose"
)]

use std::arch::{asm, naked_asm};
use std::ffi::c_long;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::child_heap;
use crate::errno::Errno;
use crate::interrupt;

/// Makes the host system call `number`.
///
/// The caller answers for what the call does to this process: calls that map, unmap or protect
/// memory name ranges inside the guest's part of the address space, and pointers are the guest's
/// own, so that the kernel writes guest memory or returns `EFAULT`.
#[inline]
pub(crate) fn call(number: c_long, arguments: [u64; 6]) -> Result<u64, Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the kernel checks the pointers; what it writes is the guest's, as the contract above
    // asks of callers.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 {
        Err(last_error())
    } else {
        Ok(result.cast_unsigned())
    }
}

/// The same for a call that may wait: it fails with [`Errno::RESTART`], not made, where a signal for
/// the guest has arrived on this thread.
#[inline]
pub(crate) fn call_for_guest(number: c_long, arguments: [u64; 6]) -> Result<u64, Errno> {
    // SAFETY: as for `call`; arguments and word outlive the call.
    let result = unsafe { interruptible(number, &raw const arguments, interrupt::word()) };
    if (-4095..0).contains(&result) {
        Err(Errno(-result as i32))
    } else {
        Ok(result.cast_unsigned())
    }
}

/// Makes a system call unless `interrupt` isn't 0. Returns the kernel's result.
///
/// # Safety
/// The pointers are valid.
#[unsafe(naked)]
unsafe extern "sysv64" fn interruptible(
    number: c_long,
    arguments: *const [u64; 6],
    interrupt: *const AtomicU32,
) -> i64 {
    naked_asm!(
        "push rbx",
        "mov rbx, rdx",
        "mov rax, rdi",
        "mov r11, rsi",
        "mov rdi, [r11]",
        "mov rsi, [r11 + 8]",
        "mov rdx, [r11 + 16]",
        "mov r10, [r11 + 24]",
        "mov r8, [r11 + 32]",
        "mov r9, [r11 + 40]",
        ".globl rekindle_call_start",
        ".hidden rekindle_call_start",
        "rekindle_call_start:",
        "cmp dword ptr [rbx], 0",
        "jne rekindle_call_skip",
        "syscall",
        ".globl rekindle_call_end",
        ".hidden rekindle_call_end",
        "rekindle_call_end:",
        "pop rbx",
        "ret",
        ".globl rekindle_call_skip",
        ".hidden rekindle_call_skip",
        "rekindle_call_skip:",
        "mov rax, {restart}",
        "pop rbx",
        "ret",
        restart = const -(Errno::RESTART.0 as i64),
    )
}

mod window {
    unsafe extern "C" {
        #[link_name = "rekindle_call_start"]
        pub(super) static START: u8;
        #[link_name = "rekindle_call_end"]
        pub(super) static END: u8;
        #[link_name = "rekindle_call_skip"]
        pub(super) static SKIP: u8;
    }
}

/// Where a thread at host address `pc` continues when a signal for the guest has arrived, if it was
/// about to make a system call. Async-signal-safe.
pub(crate) fn cut_short(pc: u64) -> Option<u64> {
    let address = |label: *const u8| label.addr() as u64;
    let window = address(&raw const window::START)..address(&raw const window::END);
    window
        .contains(&pc)
        .then(|| address(&raw const window::SKIP))
}

/// Makes this process two, as `fork` does. Returns the child's number, or 0 in the child, which has
/// the calling thread alone.
pub fn fork() -> Result<u64, Errno> {
    if let Some(heap) = child_heap::hold() {
        // The C library would take all locks of its allocator meanwhile, which a child of `vfork` shares with
        // its parent: killed then, it would leave them taken. The new process doesn't use that allocator.
        let child = call(libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0, 0, 0, 0]);
        if child == Ok(0) {
            child_heap::keep(&heap);
        }
        return child;
    }
    // SAFETY: the C library puts its own locks in order. What the engine's other threads held is the
    // caller's to see to.
    let child = unsafe { libc::fork() };
    if child < 0 {
        Err(last_error())
    } else {
        Ok(child as u64)
    }
}

/// Makes a process that shares this one's memory and runs `child` while the calling thread waits,
/// until the child has started another program or ended. `child` must not return. Returns the
/// child's number.
///
/// The child runs on the calling thread's stack, below the caller's frames, with its thread-local
/// variables: as the caller's thread would, if it went on itself.
///
/// # Safety
/// The child may be killed between any two instructions. Whatever this process looks at afterwards is
/// valid all the same: memory that the child changes with atomic instructions alone, or not at all, or
/// of which it has said to be done with it. The child takes no lock that this process takes, and
/// allocates on a [`crate::ChildHeap`].
pub unsafe fn vfork(child: &mut dyn FnMut()) -> Result<u64, Errno> {
    let flags = (libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD) as u64;
    let mut child = child;
    let argument = &raw mut child;
    let result: i64;
    // SAFETY: the child calls `run_child` before any code of this frame runs in it and ends there,
    // so it leaves the frames of the caller, whom the kernel holds meanwhile, as they are. Below the
    // stack pointer nothing lives: the red zone is skipped.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "sub rsp, 128",
            "and rsp, -16",
            "mov rdi, r12",
            "call {run}",
            "ud2",
            "2:",
            run = sym run_child,
            inlateout("rax") libc::SYS_clone => result,
            in("rdi") flags,
            in("rsi") 0_u64,
            in("rdx") 0_u64,
            in("r10") 0_u64,
            in("r8") 0_u64,
            in("r12") argument,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if result < 0 {
        Err(Errno(-result as i32))
    } else {
        Ok(result.cast_unsigned())
    }
}

/// Runs in the child of [`vfork`].
extern "sysv64" fn run_child(child: *mut &mut dyn FnMut()) {
    // SAFETY: the pointer is to a live variable of `vfork`'s frame.
    let child = unsafe { &mut *child };
    child();
    end_process(127);
}

/// The standard streams that this process was started without, as bits.
static MISSING_STREAMS: AtomicU32 = AtomicU32::new(0);

/// Looks for standard streams that are closed before Rust's runtime opens `/dev/null` in their place.
extern "C" fn look_at_streams() {
    for stream in 0..3 {
        // SAFETY: asks for a flag of a descriptor, which need not be open.
        if unsafe { libc::fcntl(stream, libc::F_GETFD) } < 0 {
            MISSING_STREAMS.fetch_or(1 << stream, Ordering::Relaxed);
        }
    }
}

// SAFETY: the section holds pointers to functions that the C runtime calls once before `main`; this
// one makes system calls and writes an atomic.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_AT_STREAMS: extern "C" fn() = look_at_streams;

/// Closes the standard streams that this process was started without and that Rust's runtime has opened:
/// the guest is to see them closed, and its next descriptors get their numbers. Whoever has used them for
/// something else since must not call this.
pub fn close_missing_streams() {
    let missing = MISSING_STREAMS.load(Ordering::Relaxed);
    for stream in (0..3_u64).filter(|stream| missing >> stream & 1 != 0) {
        // There is nothing to do where it is closed already.
        let _ = call(libc::SYS_close, [stream, 0, 0, 0, 0, 0]);
    }
}

/// Gives the calling thread descriptors of its own, and none of the guest's: what it opens takes no number
/// from the guest, and what the guest closes isn't kept open, so that whoever reads the other end of a pipe
/// sees it end. Standard error stays if `keeps_errors`. On a host that can't, all stay shared.
pub fn use_own_descriptors(keeps_errors: bool) {
    const UNSHARE: u64 = libc::CLOSE_RANGE_UNSHARE as u64;
    const NOWHERE: u64 = (libc::O_PATH | libc::O_CLOEXEC) as u64;
    let first = if keeps_errors { 3 } else { 0 };
    let all = [first, u64::from(u32::MAX), UNSHARE, 0, 0, 0];
    if call(libc::SYS_close_range, all).is_err() {
        return;
    }
    for stream in 0..first.min(2) {
        // There is nothing to do where it is closed already.
        let _ = call(libc::SYS_close, [stream, 0, 0, 0, 0, 0]);
    }
    let here = i64::from(libc::AT_FDCWD).cast_unsigned();
    for _ in 0..3 {
        // No file gets the number of a standard stream, and with it what is printed: on this one, nobody
        // reads or writes.
        let opened = call(
            libc::SYS_openat,
            [here, c"/".as_ptr() as u64, NOWHERE, 0, 0, 0],
        );
        if let Ok(number @ 3..) = opened {
            let _ = call(libc::SYS_close, [number, 0, 0, 0, 0, 0]);
            break;
        }
    }
}

/// Whether this process was started with a standard error. Without, what has its number is the guest's
/// own.
pub fn has_standard_error() -> bool {
    MISSING_STREAMS.load(Ordering::Relaxed) >> 2 & 1 == 0
}

/// Writes `text` to standard error, as far as that takes it.
pub fn write_to_standard_error(text: &str) {
    if !has_standard_error() {
        return;
    }
    let arguments = [2, text.as_ptr() as u64, text.len() as u64, 0, 0, 0];
    // There is nobody to tell of a failure.
    let _ = call(libc::SYS_write, arguments);
}

/// Ends this process at once.
pub(crate) fn end_process(status: i32) -> ! {
    // SAFETY: runs nothing of this process any more.
    unsafe { libc::_exit(status) }
}

/// The calling thread's `errno`.
fn last_error() -> Errno {
    Errno(
        std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO),
    )
}

/// A value of this process's auxiliary vector, or 0.
pub(crate) fn auxiliary_value(kind: u64) -> u64 {
    // SAFETY: reads the vector that the kernel gave this process.
    unsafe { libc::getauxval(kind) }
}

/// Whether the kernel started this process to run a RISC-V program that somebody executed by name, as
/// it does for a registration that keeps `argv[0]`: the arguments are then the program's path, its
/// own name, and what it is given. (Linux 5.12 and newer say so, in the auxiliary vector.)
#[must_use]
pub fn is_started_by_binfmt() -> bool {
    const PRESERVES_ARGV0: u64 = 1;
    auxiliary_value(libc::AT_FLAGS) & PRESERVES_ARGV0 != 0
}

/// The time of a clock, by way of the host's vDSO where it has one for it.
pub(crate) fn clock_time(clock: i32) -> Result<[i64; 2], Errno> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the C library writes one `timespec`.
    match unsafe { libc::clock_gettime(clock, &raw mut time) } {
        0 => Ok([time.tv_sec, time.tv_nsec]),
        _ => Err(last_error()),
    }
}

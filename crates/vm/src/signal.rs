//! The door to host signals: page faults of guest accesses become values.
//!
//! A `SIGSEGV` or `SIGBUS` has one of three origins. An access of `guest_memory.rs` continues at its
//! fixup. A fault in compiled code, on a thread that [`arm`] has prepared, is recorded and continues
//! at the landing that the entry trampoline supplied. Anything else is a fault of the engine itself
//! and goes to whoever handled the signal before.

#![expect(
    unsafe_code,
    reason = "signal handlers are installed and signal frames edited"
)]

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use crate::arch::x86_64::{DIRECTION_FLAG, EFLAGS, RDI, RIP};
use crate::guest_signal::{DEFAULT, IGNORE};
use crate::{attention, guest_memory, guest_signal};

/// A fault in compiled code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FaultRecord {
    /// The host address of the instruction that faulted.
    pub(crate) host_pc: u64,
    /// The address that it accessed, or 0 where the host doesn't tell (a non-canonical address).
    pub(crate) address: u64,
    /// `SIGSEGV` or `SIGBUS`.
    pub(crate) signal: i32,
}

/// Where a fault in compiled code continues on this thread.
#[derive(Clone, Copy)]
struct Landing {
    /// Host address of the landing.
    address: u64,
    /// What the landing finds in the first argument register.
    argument: u64,
    /// The word by which compiled code is asked to leave.
    attention: *const AtomicU32,
}

thread_local! {
    static LANDING: Cell<Option<Landing>> = const { Cell::new(None) };
    static FAULT: Cell<Option<FaultRecord>> = const { Cell::new(None) };
    static ACCESS_SIGNAL: Cell<c_int> = const { Cell::new(libc::SIGSEGV) };
}

/// The handlers that stood before ours: of `SIGSEGV`, of `SIGBUS`.
static PREVIOUS: OnceLock<[libc::sigaction; 2]> = OnceLock::new();

/// Installs the handlers, once for the process.
pub(crate) fn install() {
    PREVIOUS.get_or_init(|| {
        [
            replace_handler(libc::SIGSEGV),
            replace_handler(libc::SIGBUS),
        ]
    });
}

/// Tells the handler that this thread is about to run compiled code: a fault from here on continues
/// at the host address `landing`, with `argument` in the first argument register, and a signal for
/// the guest sets `attention`, which must live until [`disarm`].
#[inline]
pub(crate) fn arm(landing: u64, argument: u64, attention: *const AtomicU32) {
    LANDING.set(Some(Landing {
        address: landing,
        argument,
        attention,
    }));
}

/// Tells the handler that this thread has left compiled code.
#[inline]
pub(crate) fn disarm() {
    LANDING.set(None);
}

/// The fault that brought this thread to its landing.
pub(crate) fn take_fault() -> Option<FaultRecord> {
    FAULT.take()
}

/// The signal of this thread's latest failed access through `guest_memory.rs`.
pub(crate) fn access_signal() -> i32 {
    ACCESS_SIGNAL.replace(libc::SIGSEGV)
}

/// Signals from outside that wait for the guest: a bit for each, and who sent it is not kept.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

/// Sets what the host does with `signal` now that the guest's handler of it is `handler`: signals
/// that the guest catches are collected for it, others have their host disposition.
pub(crate) fn forward(signal: c_int, handler: u64) {
    // Faults are ours, and so is the broken pipe, which the engine must survive.
    let own = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGTRAP,
        libc::SIGPIPE,
    ];
    if own.contains(&signal) {
        return;
    }
    let mut action = empty_action();
    action.sa_sigaction = match handler {
        DEFAULT => libc::SIG_DFL,
        IGNORE => libc::SIG_IGN,
        _ => collect as *const () as usize,
    };
    action.sa_flags = libc::SA_ONSTACK;
    // SAFETY: the action is whole, and `collect` is async-signal-safe: it touches atomics. The
    // result doesn't matter: the C library keeps two signals for itself, which no guest needs.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

/// Puts the host's default action of `signal` back: the guest has died of it, and whoever ran the
/// guest may want to die the same way.
pub(crate) fn restore_default(signal: c_int) {
    let action = empty_action();
    // SAFETY: the action is whole. For a number that is no signal nothing happens.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

/// The set of signals that have arrived from outside since the last call.
pub(crate) fn take_arrived() -> u64 {
    if ARRIVED.load(Ordering::Relaxed) == 0 {
        0
    } else {
        ARRIVED.swap(0, Ordering::AcqRel)
    }
}

/// The host thread that runs the guest, or 0.
static GUEST_THREAD: AtomicI32 = AtomicI32::new(0);

/// Makes the calling thread the one whose system calls a signal for the guest interrupts.
pub(crate) fn adopt_thread() {
    GUEST_THREAD.store(thread_id(), Ordering::Release);
}

/// The calling thread's number. Async-signal-safe.
fn thread_id() -> i32 {
    // SAFETY: `gettid` takes nothing and can't fail.
    unsafe { libc::gettid() }
}

/// The handler of signals that the guest catches. The kernel picks any thread of the process for
/// them; one that isn't the guest's passes them on, so that a system call that waits is interrupted.
extern "C" fn collect(signal: c_int) {
    let guest = GUEST_THREAD.load(Ordering::Acquire);
    if guest != 0 && guest != thread_id() {
        let process = std::process::id();
        // SAFETY: sending a signal touches no memory; a thread that has ended is an error, ignored.
        unsafe { libc::syscall(libc::SYS_tgkill, process, guest, signal) };
        return;
    }
    ARRIVED.fetch_or(guest_signal::bit(signal), Ordering::AcqRel);
    attention::raise();
    if let Some(landing) = LANDING.get() {
        // SAFETY: whoever armed this thread keeps the word alive until it disarms it.
        let attention = unsafe { &*landing.attention };
        attention.store(1, Ordering::Relaxed);
    }
}

/// Makes our handler the one for `signal`, and returns the one before.
fn replace_handler(signal: c_int) -> libc::sigaction {
    let mut action = empty_action();
    action.sa_sigaction = handle as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    let mut previous = empty_action();
    // SAFETY: both actions are whole, and the handler is async-signal-safe: it touches its frame,
    // constant thread-locals without destructors, and the fixup table.
    let result = unsafe { libc::sigaction(signal, &raw const action, &raw mut previous) };
    assert_eq!(result, 0, "sigaction takes SIGSEGV and SIGBUS");
    previous
}

/// A `sigaction` with the default disposition.
fn empty_action() -> libc::sigaction {
    let action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all-zero is a valid `sigaction`: SIG_DFL, an empty mask, no flags.
    unsafe { action.assume_init() }
}

/// The handler.
extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a `ucontext_t` that nothing else refers to during the handler.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    let pc = registers[RIP].cast_unsigned();
    if let Some(stub) = guest_memory::fixup(pc) {
        registers[RIP] = stub.cast_signed();
        ACCESS_SIGNAL.set(signal);
        return;
    }
    if let Some(landing) = LANDING.take() {
        // SAFETY: the kernel passes a `siginfo_t` that is valid during the handler.
        let info = unsafe { &*info };
        // SAFETY: `si_addr` is defined for SIGSEGV and SIGBUS.
        let address = unsafe { info.si_addr() }.addr() as u64;
        FAULT.set(Some(FaultRecord {
            host_pc: pc,
            address,
            signal,
        }));
        registers[RIP] = landing.address.cast_signed();
        registers[RDI] = landing.argument.cast_signed();
        registers[EFLAGS] &= !DIRECTION_FLAG;
        return;
    }
    pass_on(signal);
}

/// Puts the earlier handler of `signal` back, so that the fault, which repeats, reaches it.
fn pass_on(signal: c_int) {
    let [segv, bus] = match PREVIOUS.get() {
        Some(previous) => *previous,
        None => [empty_action(), empty_action()],
    };
    let action = if signal == libc::SIGSEGV { segv } else { bus };
    // SAFETY: the action was returned by `sigaction` or is the default one.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest_memory::{
        AccessFault, compare_exchange64, copy_in, load8, load64, store32, zero,
    };

    #[test]
    fn faulting_accesses_return() {
        install();
        assert_eq!(load64(0x1000), Err(AccessFault));
        assert_eq!(access_signal(), libc::SIGSEGV);
        assert_eq!(load8(8), Err(AccessFault));
        assert_eq!(store32(0x1000, 1), Err(AccessFault));
        assert_eq!(compare_exchange64(0x1000, 1, 2), Err(AccessFault));
        assert_eq!(copy_in(&mut [0; 16], 0x1000), Err(AccessFault));
        assert_eq!(zero(0x1000..0x2000), Err(AccessFault));
    }

    #[test]
    fn engine_addresses_are_refused() {
        let value = 7_u64;
        assert_eq!(load64((&raw const value).addr() as u64), Err(AccessFault));
        assert_eq!(load64(u64::MAX - 3), Err(AccessFault));
        assert_eq!(load64(guest_memory::GUEST_END - 7), Err(AccessFault));
    }
}

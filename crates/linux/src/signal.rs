//! The door to host signals: those from outside reach the guest thread that they are for. What the
//! hardware raises is [`rekindle_hart::faults`]'s.
//!
//! Every signal that the guest has a use for is kept in a slot of the thread that the host chose, all
//! further ones are blocked until the slot was emptied, and a system call that waits is cut short: see
//! [`take_arrived`] and `host.rs`.

#![expect(
    unsafe_code,
    reason = "signal handlers are installed and signal frames edited"
)]

use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence};
use std::sync::{Arc, Once};

use rekindle_hart::faults::{self, OwnFiles, SentSignals};

use crate::guest_signal::{
    DEFAULT, DefaultAction, IGNORE, INFO_LEN, SignalInfo, UNBLOCKABLE, bit, default_action,
};
use crate::host;
use crate::interrupt::{self, KICKED, SIGNAL_ARRIVED};

/// The slot for the signal that arrived on a thread.
struct Arrived(UnsafeCell<[u8; INFO_LEN]>);

/// The index of `RIP` in a signal frame's `gregs`.
const RIP: usize = libc::REG_RIP as usize;

thread_local! {
    /// The word by which this thread's guest code is asked to leave.
    static ATTENTION: Cell<*const AtomicU32> = const { Cell::new(ptr::null()) };
    static ARRIVED: Arrived = const { Arrived(UnsafeCell::new([0; INFO_LEN])) };
}

/// Signals that the hardware raises, or that the engine's threads send one another: never blocked.
const NEVER_BLOCKED: u64 = bit(libc::SIGSEGV)
    | bit(libc::SIGBUS)
    | bit(libc::SIGILL)
    | bit(libc::SIGFPE)
    | bit(libc::SIGTRAP)
    | bit(KICK);

/// The signal by which a thread is called out of a system call. The guest may use it too: a call of
/// ours carries [`KICK_VALUE`].
const KICK: c_int = 64;
const KICK_VALUE: u64 = 0x7265_6b69_6e64_6c65;

/// Installs the handlers of faults and of the engine's own signal, once for the process. `files` is
/// what to do about faults in files that the engine has mapped.
pub fn install(files: Option<OwnFiles>) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        replace_handler(KICK, collect as *const () as usize);
        // SAFETY: the handler is async-signal-safe: it touches its frame and constant thread-locals without
        // destructors.
        let sent = unsafe { SentSignals::new(collect) };
        faults::install(Some(sent), files);
    });
}

/// Makes the calling thread a guest's, whose `attention` is raised when a signal arrives, until
/// [`leave_thread`].
pub fn adopt_thread(attention: &Arc<AtomicU32>) {
    set_attention(Arc::into_raw(Arc::clone(attention)));
}

/// Makes the calling thread an ordinary one, on which no signal for the guest arrives.
pub fn leave_thread() {
    block_all();
    set_attention(ptr::null());
}

fn set_attention(word: *const AtomicU32) {
    let before = ATTENTION.replace(word);
    if !before.is_null() {
        // SAFETY: it came from `Arc::into_raw`, and the handler of this thread finds the other now.
        drop(unsafe { Arc::from_raw(before) });
    }
}

/// Sets what the host does with `signal` now that the guest's handler of it is `handler`: what the
/// guest catches or dies of is collected for it, the rest has its host disposition.
pub(crate) fn forward(signal: c_int, handler: u64) {
    if bit(signal) & UNBLOCKABLE != 0 || signal == KICK {
        return;
    }
    let is_fault = [libc::SIGSEGV, libc::SIGBUS].contains(&signal);
    let collected = match handler {
        // Sent ones are told from faults when they arrive.
        _ if is_fault => return,
        DEFAULT => matches!(
            default_action(signal),
            DefaultAction::Terminate | DefaultAction::Core
        ),
        IGNORE => false,
        _ => true,
    };
    if collected {
        replace_handler(signal, collect as *const () as usize);
    } else {
        let disposition = match handler {
            IGNORE => libc::SIG_IGN,
            _ => libc::SIG_DFL,
        };
        replace_handler(signal, disposition);
    }
}

/// Puts the host's default action of `signal` back: the guest has died of it, and whoever ran the
/// guest may want to die the same way.
pub fn restore_default(signal: c_int) {
    replace_handler(signal, libc::SIG_DFL);
    unblock_all();
}

/// The disposition of `signal` that this process was started with.
pub(crate) fn inherited_is_ignored(signal: c_int) -> bool {
    if signal == libc::SIGPIPE {
        // Rust's runtime has changed it by now.
        return PIPE_WAS_IGNORED.load(Ordering::Relaxed) != 0;
    }
    let mut action = KernelAction::default();
    // SAFETY: the kernel writes one action.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            ptr::null::<KernelAction>(),
            &raw mut action,
            8,
        )
    };
    action.handler == libc::SIG_IGN
}

static PIPE_WAS_IGNORED: AtomicU32 = AtomicU32::new(0);

/// Looks at the disposition of `SIGPIPE` before Rust's runtime sets it.
extern "C" fn look_at_pipe() {
    let mut action = empty_action();
    // SAFETY: the C library writes one action.
    unsafe { libc::sigaction(libc::SIGPIPE, ptr::null(), &raw mut action) };
    let ignored = action.sa_sigaction == libc::SIG_IGN;
    PIPE_WAS_IGNORED.store(u32::from(ignored), Ordering::Relaxed);
}

// SAFETY: the section holds pointers to functions that the C runtime calls once before `main`; this
// one makes a system call and writes an atomic.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_AT_PIPE: extern "C" fn() = look_at_pipe;

/// The set that the host blocks where the guest blocks `blocked`.
pub const fn host_mask(blocked: u64) -> u64 {
    blocked & !(NEVER_BLOCKED | UNBLOCKABLE)
}

/// Makes the calling thread block what its guest thread does.
pub(crate) fn set_mask(blocked: u64) {
    change_mask(libc::SIG_SETMASK, host_mask(blocked));
}

/// Blocks all signals but faults on the calling thread. Returns the mask before.
pub fn block_all() -> u64 {
    change_mask(libc::SIG_SETMASK, host_mask(u64::MAX))
}

/// Does `work` while the calling thread blocks all signals but faults: a thread that it starts does so
/// for good, so that signals are for the guest's threads.
pub fn without_signals<R>(work: impl FnOnce() -> R) -> R {
    let mask = block_all();
    let result = work();
    restore_mask(mask);
    result
}

fn unblock_all() {
    change_mask(libc::SIG_SETMASK, 0);
}

/// Makes `mask`, which [`block_all`] returned, the calling thread's again.
pub fn restore_mask(mask: u64) {
    change_mask(libc::SIG_SETMASK, mask);
}

fn change_mask(how: c_int, set: u64) -> u64 {
    let mut before = 0_u64;
    // SAFETY: the kernel reads one set and writes the other; the C library would leave out the two
    // signals that it keeps for itself, which a guest's C library needs.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            &raw const set,
            &raw mut before,
            8,
        )
    };
    before
}

/// The signal that arrived on this thread, if one did; until its mask is set, no other does.
pub fn take_arrived() -> Option<SignalInfo> {
    let flags = interrupt::take();
    if flags & SIGNAL_ARRIVED == 0 {
        return None;
    }
    compiler_fence(Ordering::Acquire);
    let info = ARRIVED.with(|slot| {
        // SAFETY: the handler writes the slot on this thread alone, and with its flag set it has
        // blocked every signal that would make it write again.
        unsafe { *slot.0.get() }
    });
    Some(SignalInfo(info))
}

/// The signal in this thread's slot, if there is one, left there.
pub(crate) fn arrived() -> Option<SignalInfo> {
    let flags = interrupt::flags();
    if flags & SIGNAL_ARRIVED == 0 {
        return None;
    }
    // SAFETY: as in `take_arrived`.
    Some(SignalInfo(ARRIVED.with(|slot| unsafe { *slot.0.get() })))
}

/// Calls thread `thread` of this process out of the system call in which it may be.
pub(crate) fn kick(thread: i32) {
    let mut info = [0_u8; INFO_LEN];
    info[..4].copy_from_slice(&KICK.to_le_bytes());
    info[8..12].copy_from_slice(&libc::SI_QUEUE.to_le_bytes());
    info[24..32].copy_from_slice(&KICK_VALUE.to_le_bytes());
    let process = std::process::id();
    // SAFETY: the kernel reads the 128 bytes; a thread that has ended is an error, ignored.
    unsafe {
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            process,
            thread,
            KICK,
            info.as_ptr(),
        )
    };
}

/// The calling thread's number.
pub fn thread_id() -> i32 {
    // SAFETY: `gettid` takes nothing and can't fail.
    unsafe { libc::gettid() }
}

/// The handler of signals for the guest.
extern "C" fn collect(_: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a `siginfo_t` that is valid during the handler, 128 bytes long.
    let info = unsafe { *info.cast::<[u8; INFO_LEN]>() };
    let info = SignalInfo(info);
    let value = u64::from_le_bytes(info.0[24..].first_chunk().copied().unwrap_or_default());
    let is_kick = info.signal() == KICK && info.code() == libc::SI_QUEUE && value == KICK_VALUE;
    let attention = ATTENTION.get();
    if attention.is_null() {
        // What nothing blocks would come back for ever; most of all a kick that came too late.
        if host_mask(bit(info.signal())) != 0 {
            pass_to_guest(&info, context);
        }
        return;
    }
    // SAFETY: the kernel passes a `ucontext_t` that nothing else refers to during the handler.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let flag = if is_kick { KICKED } else { SIGNAL_ARRIVED };
    if !is_kick {
        let already = interrupt::flags() & SIGNAL_ARRIVED;
        if already != 0 {
            // Only those that are never blocked get here; the guest is about to see another one.
            return;
        }
        ARRIVED.with(|slot| {
            // SAFETY: the slot is this thread's, and empty, so nobody reads it.
            unsafe { *slot.0.get() = info.0 };
        });
        let mask = (&raw mut context.uc_sigmask).cast::<u64>();
        // SAFETY: the kernel's set is the first 64 bits of the C library's.
        unsafe { mask.write(host_mask(u64::MAX)) };
    }
    interrupt::raise(flag);
    let registers = &mut context.uc_mcontext.gregs;
    if let Some(stub) = host::cut_short(registers[RIP].cast_unsigned()) {
        registers[RIP] = stub.cast_signed();
    }
    // SAFETY: it came from `Arc::into_raw`, and is let go only when this thread has another.
    let attention = unsafe { &*attention };
    attention.store(1, Ordering::Release);
}

/// A signal for the process reached a thread that isn't the guest's, because the embedder has one
/// that blocks nothing: this thread blocks everything from here on, and the signal is sent again.
fn pass_to_guest(info: &SignalInfo, context: *mut c_void) {
    // SAFETY: the kernel passes a `ucontext_t` that nothing else refers to during the handler.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let mask = (&raw mut context.uc_sigmask).cast::<u64>();
    // SAFETY: the kernel's set is the first 64 bits of the C library's.
    unsafe { mask.write(host_mask(u64::MAX)) };
    let process = std::process::id();
    // SAFETY: the kernel reads the 128 bytes; the handler runs with every signal blocked, so another
    // thread gets it.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigqueueinfo,
            process,
            info.signal(),
            info.0.as_ptr(),
        )
    };
}

/// What the kernel takes for `struct sigaction`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct KernelAction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// Makes `handler` the one for `signal`. Goes to the kernel itself where the C library refuses, for the
/// two signals that it keeps, and where it takes a lock, with which a child of `vfork` may be killed.
fn replace_handler(signal: c_int, handler: usize) {
    if signal == libc::SIGABRT {
        return replace_past_library(signal, handler);
    }
    let mut action = empty_action();
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: fills the set with every signal: nothing interrupts our handlers but faults.
    unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    // SAFETY: the action is whole, and the handler is async-signal-safe: it touches its frame and
    // constant thread-locals without destructors.
    let result = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if result != 0 {
        replace_past_library(signal, handler);
    }
}

/// Makes `handler` the one for `signal` without the C library.
fn replace_past_library(signal: c_int, handler: usize) {
    // The C library's own stub for returning from handlers stands in any action that it installed.
    let mut model = KernelAction::default();
    // SAFETY: the kernel writes one action.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            libc::SIGSEGV,
            ptr::null::<KernelAction>(),
            &raw mut model,
            8,
        )
    };
    let action = KernelAction {
        handler,
        flags: model.flags & !(libc::SA_NODEFER as u64),
        restorer: model.restorer,
        mask: u64::MAX,
    };
    // SAFETY: the action is whole; for a number that is no signal nothing happens.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            &raw const action,
            ptr::null_mut::<KernelAction>(),
            8,
        )
    };
}

/// A `sigaction` with the default disposition.
fn empty_action() -> libc::sigaction {
    let action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all-zero is a valid `sigaction`: SIG_DFL, an empty mask, no flags.
    unsafe { action.assume_init() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If it were sent again, this thread would do nothing else any more.
    #[test]
    fn a_kick_that_finds_no_guest_thread_is_dropped() {
        install(None);
        kick(thread_id());
        let status = std::fs::read_to_string("/proc/self/status").expect("it can be read");
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
        let pending = pending.expect("the kernel says what is pending").trim();
        let pending = u64::from_str_radix(pending, 16).expect("in hexadecimal");
        assert_eq!(pending & bit(KICK), 0);
    }
}

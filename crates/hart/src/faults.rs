//! The door to the host's faults: those of guest accesses and of compiled code become values.
//!
//! A `SIGSEGV` or `SIGBUS` that the hardware raised has one of three origins. An access of
//! `guest_memory.rs` continues at its fixup. A fault in compiled code, on a thread that [`arm`] has
//! prepared, is recorded and continues at the landing that whoever entered that code supplied.
//! Anything else is a fault of the engine itself and goes to whoever handled the signal before.
//!
//! One that a process sent isn't a fault, and goes to the handler that [`install`] was given.

#![expect(
    unsafe_code,
    reason = "signal handlers are installed and signal frames edited"
)]

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

use crate::arch::x86_64::{DIRECTION_FLAG, EFLAGS, RDI, RIP, RSP, call_on_stack};
use crate::guest_memory;

/// A fault in compiled code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRecord {
    /// The host address of the instruction that faulted.
    pub host_pc: u64,
    /// The address that it accessed, or 0 where the host doesn't tell (a non-canonical address).
    pub address: u64,
    /// `SIGSEGV` or `SIGBUS`.
    pub signal: i32,
    /// What the first argument register held, which the landing finds overwritten.
    pub first_argument: u64,
}

/// Where a fault in compiled code continues on this thread.
#[derive(Clone, Copy)]
struct Landing {
    /// Host address of the landing.
    address: u64,
    /// What the landing finds in the first argument register.
    argument: u64,
}

thread_local! {
    static LANDING: Cell<Option<Landing>> = const { Cell::new(None) };
    static FAULT: Cell<Option<FaultRecord>> = const { Cell::new(None) };
    static ACCESS_FAULT: Cell<(c_int, u64)> = const { Cell::new(NO_FAULT) };
}

/// [`ACCESS_FAULT`]: what is so where no access was made, because its address is the engine's.
const NO_FAULT: (c_int, u64) = (libc::SIGSEGV, 0);

/// Takes the signal number, the `siginfo_t` and the `ucontext_t` that the kernel gave a handler, as
/// that handler would.
pub type Handler = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Who handles those `SIGSEGV` and `SIGBUS` that a process sent.
#[derive(Clone, Copy, Debug)]
pub struct SentSignals(Handler);

impl SentSignals {
    /// They go to `handler`.
    ///
    /// ```compile_fail,E0133
    /// # use rekindle_hart::faults::{Handler, SentSignals};
    /// # fn safe_caller(handler: Handler) -> SentSignals {
    /// SentSignals::new(handler)
    /// # }
    /// ```
    ///
    /// # Safety
    /// `handler` is async-signal-safe, and needs no more than what the kernel passes to a handler.
    #[must_use]
    pub const unsafe fn new(handler: Handler) -> Self {
        Self(handler)
    }
}

/// What [`install`] found and was given.
struct Installed {
    /// The handlers that stood before ours: of `SIGSEGV`, of `SIGBUS`.
    previous: [libc::sigaction; 2],
    /// Who handles those that a process sent, if anyone does.
    sent: Option<SentSignals>,
    /// What to do about faults in the engine's own files.
    files: Option<OwnFiles>,
}

/// What [`install`] is to know of files that the engine has mapped: one that is truncated takes its
/// pages away, and costs the code in it, but not the guest.
#[derive(Clone, Copy, Debug)]
pub struct OwnFiles {
    holds: fn(u64) -> bool,
    cover: unsafe fn(u64) -> bool,
    rescue: fn(u64) -> Option<u64>,
}

impl OwnFiles {
    /// `holds` says whether an address is in such a file. `cover` has whoever read at an address, where
    /// that has just faulted, go on, and returns whether it could. `rescue` gives the address of the same
    /// instruction elsewhere, for compiled code that is lost; it is called on the stack of the thread
    /// that ran it, which holds no lock of the engine's then.
    ///
    /// # Safety
    /// `holds` and `cover` are async-signal-safe. A thread that was about to execute the instruction at
    /// an address may execute the one that `rescue` gives instead.
    pub unsafe fn new(
        holds: fn(u64) -> bool,
        cover: unsafe fn(u64) -> bool,
        rescue: fn(u64) -> Option<u64>,
    ) -> Self {
        Self {
            holds,
            cover,
            rescue,
        }
    }
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();

/// Installs the handlers of faults, once for the process. `sent` handles a `SIGSEGV` or `SIGBUS`
/// that a process sent; without it, such a signal is dropped. `files` handles one in a file of the
/// engine's.
pub fn install(sent: Option<SentSignals>, files: Option<OwnFiles>) {
    INSTALLED.get_or_init(|| Installed {
        previous: [
            replace_handler(libc::SIGSEGV),
            replace_handler(libc::SIGBUS),
        ],
        sent,
        files,
    });
}

/// Tells the handler that this thread is about to run compiled code: a fault from here on continues
/// at the host address `landing`, with `argument` in the first argument register.
///
/// # Safety
/// Until [`disarm`], whatever faults on this thread may go on at the landing instead.
#[inline]
pub unsafe fn arm(landing: u64, argument: u64) {
    LANDING.set(Some(Landing {
        address: landing,
        argument,
    }));
}

/// Tells the handler that this thread has left compiled code.
#[inline]
pub fn disarm() {
    LANDING.set(None);
}

/// The fault that brought this thread to its landing.
pub fn take_fault() -> Option<FaultRecord> {
    FAULT.take()
}

/// The signal of this thread's latest failed access through `guest_memory.rs`, and the address that
/// the host gave for it, or 0.
pub fn take_access_fault() -> (i32, u64) {
    ACCESS_FAULT.replace(NO_FAULT)
}

/// Makes ours the handler of a fault's signal, and returns the one before.
fn replace_handler(signal: c_int) -> libc::sigaction {
    let mut action = empty_action();
    action.sa_sigaction = handle as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    let mut previous = empty_action();
    // SAFETY: fills the set with every signal: nothing interrupts our handler but faults.
    unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    for fault in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: takes one signal out of a set. One that is blocked while it is raised kills the process,
        // and what the handler calls may raise them as well as other code: they are handled then.
        unsafe { libc::sigdelset(&raw mut action.sa_mask, fault) };
    }
    // SAFETY: both actions are whole, and the handler is async-signal-safe: it touches its frame,
    // constant thread-locals without destructors, and the fixup table.
    unsafe { libc::sigaction(signal, &raw const action, &raw mut previous) };
    previous
}

/// A `sigaction` with the default disposition.
fn empty_action() -> libc::sigaction {
    let action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all-zero is a valid `sigaction`: SIG_DFL, an empty mask, no flags.
    unsafe { action.assume_init() }
}

/// The handler of faults.
extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a `siginfo_t` that is valid during the handler.
    let code = unsafe { (*info).si_code };
    if code <= 0 {
        if let Some(SentSignals(sent)) = INSTALLED.get().and_then(|installed| installed.sent) {
            // SAFETY: it gets what the kernel passes to a handler, and is fit to be one by its type.
            unsafe { sent(signal, info, context) };
        }
        return;
    }
    // SAFETY: the kernel passes a `ucontext_t` that nothing else refers to during the handler.
    let frame = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    // SAFETY: the kernel passes a `siginfo_t` that is valid during the handler.
    let info = unsafe { &*info };
    // SAFETY: `si_addr` is defined for SIGSEGV and SIGBUS.
    let address = unsafe { info.si_addr() }.addr() as u64;
    let registers = &mut frame.uc_mcontext.gregs;
    let pc = registers[RIP].cast_unsigned();
    if let Some(stub) = guest_memory::fixup(pc) {
        registers[RIP] = stub.cast_signed();
        ACCESS_FAULT.set((signal, address));
        return;
    }
    let files = INSTALLED.get().and_then(|installed| installed.files);
    if let Some(files) = files.filter(|files| (files.holds)(address)) {
        let continues = match LANDING.take() {
            Some(landing) if (files.holds)(pc) => {
                let stack = registers[RSP].cast_unsigned();
                // SAFETY: the code that faulted is compiled code, which keeps nothing below its stack
                // pointer but what a leaf function may.
                let found = unsafe { rescue_on(stack - RED_ZONE_LEN, files.rescue, pc) };
                LANDING.set(Some(landing));
                if let Some(pc) = found {
                    registers[RIP] = pc.cast_signed();
                }
                found.is_some()
            }
            landing => {
                LANDING.set(landing);
                // SAFETY: reading there has just faulted.
                unsafe { (files.cover)(address) }
            }
        };
        if continues {
            return;
        }
    }
    if let Some(landing) = LANDING.take() {
        FAULT.set(Some(FaultRecord {
            host_pc: pc,
            address,
            signal,
            first_argument: registers[RDI].cast_unsigned(),
        }));
        registers[RIP] = landing.address.cast_signed();
        registers[RDI] = landing.argument.cast_signed();
        registers[EFLAGS] &= !DIRECTION_FLAG;
        return;
    }
    pass_on(signal);
}

/// What the ABI lets a function use below its stack pointer.
const RED_ZONE_LEN: u64 = 128;

/// Calls `rescue` on the stack below `stack`: a handler's own stack may be small.
///
/// # Safety
/// Nothing lives below `stack`, on a stack that the calling thread owns.
unsafe fn rescue_on(stack: u64, rescue: fn(u64) -> Option<u64>, pc: u64) -> Option<u64> {
    let mut call = RescueCall {
        rescue,
        pc,
        found: None,
    };
    // SAFETY: the callee gets a stack of its own, and the stack pointer is put back.
    unsafe {
        call_on_stack!(stack & !15, run_rescue, &raw mut call);
    }
    call.found
}

struct RescueCall {
    rescue: fn(u64) -> Option<u64>,
    pc: u64,
    found: Option<u64>,
}

/// Runs on the stack of the thread that faulted.
extern "sysv64" fn run_rescue(call: *mut RescueCall) {
    // A fault in here must not find the handler's stack free: it isn't.
    let mut before = MaybeUninit::<libc::stack_t>::zeroed();
    let off = libc::stack_t {
        ss_sp: ptr::null_mut(),
        ss_flags: libc::SS_DISABLE,
        ss_size: 0,
    };
    // SAFETY: the kernel reads one description and writes the other.
    unsafe { libc::sigaltstack(&raw const off, before.as_mut_ptr()) };
    // SAFETY: `rescue_on` lends it, and waits.
    let call = unsafe { &mut *call };
    call.found = (call.rescue)(call.pc);
    // SAFETY: the kernel reads what it wrote before; the description is whole.
    unsafe { libc::sigaltstack(before.as_ptr(), ptr::null_mut()) };
}

/// Puts the earlier handler of `signal` back, so that the fault, which repeats, reaches it.
fn pass_on(signal: c_int) {
    let [segv, bus] = match INSTALLED.get() {
        Some(installed) => installed.previous,
        None => [empty_action(), empty_action()],
    };
    let action = if signal == libc::SIGSEGV { segv } else { bus };
    // SAFETY: the action was returned by `sigaction` or is the default one.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

/// As tests install the handlers: see [`tests::FILE`].
#[cfg(test)]
pub(crate) fn install_for_tests() {
    // SAFETY: the two functions take no lock and allocate nothing; there is no compiled code.
    let files = unsafe { OwnFiles::new(tests::is_in_file, tests::cover, |_| None) };
    install(None, Some(files));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::guest_memory::{
        AccessFault, Pages, compare_exchange64, copy_in, load8, load64, store32, zero,
    };

    /// A page that stands for one of the engine's files, or 0.
    static FILE: AtomicU64 = AtomicU64::new(0);

    pub(super) fn is_in_file(address: u64) -> bool {
        address == FILE.load(Ordering::Relaxed)
    }

    /// Makes it readable, but not before it has touched what isn't there either.
    pub(super) unsafe fn cover(address: u64) -> bool {
        let page = ptr::with_exposed_provenance_mut(address as usize);
        let is_fault = load8(0x1000) == Err(AccessFault);
        // SAFETY: the page is this test's.
        is_fault && unsafe { libc::mprotect(page, 4096, libc::PROT_READ) } == 0
    }

    /// A fault in what the handler calls found its signal blocked, and killed the process.
    #[test]
    fn a_fault_while_a_fault_is_handled_is_handled() {
        install_for_tests();
        let page = Pages::map(4096).expect("memory").range().start;
        let place = ptr::with_exposed_provenance_mut::<u8>(page as usize);
        // SAFETY: the page is this test's, and stays mapped long enough: by a mapping of its own.
        let mapped = unsafe {
            libc::mmap(
                place.cast(),
                4096,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            )
        };
        assert_eq!(mapped, place.cast());
        FILE.store(page, Ordering::Relaxed);
        // SAFETY: reading there faults, and the handler makes it readable.
        assert_eq!(unsafe { place.read_volatile() }, 0);
        FILE.store(0, Ordering::Relaxed);
    }

    #[test]
    fn faulting_accesses_return() {
        install_for_tests();
        assert_eq!(load64(0x1000), Err(AccessFault));
        assert_eq!(take_access_fault(), (libc::SIGSEGV, 0x1000));
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

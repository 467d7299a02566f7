//! Threads that a program doesn't notice.
//!
//! They handle none of its signals but those that a thread's own fault raises, which can't wait.

use std::io;
use std::thread::{Builder, JoinHandle};

/// What a thread raises itself.
const FAULTS: [libc::c_int; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
];

/// Starts a thread that handles none of the process's signals, with a stack of so many bytes.
///
/// # Errors
/// If the system gives no thread.
pub fn spawn_quiet(
    name: &str,
    stack_len: usize,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let builder = Builder::new().name(name.to_owned()).stack_size(stack_len);
    // A thread inherits what is blocked in the one that starts it.
    let _blocked = Blocked::all()?;
    builder.spawn(run)
}

/// All signals are blocked in this thread until it is dropped.
struct Blocked {
    before: libc::sigset_t,
}

impl Blocked {
    fn all() -> io::Result<Self> {
        let mut all = core::mem::MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = core::mem::MaybeUninit::<libc::sigset_t>::uninit();
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the set is this function's, and the call fills it.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
        }
        for fault in FAULTS {
            #[expect(unsafe_code, reason = "the one call")]
            // SAFETY: the set was filled.
            unsafe {
                libc::sigdelset(all.as_mut_ptr(), fault);
            }
        }
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the first set was filled, the second is filled by the call where it succeeds.
        let error =
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
        match error {
            0 => {
                #[expect(unsafe_code, reason = "the one call")]
                // SAFETY: the call succeeded, so it filled the set.
                let before = unsafe { before.assume_init() };
                Ok(Self { before })
            }
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the one call")]
        // SAFETY: the set is what was blocked before.
        unsafe {
            libc::pthread_sigmask(
                libc::SIG_SETMASK,
                &raw const self.before,
                core::ptr::null_mut(),
            );
        }
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::spawn_quiet;

    /// What a thread blocks, as the kernel says.
    fn blocked() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("Linux has it");
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        u64::from_str_radix(line.expect("it is there").trim(), 16).expect("a number")
    }

    #[test]
    fn a_quiet_thread_handles_no_signal_and_its_maker_those_of_before() {
        let before = blocked();
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = spawn_quiet("quiet", 64 << 10, move || {
            sender.send(blocked()).expect("someone waits");
        });
        thread.expect("there are threads").join().expect("it ends");
        let inside = receiver.recv().expect("it was sent");
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGALRM, libc::SIGCHLD] {
            assert_eq!(inside >> (signal - 1) & 1, 1, "{signal}");
        }
        for signal in super::FAULTS {
            let is = |blocked: u64| blocked >> (signal - 1) & 1;
            assert_eq!(is(inside), is(before), "{signal}");
        }
        assert_eq!(blocked(), before);
    }
}

//! Dying by the guest's signal, so that whoever waits for this process sees what killed the guest.

use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};

/// Handlers that may stand before a signal's default action: the machine's own, and the one of
/// Rust's runtime for stack overflows. Each steps aside for a signal that it finds isn't its own,
/// and by then has consumed it.
const HANDLERS: usize = 2;

/// Ends this process by `signal`, without a core file: the guest's memory isn't laid out as a
/// debugger of the host would expect.
///
/// Where the signal doesn't kill (it is blocked, or no signal of the host), the process exits with
/// the status that a shell gives for one that does.
pub(crate) fn die_by(signal: i32) -> ! {
    let _ = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    );
    if let Some(named) = Signal::from_named_raw(signal) {
        for _ in 0..=HANDLERS {
            let _ = kill_process(getpid(), named);
        }
    }
    std::process::exit(128 + signal)
}

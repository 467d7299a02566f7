//! The end of a process that a guest made, as its parent sees it.

use crate::guest_exit::GuestExit;
use crate::host;
use crate::process::Process;
use crate::signal;

/// Ends this process, which `fork` or `vfork` made, as its guest ended.
pub fn end_as(process: &Process, exit: GuestExit) -> ! {
    match exit {
        GuestExit::Code(code) => host::end_process(code & 0xff),
        GuestExit::Signal { signal, message } => {
            if !message.is_empty() {
                // Nobody else is there to say it.
                let program = process.start.program.display();
                host::write_to_standard_error(&format!("rekindle: {program}: {message}\n"));
            }
            signal::restore_default(signal);
            let process = u64::from(std::process::id());
            let arguments = [process, signal as u64, 0, 0, 0, 0];
            // Twice, in case a handler of the engine's swallows the first.
            let _ = host::call(libc::SYS_kill, arguments);
            let _ = host::call(libc::SYS_kill, arguments);
            host::end_process(128 + signal)
        }
    }
}

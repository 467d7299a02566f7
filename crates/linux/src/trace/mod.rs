//! `--strace`: the guest's system calls and signals on standard error, a line each, in the form of
//! `strace -f -o`: the thread's number, the call, its result.
//!
//! A line is written once the call has returned, so that it shows what the kernel wrote; what never
//! returns is written before.

mod argument;
mod names;

use std::sync::OnceLock;

use crate::call_signature::CallSignature;
use crate::errno::Errno;
use crate::guest_exit::GuestExit;
use crate::guest_signal::SignalInfo;
use crate::{host, signal};

/// What became of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// It returned.
    Returned(Result<u64, Errno>),
    /// It doesn't return.
    NoReturn,
}

/// Writes a call of the number, whose signature this is, if it is known.
pub(crate) fn call(
    number: u64,
    signature: Option<CallSignature>,
    arguments: &[u64; 6],
    ending: Ending,
) {
    let result = match ending {
        Ending::Returned(result) => result.ok(),
        Ending::NoReturn => None,
    };
    let words: Vec<String> = match signature {
        Some(signature) => signature
            .arguments()
            .enumerate()
            .map(|(index, kind)| argument::describe(kind, arguments, index, result))
            .filter(|words| !words.is_empty())
            .collect(),
        None => arguments.iter().map(|word| format!("{word:#x}")).collect(),
    };
    let name = signature.map_or_else(
        || format!("syscall_{number:#x}"),
        |signature| signature.name().to_owned(),
    );
    let call = format!("{name}({})", words.join(", "));
    // As wide as `strace` makes it.
    line(&format!("{call:<39} = {}", ending_in_words(&name, ending)));
}

fn ending_in_words(name: &str, ending: Ending) -> String {
    match ending {
        Ending::NoReturn => "?".to_owned(),
        Ending::Returned(Ok(value)) => match name {
            "brk" | "mmap" | "mremap" | "shmat" => format!("{value:#x}"),
            _ => value.cast_signed().to_string(),
        },
        Ending::Returned(Err(Errno::RESTART)) => {
            "? ERESTARTSYS (To be restarted if SA_RESTART is set)".to_owned()
        }
        Ending::Returned(Err(Errno(number))) => match names::error(number) {
            Some(name) => format!("-1 {name} ({})", message(number)),
            None => format!("-1 (errno {number})"),
        },
    }
}

/// The C library's words for an error.
fn message(number: i32) -> String {
    let text = std::io::Error::from_raw_os_error(number).to_string();
    match text.rfind(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Writes that a signal acts.
pub(crate) fn signal(info: &SignalInfo) {
    let name = signal_name(info.signal());
    let rest = match info.code() {
        code @ (libc::SI_USER | libc::SI_TKILL | libc::SI_QUEUE) => {
            let code = match code {
                libc::SI_USER => "SI_USER",
                libc::SI_TKILL => "SI_TKILL",
                _ => "SI_QUEUE",
            };
            let sender = info.sender();
            format!("si_code={code}, si_pid={sender}")
        }
        code if info.is_fault() => format!("si_code={code}, si_addr={:#x}", info.address()),
        code => format!("si_code={code}"),
    };
    line(&format!("--- {name} {{si_signo={name}, {rest}}} ---"));
}

/// Writes how the process ends.
pub(crate) fn ended(exit: &GuestExit) {
    line(&match exit {
        GuestExit::Code(code) => format!("+++ exited with {} +++", code & 0xff),
        GuestExit::Signal { signal, .. } => format!("+++ killed by {} +++", signal_name(*signal)),
    });
}

/// A signal's name, as in the manual.
pub(crate) fn signal_name(signal: i32) -> String {
    match names::of_kind("signal") {
        Some(names) if (1..32).contains(&signal) => names.describe(signal as u64),
        _ => format!("SIGRT_{}", signal - 32),
    }
}

/// Where the copy of standard error is, above what guests count up to.
const LOWEST_COPY: u64 = 900;

/// Copies standard error, unless that was done before.
pub(crate) fn prepare() {
    descriptor();
}

fn descriptor() -> u64 {
    static COPY: OnceLock<u64> = OnceLock::new();
    *COPY.get_or_init(|| {
        let command = libc::F_DUPFD_CLOEXEC as u64;
        host::call(libc::SYS_fcntl, [2, command, LOWEST_COPY, 0, 0, 0]).unwrap_or(2)
    })
}

/// Writes a line about the calling thread, in one piece, to what standard error was at first: the
/// guest may close its own, or have another file there.
fn line(text: &str) {
    let descriptor = descriptor();
    let line = format!("{} {text}\n", signal::thread_id());
    let arguments = [descriptor, line.as_ptr() as u64, line.len() as u64, 0, 0, 0];
    // There is nobody to tell of a failure.
    let _ = host::call(libc::SYS_write, arguments);
}

//! The numbers of signals in GDB's protocol, which are nobody's but its own.

use gdbstub::common::Signal;

/// GDB's number of each of Linux's signals that have a name; index 0 isn't one.
const NAMED: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15, 0, 20, 19, 17, 18, 21, 22, 16, 24, 25,
    26, 27, 28, 23, 32, 12,
];
/// The real-time signal 33 in GDB's numbers; 34 and so on follow.
const REAL_TIME_33: u8 = 45;
/// Real-time signals that GDB numbered later.
const REAL_TIME_32: u8 = 77;
const REAL_TIME_64: u8 = 78;

/// GDB's number of Linux's signal; where it has none, that of an unknown one.
pub(super) fn to_gdb(signal: i32) -> Signal {
    const UNKNOWN: u8 = 143;
    let number = match signal {
        1..32 => NAMED.get(signal as usize).copied().unwrap_or(0),
        32 => REAL_TIME_32,
        33..64 => REAL_TIME_33 + (signal - 33) as u8,
        64 => REAL_TIME_64,
        _ => 0,
    };
    Signal(if number == 0 { UNKNOWN } else { number })
}

/// Linux's number of GDB's signal, if it has one.
pub(super) fn from_gdb(signal: Signal) -> Option<i32> {
    (1..=64).find(|&number| to_gdb(number) == signal)
}

#[cfg(test)]
mod tests {
    use gdbstub::common::Signal;

    use super::{from_gdb, to_gdb};

    #[test]
    fn numbers_are_those_of_the_protocol() {
        for (linux, gdb) in [
            (libc::SIGSEGV, Signal::SIGSEGV),
            (libc::SIGBUS, Signal::SIGBUS),
            (libc::SIGUSR1, Signal::SIGUSR1),
            (libc::SIGCHLD, Signal::SIGCHLD),
            (libc::SIGSYS, Signal::SIGSYS),
            (libc::SIGWINCH, Signal::SIGWINCH),
            (libc::SIGPWR, Signal::SIGPWR),
            (32, Signal::SIG32),
            (33, Signal::SIG33),
            (63, Signal::SIG63),
            (64, Signal::SIG64),
        ] {
            assert_eq!(to_gdb(linux), gdb);
            assert_eq!(from_gdb(gdb), Some(linux));
        }
        assert_eq!(from_gdb(Signal(0)), None);
    }
}

//! The guest's system calls.
//!
//! `table.rs` says for each number what happens: most calls go to the host as they are, since guest
//! pointers are host pointers and RISC-V shares its constants with the generic Linux ABI. The other
//! files hold the calls that need a hand.

mod epoll;
mod file;
pub(crate) mod host;
mod memory;
mod proc_fs;
mod process;
mod signal;
mod stat;
mod table;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use rv_isa::XReg;

use self::table::Action;
use crate::config::GuestExit;
use crate::errno::Errno;
use crate::guest_memory::copy_out;
use crate::guest_signal::{self, DefaultEffect, GuestSignals, IGNORE, SignalAction, SignalInfo};
use crate::memory::{AddressSpace, MapRequest, PAGE, Placement, Protection};
use crate::signal as signal_door;
use crate::signal_frame;
use crate::state::GuestState;

/// A call that needs more than its host's twin.
type Handler = fn(&mut Kernel, &mut GuestState, [u64; 6]) -> Result<u64, Errno>;

/// What the kernel knows of a guest process.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Its memory.
    pub(crate) space: AddressSpace,
    /// Its signals.
    pub(crate) signals: GuestSignals,
    /// The absolute path of its program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// Its auxiliary vector, as bytes.
    pub(crate) auxiliary_vector: Vec<u8>,
    /// How it ended, once it has.
    pub(crate) exit: Option<GuestExit>,
    signal_return: Option<u64>,
    warned: BTreeSet<u64>,
}

impl Kernel {
    /// A process that is about to start.
    pub(crate) fn new(space: AddressSpace, program: PathBuf, args: Vec<OsString>) -> Self {
        Self {
            space,
            signals: GuestSignals::default(),
            program,
            args,
            auxiliary_vector: Vec::new(),
            exit: None,
            signal_return: None,
            warned: BTreeSet::new(),
        }
    }

    /// Makes the call that the guest's registers describe and writes its result. The guest PC is
    /// already that of the next instruction.
    pub(crate) fn call(&mut self, state: &mut GuestState) {
        let number = state.x[XReg::A7.index()];
        let first = XReg::A0.index();
        let arguments = std::array::from_fn(|index| state.x[first + index]);
        let row = table::find(number);
        let result = match row.map(|row| row.action) {
            Some(Action::Host(host_number)) => host::call(host_number, arguments),
            Some(Action::Call(handler)) => handler(self, state, arguments),
            Some(Action::Writes(host_number)) => self.write_call(host_number, arguments),
            Some(Action::Refuse(errno)) => Err(errno),
            None => {
                self.warn_unknown(number);
                Err(Errno::ENOSYS)
            }
        };
        tracing::trace!(
            number,
            name = row.map_or("?", |row| row.name),
            ?arguments,
            ?result
        );
        self.collect_signals();
        if result == Err(Errno::EINTR) && table::restarts(number) && self.signals.restarts_calls() {
            state.pc = state.pc.wrapping_sub(4);
            return;
        }
        state.x[first] = match result {
            Ok(value) => value,
            Err(errno) => i64::from(-errno.0).cast_unsigned(),
        };
    }

    /// A call that writes to a file descriptor, which raises `SIGPIPE` where nobody reads. The host
    /// process ignores that signal, so that the engine outlives it.
    fn write_call(&mut self, number: std::ffi::c_long, arguments: [u64; 6]) -> Result<u64, Errno> {
        let result = host::call(number, arguments);
        if result == Err(Errno::EPIPE) {
            self.raise_pipe();
        }
        result
    }

    /// Sends the guest `SIGPIPE`.
    fn raise_pipe(&mut self) {
        self.signals.post(SignalInfo::own(libc::SIGPIPE, 0));
    }

    /// Notes the signals that have arrived from outside.
    pub(crate) fn collect_signals(&mut self) {
        let arrived = signal_door::take_arrived();
        for signal in (1..=64).filter(|signal| guest_signal::bit(*signal) & arrived != 0) {
            self.signals.post(SignalInfo {
                signal,
                code: 0,
                detail: 0,
            });
        }
    }

    /// Lets pending signals act: enters handlers, stops or ends the guest.
    pub(crate) fn deliver_signals(&mut self, state: &mut GuestState) {
        while self.exit.is_none()
            && let Some(info) = self.signals.next()
        {
            self.act_on(state, info);
        }
        if let Some(mask) = self.signals.suspended_mask.take() {
            self.signals.blocked = mask;
        }
    }

    /// Lets the signal of a fault act. One that is blocked or ignored kills the guest.
    ///
    /// Returns whether a handler was entered.
    pub(crate) fn deliver_fault(&mut self, state: &mut GuestState, info: SignalInfo) -> bool {
        let blocked = self.signals.blocked & guest_signal::bit(info.signal) != 0;
        let caught = self
            .signals
            .action(info.signal)
            .filter(|action| action.handler > IGNORE);
        match caught {
            Some(action) if !blocked => self.enter_handler(state, action, info).is_ok(),
            _ => false,
        }
    }

    fn act_on(&mut self, state: &mut GuestState, info: SignalInfo) {
        let Some(action) = self.signals.action(info.signal) else {
            return;
        };
        if action.handler > IGNORE {
            if self.enter_handler(state, action, info).is_err() {
                // No room for the frame: Linux kills with SIGSEGV.
                let signal = libc::SIGSEGV;
                self.exit = Some(GuestExit::Signal {
                    signal,
                    message: String::new(),
                });
            }
            return;
        }
        match GuestSignals::default_effect(info) {
            DefaultEffect::Nothing => {}
            DefaultEffect::Stop => {
                let process = u64::from(std::process::id());
                // Stopping one's own process can't fail.
                let _ = host::call(libc::SYS_kill, [process, libc::SIGSTOP as u64, 0, 0, 0, 0]);
            }
            DefaultEffect::End(exit) => self.exit = Some(exit),
        }
    }

    fn enter_handler(
        &mut self,
        state: &mut GuestState,
        action: SignalAction,
        info: SignalInfo,
    ) -> Result<(), Errno> {
        let return_to = match self.signal_return {
            Some(address) => address,
            None => self.map_signal_return()?,
        };
        signal_frame::push(state, &mut self.signals, action, info, return_to)
    }

    /// Maps the code to which signal handlers return.
    fn map_signal_return(&mut self) -> Result<u64, Errno> {
        let writable = Protection::READ.union(Protection::WRITE);
        let request = MapRequest::anonymous(Placement::Anywhere, PAGE, writable);
        let address = self.space.map(request)?;
        copy_out(address, &signal_frame::RETURN_CODE)?;
        self.space
            .protect(address, PAGE, Protection::READ.union(Protection::EXEC))?;
        self.signal_return = Some(address);
        Ok(address)
    }

    fn warn_unknown(&mut self, number: u64) {
        if self.warned.insert(number) {
            tracing::warn!(number, "unknown system call: the guest gets ENOSYS");
        }
    }
}
